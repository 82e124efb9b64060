//! What a mediator notices and does not let pass. An alarm is logged; it never stops the mediator.

use cantle_protocol::ViewPosition;
use cantle_types::{CantonTimestamp, DomainId, MediatorId, ParticipantId, PartyId};
use thiserror::Error;

/// Something that an honest member does not send, or not in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Alarm {
    /// An event with requests and answers, or several requests.
    #[error("an event holds {requests} requests and {answers} answers; it is ignored")]
    MixedEvent {
        /// How many requests.
        requests: usize,
        /// How many answers.
        answers: usize,
    },
    /// A request while this mediator is not on the domain.
    #[error("a request came while {mediator} was not active on the domain; it is ignored")]
    MediatorNotActive {
        /// This mediator.
        mediator: MediatorId,
    },
    /// A request that is refused at once.
    #[error("the request is rejected: {reason}")]
    Request {
        /// Why.
        reason: String,
    },
    /// More requests are open than this mediator remembers.
    #[error("{open} requests are open; this one is ignored and will time out at its participants")]
    TooManyRequests {
        /// How many are open.
        open: usize,
    },
    /// An answer for another domain.
    #[error("an answer of {sender} is for domain {domain}")]
    OtherDomain {
        /// Who answered.
        sender: ParticipantId,
        /// The domain.
        domain: DomainId,
    },
    /// An answer that came too late.
    #[error("the answer of {sender} to request {request_id} came after its deadline {deadline}")]
    Late {
        /// Who answered.
        sender: ParticipantId,
        /// Which request.
        request_id: CantonTimestamp,
        /// The deadline.
        deadline: CantonTimestamp,
    },
    /// An answer to no request.
    #[error("the answer of {sender} is to request {request_id}, which is not known")]
    UnknownRequest {
        /// Who answered.
        sender: ParticipantId,
        /// Which request.
        request_id: CantonTimestamp,
    },
    /// An answer that others saw too.
    #[error("the answer of {sender} to request {request_id} was not sent to the mediator alone")]
    Recipients {
        /// Who answered.
        sender: ParticipantId,
        /// Which request.
        request_id: CantonTimestamp,
    },
    /// An answer with the root hash of another request.
    #[error("the answer of {sender} to request {request_id} has another root hash")]
    RootHash {
        /// Who answered.
        sender: ParticipantId,
        /// Which request.
        request_id: CantonTimestamp,
    },
    /// An answer about a view that is not there.
    #[error("the answer of {sender} to request {request_id} is about a view that is not there: {position:?}")]
    UnknownView {
        /// Who answered.
        sender: ParticipantId,
        /// Which request.
        request_id: CantonTimestamp,
        /// Where the view would be.
        position: ViewPosition,
    },
    /// An answer for parties that its author must not answer for.
    #[error("the answer of {sender} to request {request_id} is for {party}, for whom it must not confirm")]
    NotAuthorized {
        /// Who answered.
        sender: ParticipantId,
        /// Which request.
        request_id: CantonTimestamp,
        /// For whom.
        party: PartyId,
    },
    /// An answer without a view that does not say that the request is malformed.
    #[error("the answer of {sender} to request {request_id} names no view")]
    NoView {
        /// Who answered.
        sender: ParticipantId,
        /// Which request.
        request_id: CantonTimestamp,
    },
}
