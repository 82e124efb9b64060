//! What can go wrong between a member and a sequencer.
//!
//! [`ApiError`] tells apart what matters to a member: was it reached, did it answer, could the call have happened.
//! Source: the statuses and trailers of Canton 2.10's public API.

use std::fmt;
use std::time::Duration;

use tonic::Code;

/// A failed call of a sequencer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// Nobody could be reached: the call did not happen.
    #[error("{call}: the sequencer at {endpoint} cannot be reached")]
    Unreachable {
        /// The call.
        call: &'static str,
        /// Where it was to go.
        endpoint: String,
        /// What stood in the way.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke before the answer came: the call may have happened.
    #[error("{call}: the connection to the sequencer at {endpoint} was lost")]
    ConnectionLost {
        /// The call.
        call: &'static str,
        /// Where it went.
        endpoint: String,
        /// How it broke.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time: the call may have happened.
    #[error("{call}: no answer from the sequencer within {after:?}")]
    TimedOut {
        /// The call.
        call: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The sequencer answered with an error.
    #[error("{call}: the sequencer answered {code:?}{}: {message}", AuthSuffix(auth.as_ref()))]
    Status {
        /// The call.
        call: &'static str,
        /// gRPC's code.
        code: Code,
        /// What the sequencer said, shortened.
        message: String,
        /// Which rule of authentication was broken, if it says so.
        auth: Option<AuthErrorCode>,
    },
    /// The answer is not one.
    #[error("{call}: the sequencer's answer cannot be read: {what}")]
    Answer {
        /// The call.
        call: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The connection cannot be made as it is configured.
    #[error("the connection to {endpoint} cannot be configured")]
    Configuration {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ApiError {
    /// The error of a status that the sequencer itself gave; its text is shortened.
    #[must_use]
    pub fn status(call: &'static str, code: Code, message: &str) -> Self {
        Self::Status { call, code, message: shortened(message), auth: None }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::ConnectionLost { .. } | Self::TimedOut { .. } => true,
            Self::Status { code, .. } => {
                matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::Cancelled)
            }
            Self::Answer { .. } | Self::Configuration { .. } => false,
        }
    }

    /// Whether the call can have taken effect although it failed.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::ConnectionLost { .. } | Self::TimedOut { .. } | Self::Answer { .. } => true,
            Self::Status { code, .. } => matches!(
                code,
                Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Cancelled | Code::DataLoss
            ),
            Self::Unreachable { .. } | Self::Configuration { .. } => false,
        }
    }

    /// Whether the token is not, or no longer, known to the sequencer: a new one helps.
    #[must_use]
    pub fn is_missing_token(&self) -> bool {
        matches!(self, Self::Status { auth: Some(AuthErrorCode::MissingToken), .. })
    }

    /// Whether another endpoint may do better: nobody is there, or not the active one. The call did not happen.
    pub(crate) fn is_of_endpoint(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { auth, .. } => *auth == Some(AuthErrorCode::PassiveSequencer),
            _ => false,
        }
    }

    /// Whether the endpoint in use may be at fault, so that the next call had better go to another one. This one may have
    /// happened.
    pub(crate) fn is_of_connection(&self) -> bool {
        matches!(self, Self::ConnectionLost { .. } | Self::TimedOut { .. })
    }

    /// Whether the sequencer doubts who calls, so that the token in use is worth nothing.
    #[must_use]
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Status { code: Code::Unauthenticated, .. }) || self.is_missing_token()
    }

    /// Whether a subscription that ended so is worth another try. `received`: whether it delivered an event.
    ///
    /// Everything else is the sequencer's considered refusal, which ends the connection to the domain. These are Canton's
    /// rules, and a sequencer that has its hands full.
    #[must_use]
    pub fn allows_resubscription(&self, received: bool) -> bool {
        match self {
            Self::Unreachable { .. } | Self::ConnectionLost { .. } | Self::TimedOut { .. } => true,
            Self::Status { code, auth, .. } => {
                matches!(code, Code::Unavailable | Code::ResourceExhausted)
                    || *auth == Some(AuthErrorCode::MissingToken)
                    || (*code == Code::Internal && received)
            }
            Self::Answer { .. } | Self::Configuration { .. } => false,
        }
    }
}

