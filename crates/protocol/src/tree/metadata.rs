//! The metadata of a transaction: of the submitter, for its witnesses; common, for all; of participants, for all but the
//! mediator.
//!
//! Invariant: the wrapped bytes are made once, or kept as they came; they are what is hashed.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use cantle_crypto::HashPurpose;
use cantle_proto::protocol::{v0, v1};
use cantle_types::{CantonTimestamp, DomainId, Member, MemberCode, ParticipantId, PartyId};
use uuid::Uuid;

use super::common_data::ConfirmationPolicy;
use super::leaf::{LeafBytes, leaf};
use super::salt::Salt;
use crate::error::ParseError;
use crate::wire::{decode_shared, field, time_to_proto, unwrap_shared, wrap};

const SUBMITTER: &str = "SubmitterMetadata";
const SUBMITTER_VERSION: i32 = 1;
const COMMON: &str = "CommonMetadata";
const PARTICIPANT: &str = "ParticipantMetadata";
/// The longest id that an application may give.
const ID_MAX: usize = 255;

/// Within which time, or since when, the same command counts as a repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeduplicationPeriod {
    /// As long as this.
    Duration(Duration),
    /// Since this offset of the ledger.
    Offset(Vec<u8>),
}

/// Who submits, and what was asked for.
#[derive(Debug, Clone)]
pub struct SubmitterMetadata {
    act_as: BTreeSet<PartyId>,
    application_id: String,
    command_id: String,
    submitter_participant: ParticipantId,
    submission_id: Option<String>,
    deduplication: DeduplicationPeriod,
    max_sequencing_time: CantonTimestamp,
    pub(super) leaf: LeafBytes,
}

leaf!(SubmitterMetadata);

impl SubmitterMetadata {
    /// The metadata of a command of `act_as`.
    ///
    /// # Errors
    /// When nobody acts, or an id is longer than 255 bytes.
    #[expect(clippy::too_many_arguments, reason = "one for each field of the message")]
    pub fn new(
        salt: &Salt,
        act_as: BTreeSet<PartyId>,
        application_id: String,
        command_id: String,
        submitter_participant: ParticipantId,
        submission_id: Option<String>,
        deduplication: DeduplicationPeriod,
        max_sequencing_time: CantonTimestamp,
    ) -> Result<Self, ParseError> {
        use v0::deduplication_period::Period;
        let period = match &deduplication {
            DeduplicationPeriod::Duration(duration) => Period::Duration(prost_types::Duration {
                seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
            }),
            DeduplicationPeriod::Offset(offset) => Period::Offset(offset.clone()),
        };
        let message = v1::SubmitterMetadata {
            salt: Some(salt.to_proto()),
            act_as: act_as.iter().map(PartyId::to_string).collect(),
            application_id,
            command_id,
            submitter_participant: submitter_participant.uid().to_string(),
            submission_id: submission_id.unwrap_or_default(),
            dedup_period: Some(v0::DeduplicationPeriod { period: Some(period) }),
            max_sequencing_time: Some(time_to_proto(max_sequencing_time)),
        };
        let bytes = wrap(&message, SUBMITTER_VERSION).into();
        Self::with_bytes(message, bytes)
    }

    pub(super) fn from_bytes(bytes: Bytes) -> Result<Self, ParseError> {
        let data = unwrap_shared(SUBMITTER, bytes.clone(), SUBMITTER_VERSION)?;
        Self::with_bytes(decode_shared(SUBMITTER, data)?, bytes)
    }

