//! The sequencer in memory as its members see it.

use async_trait::async_trait;
use cantle_crypto::{Signature, random_bytes};
use cantle_proto::protocol::v0::handshake;
use cantle_protocol::{
    AcknowledgeRequest, HandshakeRequest, HandshakeResponse, SequencerCounter, SignedContent,
    StaticDomainParameters, SubmissionRequest, TraceContext,
};
use cantle_types::{CantonTimestamp, Member, MemberCode, ProtocolVersion};
use tonic::Code;

use super::{TOKEN_LIFETIME, TestSequencer};
use crate::api::{
    API_NAME, AuthToken, Authentication, Caller, Challenge, EventStream, IssuedToken, SequencerApi,
    SequencerIdentity, ServiceAgreement,
};
use crate::auth::authentication_hash;
use crate::error::{ApiError, AuthErrorCode, RefusalReason, SendError, SendRefusal};
use crate::testing::{Call, Fault};

#[async_trait]
impl SequencerApi for TestSequencer {
    fn authentication(&self) -> Authentication {
        Authentication::Token
    }

    async fn api_info(&self) -> Result<String, ApiError> {
        Ok(API_NAME.to_owned())
    }

    async fn identity(&self) -> Result<SequencerIdentity, ApiError> {
        Ok(SequencerIdentity { domain: self.0.domain.id.clone(), sequencer: self.0.domain.sequencer() })
    }

    async fn handshake(&self, request: &HandshakeRequest) -> Result<handshake::Response, ApiError> {
        self.called_or_failed(Call::Handshake)?;
        let version = self.0.domain.parameters.protocol_version;
        Ok(HandshakeResponse::to_request(version, &request.to_proto()).to_proto())
    }

    async fn domain_parameters(&self) -> Result<StaticDomainParameters, ApiError> {
        Ok(self.0.domain.parameters.clone())
    }

    async fn service_agreement(&self) -> Result<Option<ServiceAgreement>, ApiError> {
        Ok(None)
    }

    async fn verify_active(&self, member: &Member) -> Result<bool, ApiError> {
        Ok(self.topology().is_active(member))
    }

    async fn challenge(&self, member: &Member, versions: &[ProtocolVersion]) -> Result<Challenge, ApiError> {
        self.called_or_failed(Call::Challenge)?;
        let version = self.0.domain.parameters.protocol_version;
        if let Some(unknown) = versions.iter().find(|known| **known > version) {
            let text = format!("Protocol version {unknown} is not supported by this domain");
            return Err(ApiError::status("Challenge", Code::InvalidArgument, &text));
        }
        let nonce = random_bytes::<20>().map(Vec::from);
        let nonce =
            nonce.map_err(|error| ApiError::status("Challenge", Code::Internal, &error.to_string()))?;
        let nonce = self.state().next_nonce.take().unwrap_or(nonce);
        let keys = self.topology().signing_keys(member);
        self.state().nonces.insert((member.clone(), nonce.clone()));
        Ok(Challenge { nonce, fingerprints: keys.iter().map(|key| key.fingerprint().clone()).collect() })
    }

    async fn authenticate(
        &self,
        member: &Member,
        signature: &Signature,
        nonce: &[u8],
    ) -> Result<IssuedToken, ApiError> {
        const CALL: Call = Call::Authenticate;
        self.called_or_failed(CALL)?;
        if !self.state().nonces.remove(&(member.clone(), nonce.to_vec())) {
            return Err(Fault::Auth(AuthErrorCode::MissingNonce).error(CALL));
        }
        let hash = authentication_hash(nonce, &self.0.domain.id, None);
        let keys = self.topology().signing_keys(member);
        if !keys.iter().any(|key| key.verify_hash(&hash, signature).is_ok()) {
            return Err(Fault::Auth(AuthErrorCode::InvalidSignature).error(CALL));
        }
        let token = random_bytes::<20>().map(Vec::from);
        let token =
            token.map_err(|error| ApiError::status("Authenticate", Code::Internal, &error.to_string()))?;
        self.state().tokens.insert(token.clone(), member.clone());
        let expires = self.0.clock.now().checked_add(TOKEN_LIFETIME).unwrap_or(jiff::Timestamp::MAX);
        Ok(IssuedToken { token: AuthToken::new(token), expires })
    }

    async fn send(
        &self,
        caller: &Caller,
        submission: &SignedContent<SubmissionRequest>,
        trace: &TraceContext,
    ) -> Result<(), SendError> {
        let fault = self.called(Call::Send);
        if let Some(fault) = fault.as_ref().filter(|fault| !fault.is_carried_out()) {
            return Err(fault.error(Call::Send).into());
        }
        self.check_token(Call::Send, caller)?;
        let request = submission.content();
        let signing_time = submission.timestamp_of_signing_key().unwrap_or(CantonTimestamp::MAX);
        let view = self.state().timeline.view(signing_time.to_timestamp());
        let keys = view.map(|view| view.signing_keys(request.sender())).unwrap_or_default();
        let is_signed = keys.iter().any(|key| submission.verify(key).is_ok());
        if *request.sender() != caller.member || !is_signed {
            return Err(SendRefusal::new(RefusalReason::RequestRefused, "not the sender's").into());
        }
        self.accept(request, trace);
        fault.map_or(Ok(()), |fault| Err(fault.error(Call::Send).into()))
    }

    async fn send_unauthenticated(
        &self,
        caller: &Caller,
        submission: &SubmissionRequest,
        trace: &TraceContext,
    ) -> Result<(), SendError> {
        self.called_or_failed(Call::Send)?;
        if caller.member.code() != MemberCode::Unauthenticated || *submission.sender() != caller.member {
            return Err(SendRefusal::new(RefusalReason::RequestRefused, "not the sender's").into());
        }
        self.accept(submission, trace);
        Ok(())
    }

    async fn subscribe(&self, caller: &Caller, from: SequencerCounter) -> Result<EventStream, ApiError> {
        self.called_or_failed(Call::Subscribe)?;
        self.check_token(Call::Subscribe, caller)?;
        Ok(self.stream(caller.member.clone(), from))
    }

    async fn subscribe_unauthenticated(
        &self,
        caller: &Caller,
        from: SequencerCounter,
    ) -> Result<EventStream, ApiError> {
        self.called_or_failed(Call::Subscribe)?;
        Ok(self.stream(caller.member.clone(), from))
    }

    async fn acknowledge(
        &self,
        caller: &Caller,
        acknowledgement: &SignedContent<AcknowledgeRequest>,
    ) -> Result<(), ApiError> {
        self.called_or_failed(Call::Acknowledge)?;
        self.check_token(Call::Acknowledge, caller)?;
        let keys = self.topology().signing_keys(&caller.member);
        if !keys.iter().any(|key| acknowledgement.verify(key).is_ok()) {
            return Err(ApiError::status("AcknowledgeSigned", Code::InvalidArgument, "not the member's"));
        }
        let request = acknowledgement.content();
        self.state().acknowledged.push((request.member().clone(), request.timestamp()));
        Ok(())
    }
}