/// The codes of the trailer `authErrorCode`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthErrorCode {
    /// The token is unknown or has expired.
    MissingToken,
    /// The sequencer is not the active one.
    PassiveSequencer,
    /// The member has no keys in the topology.
    NoKeysRegistered,
    /// The nonce is unknown, used or has expired.
    MissingNonce,
    /// The signature does not verify.
    InvalidSignature,
    /// The member means another domain.
    NonMatchingDomainId,
    /// The participant is not active.
    ParticipantDisabled,
    /// The mediator is not active.
    MediatorDisabled,
    /// Members of this kind do not authenticate.
    UnsupportedMember,
    /// The service agreement was not accepted.
    ServiceAgreementAcceptanceError,
    /// The sequencer could not check the token in time.
    VerifyTokenTimeout,
    /// Another one, shortened.
    Other(String),
}

impl AuthErrorCode {
    const KNOWN: [Self; 11] = [
        Self::MissingToken,
        Self::PassiveSequencer,
        Self::NoKeysRegistered,
        Self::MissingNonce,
        Self::InvalidSignature,
        Self::NonMatchingDomainId,
        Self::ParticipantDisabled,
        Self::MediatorDisabled,
        Self::UnsupportedMember,
        Self::ServiceAgreementAcceptanceError,
        Self::VerifyTokenTimeout,
    ];

    /// Reads a code; any text is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|code| code.as_str() == text);
        known.unwrap_or_else(|| Self::Other(shortened(text)))
    }

    /// The code as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::MissingToken => "MissingToken",
            Self::PassiveSequencer => "PassiveSequencer",
            Self::NoKeysRegistered => "NoKeysRegistered",
            Self::MissingNonce => "MissingNonce",
            Self::InvalidSignature => "InvalidSignature",
            Self::NonMatchingDomainId => "NonMatchingDomainId",
            Self::ParticipantDisabled => "ParticipantDisabled",
            Self::MediatorDisabled => "MediatorDisabled",
            Self::UnsupportedMember => "UnsupportedMember",
            Self::ServiceAgreementAcceptanceError => "ServiceAgreementAcceptanceError",
            Self::VerifyTokenTimeout => "VerifyTokenTimeout",
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for AuthErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

struct AuthSuffix<'a>(Option<&'a AuthErrorCode>);

impl fmt::Display for AuthSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}

/// Why a submission was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The sequencer looked at it and refused. It will not be sequenced.
    #[error(transparent)]
    Refused(#[from] SendRefusal),
    /// The call failed.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl SendError {
    /// Whether the same submission may be accepted later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.retryable(),
            Self::Api(error) => error.retryable(),
        }
    }

    /// Whether it can be sequenced all the same.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Api(error) => error.may_have_happened(),
        }
    }
}

/// A refused submission, as the sequencer's answer says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sequencer refused the submission ({reason}): {message}")]
pub struct SendRefusal {
    /// The kind of refusal.
    pub reason: RefusalReason,
    /// The sequencer's words, shortened.
    pub message: String,
}

impl SendRefusal {
    /// A refusal; its text is shortened.
    #[must_use]
    pub fn new(reason: RefusalReason, message: &str) -> Self {
        Self { reason, message: shortened(message) }
    }

    /// Whether the same submission may be accepted later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(
            self.reason,
            RefusalReason::Overloaded | RefusalReason::ShuttingDown | RefusalReason::Unavailable
        )
    }
}

/// The kinds of `SendAsyncSignedResponse.Error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The submission itself is wrong: no recipients, too large.
    RequestInvalid,
    /// The sender may not send this.
    RequestRefused,
    /// The sender, or the sequencer, has too much to do.
    Overloaded,
    /// The sequencer does not know the sender.
    SenderUnknown,
    /// The sequencer stops.
    ShuttingDown,
    /// The sequencer cannot work just now.
    Unavailable,
    /// The sequencer does not know some recipient.
    UnknownRecipients,
    /// The sequencer failed.
    Internal,
    /// Anything else.
    Generic,
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RequestInvalid => "request invalid",
            Self::RequestRefused => "request refused",
            Self::Overloaded => "overloaded",
            Self::SenderUnknown => "sender unknown",
            Self::ShuttingDown => "shutting down",
            Self::Unavailable => "unavailable",
            Self::UnknownRecipients => "unknown recipients",
            Self::Internal => "internal",
            Self::Generic => "generic",
        })
    }
}

/// At most so much of another's words stands in our errors and logs.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 400;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An error's text with those of its causes.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
