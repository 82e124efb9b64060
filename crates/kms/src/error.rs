//! Everything that can go wrong with a request to the service, in the words of an operator.
//!
//! Each variant carries the call that failed: operation, key, request id. No variant carries a payload or a credential.
//! `Display` is a whole account: what was tried on which key, what the rule is, what to do. The texts are in `text.rs`.
//! Source of the names: <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>.

mod text;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::{KmsKeyId, Operation};

/// The cause below an error, as the backend met it.
type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Which call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCall {
    /// The operation.
    pub operation: Operation,
    /// The key as the caller named it; none for CreateKey.
    pub key: Option<KmsKeyId>,
    /// AWS's request id, if an answer came.
    pub request_id: Option<String>,
}

impl FailedCall {
    /// A call of `operation` on `key`, without a request id.
    pub fn new(operation: Operation, key: Option<&KmsKeyId>) -> Self {
        Self { operation, key: key.cloned(), request_id: None }
    }

    /// The same with AWS's request id.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<&str>) -> Self {
        self.request_id = request_id.map(str::to_owned);
        self
    }
}

/// What the service said, made safe for a log: one line, at most 500 characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceMessage(String);

impl ServiceMessage {
    /// Keeps at most 500 characters; line breaks and other control characters become blanks.
    pub fn new(text: &str) -> Self {
        let clean = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
        Self(text.chars().take(500).map(clean).collect::<String>().trim().to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ServiceMessage {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for ServiceMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with the caller's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialsProblem {
    /// None was found in the whole chain.
    Missing,
    /// Their source gave none just now: STS or the instance metadata service cannot be reached, …
    Unavailable,
    /// Their source is not set up: a profile that does not exist, a role without a source, …
    Misconfigured,
    /// Their source refused: STS does not let the caller assume the role, …
    Refused,
    /// They have expired.
    Expired,
    /// The service does not know them.
    Unknown,
    /// The service computed another signature: a wrong secret, or a proxy that changes requests.
    SignatureRefused,
    /// The request was signed for another time: this machine's clock is off.
    ClockSkew,
}

/// How a request got lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NetworkProblem {
    /// Nobody listens there.
    ConnectionRefused,
    /// The name has no address.
    NameUnresolved,
    /// No connection came about for another reason.
    ConnectFailed,
    /// The other side is not who it should be, or does not speak TLS.
    Tls,
    /// The connection broke after the request may have been sent.
    AnswerLost,
}

/// A bound of the node's own on its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverloadLimit {
    /// So many requests waited already.
    Waiting(usize),
    /// It waited so long for its turn.
    Wait(Duration),
}

/// A request to the service that failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The service knows no such key here: unknown id, another Region's ARN, unknown alias.
    NotFound {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The key is disabled.
    Disabled {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The key's state does not allow it: pending deletion, pending import, …
    InvalidState {
        /// The call.
        call: FailedCall,
        /// The service's words, which name the state.
        message: ServiceMessage,
    },
    /// The caller's policies, or the key's, do not allow it.
    AccessDenied {
        /// The call.
        call: FailedCall,
        /// The service's words, which name caller and action.
        message: ServiceMessage,
    },
    /// The key is for another use, or the algorithm does not fit its spec.
    InvalidKeyUsage {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The request breaks a rule of form: a length, a pattern, a value.
    Validation {
        /// The call.
        call: FailedCall,
        /// The service's words, or ours when the request was not even sent.
        message: ServiceMessage,
    },
    /// The key's ARN is not one that the service accepts.
    InvalidArn {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The service cannot do it, or not with this key.
    UnsupportedOperation {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The account has too many keys.
    LimitExceeded {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// Too many requests a second.
    Throttled {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The node has more requests than it allows itself. This one was not sent.
    Overloaded {
        /// The call.
        call: FailedCall,
        /// The bound.
        limit: OverloadLimit,
    },
    /// The service cannot reach the key's material just now.
    KeyUnavailable {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// There are no valid credentials. The request was not carried out.
    Credentials {
        /// The call.
        call: FailedCall,
        /// What is wrong.
        problem: CredentialsProblem,
        /// The service's words, or those of the credential chain.
        message: ServiceMessage,
    },
    /// The request, or its answer, got lost.
    Network {
        /// The call.
        call: FailedCall,
        /// Where it was sent.
        endpoint: String,
        /// How.
        problem: NetworkProblem,
        /// The cause.
        source: Cause,
    },
    /// No answer came in time. The request may have been carried out.
    Timeout {
        /// The call.
        call: FailedCall,
        /// Where it was sent.
        endpoint: String,
        /// How long was waited, if known.
        after: Option<Duration>,
    },
    /// The service failed (HTTP 5xx).
    Internal {
        /// The call.
        call: FailedCall,
        /// AWS's name of the exception.
        name: String,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The ciphertext was not made for this key, or is damaged.
    InvalidCiphertext {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The ciphertext belongs to another key.
    IncorrectKey {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// A tag breaks AWS's rules.
    TagRejected {
        /// The call.
        call: FailedCall,
        /// The service's words.
        message: ServiceMessage,
    },
    /// The answer lacks something that it must have, or cannot be read.
    MalformedAnswer {
        /// The call.
        call: FailedCall,
        /// What is wrong with it.
        problem: ServiceMessage,
    },
    /// An error that has no place in this list.
    Unexpected {
        /// The call.
        call: FailedCall,
        /// AWS's name of the exception, if there was one.
        name: Option<String>,
        /// The HTTP status, if there was one.
        status: Option<u16>,
        /// The service's words.
        message: ServiceMessage,
    },
}

impl KmsError {
    /// The call that failed.
    pub const fn call(&self) -> &FailedCall {
        match self {
            Self::NotFound { call, .. }
            | Self::Disabled { call, .. }
            | Self::InvalidState { call, .. }
            | Self::AccessDenied { call, .. }
            | Self::InvalidKeyUsage { call, .. }
            | Self::Validation { call, .. }
            | Self::InvalidArn { call, .. }
            | Self::UnsupportedOperation { call, .. }
            | Self::LimitExceeded { call, .. }
            | Self::Throttled { call, .. }
            | Self::Overloaded { call, .. }
            | Self::KeyUnavailable { call, .. }
            | Self::Credentials { call, .. }
            | Self::Network { call, .. }
            | Self::Timeout { call, .. }
            | Self::Internal { call, .. }
            | Self::InvalidCiphertext { call, .. }
            | Self::IncorrectKey { call, .. }
            | Self::TagRejected { call, .. }
            | Self::MalformedAnswer { call, .. }
            | Self::Unexpected { call, .. } => call,
        }
    }

    /// The operation that failed.
    pub const fn operation(&self) -> Operation {
        self.call().operation
    }

    /// The key as the caller named it; none for CreateKey.
    pub const fn key(&self) -> Option<&KmsKeyId> {
        self.call().key.as_ref()
    }

    /// AWS's request id, if an answer came.
    pub fn request_id(&self) -> Option<&str> {
        self.call().request_id.as_deref()
    }

    /// A stable name: AWS's name of the exception where the service raised one, else one of `CredentialsMissing`,
    /// `CredentialsUnavailable`, `CredentialsMisconfigured`, `CredentialsRefused`, `ConnectionFailed`, `TlsFailed`,
    /// `AnswerLost`, `RequestTimedOut`, `Overloaded`, `MalformedAnswer` and `UnexpectedError`.
    pub fn code(&self) -> &str {
        match self {
            Self::NotFound { .. } => "NotFoundException",
            Self::Disabled { .. } => "DisabledException",
            Self::InvalidState { .. } => "KMSInvalidStateException",
            Self::AccessDenied { .. } => "AccessDeniedException",
            Self::InvalidKeyUsage { .. } => "InvalidKeyUsageException",
            Self::Validation { .. } => "ValidationException",
            Self::InvalidArn { .. } => "InvalidArnException",
            Self::UnsupportedOperation { .. } => "UnsupportedOperationException",
            Self::LimitExceeded { .. } => "LimitExceededException",
            Self::Throttled { .. } => "ThrottlingException",
            Self::Overloaded { .. } => "Overloaded",
            Self::KeyUnavailable { .. } => "KeyUnavailableException",
            Self::Credentials { problem, .. } => match problem {
                CredentialsProblem::Missing => "CredentialsMissing",
                CredentialsProblem::Unavailable => "CredentialsUnavailable",
                CredentialsProblem::Misconfigured => "CredentialsMisconfigured",
                CredentialsProblem::Refused => "CredentialsRefused",
                CredentialsProblem::Expired => "ExpiredTokenException",
                CredentialsProblem::Unknown => "UnrecognizedClientException",
                CredentialsProblem::SignatureRefused => "InvalidSignatureException",
                CredentialsProblem::ClockSkew => "RequestExpired",
            },
            Self::Network { problem, .. } => match problem {
                NetworkProblem::Tls => "TlsFailed",
                NetworkProblem::AnswerLost => "AnswerLost",
                _ => "ConnectionFailed",
            },
            Self::Timeout { .. } => "RequestTimedOut",
            Self::Internal { name, .. } => name,
            Self::InvalidCiphertext { .. } => "InvalidCiphertextException",
            Self::IncorrectKey { .. } => "IncorrectKeyException",
            Self::TagRejected { .. } => "TagException",
            Self::MalformedAnswer { .. } => "MalformedAnswer",
            Self::Unexpected { name, .. } => name.as_deref().unwrap_or("UnexpectedError"),
        }
    }

    /// The IAM action that the call needs. Of AccessDenied, the one that the service names: CreateKey with tags can be
    /// refused for want of `kms:TagResource`.
    pub fn iam_action(&self) -> &'static str {
        let own = self.operation().iam_action();
        match self {
            Self::AccessDenied { message, .. } => text::named_action(message.as_str()).unwrap_or(own),
            _ => own,
        }
    }

    /// Whether the same request may succeed a little later without anyone doing anything.
    ///
    /// Read together with [`Self::surely_not_executed`] for CreateKey.
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Overloaded { .. }
            | Self::KeyUnavailable { .. }
            | Self::Timeout { .. }
            | Self::Internal { .. } => true,
            Self::Network { problem, .. } => !matches!(problem, NetworkProblem::Tls),
            // Whoever gives credentials out gives new ones, and clocks are set right: both without the node.
            Self::Credentials { problem, .. } => matches!(
                problem,
                CredentialsProblem::Unavailable | CredentialsProblem::Expired | CredentialsProblem::ClockSkew
            ),
            Self::Unexpected { status, .. } => matches!(status, Some(429 | 500..=599)),
            _ => false,
        }
    }

    /// Whether the service certainly did not carry the request out: it never left, or it was refused. Not so for
    /// time-outs, lost or unreadable answers and failures inside the service.
    pub const fn surely_not_executed(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Internal { .. } | Self::MalformedAnswer { .. } => false,
            Self::Network { problem, .. } => !matches!(problem, NetworkProblem::AnswerLost),
            Self::Unexpected { status, .. } => matches!(status, Some(400..=499)),
            _ => true,
        }
    }

    /// What an operator can do about it: one or two sentences that name the key, the action or the setting.
    pub fn remedy(&self) -> Cow<'static, str> {
        text::remedy(self)
    }
}

impl fmt::Display for KmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}
