//! The sequencer for the members that run in its own process: no network, and no token.
//!
//! Their submissions are signed and checked as any other's.

use std::sync::Arc;

use async_trait::async_trait;
use cantle_crypto::Signature;
use cantle_proto::protocol::v0::handshake;
use cantle_protocol::{
    AcknowledgeRequest, HandshakeRequest, HandshakeResponse, SequencerCounter, SignedContent,
    StaticDomainParameters, SubmissionRequest, TraceContext,
};
use cantle_sequencing::{
    API_NAME, ApiError, Authentication, Caller, Challenge, EventStream, IssuedToken, ReceivedEvent,
    SendError, SequencerApi, SequencerIdentity, ServiceAgreement,
};
use cantle_store::SequencerEvent;
use cantle_types::{Member, ProtocolVersion};
use futures::StreamExt;
use futures::stream;
use tonic::Code;

use crate::auth::AuthFailure;
use crate::error::SubmitError;
use crate::sequencer::Sequencer;
use crate::subscription::{Subscription, SubscriptionEnd};

/// The sequencer as a member in its process sees it.
#[derive(Debug, Clone)]
pub struct InProcessSequencer(Sequencer);

impl InProcessSequencer {
    /// The sequencer for members that are trusted to be who they say.
    #[must_use]
    pub fn new(sequencer: Sequencer) -> Self {
        Self(sequencer)
    }
}

#[async_trait]
impl SequencerApi for InProcessSequencer {
    fn authentication(&self) -> Authentication {
        Authentication::InProcess
    }

    async fn api_info(&self) -> Result<String, ApiError> {
        Ok(API_NAME.to_owned())
    }

    async fn identity(&self) -> Result<SequencerIdentity, ApiError> {
        let sequencer = self.0.id().member().clone();
        Ok(SequencerIdentity { domain: self.0.domain().clone(), sequencer })
    }

    async fn handshake(&self, request: &HandshakeRequest) -> Result<handshake::Response, ApiError> {
        let version = self.0.parameters().protocol_version;
        Ok(HandshakeResponse::to_request(version, &request.to_proto()).to_proto())
    }

    async fn domain_parameters(&self) -> Result<StaticDomainParameters, ApiError> {
        Ok(self.0.parameters().clone())
    }

    async fn service_agreement(&self) -> Result<Option<ServiceAgreement>, ApiError> {
        Ok(self.0.agreement().cloned())
    }

    async fn verify_active(&self, member: &Member) -> Result<bool, ApiError> {
        self.0.verify_active(member).ok_or_else(|| {
            let message = format!("Expecting participantId ; found {member}");
            ApiError::status("VerifyActive", Code::InvalidArgument, &message)
        })
    }

    async fn challenge(&self, member: &Member, versions: &[ProtocolVersion]) -> Result<Challenge, ApiError> {
        let versions: Vec<_> = versions.iter().map(|version| version.semantic().to_owned()).collect();
        self.0.challenge(member, &versions).map_err(|failure| not_let_in("Challenge", &failure))
    }

    async fn authenticate(
        &self,
        member: &Member,
        signature: &Signature,
        nonce: &[u8],
    ) -> Result<IssuedToken, ApiError> {
        self.0.authenticate(member, signature, nonce).map_err(|failure| not_let_in("Authenticate", &failure))
    }

    async fn send(
        &self,
        caller: &Caller,
        submission: &SignedContent<SubmissionRequest>,
        trace: &TraceContext,
    ) -> Result<(), SendError> {
        self.0.submit(&caller.member, submission, trace).await.map_err(not_sent)
    }

    async fn send_unauthenticated(
        &self,
        caller: &Caller,
        submission: &SubmissionRequest,
        trace: &TraceContext,
    ) -> Result<(), SendError> {
        self.0.submit_unauthenticated(&caller.member, submission, trace).await.map_err(not_sent)
    }

    async fn subscribe(&self, caller: &Caller, from: SequencerCounter) -> Result<EventStream, ApiError> {
        let subscription = self.0.subscribe_again(&caller.member, from.get()).await;
        Ok(event_stream(subscription.map_err(|end| ended(&end))?))
    }

    async fn subscribe_unauthenticated(
        &self,
        caller: &Caller,
        from: SequencerCounter,
    ) -> Result<EventStream, ApiError> {
        self.subscribe(caller, from).await
    }

    async fn acknowledge(
        &self,
        caller: &Caller,
        acknowledgement: &SignedContent<AcknowledgeRequest>,
    ) -> Result<(), ApiError> {
        let done = self.0.acknowledge(&caller.member, acknowledgement).await;
        done.map_err(|error| ApiError::status("AcknowledgeSigned", error.code(), &error.to_string()))
    }
}

/// The events of a subscription until it ends, the reason last.
fn event_stream(subscription: Subscription) -> EventStream {
    let events = stream::unfold(Some(subscription), |subscription| async {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(event) => Some((received(&event), Some(subscription))),
            Err(end) => Some((Err(ended(&end)), None)),
        }
    });
    events.boxed()
}

fn received(event: &Arc<SequencerEvent>) -> Result<ReceivedEvent, ApiError> {
    let signed = SignedContent::from_bytes(&*event.signed)
        .map_err(|error| ApiError::status("SubscribeVersioned", Code::Internal, &error.to_string()))?;
    let trace = event.traceparent.as_deref().map(TraceContext::from_traceparent).unwrap_or_default();
    Ok(ReceivedEvent { event: signed, trace })
}

fn not_let_in(call: &'static str, failure: &AuthFailure) -> ApiError {
    ApiError::Status { call, code: failure.code(), message: failure.to_string(), auth: failure.auth_code() }
}

fn not_sent(error: SubmitError) -> SendError {
    match error {
        SubmitError::Refused(refusal) => refusal.into(),
        SubmitError::Lost => {
            ApiError::status("SendAsyncVersioned", Code::Internal, &error.to_string()).into()
        }
    }
}

fn ended(end: &SubscriptionEnd) -> ApiError {
    ApiError::status("SubscribeVersioned", end.code(), &end.to_string())
}
