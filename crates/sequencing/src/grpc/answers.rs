//! What the sequencer's answers say.

use std::fmt::Display;

use cantle_crypto::Signature;
use cantle_proto::domain::api::v0::sequencer_connect::{get_domain_id, get_domain_parameters, verify_active};
use cantle_proto::domain::api::v0::{
    GetServiceAgreementResponse, SendAsyncResponse, SendAsyncSignedResponse, VersionedSubscriptionResponse,
    authentication, challenge, send_async_response, send_async_signed_response,
};
use cantle_protocol::{SignedContent, StaticDomainParameters, TraceContext};
use cantle_types::{DomainId, Fingerprint, Member, MemberCode};
use jiff::Timestamp;
use tonic::Code;

use crate::api::{AuthToken, Challenge, IssuedToken, ReceivedEvent, SequencerIdentity, ServiceAgreement};
use crate::error::{ApiError, RefusalReason, SendRefusal, shortened};

/// A member has a handful of keys.
const MAX_FINGERPRINTS: usize = 1000;
/// Ours has 20 bytes.
const MAX_TOKEN: usize = 1024;

pub(super) fn unreadable(call: &'static str, what: impl Display) -> ApiError {
    ApiError::Answer { call, what: shortened(&what.to_string()) }
}

/// An empty sequencer id is that of the domain's own uid.
pub(super) fn identity(
    call: &'static str,
    answer: &get_domain_id::Response,
) -> Result<SequencerIdentity, ApiError> {
    let domain: DomainId = answer.domain_id.parse().map_err(|error| unreadable(call, error))?;
    let sequencer = match answer.sequencer_id.as_str() {
        "" => Member::new(MemberCode::Sequencer, domain.uid().clone()),
        text => text.parse::<Member>().map_err(|error| unreadable(call, error))?,
    };
    if sequencer.code() != MemberCode::Sequencer {
        return Err(unreadable(call, format_args!("{sequencer} is no sequencer")));
    }
    Ok(SequencerIdentity { domain, sequencer })
}

pub(super) fn domain_parameters(
    call: &'static str,
    answer: get_domain_parameters::Response,
) -> Result<StaticDomainParameters, ApiError> {
    match answer.parameters {
        Some(get_domain_parameters::response::Parameters::ParametersV1(parameters)) => {
            StaticDomainParameters::from_proto(&parameters).map_err(|error| unreadable(call, error))
        }
        Some(get_domain_parameters::response::Parameters::ParametersV0(_)) => {
            Err(unreadable(call, "these are the parameters of a protocol version before 4"))
        }
        None => Err(unreadable(call, "it is empty")),
    }
}

pub(super) fn service_agreement(answer: GetServiceAgreementResponse) -> Option<ServiceAgreement> {
    let agreement = answer.agreement?;
    Some(ServiceAgreement { id: agreement.id, legal_text: agreement.legal_text })
}

pub(super) fn is_active(call: &'static str, answer: verify_active::Response) -> Result<bool, ApiError> {
    match answer.value {
        Some(verify_active::response::Value::Success(success)) => Ok(success.is_active),
        Some(verify_active::response::Value::Failure(failure)) => {
            Err(ApiError::status(call, Code::FailedPrecondition, &failure.reason))
        }
        None => Err(unreadable(call, "it is empty")),
    }
}

pub(super) fn challenge(call: &'static str, answer: challenge::Response) -> Result<Challenge, ApiError> {
    match answer.value {
        Some(challenge::response::Value::Success(success)) => {
            if success.fingerprints.len() > MAX_FINGERPRINTS {
                return Err(unreadable(call, "it names too many keys"));
            }
            let fingerprints = success.fingerprints.iter().map(|text| text.parse::<Fingerprint>());
            let fingerprints =
                fingerprints.collect::<Result<_, _>>().map_err(|error| unreadable(call, error))?;
            Ok(Challenge { nonce: success.nonce, fingerprints })
        }
        Some(challenge::response::Value::Failure(failure)) => {
            Err(ApiError::status(call, code(failure.code), &failure.reason))
        }
        None => Err(unreadable(call, "it is empty")),
    }
}

