//! What a participant answers to a confirmation request, for one view or for all.
//!
//! Invariants: an approval or a rejection is said for a view and for at least one party; that the request is
//! malformed, for none. The wrapped bytes are made once, or kept as they came; they are what is signed.

use std::collections::BTreeSet;
use std::sync::Arc;

use cantle_crypto::{Hash, HashPurpose};
use cantle_proto::protocol::{v1, v2};
use cantle_types::{CantonTimestamp, DomainId, ParticipantId, PartyId};

use super::LocalReject;
use crate::error::ParseError;
use crate::signed::SignedMessage;
use crate::view_position::ViewPosition;
use crate::wire::{decode_version, field, time_to_proto, wrap};

const MESSAGE: &str = "MediatorResponse";
/// The version of the message at protocol versions 5 and 7.
const VERSION: i32 = 2;

/// What a participant says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LocalVerdict {
    /// It confirms.
    Approve,
    /// It rejects.
    Reject(LocalReject),
}

/// A participant's answer to a request. Cheap to clone, but for texts.
#[derive(Debug, Clone)]
pub struct MediatorResponse {
    request_id: CantonTimestamp,
    sender: ParticipantId,
    verdict: LocalVerdict,
    root_hash: Option<Hash>,
    confirming_parties: BTreeSet<PartyId>,
    domain_id: DomainId,
    view_position: Option<ViewPosition>,
    bytes: Arc<[u8]>,
}

impl MediatorResponse {
    /// The answer of `sender` to the request that was sequenced at `request_id`.
    ///
    /// # Errors
    /// When parties, root hash and position do not go with the verdict.
    pub fn new(
        request_id: CantonTimestamp,
        sender: ParticipantId,
        verdict: LocalVerdict,
        root_hash: Option<Hash>,
        confirming_parties: BTreeSet<PartyId>,
        domain_id: DomainId,
        view_position: Option<ViewPosition>,
    ) -> Result<Self, ParseError> {
        use v1::local_verdict::SomeLocalVerdict;
        let local_verdict = match &verdict {
            LocalVerdict::Approve => SomeLocalVerdict::LocalApprove(()),
            LocalVerdict::Reject(reject) => SomeLocalVerdict::LocalReject(reject.to_proto()),
        };
        let message = v2::MediatorResponse {
            request_id: Some(time_to_proto(request_id)),
            sender: sender.to_string(),
            local_verdict: Some(v1::LocalVerdict { some_local_verdict: Some(local_verdict) }),
            root_hash: root_hash.map(|hash| hash.evidence().to_vec()).unwrap_or_default(),
            confirming_parties: confirming_parties.iter().map(PartyId::to_string).collect(),
            domain_id: domain_id.to_string(),
            view_position: view_position.as_ref().map(ViewPosition::to_proto),
        };
        let bytes = wrap(&message, VERSION).into();
        let response = Self {
            request_id,
            sender,
            verdict,
            root_hash,
            confirming_parties,
            domain_id,
            view_position,
            bytes,
        };
        response.check()?;
        Ok(response)
    }

    /// Reads a wrapped response and keeps its bytes.
    ///
    /// # Errors
    /// When a field is missing or wrong, or the fields do not go together.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, ParseError> {
        use v1::local_verdict::SomeLocalVerdict;
        let bytes = bytes.into();
        let message: v2::MediatorResponse = decode_version(MESSAGE, &bytes, VERSION)?;
        let verdict = field(MESSAGE, "local_verdict").required(message.local_verdict)?;
        let verdict = match field("LocalVerdict", "some_local_verdict")
            .required(verdict.some_local_verdict)?
        {
            SomeLocalVerdict::LocalApprove(()) => LocalVerdict::Approve,
            SomeLocalVerdict::LocalReject(reject) => LocalVerdict::Reject(LocalReject::from_proto(reject)),
        };
        let root_hash = match &message.root_hash[..] {
            [] => None,
            evidence => Some(field(MESSAGE, "root_hash").hash(evidence)?),
        };
        let response = Self {
            request_id: field(MESSAGE, "request_id").required_time(message.request_id.as_ref())?,
            sender: field(MESSAGE, "sender").text(&message.sender)?,
            verdict,
            root_hash,
            confirming_parties: field(MESSAGE, "confirming_parties").parties(&message.confirming_parties)?,
            domain_id: field(MESSAGE, "domain_id").text(&message.domain_id)?,
            view_position: message.view_position.as_ref().map(ViewPosition::from_proto).transpose()?,
            bytes,
        };
        response.check()?;
        Ok(response)
    }

    fn check(&self) -> Result<(), ParseError> {
        let fits = if self.is_malformed() {
            self.confirming_parties.is_empty()
        } else {
            !self.confirming_parties.is_empty() && self.root_hash.is_some() && self.view_position.is_some()
        };
        let rule = "a verdict is said for parties, on a view and with the root hash, unless the request is malformed";
        if fits { Ok(()) } else { Err(ParseError::Rule { message: MESSAGE, rule }) }
    }

    /// Which request: the time of its sequencing.
    #[must_use]
    pub fn request_id(&self) -> CantonTimestamp {
        self.request_id
    }

    /// Who answers.
    #[must_use]
    pub fn sender(&self) -> &ParticipantId {
        &self.sender
    }

    /// What it says.
    #[must_use]
    pub fn verdict(&self) -> &LocalVerdict {
        &self.verdict
    }

    /// Whether it says that the request itself is wrong.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        matches!(&self.verdict, LocalVerdict::Reject(reject) if reject.is_malformed())
    }

    /// The root hash of the request, if the sender could tell.
    #[must_use]
    pub fn root_hash(&self) -> Option<Hash> {
        self.root_hash
    }

    /// On whose behalf it is said; on nobody's when the request is malformed.
    #[must_use]
    pub fn confirming_parties(&self) -> &BTreeSet<PartyId> {
        &self.confirming_parties
    }

    /// On which domain.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }

    /// Which view; all of them when there is none.
    #[must_use]
    pub fn view_position(&self) -> Option<&ViewPosition> {
        self.view_position.as_ref()
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for MediatorResponse {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for MediatorResponse {}

impl SignedMessage for MediatorResponse {
    const PURPOSE: HashPurpose = HashPurpose::MediatorResponseSignature;

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }
}
