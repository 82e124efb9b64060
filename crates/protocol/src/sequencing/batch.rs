//! The envelopes of one submission or event, and the bytes that they are compressed to.
//!
//! A batch travels as gzip. Invariants: what is decompressed is bounded by the reader's limit, whatever the bytes
//! claim; the empty batch has the bytes that the JVM makes.
//! Source: RFC 1952, <https://www.rfc-editor.org/rfc/rfc1952>

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use cantle_proto::protocol::v0;
use cantle_proto::protocol::v0::compressed_batch::CompressionAlgorithm as Algorithm;
use cantle_types::Member;
use flate2::{Compression, GzBuilder, bufread::GzDecoder};
use prost::Message;
use thiserror::Error;

use crate::error::ParseError;
use crate::sequencing::Envelope;
use crate::wire::{check_field_count, decode_shared, field, fields};

const MESSAGE: &str = "Batch";
/// The operating system in a gzip header, as the JVM writes it: unknown.
const UNKNOWN_SYSTEM: u8 = 0xff;

/// A batch that cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The bytes are not gzip.
    #[error("the batch cannot be decompressed")]
    Gzip(#[source] std::io::Error),
    /// Bytes follow the end of the compressed ones.
    #[error("bytes follow the end of the compressed batch")]
    TrailingBytes,
    /// The batch is larger than the reader allows.
    #[error("the batch has more than {limit} bytes when it is decompressed")]
    TooLarge {
        /// The limit of the reader.
        limit: usize,
    },
    /// What was compressed is not a batch.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

/// The envelopes of one submission or event, in their order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    envelopes: Vec<Envelope>,
}

impl Batch {
    /// A batch of these envelopes.
    #[must_use]
    pub fn new(envelopes: Vec<Envelope>) -> Self {
        Self { envelopes }
    }

    /// The batch without envelopes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The envelopes.
    #[must_use]
    pub fn envelopes(&self) -> &[Envelope] {
        &self.envelopes
    }

    /// Whether there is no envelope.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.envelopes.is_empty()
    }

    /// Everybody who receives one of the envelopes.
    #[must_use]
    pub fn members(&self) -> BTreeSet<&Member> {
        self.envelopes.iter().flat_map(|envelope| envelope.recipients().members()).collect()
    }

    /// The envelopes that `member` receives, each with the recipients that it may see.
    #[must_use]
    pub fn for_member(&self, member: &Member) -> Self {
        Self { envelopes: self.envelopes.iter().filter_map(|envelope| envelope.for_member(member)).collect() }
    }

    /// Compresses the batch for a submission or an event.
    #[must_use]
    pub fn compress(&self) -> CompressedBatch {
        let message = v0::Batch { envelopes: self.envelopes.iter().map(Envelope::to_proto).collect() };
        CompressedBatch {
            algorithm: CompressionAlgorithm::Gzip,
            bytes: gzip(&message.encode_to_vec()).into(),
        }
    }
}

/// How a batch is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompressionAlgorithm {
    /// Not at all.
    None,
    /// As gzip, which is the only one that is written.
    Gzip,
}

/// A batch as it travels. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct CompressedBatch {
    algorithm: CompressionAlgorithm,
    bytes: Arc<[u8]>,
}

impl CompressedBatch {
    /// How it is compressed.
    #[must_use]
    pub fn algorithm(&self) -> CompressionAlgorithm {
        self.algorithm
    }

    /// The compressed bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Opens the batch, if it has at most `limit` bytes when it is decompressed.
    ///
    /// # Errors
    /// When it is larger, or not a batch.
    pub fn decompress(&self, limit: usize) -> Result<Batch, BatchError> {
        let bytes = match self.algorithm {
            CompressionAlgorithm::None if self.bytes.len() > limit => {
                return Err(BatchError::TooLarge { limit });
            }
            CompressionAlgorithm::None => Bytes::copy_from_slice(&self.bytes),
            CompressionAlgorithm::Gzip => gunzip(&self.bytes, limit)?.into(),
        };
        check_field_count(MESSAGE, fields(&bytes).map(|(_, envelope)| count_recipients(envelope)).sum())?;
        let message: v0::Batch = decode_shared(MESSAGE, bytes)?;
        let envelopes = message.envelopes.into_iter().map(Envelope::from_proto);
        Ok(Batch { envelopes: envelopes.collect::<Result<_, _>>()? })
    }

