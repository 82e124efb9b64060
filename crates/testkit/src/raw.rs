//! Calls of gRPC methods with bytes that nobody looked at: what the peer makes of them is the question.

use prost::bytes::{Buf, BufMut};
use prost_types::FileDescriptorSet;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

/// Bytes as they are.
#[derive(Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// Sends one request and reads up to three answers.
///
/// # Errors
/// The status that the peer answers with.
pub async fn call(channel: Channel, path: PathAndQuery, request: Vec<u8>) -> Result<(), Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::internal(format!("the connection is gone: {error}")))?;
    let mut answers = client.server_streaming(Request::new(request), path, Raw).await?.into_inner();
    for _ in 0..3 {
        if answers.message().await?.is_none() {
            break;
        }
    }
    Ok(())
}

/// All methods, with their requests.
#[must_use]
pub fn methods(descriptors: &FileDescriptorSet) -> Vec<(String, String)> {
    let mut methods = Vec::new();
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                methods.push((path, method.input_type().to_owned()));
            }
        }
    }
    methods
}
