//! What the payload of a verified token says, in the formats that Canton reads.
//!
//! Source: <https://docs.daml.com/app-dev/authorization.html#access-token-formats>.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Grants, Rejection};

/// Custom claims are under this name.
const NAMESPACE: &str = "https://daml.com/ledger-api";
/// The scope of a user's token, unless another is configured.
const USER_SCOPE: &str = "daml_ledger_api";
/// The audience of a user's token, unless another is configured, is this with a participant.
const AUDIENCE: &str = "https://daml.com/jwt/aud/participant/";
/// Claims of tokens from before there was a namespace.
const LEGACY: &[&str] = &["ledgerId", "participantId", "applicationId", "admin", "actAs", "readAs"];

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claims {
    /// Nothing: another service is asked.
    Unknown,
    /// It stands for a user whose rights are kept elsewhere.
    User,
    /// What it says itself.
    Own {
        /// It administrates.
        admin: bool,
    },
}

/// Which format a payload is to have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format<'a> {
    /// Any of Canton's own.
    Canton,
    /// A user's, for this audience.
    Audience(&'a str),
    /// A user's, with this scope.
    Scope(&'a str),
}

/// Whom or what a payload is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    User(String),
    Claims { admin: bool },
}

/// The payload of a token.
#[derive(Debug)]
pub(super) struct Payload(pub(super) Map<String, Value>);

impl Payload {
    /// `exp`, `nbf` and `iat`, whole seconds, without leeway as on Canton's admin API.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), Rejection> {
        let seconds = |name: &str| match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(Rejection::Payload("a time is no number")),
        };
        // Dates within thousands of years are exact.
        #[expect(clippy::cast_precision_loss, reason = "no date needs more than 53 bits")]
        let now = now.as_second() as f64;
        let is_over = seconds("exp")?.is_some_and(|end| now > end);
        let is_early =
            [seconds("nbf")?, seconds("iat")?].into_iter().flatten().any(|begin| now < begin.floor());
        if is_over || is_early { Err(Rejection::Time) } else { Ok(()) }
    }

    pub(super) fn subject(&self, format: Format<'_>) -> Result<Subject, Rejection> {
        match format {
            Format::Audience(wanted) => {
                let user = self.user()?;
                if self.audiences()?.contains(&wanted) {
                    return Ok(user);
                }
                Err(Rejection::Payload("it is for another audience"))
            }
            Format::Scope(wanted) => {
                let user = self.user()?;
                if self.scopes().any(|scope| scope == wanted) {
                    return Ok(user);
                }
                Err(Rejection::Payload("it has another scope"))
            }
            Format::Canton => self.of_canton(),
        }
    }

    fn of_canton(&self) -> Result<Subject, Rejection> {
        let audiences = self.audiences()?;
        let mut participants =
            audiences.iter().filter_map(|audience| audience.strip_prefix(AUDIENCE)).peekable();
        if participants.peek().is_some() {
            return match participants.filter(|participant| !participant.is_empty()).count() {
                1 => self.user(),
                _ => Err(Rejection::Payload("its audience names no participant, or several")),
            };
        }
        if self.scopes().any(|scope| scope == USER_SCOPE) {
            return match audiences.len() {
                0 | 1 => self.user(),
                _ => Err(Rejection::Payload("it is for several audiences")),
            };
        }
        let admin = |claims: &Map<String, Value>| match claims.get("admin") {
            None | Some(Value::Null) => Ok(Subject::Claims { admin: false }),
            Some(Value::Bool(admin)) => Ok(Subject::Claims { admin: *admin }),
            Some(_) => Err(Rejection::Payload("admin is neither true nor false")),
        };
        match self.0.get(NAMESPACE) {
            Some(Value::Object(claims)) => admin(claims),
            Some(_) => Err(Rejection::Payload("its claims are no object")),
            None if LEGACY.iter().any(|name| self.0.contains_key(*name)) => admin(&self.0),
            None if self.scopes().next().is_some() => Err(Rejection::Payload("it has another scope")),
            None => Ok(Subject::Claims { admin: false }),
        }
    }

    fn user(&self) -> Result<Subject, Rejection> {
        let user = self.0.get("sub").and_then(Value::as_str);
        user.map(|user| Subject::User(user.to_owned())).ok_or(Rejection::Payload("sub is missing"))
    }

    fn scopes(&self) -> impl Iterator<Item = &str> {
        let scope = self.0.get("scope").and_then(Value::as_str).unwrap_or_default();
        scope.split(' ').filter(|scope| !scope.is_empty())
    }

    fn audiences(&self) -> Result<Vec<&str>, Rejection> {
        const WRONG: Rejection = Rejection::Payload("aud is neither a text nor a list of texts");
        match self.0.get("aud") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(several)) => several.iter().map(|one| one.as_str().ok_or(WRONG)).collect(),
            Some(_) => Err(WRONG),
        }
    }
}

impl Grants {
    /// What a token of this subject is good for when it calls a service.
    pub(super) fn of(&self, subject: &Subject, service: &str) -> Claims {
        match (self, subject) {
            (Self::OwnClaims, Subject::User(_)) => Claims::User,
            (Self::OwnClaims, Subject::Claims { admin }) => Claims::Own { admin: *admin },
            (Self::Privileged, Subject::User(_)) => Claims::Own { admin: true },
            (Self::Users(users), Subject::User(subject)) => {
                let user = users.iter().find(|user| user.user == *subject);
                let is_allowed = user.is_some_and(|user| user.services.iter().any(|one| one == service));
                if is_allowed { Claims::Own { admin: true } } else { Claims::Unknown }
            }
            (Self::Privileged | Self::Users(_), Subject::Claims { .. }) => Claims::Unknown,
        }
    }
}