    /// Whether there are no envelopes in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decompress(0).is_ok()
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::CompressedBatch {
        let algorithm = match self.algorithm {
            CompressionAlgorithm::None => Algorithm::None,
            CompressionAlgorithm::Gzip => Algorithm::Gzip,
        };
        v0::CompressedBatch { algorithm: algorithm.into(), compressed_batch: self.bytes.to_vec() }
    }

    /// Reads the message. The batch stays as it is until it is opened.
    ///
    /// # Errors
    /// When the algorithm is unknown.
    pub fn from_proto(message: v0::CompressedBatch) -> Result<Self, ParseError> {
        let algorithm = match Algorithm::try_from(message.algorithm) {
            Ok(Algorithm::None) => CompressionAlgorithm::None,
            Ok(Algorithm::Gzip) => CompressionAlgorithm::Gzip,
            Err(_) => return Err(field("CompressedBatch", "algorithm").number(message.algorithm)),
        };
        Ok(Self { algorithm, bytes: message.compressed_batch.into() })
    }
}

impl fmt::Debug for CompressedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompressedBatch({:?}, {} bytes)", self.algorithm, self.bytes.len())
    }
}

/// Compresses as the JVM does: the default level, no time, no operating system.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM)
        .write(Vec::with_capacity(bytes.len() / 2 + 32), Compression::default());
    // Writing to memory does not fail.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes what is written")
}

/// Decompresses one gzip member of at most `limit` bytes.
pub(crate) fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, BatchError> {
    let mut decoder = GzDecoder::new(bytes);
    let mut output = Vec::new();
    // One byte more than allowed tells that there are too many.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.by_ref().take(most).read_to_end(&mut output).map_err(BatchError::Gzip)?;
    if output.len() > limit {
        return Err(BatchError::TooLarge { limit });
    }
    if decoder.into_inner().is_empty() { Ok(output) } else { Err(BatchError::TrailingBytes) }
}

