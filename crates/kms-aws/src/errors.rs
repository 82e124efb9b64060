//! From the SDK's errors to [`KmsError`]: the only place that knows both.
//!
//! Codes decide, not the SDK's types: many codes (AccessDeniedException, ThrottlingException, …) have no type of their
//! own. Texts of failed parsing are dropped, because they may quote the answer.
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html> and each operation's error list.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use cantle_kms::{CredentialsProblem, FailedCall, KmsError, NetworkProblem, ServiceMessage};

/// AWS's code for a dry run that would have succeeded.
const DRY_RUN: &str = "DryRunOperationException";
/// How much of an answer that is no AWS error is repeated.
const EXCERPT: usize = 120;

/// Where requests go and how long answers are waited for: what an error says beside the call.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) endpoint: String,
    pub(crate) attempt_timeout: Duration,
}

/// Whether the service says that the dry run would have succeeded.
pub(crate) fn is_permitted_dry_run<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error, SdkError::ServiceError(service) if service.err().code() == Some(DRY_RUN))
}

/// The error in an operator's terms.
pub(crate) fn from_sdk<E>(error: SdkError<E, HttpResponse>, call: FailedCall, target: &Target) -> KmsError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let Some(credentials) = find::<CredentialsError>(&error) {
        let problem = credentials_problem(credentials, &error);
        return KmsError::Credentials { call, problem, message: root_cause(&error) };
    }
    match error {
        SdkError::ServiceError(service) => {
            let call = call.with_request_id(service.raw().request_id());
            from_service(service.err(), service.raw(), call)
        }
        SdkError::TimeoutError(_) => {
            KmsError::Timeout { call, endpoint: target.endpoint.clone(), after: Some(target.attempt_timeout) }
        }
        SdkError::ResponseError(ref response) => {
            let call = call.with_request_id(response.raw().request_id());
            if find::<io::Error>(&error).is_some() || any(&error, |text| text.contains("body")) {
                return network(NetworkProblem::AnswerLost, error, call, target);
            }
            KmsError::MalformedAnswer { call, problem: "it is not the JSON that AWS documents".into() }
        }
        SdkError::DispatchFailure(ref failure) => {
            if any(&error, |text| text.contains("identity resolver timed out")) {
                let problem = CredentialsProblem::Unavailable;
                return KmsError::Credentials { call, problem, message: root_cause(&error) };
            }
            match connect_problem(&error) {
                Some(problem) => network(problem, error, call, target),
                None if failure.is_timeout() => {
                    KmsError::Timeout { call, endpoint: target.endpoint.clone(), after: None }
                }
                None => network(NetworkProblem::AnswerLost, error, call, target),
            }
        }
        error => KmsError::Unexpected { call, name: None, status: None, message: root_cause(&error) },
    }
}

/// The service's answer, by its code.
fn from_service(error: &impl ProvideErrorMetadata, raw: &HttpResponse, call: FailedCall) -> KmsError {
    let status = raw.status().as_u16();
    let message = ServiceMessage::new(error.message().unwrap_or_default());
    let credentials = |call, problem, message| KmsError::Credentials { call, problem, message };
    let Some(code) = error.code() else {
        return without_code(raw, call);
    };
    match code {
        "NotFoundException" => KmsError::NotFound { call, message },
        "DisabledException" => KmsError::Disabled { call, message },
        "KMSInvalidStateException" => KmsError::InvalidState { call, message },
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => {
            KmsError::AccessDenied { call, message }
        }
        "InvalidKeyUsageException" => KmsError::InvalidKeyUsage { call, message },
        "ValidationException" | "ValidationError" => KmsError::Validation { call, message },
        "InvalidArnException" => KmsError::InvalidArn { call, message },
        "UnsupportedOperationException" | "UnknownOperationException" | "InvalidAction" => {
            KmsError::UnsupportedOperation { call, message }
        }
        "LimitExceededException" => KmsError::LimitExceeded { call, message },
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException" => KmsError::Throttled { call, message },
        "KeyUnavailableException" => KmsError::KeyUnavailable { call, message },
        "InvalidCiphertextException" => KmsError::InvalidCiphertext { call, message },
        "IncorrectKeyException" => KmsError::IncorrectKey { call, message },
        "TagException" => KmsError::TagRejected { call, message },
        "ExpiredTokenException" | "ExpiredToken" => credentials(call, CredentialsProblem::Expired, message),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => credentials(call, CredentialsProblem::Unknown, message),
        "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => {
            credentials(call, CredentialsProblem::ClockSkew, message)
        }
        "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException" => {
            let text = message.as_str();
            let skewed = text.contains("Signature expired") || text.contains("Signature not yet current");
            let problem =
                if skewed { CredentialsProblem::ClockSkew } else { CredentialsProblem::SignatureRefused };
            credentials(call, problem, message)
        }
        "KMSInternalException" | "DependencyTimeoutException" => {
            KmsError::Internal { call, name: code.to_owned(), message }
        }
        _ if status >= 500 => KmsError::Internal { call, name: code.to_owned(), message },
        _ if status == 429 => KmsError::Throttled { call, message },
        _ => KmsError::Unexpected { call, name: Some(code.to_owned()), status: Some(status), message },
    }
}

