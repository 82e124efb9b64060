//! The calls, one by one.

use async_trait::async_trait;
use cantle_crypto::Signature;
use cantle_proto::connection::v30::GetApiInfoRequest;
use cantle_proto::connection::v30::api_info_service_client::ApiInfoServiceClient;
use cantle_proto::domain::api::v0::sequencer_authentication_service_client::SequencerAuthenticationServiceClient;
use cantle_proto::domain::api::v0::sequencer_connect::{get_domain_id, get_domain_parameters, verify_active};
use cantle_proto::domain::api::v0::sequencer_connect_service_client::SequencerConnectServiceClient;
use cantle_proto::domain::api::v0::sequencer_service_client::SequencerServiceClient;
use cantle_proto::domain::api::v0::{
    GetServiceAgreementRequest, SendAsyncUnauthenticatedVersionedRequest, SendAsyncVersionedRequest,
    SubscriptionRequest, VersionedSubscriptionResponse, challenge,
};
use cantle_proto::protocol::v0::handshake;
use cantle_protocol::{
    AcknowledgeRequest, HandshakeRequest, SequencerCounter, SignedContent, StaticDomainParameters,
    SubmissionRequest, TraceContext,
};
use cantle_types::{Member, ProtocolVersion};
use futures::{StreamExt, TryStreamExt};
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use super::status::{answered, caught, timed};
use super::{GrpcSequencer, answers, as_caller, ascii, traced};
use crate::api::{
    Authentication, Caller, Challenge, EventStream, IssuedToken, SequencerApi, SequencerIdentity,
    ServiceAgreement,
};
use crate::error::{ApiError, SendError};

/// A subscription is open once its headers have come.
enum Subscription {
    Authenticated,
    Unauthenticated,
}

impl GrpcSequencer {
    fn connect_service(&self, channel: Channel) -> SequencerConnectServiceClient<Channel> {
        SequencerConnectServiceClient::new(channel).max_decoding_message_size(self.options.max_message)
    }

    fn authentication_service(&self, channel: Channel) -> SequencerAuthenticationServiceClient<Channel> {
        SequencerAuthenticationServiceClient::new(channel).max_decoding_message_size(self.options.max_message)
    }

    fn sequencer_service(&self, channel: Channel) -> SequencerServiceClient<Channel> {
        SequencerServiceClient::new(channel)
            .max_decoding_message_size(self.options.max_message)
            .max_encoding_message_size(usize::MAX)
    }

    async fn open(
        &self,
        call: &'static str,
        kind: Subscription,
        caller: &Caller,
        from: SequencerCounter,
    ) -> Result<EventStream, ApiError> {
        let kind = &kind;
        let opened = self.call(|channel, endpoint| async move {
            let message = SubscriptionRequest { member: caller.member.to_string(), counter: from.get() };
            let request = as_caller(call, message, caller, &new_trace())?;
            let mut service = self.sequencer_service(channel);
            let opened = async {
                match kind {
                    Subscription::Authenticated => service.subscribe_versioned(request).await,
                    Subscription::Unauthenticated => {
                        service.subscribe_unauthenticated_versioned(request).await
                    }
                }
            };
            // A server may hold its headers back until there is an event: opening has no time limit of its own.
            let stream = answered(call, &endpoint, opened).await?;
            Ok((stream.into_inner(), endpoint))
        });
        let (stream, endpoint) = opened.await?;
        let leave = self.leaving(&endpoint);
        Ok(events(call, endpoint, stream).inspect_err(leave).boxed())
    }
}

#[async_trait]
impl SequencerApi for GrpcSequencer {
    fn authentication(&self) -> Authentication {
        Authentication::Token
    }

    async fn api_info(&self) -> Result<String, ApiError> {
        const CALL: &str = "GetApiInfo";
        self.call_once(|channel, endpoint| async move {
            let mut service = ApiInfoServiceClient::new(channel);
            let request = traced(GetApiInfoRequest {}, &new_trace());
            let answer =
                timed(CALL, &endpoint, self.options.info_timeout, service.get_api_info(request)).await?;
            Ok(answer.into_inner().name)
        })
        .await
    }

    async fn identity(&self) -> Result<SequencerIdentity, ApiError> {
        const CALL: &str = "GetDomainId";
        self.call_once(|channel, endpoint| async move {
            let mut service = self.connect_service(channel);
            let request = traced(get_domain_id::Request {}, &new_trace());
            let answer =
                timed(CALL, &endpoint, self.options.info_timeout, service.get_domain_id(request)).await?;
            answers::identity(CALL, answer.get_ref())
        })
        .await
    }

    async fn handshake(&self, request: &HandshakeRequest) -> Result<handshake::Response, ApiError> {
        const CALL: &str = "Handshake";
        self.call_once(|channel, endpoint| async move {
            let mut service = self.connect_service(channel);
            let request = traced(request.to_proto(), &new_trace());
            let answer =
                timed(CALL, &endpoint, self.options.info_timeout, service.handshake(request)).await?;
            Ok(answer.into_inner())
        })
        .await
    }

    async fn domain_parameters(&self) -> Result<StaticDomainParameters, ApiError> {
        const CALL: &str = "GetDomainParameters";
        self.call_once(|channel, endpoint| async move {
            let mut service = self.connect_service(channel);
            let request = traced(get_domain_parameters::Request {}, &new_trace());
            let answer = service.get_domain_parameters(request);
            let answer = timed(CALL, &endpoint, self.options.info_timeout, answer).await?;
            answers::domain_parameters(CALL, answer.into_inner())
        })
        .await
    }

