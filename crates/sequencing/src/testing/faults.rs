//! The ways in which a sequencer, or the way to it, fails.

use tonic::Code;

use crate::error::{ApiError, AuthErrorCode};

/// A call of [`crate::SequencerApi`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// `handshake`.
    Handshake,
    /// `challenge`.
    Challenge,
    /// `authenticate`.
    Authenticate,
    /// `send` and `send_unauthenticated`.
    Send,
    /// `subscribe` and `subscribe_unauthenticated`.
    Subscribe,
    /// `acknowledge`.
    Acknowledge,
}

impl Call {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Handshake => "Handshake",
            Self::Challenge => "Challenge",
            Self::Authenticate => "Authenticate",
            Self::Send => "SendAsyncVersioned",
            Self::Subscribe => "SubscribeVersioned",
            Self::Acknowledge => "AcknowledgeSigned",
        }
    }
}

/// A way to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody listens; the call does not happen.
    Unreachable,
    /// The connection breaks before the answer; the call happens.
    AnswerLost,
    /// The connection breaks before the call arrives, which the caller cannot know.
    CallLost,
    /// A status; the call does not happen.
    Status(Code, &'static str),
    /// A status with a code of authentication; the call does not happen.
    Auth(AuthErrorCode),
}

impl Fault {
    /// Whether the call takes effect before it fails.
    pub(super) fn is_carried_out(&self) -> bool {
        *self == Self::AnswerLost
    }

    pub(super) fn error(&self, call: Call) -> ApiError {
        const ENDPOINT: &str = "in memory";
        let call = call.name();
        match self {
            Self::Unreachable => ApiError::Unreachable {
                call,
                endpoint: ENDPOINT.to_owned(),
                source: std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
            },
            Self::AnswerLost | Self::CallLost => ApiError::ConnectionLost {
                call,
                endpoint: ENDPOINT.to_owned(),
                source: std::io::Error::from(std::io::ErrorKind::ConnectionReset).into(),
            },
            Self::Status(code, message) => ApiError::status(call, *code, message),
            Self::Auth(auth) => ApiError::Status {
                call,
                code: Code::Unauthenticated,
                message: "by request".to_owned(),
                auth: Some(auth.clone()),
            },
        }
    }
}
