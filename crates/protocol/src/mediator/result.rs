//! A mediator's verdict on a transaction, for all its informees.
//!
//! Invariant: the wrapped bytes are made once, or kept as they came; they are what is signed.

use std::sync::Arc;

use cantle_crypto::{Hash, HashPurpose};
use cantle_proto::protocol::{v2, v3};
use cantle_types::{CantonTimestamp, DomainId, ProtocolVersion};

use super::Verdict;
use crate::error::ParseError;
use crate::signed::SignedMessage;
use crate::wire::{decode_version, field, time_to_proto, wrap};

const MESSAGE: &str = "TransactionResultMessage";

/// The version of the message at a protocol version.
fn proto_version(version: ProtocolVersion) -> i32 {
    match version {
        ProtocolVersion::V5 => 2,
        ProtocolVersion::V7 => 3,
    }
}

/// A mediator's verdict on a transaction.
#[derive(Debug, Clone)]
pub struct TransactionResultMessage {
    request_id: CantonTimestamp,
    verdict: Verdict,
    root_hash: Hash,
    domain_id: DomainId,
    bytes: Arc<[u8]>,
}

impl TransactionResultMessage {
    /// The verdict on the request that was sequenced at `request_id` and has this root hash.
    ///
    /// # Errors
    /// When the verdict cannot be said at this protocol version, or gives no reason.
    pub fn new(
        request_id: CantonTimestamp,
        verdict: Verdict,
        root_hash: Hash,
        domain_id: DomainId,
        version: ProtocolVersion,
    ) -> Result<Self, ParseError> {
        verdict.check(version)?;
        let time = Some(time_to_proto(request_id));
        let hash = root_hash.evidence().to_vec();
        let domain = domain_id.to_string();
        let bytes = match version {
            ProtocolVersion::V5 => wrap(
                &v2::TransactionResultMessage {
                    request_id: time,
                    verdict: Some(verdict.to_proto_v2()),
                    root_hash: hash,
                    domain_id: domain,
                },
                proto_version(version),
            ),
            ProtocolVersion::V7 => wrap(
                &v3::TransactionResultMessage {
                    request_id: time,
                    verdict: Some(verdict.to_proto_v3()),
                    root_hash: hash,
                    domain_id: domain,
                },
                proto_version(version),
            ),
        };
        Ok(Self { request_id, verdict, root_hash, domain_id, bytes: bytes.into() })
    }

    /// Reads a wrapped result of this protocol version and keeps its bytes.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>, version: ProtocolVersion) -> Result<Self, ParseError> {
        let bytes = bytes.into();
        let (request_id, verdict, root_hash, domain) = match version {
            ProtocolVersion::V5 => {
                let message: v2::TransactionResultMessage =
                    decode_version(MESSAGE, &bytes, proto_version(version))?;
                let verdict = message.verdict.map(Verdict::from_proto_v2).transpose()?;
                (message.request_id, verdict, message.root_hash, message.domain_id)
            }
            ProtocolVersion::V7 => {
                let message: v3::TransactionResultMessage =
                    decode_version(MESSAGE, &bytes, proto_version(version))?;
                let verdict = message.verdict.map(Verdict::from_proto_v3).transpose()?;
                (message.request_id, verdict, message.root_hash, message.domain_id)
            }
        };
        Ok(Self {
            request_id: field(MESSAGE, "request_id").required_time(request_id.as_ref())?,
            verdict: field(MESSAGE, "verdict").required(verdict)?,
            root_hash: field(MESSAGE, "root_hash").hash(&root_hash)?,
            domain_id: field(MESSAGE, "domain_id").text(&domain)?,
            bytes,
        })
    }

    /// Which request: the time of its sequencing.
    #[must_use]
    pub fn request_id(&self) -> CantonTimestamp {
        self.request_id
    }

    /// What the mediator concludes.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The root hash of the request.
    #[must_use]
    pub fn root_hash(&self) -> Hash {
        self.root_hash
    }

    /// On which domain.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for TransactionResultMessage {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for TransactionResultMessage {}

impl SignedMessage for TransactionResultMessage {
    const PURPOSE: HashPurpose = HashPurpose::TransactionResultSignature;

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }
}
