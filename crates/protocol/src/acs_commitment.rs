//! What two participants compare now and then: a commitment to the contracts that both know.
//!
//! Here it is only carried; its contents, a running hash, are opaque.
//! Invariant: the wrapped bytes are made once, or kept as they came; they are what is signed.

use std::sync::Arc;

use cantle_crypto::HashPurpose;
use cantle_proto::protocol::v0;
use cantle_types::{CantonTimestamp, DomainId, ParticipantId};

use crate::error::ParseError;
use crate::signed::SignedMessage;
use crate::wire::{decode_version_0, field, time_to_proto, wrap};

const MESSAGE: &str = "AcsCommitment";

/// A commitment of one participant to another, for a period of whole seconds.
#[derive(Debug, Clone)]
pub struct AcsCommitment {
    domain_id: DomainId,
    sender: ParticipantId,
    counter_participant: ParticipantId,
    from_exclusive: CantonTimestamp,
    to_inclusive: CantonTimestamp,
    commitment: Vec<u8>,
    bytes: Arc<[u8]>,
}

impl AcsCommitment {
    /// The commitment of `sender` to the contracts that it shares with `counter_participant` at `to_inclusive`.
    ///
    /// # Errors
    /// When the period is empty or its ends are not whole seconds.
    pub fn new(
        domain_id: DomainId,
        sender: ParticipantId,
        counter_participant: ParticipantId,
        from_exclusive: CantonTimestamp,
        to_inclusive: CantonTimestamp,
        commitment: Vec<u8>,
    ) -> Result<Self, ParseError> {
        check_period(from_exclusive, to_inclusive)?;
        let message = v0::AcsCommitment {
            domain_id: domain_id.to_string(),
            sending_participant: sender.to_string(),
            counter_participant: counter_participant.to_string(),
            from_exclusive: Some(time_to_proto(from_exclusive)),
            to_inclusive: Some(time_to_proto(to_inclusive)),
            commitment: commitment.clone(),
        };
        let bytes = wrap(&message, 0).into();
        Ok(Self { domain_id, sender, counter_participant, from_exclusive, to_inclusive, commitment, bytes })
    }

    /// Reads a wrapped commitment and keeps its bytes.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, ParseError> {
        let bytes = bytes.into();
        let message: v0::AcsCommitment = decode_version_0(MESSAGE, &bytes)?;
        let from_exclusive =
            field(MESSAGE, "from_exclusive").required_time(message.from_exclusive.as_ref())?;
        let to_inclusive = field(MESSAGE, "to_inclusive").required_time(message.to_inclusive.as_ref())?;
        check_period(from_exclusive, to_inclusive)?;
        Ok(Self {
            domain_id: field(MESSAGE, "domain_id").text(&message.domain_id)?,
            sender: field(MESSAGE, "sending_participant").text(&message.sending_participant)?,
            counter_participant: field(MESSAGE, "counter_participant").text(&message.counter_participant)?,
            from_exclusive,
            to_inclusive,
            commitment: message.commitment,
            bytes,
        })
    }

    /// Who commits.
    #[must_use]
    pub fn sender(&self) -> &ParticipantId {
        &self.sender
    }

    /// To whom.
    #[must_use]
    pub fn counter_participant(&self) -> &ParticipantId {
        &self.counter_participant
    }

    /// The end of the period before.
    #[must_use]
    pub fn from_exclusive(&self) -> CantonTimestamp {
        self.from_exclusive
    }

    /// The time at which the contracts are active.
    #[must_use]
    pub fn to_inclusive(&self) -> CantonTimestamp {
        self.to_inclusive
    }

    /// The commitment.
    #[must_use]
    pub fn commitment(&self) -> &[u8] {
        &self.commitment
    }
}

impl PartialEq for AcsCommitment {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for AcsCommitment {}

impl SignedMessage for AcsCommitment {
    const PURPOSE: HashPurpose = HashPurpose::AcsCommitment;

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }
}

fn check_period(from: CantonTimestamp, to: CantonTimestamp) -> Result<(), ParseError> {
    let whole = |time: CantonTimestamp| time.seconds_and_nanos().1 == 0;
    if whole(from) && whole(to) && from < to {
        return Ok(());
    }
    Err(ParseError::Rule { message: MESSAGE, rule: "the period begins before it ends, at whole seconds" })
}
