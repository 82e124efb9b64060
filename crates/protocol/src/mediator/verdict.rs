//! What a mediator concludes.

use std::collections::BTreeSet;

use cantle_proto::protocol::{v2, v3};
use cantle_types::{PartyId, ProtocolVersion};

use super::{LocalReject, MediatorReject};
use crate::error::ParseError;
use crate::wire::field;

const MESSAGE: &str = "Verdict";

/// One participant's rejection, for the parties on whose behalf it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectionReason {
    /// On whose behalf.
    pub parties: BTreeSet<PartyId>,
    /// What the participant said, word for word.
    pub reject: LocalReject,
}

/// A mediator's conclusion on a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// All views are confirmed.
    Approve,
    /// So many rejected that a view cannot be confirmed any more; there is at least one reason.
    ParticipantReject(Vec<RejectionReason>),
    /// The mediator rejects.
    MediatorReject(MediatorReject),
}

impl Verdict {
    /// Whether the request is approved.
    #[must_use]
    pub fn is_approve(&self) -> bool {
        matches!(self, Self::Approve)
    }

    /// Whether the mediator says that not enough answers came in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::MediatorReject(reject) if reject.is_timeout())
    }

    /// Whether it can be said at a protocol version: a mediator's rejection has another form at each.
    pub(super) fn check(&self, version: ProtocolVersion) -> Result<(), ParseError> {
        let fits = match self {
            Self::Approve => true,
            Self::ParticipantReject(reasons) => !reasons.is_empty(),
            Self::MediatorReject(MediatorReject::V1 { .. }) => version == ProtocolVersion::V5,
            Self::MediatorReject(MediatorReject::V2(_)) => version == ProtocolVersion::V7,
        };
        let rule = "a rejection has a reason, in the form of the protocol version";
        if fits { Ok(()) } else { Err(ParseError::Rule { message: MESSAGE, rule }) }
    }

    pub(super) fn to_proto_v2(&self) -> v2::Verdict {
        use v2::verdict::SomeVerdict;
        let verdict = match self {
            Self::Approve => SomeVerdict::Approve(()),
            Self::ParticipantReject(reasons) => SomeVerdict::ParticipantReject(reasons_to_proto(reasons)),
            Self::MediatorReject(reject) => SomeVerdict::MediatorReject(reject.to_proto_v1()),
        };
        v2::Verdict { some_verdict: Some(verdict) }
    }

    pub(super) fn to_proto_v3(&self) -> v3::Verdict {
        use v3::verdict::SomeVerdict;
        let verdict = match self {
            Self::Approve => SomeVerdict::Approve(()),
            Self::ParticipantReject(reasons) => SomeVerdict::ParticipantReject(reasons_to_proto(reasons)),
            Self::MediatorReject(reject) => SomeVerdict::MediatorReject(reject.to_proto_v2()),
        };
        v3::Verdict { some_verdict: Some(verdict) }
    }

    pub(super) fn from_proto_v2(message: v2::Verdict) -> Result<Self, ParseError> {
        use v2::verdict::SomeVerdict;
        match field(MESSAGE, "some_verdict").required(message.some_verdict)? {
            SomeVerdict::Approve(()) => Ok(Self::Approve),
            SomeVerdict::ParticipantReject(message) => reasons_from_proto(message),
            SomeVerdict::MediatorReject(message) => {
                Ok(Self::MediatorReject(MediatorReject::from_proto_v1(message)))
            }
        }
    }

    pub(super) fn from_proto_v3(message: v3::Verdict) -> Result<Self, ParseError> {
        use v3::verdict::SomeVerdict;
        match field(MESSAGE, "some_verdict").required(message.some_verdict)? {
            SomeVerdict::Approve(()) => Ok(Self::Approve),
            SomeVerdict::ParticipantReject(message) => reasons_from_proto(message),
            SomeVerdict::MediatorReject(message) => {
                MediatorReject::from_proto_v2(message).map(Self::MediatorReject)
            }
        }
    }
}

fn reasons_to_proto(reasons: &[RejectionReason]) -> v2::ParticipantReject {
    let reasons = reasons.iter().map(|reason| v2::RejectionReason {
        parties: reason.parties.iter().map(PartyId::to_string).collect(),
        reject: Some(reason.reject.to_proto()),
    });
    v2::ParticipantReject { reasons: reasons.collect() }
}

fn reasons_from_proto(message: v2::ParticipantReject) -> Result<Verdict, ParseError> {
    const MESSAGE: &str = "ParticipantReject";
    if message.reasons.is_empty() {
        return Err(field(MESSAGE, "reasons").missing());
    }
    let reasons = message.reasons.into_iter().map(|reason| {
        let reject = field("RejectionReason", "reject").required(reason.reject)?;
        let parties = field("RejectionReason", "parties").parties(&reason.parties)?;
        Ok(RejectionReason { parties, reject: LocalReject::from_proto(reject) })
    });
    Ok(Verdict::ParticipantReject(reasons.collect::<Result<_, ParseError>>()?))
}