    fn with_bytes(message: v1::SubmitterMetadata, bytes: Bytes) -> Result<Self, ParseError> {
        use v0::deduplication_period::Period;
        let salt = Salt::from_proto(SUBMITTER, message.salt.as_ref())?;
        let act_as = field(SUBMITTER, "act_as").parties(&message.act_as)?;
        if act_as.is_empty() {
            return Err(field(SUBMITTER, "act_as").missing());
        }
        field(SUBMITTER, "application_id").at_most(message.application_id.len(), ID_MAX)?;
        field(SUBMITTER, "command_id").at_most(message.command_id.len(), ID_MAX)?;
        field(SUBMITTER, "submission_id").at_most(message.submission_id.len(), ID_MAX)?;
        let period = message.dedup_period.and_then(|period| period.period);
        let deduplication = match field(SUBMITTER, "dedup_period").required(period)? {
            Period::Duration(duration) => DeduplicationPeriod::Duration(duration_from_proto(&duration)?),
            Period::Offset(offset) => DeduplicationPeriod::Offset(offset),
        };
        let uid = field(SUBMITTER, "submitter_participant").text(&message.submitter_participant)?;
        Ok(Self {
            act_as,
            application_id: message.application_id,
            command_id: message.command_id,
            submitter_participant: ParticipantId::new(uid),
            submission_id: Some(message.submission_id).filter(|id| !id.is_empty()),
            deduplication,
            max_sequencing_time: field(SUBMITTER, "max_sequencing_time")
                .required_time(message.max_sequencing_time.as_ref())?,
            leaf: LeafBytes::new(HashPurpose::SubmitterMetadata, &salt, bytes),
        })
    }

    /// Who acts; at least one party.
    #[must_use]
    pub fn act_as(&self) -> &BTreeSet<PartyId> {
        &self.act_as
    }

    /// Which application asked.
    #[must_use]
    pub fn application_id(&self) -> &str {
        &self.application_id
    }

    /// What the application calls its command.
    #[must_use]
    pub fn command_id(&self) -> &str {
        &self.command_id
    }

    /// Which participant submits.
    #[must_use]
    pub fn submitter_participant(&self) -> &ParticipantId {
        &self.submitter_participant
    }

    /// What the application calls this attempt.
    #[must_use]
    pub fn submission_id(&self) -> Option<&str> {
        self.submission_id.as_deref()
    }

    /// What counts as a repetition.
    #[must_use]
    pub fn deduplication(&self) -> &DeduplicationPeriod {
        &self.deduplication
    }

    /// When the request must have been sequenced.
    #[must_use]
    pub fn max_sequencing_time(&self) -> CantonTimestamp {
        self.max_sequencing_time
    }
}

/// What everybody who gets a part of the transaction may know.
#[derive(Debug, Clone)]
pub struct CommonMetadata {
    confirmation_policy: ConfirmationPolicy,
    domain_id: DomainId,
    uuid: Uuid,
    mediator: Member,
    pub(super) leaf: LeafBytes,
}

leaf!(CommonMetadata);

impl CommonMetadata {
    /// The metadata of the transaction `uuid`, which `mediator` is to conclude.
    ///
    /// # Errors
    /// When the mediator is not one.
    pub fn new(
        salt: &Salt,
        confirmation_policy: ConfirmationPolicy,
        domain_id: DomainId,
        uuid: Uuid,
        mediator: Member,
    ) -> Result<Self, ParseError> {
        let message = v0::CommonMetadata {
            salt: Some(salt.to_proto()),
            confirmation_policy: confirmation_policy.to_bytes(),
            domain_id: domain_id.to_string(),
            uuid: uuid.to_string(),
            mediator_id: mediator.to_string(),
        };
        let bytes = wrap(&message, 0).into();
        Self::with_bytes(&message, bytes)
    }

    pub(super) fn from_bytes(bytes: Bytes) -> Result<Self, ParseError> {
        let data = unwrap_shared(COMMON, bytes.clone(), 0)?;
        Self::with_bytes(&decode_shared(COMMON, data)?, bytes)
    }

