//! A mediator's rejection of a request that it could not read, for the participants that were told of it.
//!
//! Invariant: the wrapped bytes are made once, or kept as they came; they are what is signed.

use std::sync::Arc;

use cantle_crypto::HashPurpose;
use cantle_proto::protocol::{v1, v2};
use cantle_types::{CantonTimestamp, DomainId, ProtocolVersion};

use super::{MediatorReject, Verdict};
use crate::error::ParseError;
use crate::root_hash::ViewType;
use crate::signed::SignedMessage;
use crate::wire::{decode_version, field, time_to_proto, wrap};

const MESSAGE: &str = "MalformedMediatorRequestResult";

/// The version of the message at a protocol version.
fn proto_version(version: ProtocolVersion) -> i32 {
    match version {
        ProtocolVersion::V5 => 1,
        ProtocolVersion::V7 => 2,
    }
}

/// A mediator rejects a request that it could not read.
#[derive(Debug, Clone)]
pub struct MalformedMediatorRequestResult {
    request_id: CantonTimestamp,
    domain_id: DomainId,
    view_type: ViewType,
    rejection: MediatorReject,
    bytes: Arc<[u8]>,
}

impl MalformedMediatorRequestResult {
    /// The rejection of the request that was sequenced at `request_id`.
    ///
    /// # Errors
    /// When the rejection cannot be said at this protocol version.
    pub fn new(
        request_id: CantonTimestamp,
        domain_id: DomainId,
        view_type: ViewType,
        rejection: MediatorReject,
        version: ProtocolVersion,
    ) -> Result<Self, ParseError> {
        Verdict::MediatorReject(rejection.clone()).check(version)?;
        let time = Some(time_to_proto(request_id));
        let domain = domain_id.to_string();
        let view_type_number = view_type.to_proto().into();
        let bytes = match version {
            ProtocolVersion::V5 => wrap(
                &v1::MalformedMediatorRequestResult {
                    request_id: time,
                    domain_id: domain,
                    view_type: view_type_number,
                    rejection: Some(rejection.to_proto_v1()),
                },
                proto_version(version),
            ),
            ProtocolVersion::V7 => wrap(
                &v2::MalformedMediatorRequestResult {
                    request_id: time,
                    domain_id: domain,
                    view_type: view_type_number,
                    rejection: Some(rejection.to_proto_v2()),
                },
                proto_version(version),
            ),
        };
        Ok(Self { request_id, domain_id, view_type, rejection, bytes: bytes.into() })
    }

    /// Reads a wrapped result of this protocol version and keeps its bytes.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>, version: ProtocolVersion) -> Result<Self, ParseError> {
        let bytes = bytes.into();
        let (request_id, domain, view_type, rejection) = match version {
            ProtocolVersion::V5 => {
                let message: v1::MalformedMediatorRequestResult =
                    decode_version(MESSAGE, &bytes, proto_version(version))?;
                let rejection = message.rejection.map(MediatorReject::from_proto_v1);
                (message.request_id, message.domain_id, message.view_type, rejection)
            }
            ProtocolVersion::V7 => {
                let message: v2::MalformedMediatorRequestResult =
                    decode_version(MESSAGE, &bytes, proto_version(version))?;
                let rejection = message.rejection.map(MediatorReject::from_proto_v2).transpose()?;
                (message.request_id, message.domain_id, message.view_type, rejection)
            }
        };
        Ok(Self {
            request_id: field(MESSAGE, "request_id").required_time(request_id.as_ref())?,
            domain_id: field(MESSAGE, "domain_id").text(&domain)?,
            view_type: ViewType::from_proto(MESSAGE, view_type)?,
            rejection: field(MESSAGE, "rejection").required(rejection)?,
            bytes,
        })
    }

    /// Which request: the time of its sequencing.
    #[must_use]
    pub fn request_id(&self) -> CantonTimestamp {
        self.request_id
    }

    /// On which domain.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }

    /// What the request was about, by its root hash messages.
    #[must_use]
    pub fn view_type(&self) -> ViewType {
        self.view_type
    }

    /// Why it is rejected.
    #[must_use]
    pub fn rejection(&self) -> &MediatorReject {
        &self.rejection
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for MalformedMediatorRequestResult {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for MalformedMediatorRequestResult {}

impl SignedMessage for MalformedMediatorRequestResult {
    const PURPOSE: HashPurpose = HashPurpose::MalformedMediatorRequestResult;

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }
}
