//! A client that costs little: requests signed beforehand, sent over keep-alive connections by a thread each.
//!
//! Not an SDK: what is measured is the server, on the same two cores.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::SystemTime,
};

use anyhow::{Context, bail, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use serde_json::Value;

/// The bytes of a request, signed by the caller `test` as of now. The server takes it for five minutes.
pub(crate) fn request(address: SocketAddr, operation: &str, body: &Value) -> anyhow::Result<Vec<u8>> {
    let body = body.to_string();
    let (host, target) = (address.to_string(), format!("TrentService.{operation}"));
    let headers =
        [("host", host.as_str()), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
    let identity = Credentials::new("test", "test", None, None, "bench").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("kms")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let signable = SignableRequest::new(
        "POST",
        format!("http://{address}/"),
        headers.iter().copied(),
        SignableBody::Bytes(body.as_bytes()),
    )?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let mut request = String::from("POST / HTTP/1.1\r\n");
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        write!(request, "{name}: {value}\r\n")?;
    }
    write!(request, "content-length: {}\r\n\r\n{body}", body.len())?;
    Ok(request.into_bytes())
}

/// A keep-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(super::process::LONG))?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Sends a request and reads the body of its answer, which must be a success.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(self.buffer.get_mut(filled..).unwrap_or_default())?;
            ensure!(read > 0, "the connection ended, or the answer is too long");
            filled += read;
            let so_far = &self.buffer[..filled];
            let Some(end) = so_far.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&so_far[..end])?;
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .context("an answer without a length")?;
            let whole = end + 4 + length.parse::<usize>()?;
            if filled < whole {
                continue;
            }
            if !head.starts_with("HTTP/1.1 200") {
                bail!("{}", String::from_utf8_lossy(&so_far[..whole]));
            }
            return Ok(&self.buffer[end + 4..whole]);
        }
    }
}