/// How many members and groups an envelope names, itself counted too.
fn count_recipients(envelope: &[u8]) -> usize {
    const RECIPIENTS: u32 = 2;
    const CHILDREN: u32 = 2;
    let mut count = 1;
    let recipients = fields(envelope).filter(|&(tag, _)| tag == RECIPIENTS);
    let mut trees: Vec<_> = recipients.flat_map(|(_, recipients)| fields(recipients)).collect();
    while let Some((_, tree)) = trees.pop() {
        count += 1;
        for (tag, value) in fields(tree) {
            count += 1;
            if tag == CHILDREN {
                trees.push((tag, value));
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use cantle_types::MemberCode;

    use super::*;
    use crate::sequencing::Recipients;

    const LIMIT: usize = 10 * 1024 * 1024;

    fn member(name: &str) -> Member {
        Member::new(MemberCode::Participant, format!("{name}::ns").parse().unwrap())
    }

    fn batch() -> Batch {
        let both = Recipients::groups([[member("a")], [member("b")]]).unwrap();
        Batch::new(vec![
            Envelope::new(vec![1, 2, 3], both),
            Envelope::new(vec![4], Recipients::only(member("b"))),
        ])
    }

    #[test]
    fn the_empty_batch_has_the_bytes_of_the_jvm() {
        let compressed = Batch::empty().compress();
        assert_eq!(hex::encode(compressed.bytes()), "1f8b08000000000000ff03000000000000000000");
        assert!(compressed.is_empty());
        assert_eq!(compressed.decompress(0).unwrap(), Batch::empty());
    }

    #[test]
    fn a_batch_is_read_back() {
        let compressed = batch().compress();
        assert!(!compressed.is_empty());
        assert_eq!(compressed.decompress(LIMIT).unwrap(), batch());
        let plain = v0::Batch { envelopes: batch().envelopes().iter().map(Envelope::to_proto).collect() };
        let plain = v0::CompressedBatch { algorithm: 0, compressed_batch: plain.encode_to_vec() };
        assert_eq!(CompressedBatch::from_proto(plain).unwrap().decompress(LIMIT).unwrap(), batch());
    }

    #[test]
    fn a_member_receives_what_is_for_it() {
        let seen = batch().for_member(&member("a"));
        assert_eq!(seen.envelopes().len(), 1);
        assert_eq!(seen.envelopes()[0].content(), [1, 2, 3]);
        assert_eq!(seen.members(), BTreeSet::from([&member("a")]));
        assert_eq!(batch().members().len(), 2);
        assert!(batch().for_member(&member("c")).is_empty());
    }

    #[test]
    fn what_is_decompressed_is_bounded() {
        let zeros = gzip(&vec![0; 1 << 20]);
        assert!(zeros.len() < 2048);
        assert!(matches!(gunzip(&zeros, 1 << 16), Err(BatchError::TooLarge { limit: 65_536 })));
        assert_eq!(gunzip(&zeros, 1 << 20).unwrap().len(), 1 << 20);
        let plain = v0::CompressedBatch { algorithm: 0, compressed_batch: vec![0; 10] };
        let plain = CompressedBatch::from_proto(plain).unwrap();
        assert!(matches!(plain.decompress(9), Err(BatchError::TooLarge { limit: 9 })));
    }

    #[test]
    fn countless_envelopes_and_recipients_are_refused() {
        let refused = |batch: Vec<u8>| {
            let message = v0::CompressedBatch { algorithm: 0, compressed_batch: batch };
            let error = CompressedBatch::from_proto(message).unwrap().decompress(LIMIT).unwrap_err();
            assert!(matches!(error, BatchError::Parse(ParseError::TooLong { .. })), "{error:?}");
        };
        refused([0x0a, 0].repeat(200_001));
        // One envelope whose one tree has countless empty members, or children.
        for tag in [0x0a, 0x12] {
            let nested = |bytes: Vec<u8>, tag: u8| {
                let mut outer = vec![tag];
                prost::encoding::encode_varint(bytes.len().try_into().unwrap(), &mut outer);
                outer.extend(bytes);
                outer
            };
            let tree = nested([tag, 0].repeat(200_001), 0x0a);
            refused(nested(nested(tree, 0x12), 0x0a));
        }
    }

    #[test]
    fn damaged_and_trailing_bytes_are_refused() {
        let mut bytes = batch().compress().bytes().to_vec();
        bytes.push(0);
        assert!(matches!(gunzip(&bytes, LIMIT), Err(BatchError::TrailingBytes)));
        bytes.pop();
        bytes.pop();
        assert!(matches!(gunzip(&bytes, LIMIT), Err(BatchError::Gzip(_))));
        assert!(matches!(gunzip(&[], LIMIT), Err(BatchError::Gzip(_))));
        let unknown = v0::CompressedBatch { algorithm: 2, compressed_batch: Vec::new() };
        assert!(matches!(CompressedBatch::from_proto(unknown), Err(ParseError::Number { number: 2, .. })));
    }

    #[test]
    fn an_envelope_without_recipients_is_refused() {
        let message =
            v0::Batch { envelopes: vec![v0::Envelope { content: vec![1].into(), recipients: None }] };
        let bytes = v0::CompressedBatch { algorithm: 1, compressed_batch: gzip(&message.encode_to_vec()) };
        let error = CompressedBatch::from_proto(bytes).unwrap().decompress(LIMIT).unwrap_err();
        assert!(matches!(error, BatchError::Parse(ParseError::Missing { field: "recipients", .. })));
    }
}