pub(super) fn authentication_request(
    member: &Member,
    signature: &Signature,
    nonce: &[u8],
) -> authentication::Request {
    authentication::Request {
        member: member.to_string(),
        signature: Some(signature.to_proto()),
        nonce: nonce.to_vec(),
    }
}

pub(super) fn token(call: &'static str, answer: authentication::Response) -> Result<IssuedToken, ApiError> {
    match answer.value {
        Some(authentication::response::Value::Success(success)) => {
            if success.token.is_empty() || success.token.len() > MAX_TOKEN {
                return Err(unreadable(call, "it has no usable token"));
            }
            let expires = success.expires_at.ok_or_else(|| unreadable(call, "it does not say until when"))?;
            let expires = Timestamp::new(expires.seconds, expires.nanos);
            let expires = expires.map_err(|error| unreadable(call, error))?;
            Ok(IssuedToken { token: AuthToken::new(success.token), expires })
        }
        Some(authentication::response::Value::Failure(failure)) => {
            Err(ApiError::status(call, code(failure.code), &failure.reason))
        }
        None => Err(unreadable(call, "it is empty")),
    }
}

/// gRPC's code of a failure inside an answer. A failure is never OK.
fn code(number: u32) -> Code {
    match i32::try_from(number).map(Code::from) {
        Ok(Code::Ok) | Err(_) => Code::Unknown,
        Ok(code) => code,
    }
}

pub(super) fn sent(answer: SendAsyncSignedResponse) -> Result<(), SendRefusal> {
    use send_async_signed_response::error::Reason;
    let Some(error) = answer.error else { return Ok(()) };
    let (reason, text) = match error.reason {
        Some(Reason::RequestInvalid(text)) => (RefusalReason::RequestInvalid, text),
        Some(Reason::RequestRefused(text)) => (RefusalReason::RequestRefused, text),
        Some(Reason::Overloaded(text)) => (RefusalReason::Overloaded, text),
        Some(Reason::SenderUnknown(text)) => (RefusalReason::SenderUnknown, text),
        Some(Reason::ShuttingDown(text)) => (RefusalReason::ShuttingDown, text),
        Some(Reason::Unavailable(text)) => (RefusalReason::Unavailable, text),
        Some(Reason::UnknownRecipients(text)) => (RefusalReason::UnknownRecipients, text),
        Some(Reason::Internal(text)) => (RefusalReason::Internal, text),
        Some(Reason::Generic(text)) => (RefusalReason::Generic, text),
        None => (RefusalReason::Generic, String::new()),
    };
    Err(SendRefusal::new(reason, &text))
}

pub(super) fn sent_unauthenticated(answer: SendAsyncResponse) -> Result<(), SendRefusal> {
    use send_async_response::error::Reason;
    let Some(error) = answer.error else { return Ok(()) };
    let (reason, text) = match error.reason {
        Some(Reason::RequestInvalid(text)) => (RefusalReason::RequestInvalid, text),
        Some(Reason::RequestRefused(text)) => (RefusalReason::RequestRefused, text),
        Some(Reason::Overloaded(text)) => (RefusalReason::Overloaded, text),
        Some(Reason::SenderUnknown(text)) => (RefusalReason::SenderUnknown, text),
        Some(Reason::ShuttingDown(text)) => (RefusalReason::ShuttingDown, text),
        Some(Reason::Unavailable(text)) => (RefusalReason::Unavailable, text),
        Some(Reason::UnknownRecipients(text)) => (RefusalReason::UnknownRecipients, text),
        None => (RefusalReason::Generic, String::new()),
    };
    Err(SendRefusal::new(reason, &text))
}

pub(super) fn event(
    call: &'static str,
    answer: VersionedSubscriptionResponse,
) -> Result<ReceivedEvent, ApiError> {
    let event = SignedContent::from_bytes(answer.signed_sequenced_event);
    let event = event.map_err(|error| unreadable(call, error))?;
    let trace = answer.trace_context.as_ref().map_or_else(TraceContext::none, TraceContext::from_proto);
    Ok(ReceivedEvent { event, trace })
}

#[cfg(test)]
mod tests;