/// An answer without a code: an unreadable success, a proxy's page, an emulator's XML.
fn without_code(raw: &HttpResponse, call: FailedCall) -> KmsError {
    if raw.status().is_success() {
        return KmsError::MalformedAnswer { call, problem: "it is not the JSON that AWS documents".into() };
    }
    let body = raw.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    let excerpt: String = body.chars().take(EXCERPT).collect();
    let message = if excerpt.trim().is_empty() {
        ServiceMessage::new("the answer has no error code and no text")
    } else {
        ServiceMessage::new(&format!("the answer has no error code and begins {excerpt}"))
    };
    KmsError::Unexpected { call, name: None, status: Some(raw.status().as_u16()), message }
}

fn network<E>(
    problem: NetworkProblem,
    error: SdkError<E, HttpResponse>,
    call: FailedCall,
    target: &Target,
) -> KmsError
where
    E: Error + Send + Sync + 'static,
{
    let source = match error.into_source() {
        Ok(source) => source,
        Err(error) => error.into(),
    };
    KmsError::Network { call, endpoint: target.endpoint.clone(), problem, source }
}

/// What kept a connection from coming about; none if it did.
fn connect_problem(error: &(dyn Error + 'static)) -> Option<NetworkProblem> {
    if find::<rustls::Error>(error).is_some() {
        return Some(NetworkProblem::Tls);
    }
    let failed = chain(error).any(|cause| {
        cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect())
    });
    if !failed {
        return None;
    }
    let refused = chain(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::ConnectionRefused);
    Some(if refused {
        NetworkProblem::ConnectionRefused
    } else if any(error, |text| text.contains("dns error") || text.contains("failed to lookup address")) {
        NetworkProblem::NameUnresolved
    } else {
        NetworkProblem::ConnectFailed
    })
}

fn credentials_problem(credentials: &CredentialsError, error: &(dyn Error + 'static)) -> CredentialsProblem {
    match credentials {
        CredentialsError::CredentialsNotLoaded(_) => CredentialsProblem::Missing,
        CredentialsError::InvalidConfiguration(_) => CredentialsProblem::Misconfigured,
        // The code of a refusal by STS or SSO is in the texts only.
        _ if any(error, |text| text.contains("ExpiredToken") || text.contains("expired")) => {
            CredentialsProblem::Expired
        }
        _ if any(error, |text| {
            [
                "AccessDenied",
                "InvalidClientTokenId",
                "SignatureDoesNotMatch",
                "Unauthorized",
                "ValidationError",
            ]
            .iter()
            .any(|code| text.contains(code))
        }) =>
        {
            CredentialsProblem::Refused
        }
        _ => CredentialsProblem::Unavailable,
    }
}

/// The error and everything below it. An `io::Error` skips its own payload in `source`; this does not.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(outer) => outer.get_ref().map(|inner| -> &'a (dyn Error + 'static) { inner }),
        None => error.source(),
    })
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|cause| cause.downcast_ref::<T>())
}

fn any(error: &(dyn Error + 'static), test: impl Fn(&str) -> bool) -> bool {
    chain(error).any(|cause| test(&cause.to_string()))
}

fn root_cause(error: &(dyn Error + 'static)) -> ServiceMessage {
    let last = chain(error).last().map(ToString::to_string).unwrap_or_default();
    ServiceMessage::new(&last)
}
