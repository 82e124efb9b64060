//! Who may call the admin API: tokens in the header `authorization`, as Canton's `auth-services` and `admin-token` have it.
//!
//! Each service is asked in turn; the first that knows the token decides. Only what administrates passes: a token whose
//! claims say so, a privileged one, or one of a user that is listed with the gRPC service it calls. Tokens that stand for a
//! user of the Ledger API are refused: there are no users here.
//!
//! What this is not: it does not look at certificates of clients, that is TLS's; it makes no tokens.
//!
//! Invariant: without a service that knows the token, and without the node's own token, nothing of a request is read.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/apis.html#jwt-authorization>

mod claims;
mod jwks;
mod layer;
mod token;
mod verifier;

use std::{fmt, path::PathBuf, sync::Arc};

use aws_lc_rs::digest;
use cantle_transport::{FetchError, TlsError};
use cantle_types::Clock;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tonic::{Status, codegen::http::HeaderMap};
use tracing::warn;

use claims::{Claims, Format};
pub(crate) use layer::AuthorizationLayer;
use token::Token;
pub use verifier::TokenVerifier;

/// A certificate or URL that tokens cannot be checked with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthorizationSetupError {
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] TlsError),
    /// A certificate with a key of another kind.
    #[error(
        "the certificate {path} has no {wanted} key; the type of the authorization service says which is needed"
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// What is needed.
        wanted: &'static str,
    },
    /// A URL that is none.
    #[error("{url} is no URL of a key set")]
    Url {
        /// The text.
        url: String,
    },
}

/// Why a token is not accepted. None of it is told to the caller, and nothing of the token is said.
#[derive(Debug, Error)]
enum Rejection {
    #[error("it is no JSON Web Token")]
    Malformed,
    #[error("it is signed by {found:?}, and {wanted} is needed")]
    Algorithm { found: String, wanted: &'static str },
    #[error("its signature is wrong")]
    Signature,
    #[error("it has expired, or is not valid yet")]
    Time,
    #[error("it names no key")]
    NoKeyId,
    #[error("the key set has no key {0:?}")]
    UnknownKey(String),
    #[error("the key set cannot be read")]
    Keys(#[source] Arc<FetchError>),
    #[error("its payload is not of the format that is needed: {0}")]
    Payload(&'static str),
}

/// What a service does with tokens that it has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// The token's own claims count: `admin` administrates.
    OwnClaims,
    /// Every token of the format administrates.
    Privileged,
    /// Tokens of these users call these gRPC services.
    Users(Vec<AllowedUser>),
}

/// A user and what it may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedUser {
    /// The `sub` of its tokens.
    pub user: String,
    /// Full names of gRPC services.
    pub services: Vec<String>,
}

/// A service that knows tokens.
#[derive(Debug)]
pub struct TokenService {
    /// How a token is verified.
    pub verifier: TokenVerifier,
    /// Whom a token has to be for.
    pub audience: Option<String>,
    /// Which scope it has to have.
    pub scope: Option<String>,
    /// What it may do.
    pub grants: Grants,
}

/// One of `auth-services`.
#[derive(Debug)]
pub enum AuthorizationService {
    /// Lets everybody in.
    Wildcard,
    /// Asks for a token.
    Tokens(TokenService),
}

/// Who may call; with no services everybody may.
#[derive(Clone)]
pub struct Authorization(Arc<Inner>);

struct Inner {
    services: Vec<AuthorizationService>,
    /// Hashes, so that comparing tells nothing of a length.
    tokens: Vec<digest::Digest>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("services", &self.0.services).finish_non_exhaustive()
    }
}

impl Authorization {
    /// Asks `services`, unless a caller has one of the `tokens`, which open everything.
    pub fn new<'a>(
        services: Vec<AuthorizationService>,
        tokens: impl IntoIterator<Item = &'a str>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let tokens = tokens.into_iter().map(|token| digest::digest(&digest::SHA256, token.as_bytes()));
        Self(Arc::new(Inner { services, tokens: tokens.collect(), clock }))
    }

    /// Whether tokens are asked for at all.
    fn is_open(&self) -> bool {
        self.0.services.is_empty()
    }

    /// Lets a call of a gRPC service pass, or says with which status it is refused.
    async fn admit(&self, headers: &HeaderMap, service: &str) -> Result<(), Status> {
        const NO_TOKEN: &str = "UNAUTHENTICATED: the call has no valid token in its header authorization";
        if self.is_open() {
            return Ok(());
        }
        let token = bearer(headers);
        if token.is_some_and(|token| self.knows(token)) {
            return Ok(());
        }
        match self.claims(token, service).await {
            Claims::Unknown => Err(Status::unauthenticated(NO_TOKEN)),
            Claims::User => Err(Status::unauthenticated(
                "UNAUTHENTICATED: the token stands for a user of the Ledger API, and there are none here; use one with \
                 claims, or list its user under auth-services",
            )),
            Claims::Own { admin: false } => Err(Status::permission_denied(
                "PERMISSION_DENIED: the token is valid and lacks the claim admin",
            )),
            Claims::Own { admin: true } => Ok(()),
        }
    }

    fn knows(&self, token: &str) -> bool {
        let token = digest::digest(&digest::SHA256, token.as_bytes());
        // All of them, so that the time tells nothing.
        let known = self
            .0
            .tokens
            .iter()
            .fold(subtle::Choice::from(0), |known, one| known | one.as_ref().ct_eq(token.as_ref()));
        known.into()
    }

    async fn claims(&self, token: Option<&str>, service: &str) -> Claims {
        for one in &self.0.services {
            let tokens = match one {
                AuthorizationService::Wildcard => return Claims::Own { admin: true },
                AuthorizationService::Tokens(tokens) => tokens,
            };
            let Some(token) = token else { continue };
            match tokens.claims(token, service, self.0.clock.as_ref()).await {
                Ok(Claims::Unknown) => {}
                Ok(claims) => return claims,
                Err(rejection) => warn!("a token was not accepted: {}", crate::status::chain(&rejection)),
            }
        }
        Claims::Unknown
    }
}

impl TokenService {
    async fn claims(&self, token: &str, service: &str, clock: &dyn Clock) -> Result<Claims, Rejection> {
        let token = Token::parse(token)?;
        self.verifier.verify(&token, clock).await?;
        let payload = token.payload()?;
        payload.check_time(clock.now())?;
        let format = match (&self.audience, &self.scope) {
            // A privileged token is known by its scope alone.
            (_, Some(scope)) if self.grants == Grants::Privileged => Format::Scope(scope),
            (Some(audience), _) => Format::Audience(audience),
            (None, Some(scope)) => Format::Scope(scope),
            (None, None) => Format::Canton,
        };
        Ok(self.grants.of(&payload.subject(format)?, service))
    }
}

/// The token of the header, if there is one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

#[cfg(test)]
mod tests;
