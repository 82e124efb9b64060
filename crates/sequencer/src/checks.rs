//! What is asked of a submission before it gets its time: by itself, and by the topology that is known.
//!
//! The order and the words are Canton 2.10's. A refusal is told to the sender in the answer to its call; nothing was
//! sequenced then.

use std::collections::BTreeSet;
use std::time::Duration;

use cantle_crypto::SigningPublicKey;
use cantle_protocol::{Batch, BatchError, Signable, SignedContent, SubmissionRequest};
use cantle_sequencing::{RefusalReason, SendRefusal};
use cantle_types::{CantonTimestamp, Member, MemberCode};

use crate::topology::Topology;

/// Through which call a submission came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The one for members with a token.
    Authenticated,
    /// The one for members that have none yet.
    Unauthenticated,
}

pub(crate) fn refuse(reason: RefusalReason, message: &str) -> SendRefusal {
    SendRefusal::new(reason, message)
}

/// Checks what can be told from the submission alone, and opens its batch.
///
/// `limit`: the domain's `max_request_size`.
pub(crate) fn check_request(
    caller: &Member,
    request: &SubmissionRequest,
    entrance: Entrance,
    limit: u32,
) -> Result<Batch, SendRefusal> {
    use RefusalReason::{RequestInvalid, RequestRefused};
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if request.bytes().len() > limit {
        return Err(refuse(
            RequestInvalid,
            &format!("Request has {} bytes, the domain allows {limit}", request.bytes().len()),
        ));
    }
    let sender = request.sender();
    if sender != caller {
        return Err(refuse(
            RequestRefused,
            &format!(
                "{sender} is not authorized to send: it is not the member {caller} that has authenticated"
            ),
        ));
    }
    match (entrance, is_authenticated(sender)) {
        (Entrance::Authenticated, false) => {
            return Err(refuse(
                RequestRefused,
                &format!("Sender {sender} needs to use unauthenticated send operation"),
            ));
        }
        (Entrance::Unauthenticated, true) => {
            return Err(refuse(
                RequestRefused,
                &format!("Sender {sender} needs to use authenticated send operation"),
            ));
        }
        _ => {}
    }
    let batch = request.batch().decompress(limit).map_err(|error| batch_refusal(&error))?;
    if batch.envelopes().iter().any(|envelope| envelope.content().is_empty()) {
        return Err(refuse(RequestInvalid, "Batch contains envelope without content."));
    }
    check_recipients(request, &batch)?;
    Ok(batch)
}

fn batch_refusal(error: &BatchError) -> SendRefusal {
    refuse(RefusalReason::RequestInvalid, &format!("Batch cannot be read: {error}"))
}

fn check_recipients(request: &SubmissionRequest, batch: &Batch) -> Result<(), SendRefusal> {
    use RefusalReason::RequestRefused;
    let (sender, recipients) = (request.sender(), batch.members());
    let of = |code: MemberCode| recipients.iter().filter(move |member| member.code() == code);
    if sender.code() == MemberCode::Participant && of(MemberCode::Mediator).count() > 1 {
        return Err(refuse(
            RequestRefused,
            "Batch from participant contains multiple mediators as recipients.",
        ));
    }
    let unauthenticated = of(MemberCode::Unauthenticated).next();
    if request.timestamp_of_signing_key().is_some()
        && (unauthenticated.is_some() || !is_authenticated(sender))
    {
        return Err(refuse(
            RequestRefused,
            "Requests sent from or to unauthenticated members must not specify the timestamp of the signing key",
        ));
    }
    match sender.code() {
        MemberCode::DomainTopologyManager => Ok(()),
        MemberCode::Unauthenticated => match beyond_manager(&recipients) {
            Some(other) => Err(refuse(
                RequestRefused,
                &format!(
                    "Unauthenticated member is trying to send message to members other than the domain manager: {other}."
                ),
            )),
            None => Ok(()),
        },
        _ => match unauthenticated {
            Some(other) => Err(refuse(
                RequestRefused,
                &format!(
                    "Member is trying to send message to unauthenticated {other}. Only domain manager can do that."
                ),
            )),
            None => Ok(()),
        },
    }
}

fn beyond_manager<'a>(recipients: &BTreeSet<&'a Member>) -> Option<&'a Member> {
    recipients.iter().find(|member| member.code() != MemberCode::DomainTopologyManager).copied()
}

pub(crate) fn is_authenticated(member: &Member) -> bool {
    member.code() != MemberCode::Unauthenticated
}

/// By how much a member's clock may be ahead of the sequencer's.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// Whether a member signed, by a key that it has now or had at the time which it names.
///
/// Members name the last time of which they have heard, which for one that was idle lies far back: what counts is that
/// the key is still theirs. A key that is theirs no more counts for what was under way when it was replaced: for a named
/// time as far back as signing keys of events may be. To who has just joined, the topology that it was told took effect at
/// once; to the domain it did so after its delay. What is later than that, and than any clock, no honest member names.
/// Source: `SignatureVerifier` of Canton 2.10, which takes the keys of now alone.
pub(crate) fn check_signature<T: Signable>(
    topology: &Topology,
    now: CantonTimestamp,
    sender: &Member,
    signed: &SignedContent<T>,
) -> Result<(), String> {
    let named = signed.timestamp_of_signing_key().unwrap_or(now);
    let known = topology.last_effective().map_or(now, |effective| effective.max(now));
    let latest = known.saturating_add(CLOCKS_APART);
    if named > latest {
        return Err(format!("The time {named} of the signing key is yet to come: it is after {latest}"));
    }
    let signed_by = signed.signature().signed_by();
    let present = topology.at(now).map_err(|error| error.to_string())?;
    let mut keys = present.signing_keys(sender);
    let is_theirs = |keys: &[SigningPublicKey]| keys.iter().any(|key| key.fingerprint() == signed_by);
    if !is_theirs(&keys) && now.saturating_since(named) <= present.signing_tolerance() {
        keys = topology.at(named).map_err(|error| error.to_string())?.signing_keys(sender);
    }
    let Some(key) = keys.iter().find(|key| key.fingerprint() == signed_by) else {
        return Err(format!("{signed_by} is none of the {} signing keys of {sender}", keys.len()));
    };
    if !topology.allows(key.scheme()) {
        return Err(format!(
            "{signed_by} is a key of the scheme {}, which the domain does not allow",
            key.scheme().name()
        ));
    }
    signed.verify(key).map_err(|error| format!("The signature by {signed_by} does not hold: {error}"))
}