    fn with_bytes(message: &v0::CommonMetadata, bytes: Bytes) -> Result<Self, ParseError> {
        let salt = Salt::from_proto(COMMON, message.salt.as_ref())?;
        let mediator: Member = field(COMMON, "mediator_id").text(&message.mediator_id)?;
        if mediator.code() != MemberCode::Mediator {
            return Err(ParseError::Rule { message: COMMON, rule: "its mediator has the code MED" });
        }
        let uuid = Uuid::try_parse(&message.uuid)
            .map_err(|_| ParseError::Rule { message: COMMON, rule: "its uuid is one" })?;
        Ok(Self {
            confirmation_policy: ConfirmationPolicy::from_bytes(&message.confirmation_policy)?,
            domain_id: field(COMMON, "domain_id").text(&message.domain_id)?,
            uuid,
            mediator,
            leaf: LeafBytes::new(HashPurpose::CommonMetadata, &salt, bytes),
        })
    }

    /// Whose confirmations suffice.
    #[must_use]
    pub fn confirmation_policy(&self) -> ConfirmationPolicy {
        self.confirmation_policy
    }

    /// On which domain.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }

    /// The id that no other request may have.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Who concludes; a member with the code MED.
    #[must_use]
    pub fn mediator(&self) -> &Member {
        &self.mediator
    }
}

/// What all participants may know that get a view.
#[derive(Debug, Clone)]
pub struct ParticipantMetadata {
    ledger_time: CantonTimestamp,
    submission_time: CantonTimestamp,
    workflow_id: Option<String>,
    pub(super) leaf: LeafBytes,
}

leaf!(ParticipantMetadata);

impl ParticipantMetadata {
    /// The metadata of a transaction at this ledger time.
    ///
    /// # Errors
    /// When the workflow id is longer than 255 bytes.
    pub fn new(
        salt: &Salt,
        ledger_time: CantonTimestamp,
        submission_time: CantonTimestamp,
        workflow_id: Option<String>,
    ) -> Result<Self, ParseError> {
        let message = v0::ParticipantMetadata {
            salt: Some(salt.to_proto()),
            ledger_time: Some(time_to_proto(ledger_time)),
            submission_time: Some(time_to_proto(submission_time)),
            workflow_id: workflow_id.unwrap_or_default(),
        };
        let bytes = wrap(&message, 0).into();
        Self::with_bytes(message, bytes)
    }

    pub(super) fn from_bytes(bytes: Bytes) -> Result<Self, ParseError> {
        let data = unwrap_shared(PARTICIPANT, bytes.clone(), 0)?;
        Self::with_bytes(decode_shared(PARTICIPANT, data)?, bytes)
    }

    fn with_bytes(message: v0::ParticipantMetadata, bytes: Bytes) -> Result<Self, ParseError> {
        let salt = Salt::from_proto(PARTICIPANT, message.salt.as_ref())?;
        field(PARTICIPANT, "workflow_id").at_most(message.workflow_id.len(), ID_MAX)?;
        Ok(Self {
            ledger_time: field(PARTICIPANT, "ledger_time").required_time(message.ledger_time.as_ref())?,
            submission_time: field(PARTICIPANT, "submission_time")
                .required_time(message.submission_time.as_ref())?,
            workflow_id: Some(message.workflow_id).filter(|id| !id.is_empty()),
            leaf: LeafBytes::new(HashPurpose::ParticipantMetadata, &salt, bytes),
        })
    }

    /// The time that the ledger's rules see.
    #[must_use]
    pub fn ledger_time(&self) -> CantonTimestamp {
        self.ledger_time
    }

    /// When the submitter says it submitted.
    #[must_use]
    pub fn submission_time(&self) -> CantonTimestamp {
        self.submission_time
    }

    /// What the application calls the workflow.
    #[must_use]
    pub fn workflow_id(&self) -> Option<&str> {
        self.workflow_id.as_deref()
    }
}

fn duration_from_proto(duration: &prost_types::Duration) -> Result<Duration, ParseError> {
    let seconds = u64::try_from(duration.seconds);
    let nanos = u32::try_from(duration.nanos).ok().filter(|&nanos| nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Ok(seconds), Some(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(field("DeduplicationPeriod", "duration").number(duration.seconds)),
    }
}
