//! What a sequencer offers to the members of its domain, however they reach it.
//!
//! Whether what arrives is true (signatures, counters, times) is not asked here but by the client above. Over a network
//! it is [`crate::GrpcSequencer`]; the members that run in one process with their sequencer talk to it directly.
//! Source: the public API of Canton 2.10, <https://docs.daml.com/canton/reference/protobuf.html>.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cantle_crypto::Signature;
use cantle_proto::protocol::v0::handshake;
use cantle_protocol::{
    AcknowledgeRequest, HandshakeRequest, SequencedEvent, SequencerCounter, SignedContent,
    StaticDomainParameters, SubmissionRequest, TraceContext,
};
use cantle_types::{DomainId, Fingerprint, Member, ProtocolVersion};
use futures::stream::BoxStream;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::error::{ApiError, SendError};

/// The name by which the public API of a sequencer says what it is.
pub const API_NAME: &str = "sequencer-public-api";

/// The events of a subscription, in their order.
///
/// It ends with an error, or without one when the sequencer closes it. Dropping it ends the subscription.
pub type EventStream = BoxStream<'static, Result<ReceivedEvent, ApiError>>;

/// A sequencer as a member sees it.
///
/// Calls may run side by side. A dropped call may or may not have happened; only [`SequencerApi::send`] and
/// [`SequencerApi::send_unauthenticated`] must not simply be repeated, since each may be sequenced.
#[async_trait]
pub trait SequencerApi: Send + Sync + fmt::Debug {
    /// How members prove here who they are.
    fn authentication(&self) -> Authentication;

    /// Which API is served; a sequencer's says [`API_NAME`].
    async fn api_info(&self) -> Result<String, ApiError>;

    /// The domain, and which sequencer of it this is.
    async fn identity(&self) -> Result<SequencerIdentity, ApiError>;

    /// Whether the protocol versions fit; [`HandshakeRequest::check`] reads the answer.
    async fn handshake(&self, request: &HandshakeRequest) -> Result<handshake::Response, ApiError>;

    /// The domain's static parameters.
    async fn domain_parameters(&self) -> Result<StaticDomainParameters, ApiError>;

    /// What participants must accept before they may authenticate, if anything.
    async fn service_agreement(&self) -> Result<Option<ServiceAgreement>, ApiError>;

    /// Whether a member is active, by the topology of the domain.
    async fn verify_active(&self, member: &Member) -> Result<bool, ApiError>;

    /// Asks for a nonce to sign, as a member that speaks these protocol versions.
    async fn challenge(&self, member: &Member, versions: &[ProtocolVersion]) -> Result<Challenge, ApiError>;

    /// Trades the signed nonce for a token. A nonce is good for one try.
    async fn authenticate(
        &self,
        member: &Member,
        signature: &Signature,
        nonce: &[u8],
    ) -> Result<IssuedToken, ApiError>;

    /// Hands in a submission.
    ///
    /// `Ok` means that it was accepted. Whether it is sequenced, the sender learns from its own events.
    async fn send(
        &self,
        caller: &Caller,
        submission: &SignedContent<SubmissionRequest>,
        trace: &TraceContext,
    ) -> Result<(), SendError>;

    /// Hands in the submission of a member that cannot sign yet.
    async fn send_unauthenticated(
        &self,
        caller: &Caller,
        submission: &SubmissionRequest,
        trace: &TraceContext,
    ) -> Result<(), SendError>;

    /// Subscribes to the caller's events from a counter on: that event is the first to come.
    async fn subscribe(&self, caller: &Caller, from: SequencerCounter) -> Result<EventStream, ApiError>;

    /// As [`SequencerApi::subscribe`], for a member that cannot sign yet.
    async fn subscribe_unauthenticated(
        &self,
        caller: &Caller,
        from: SequencerCounter,
    ) -> Result<EventStream, ApiError>;

    /// Says up to when the caller has done with its events.
    async fn acknowledge(
        &self,
        caller: &Caller,
        acknowledgement: &SignedContent<AcknowledgeRequest>,
    ) -> Result<(), ApiError>;
}

/// How members prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// By a token for which they signed a nonce.
    Token,
    /// Not at all: they run in the process of the sequencer, which takes the [`Caller`] at its word.
    InProcess,
}

/// On whose behalf a call is made.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who calls.
    pub member: Member,
    /// Which domain it means.
    pub domain: DomainId,
    /// What proves that it is the member, where that is asked.
    pub token: Option<AuthToken>,
}

/// A token that lets its holder act as a member. Cheap to clone; wiped when the last clone goes.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthToken(Arc<Zeroizing<Vec<u8>>>);

impl AuthToken {
    /// The token with these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes, for the one call that sends them. They must not be logged.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// The domain of a sequencer, and the sequencer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerIdentity {
    /// The domain.
    pub domain: DomainId,
    /// The member that signs the events, `SEQ::…`.
    pub sequencer: Member,
}

/// A nonce to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The nonce.
    pub nonce: Vec<u8>,
    /// The member's signing keys as the domain knows them; the signature must be by one of these.
    pub fingerprints: Vec<Fingerprint>,
}

/// A token and how long it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: AuthToken,
    /// It is good until then, by the sequencer's clock.
    pub expires: Timestamp,
}

/// What participants must accept before they may authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAgreement {
    /// Its id, which is signed together with the nonce.
    pub id: String,
    /// What it says.
    pub legal_text: String,
}

/// An event as it arrives. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// The event. Its signature has not been verified.
    pub event: SignedContent<SequencedEvent>,
    /// The trace that its submission belongs to.
    pub trace: TraceContext,
}
