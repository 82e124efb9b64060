//! What an error becomes on the wire, decided here alone.

use cantle_proto::domain::api::v0::{
    SendAsyncResponse, SendAsyncSignedResponse, send_async_response, send_async_signed_response,
};
use cantle_sequencing::{AuthErrorCode, RefusalReason, SendRefusal, chain};
use tonic::Status;
use tonic::metadata::MetadataValue;

use crate::error::{AcknowledgeError, CallerError, SubmitError};
use crate::subscription::SubscriptionEnd;

const AUTH_ERROR_CODE: &str = "autherrorcode";

/// A caller that is not let in.
pub(super) fn of_caller(error: &CallerError) -> Status {
    let code = match error {
        CallerError::Failure(failure) => failure.auth_code(),
        _ => None,
    };
    with_auth_code(Status::unauthenticated(format!("Verification failed: {error}")), code.as_ref())
}

/// A subscription that ended or did not begin.
pub(super) fn of_end(end: &SubscriptionEnd) -> Status {
    let code = match end {
        SubscriptionEnd::Deactivated => Some(AuthErrorCode::ParticipantDisabled),
        SubscriptionEnd::TokenExpired => Some(AuthErrorCode::MissingToken),
        _ => None,
    };
    with_auth_code(Status::new(end.code(), end.to_string()), code.as_ref())
}

/// An acknowledgement that was not taken.
pub(super) fn of_acknowledgement(error: &AcknowledgeError) -> Status {
    Status::new(error.code(), error.to_string())
}

/// Bytes that are not the message.
pub(super) fn unreadable(error: &dyn std::error::Error) -> Status {
    Status::invalid_argument(chain(error))
}

/// What a call of another version of the API gets.
pub(super) fn use_versioned(what: &str) -> Status {
    Status::unimplemented(format!(
        "The versioned {what} endpoints must be used with this domain's protocol version"
    ))
}

/// The answer to a signed submission. What is unknown is no answer.
pub(super) fn signed_answer(result: Result<(), SubmitError>) -> Result<SendAsyncSignedResponse, Status> {
    use send_async_signed_response::error::Reason;
    let Some(SendRefusal { reason, message }) = refusal(result)? else {
        return Ok(SendAsyncSignedResponse::default());
    };
    let reason = match reason {
        RefusalReason::RequestInvalid => Reason::RequestInvalid(message),
        RefusalReason::RequestRefused => Reason::RequestRefused(message),
        RefusalReason::Overloaded => Reason::Overloaded(message),
        RefusalReason::SenderUnknown => Reason::SenderUnknown(message),
        RefusalReason::ShuttingDown => Reason::ShuttingDown(message),
        RefusalReason::Unavailable => Reason::Unavailable(message),
        RefusalReason::UnknownRecipients => Reason::UnknownRecipients(message),
        RefusalReason::Internal => Reason::Internal(message),
        _ => Reason::Generic(message),
    };
    Ok(SendAsyncSignedResponse { error: Some(send_async_signed_response::Error { reason: Some(reason) }) })
}

/// The answer to an unsigned one, which knows fewer reasons.
pub(super) fn unsigned_answer(result: Result<(), SubmitError>) -> Result<SendAsyncResponse, Status> {
    use send_async_response::error::Reason;
    let Some(SendRefusal { reason, message }) = refusal(result)? else {
        return Ok(SendAsyncResponse::default());
    };
    let reason = match reason {
        RefusalReason::RequestInvalid => Reason::RequestInvalid(message),
        RefusalReason::Overloaded => Reason::Overloaded(message),
        RefusalReason::SenderUnknown => Reason::SenderUnknown(message),
        RefusalReason::ShuttingDown => Reason::ShuttingDown(message),
        RefusalReason::Unavailable | RefusalReason::Internal => Reason::Unavailable(message),
        RefusalReason::UnknownRecipients => Reason::UnknownRecipients(message),
        _ => Reason::RequestRefused(message),
    };
    Ok(SendAsyncResponse { error: Some(send_async_response::Error { reason: Some(reason) }) })
}

fn refusal(result: Result<(), SubmitError>) -> Result<Option<SendRefusal>, Status> {
    match result {
        Ok(()) => Ok(None),
        Err(SubmitError::Refused(refusal)) => Ok(Some(refusal)),
        Err(error @ SubmitError::Lost) => Err(Status::internal(error.to_string())),
    }
}

fn with_auth_code(mut status: Status, code: Option<&AuthErrorCode>) -> Status {
    if let Some(value) = code.and_then(|code| MetadataValue::try_from(code.as_str()).ok()) {
        status.metadata_mut().insert(AUTH_ERROR_CODE, value);
    }
    status
}
