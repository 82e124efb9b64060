//! When a lost subscription is made again, and what is said about it.

use std::time::Duration;

use cantle_types::Member;
use tokio::time::Instant;

use super::error::ClientError;
use super::options::ClientOptions;
use crate::auth::AuthError;
use crate::error::{ApiError, chain};

/// Why there is no subscription, or not any more.
#[derive(Debug)]
pub(super) enum Lost {
    /// The sequencer closed it without a word.
    Closed,
    /// The sequencer closed it, or could not be asked for it.
    Api(ApiError),
    /// The member could not authenticate itself.
    Authentication(AuthError),
}

impl Lost {
    pub(super) fn trouble(&self) -> String {
        match self {
            Self::Closed => "the sequencer closed the subscription".to_owned(),
            Self::Api(error) => chain(error),
            Self::Authentication(error) => chain(error),
        }
    }
}

/// The pauses between subscriptions.
#[derive(Debug)]
pub(super) struct Retry {
    options: ClientOptions,
    next: Duration,
    /// Since when there is no subscription that delivers.
    since: Instant,
    warned: bool,
    /// Whether this subscription delivered something.
    received: bool,
    /// Whether the last one ended for want of a token, which is worth one try without a pause.
    without_pause: bool,
}

impl Retry {
    pub(super) fn new(options: ClientOptions) -> Self {
        Self {
            options,
            next: options.initial_retry_delay,
            since: Instant::now(),
            warned: false,
            received: false,
            without_pause: false,
        }
    }

    /// A subscription is asked for.
    pub(super) fn begin(&mut self) {
        self.received = false;
    }

    /// The subscription delivers.
    pub(super) fn received(&mut self) {
        if !self.received {
            *self = Self { received: true, ..Self::new(self.options) };
        }
    }

    /// The pause after a lost subscription.
    ///
    /// # Errors
    /// When another try is of no use.
    pub(super) fn after(&mut self, lost: Lost, member: &Member) -> Result<Duration, ClientError> {
        let missing_token = match lost {
            Lost::Closed => false,
            Lost::Api(error) if error.allows_resubscription(self.received) => error.is_missing_token(),
            Lost::Api(error) => {
                return Err(ClientError::Refused { member: member.clone(), source: Box::new(error) });
            }
            Lost::Authentication(error) if error.retryable() => false,
            Lost::Authentication(error) => return Err(error.into()),
        };
        if self.received {
            self.since = Instant::now();
        }
        if missing_token && !std::mem::replace(&mut self.without_pause, true) {
            return Ok(Duration::ZERO);
        }
        let pause = self.next;
        self.next = (self.next * 2).min(self.options.max_retry_delay);
        Ok(pause)
    }

    /// How long there has been no subscription, if that is to be warned of now.
    pub(super) fn warning(&mut self) -> Option<Duration> {
        let without = self.since.elapsed();
        if self.warned || without < self.options.warn_disconnect_delay {
            return None;
        }
        self.warned = true;
        Some(without)
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::error::AuthErrorCode;

    fn member() -> Member {
        "PAR::p::ns".parse().unwrap()
    }

    fn status(code: Code, auth: Option<AuthErrorCode>) -> Lost {
        Lost::Api(ApiError::Status { call: "Subscribe", code, message: String::new(), auth })
    }

    fn retry() -> Retry {
        Retry::new(ClientOptions::default())
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut retry = retry();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            retry.begin();
            pauses.push(retry.after(Lost::Closed, &member()).unwrap().as_millis());
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
    }

    #[test]
    fn an_event_makes_the_pauses_short_again() {
        let mut retry = retry();
        for _ in 0..5 {
            retry.begin();
            retry.after(Lost::Closed, &member()).unwrap();
        }
        retry.begin();
        retry.received();
        assert_eq!(retry.after(Lost::Closed, &member()).unwrap(), Duration::from_millis(50));
    }

    #[test]
    fn a_missing_token_is_worth_one_try_at_once() {
        let mut retry = retry();
        let missing = || status(Code::Unauthenticated, Some(AuthErrorCode::MissingToken));
        assert_eq!(retry.after(missing(), &member()).unwrap(), Duration::ZERO);
        assert_eq!(retry.after(missing(), &member()).unwrap(), Duration::from_millis(50));
    }

    #[test]
    fn statuses_end_the_client_or_do_not() {
        let unavailable = [
            status(Code::ResourceExhausted, None),
            status(Code::Unavailable, None),
            status(Code::Unavailable, Some(AuthErrorCode::PassiveSequencer)),
        ];
        for lost in unavailable {
            assert!(retry().after(lost, &member()).is_ok());
        }
        for code in [
            Code::PermissionDenied,
            Code::FailedPrecondition,
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::Internal,
            Code::Unknown,
        ] {
            let end = retry().after(status(code, None), &member());
            assert!(matches!(end, Err(ClientError::Refused { .. })), "{code:?}");
        }
        let mut delivering = retry();
        delivering.received();
        assert!(delivering.after(status(Code::Internal, None), &member()).is_ok());
        assert!(delivering.after(status(Code::PermissionDenied, None), &member()).is_err());
    }
}