    async fn service_agreement(&self) -> Result<Option<ServiceAgreement>, ApiError> {
        const CALL: &str = "GetServiceAgreement";
        self.call_once(|channel, endpoint| async move {
            let mut service = self.connect_service(channel);
            let request = traced(GetServiceAgreementRequest {}, &new_trace());
            let answer = service.get_service_agreement(request);
            let answer = timed(CALL, &endpoint, self.options.info_timeout, answer).await?;
            Ok(answers::service_agreement(answer.into_inner()))
        })
        .await
    }

    async fn verify_active(&self, member: &Member) -> Result<bool, ApiError> {
        const CALL: &str = "VerifyActive";
        self.call(|channel, endpoint| async move {
            let mut service = self.connect_service(channel);
            let mut request = Request::new(verify_active::Request {});
            request.metadata_mut().insert("memberid", ascii(CALL, member.as_str())?);
            let answer =
                timed(CALL, &endpoint, self.options.call_timeout, service.verify_active(request)).await?;
            answers::is_active(CALL, answer.into_inner())
        })
        .await
    }

    async fn challenge(&self, member: &Member, versions: &[ProtocolVersion]) -> Result<Challenge, ApiError> {
        const CALL: &str = "Challenge";
        self.call(|channel, endpoint| async move {
            let mut service = self.authentication_service(channel);
            let versions = versions.iter().map(|version| version.semantic().to_owned()).collect();
            let message =
                challenge::Request { member: member.to_string(), member_protocol_versions: versions };
            let answer = service.challenge(traced(message, &new_trace()));
            let answer = timed(CALL, &endpoint, self.options.call_timeout, answer).await?;
            answers::challenge(CALL, answer.into_inner())
        })
        .await
    }

    async fn authenticate(
        &self,
        member: &Member,
        signature: &Signature,
        nonce: &[u8],
    ) -> Result<IssuedToken, ApiError> {
        const CALL: &str = "Authenticate";
        self.call(|channel, endpoint| async move {
            let mut service = self.authentication_service(channel);
            let message = answers::authentication_request(member, signature, nonce);
            let answer = service.authenticate(Request::new(message));
            let answer = timed(CALL, &endpoint, self.options.call_timeout, answer).await?;
            answers::token(CALL, answer.into_inner())
        })
        .await
    }

    async fn send(
        &self,
        caller: &Caller,
        submission: &SignedContent<SubmissionRequest>,
        trace: &TraceContext,
    ) -> Result<(), SendError> {
        const CALL: &str = "SendAsyncVersioned";
        let answer = self.call(|channel, endpoint| async move {
            let message =
                SendAsyncVersionedRequest { signed_submission_request: submission.bytes().to_vec() };
            let request = as_caller(CALL, message, caller, trace)?;
            let mut service = self.sequencer_service(channel);
            let answer = service.send_async_versioned(request);
            Ok(timed(CALL, &endpoint, self.options.call_timeout, answer).await?.into_inner())
        });
        Ok(answers::sent(answer.await?)?)
    }

    async fn send_unauthenticated(
        &self,
        caller: &Caller,
        submission: &SubmissionRequest,
        trace: &TraceContext,
    ) -> Result<(), SendError> {
        const CALL: &str = "SendAsyncUnauthenticatedVersioned";
        let answer = self.call(|channel, endpoint| async move {
            let message =
                SendAsyncUnauthenticatedVersionedRequest { submission_request: submission.bytes().to_vec() };
            let request = as_caller(CALL, message, caller, trace)?;
            let mut service = self.sequencer_service(channel);
            let answer = service.send_async_unauthenticated_versioned(request);
            Ok(timed(CALL, &endpoint, self.options.call_timeout, answer).await?.into_inner())
        });
        Ok(answers::sent_unauthenticated(answer.await?)?)
    }

    async fn subscribe(&self, caller: &Caller, from: SequencerCounter) -> Result<EventStream, ApiError> {
        self.open("SubscribeVersioned", Subscription::Authenticated, caller, from).await
    }

    async fn subscribe_unauthenticated(
        &self,
        caller: &Caller,
        from: SequencerCounter,
    ) -> Result<EventStream, ApiError> {
        self.open("SubscribeUnauthenticatedVersioned", Subscription::Unauthenticated, caller, from).await
    }

    async fn acknowledge(
        &self,
        caller: &Caller,
        acknowledgement: &SignedContent<AcknowledgeRequest>,
    ) -> Result<(), ApiError> {
        const CALL: &str = "AcknowledgeSigned";
        self.call(|channel, endpoint| async move {
            let request = as_caller(CALL, acknowledgement.to_proto(), caller, &new_trace())?;
            let mut service = self.sequencer_service(channel);
            timed(CALL, &endpoint, self.options.call_timeout, service.acknowledge_signed(request)).await?;
            Ok(())
        })
        .await
    }
}

fn events(
    call: &'static str,
    endpoint: String,
    stream: Streaming<VersionedSubscriptionResponse>,
) -> EventStream {
    let events = caught(call, endpoint, stream);
    events.map(move |answer| answer.and_then(|answer| answers::event(call, answer))).boxed()
}

/// Calls that nobody began begin a trace of their own.
fn new_trace() -> TraceContext {
    TraceContext::root().unwrap_or_default()
}
