//! Who a member is: a nonce signed for a token, and the token renewed in time.
//!
//! Source: `SequencerAuthenticationService` of Canton 2.10. A token lasts an hour; it is renewed before that, by one
//! caller while the others go on with the old one.
//! Invariants: one authentication at a time; a nonce is signed only if it has the length of a nonce, so that what is
//! signed is always an authentication at this domain and nothing else.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cantle_crypto::{Hash, HashBuilder, HashPurpose};
use cantle_types::{Clock, DomainId, Fingerprint, Member, ProtocolVersion};
use cantle_vault::{KeyUseError, SignError, Vault};
use jiff::Timestamp;
use tonic::Code;

use crate::api::{AuthToken, Authentication, Caller, Challenge, IssuedToken, SequencerApi};
use crate::error::ApiError;

/// A nonce has this many bytes.
const NONCE: usize = 20;

/// How a member authenticates. The defaults are those of Canton 2.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthOptions {
    /// A token is renewed this long before it expires.
    pub refresh_before_expiry: Duration,
    /// How often getting a token is tried again.
    pub retries: u32,
    /// The pause between these tries.
    pub pause: Duration,
}

impl Default for AuthOptions {
    fn default() -> Self {
        Self {
            refresh_before_expiry: Duration::from_secs(20),
            retries: 20,
            pause: Duration::from_millis(500),
        }
    }
}

/// Why a member has no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The sequencer did not answer, or refused.
    #[error("{member} cannot authenticate")]
    Api {
        /// The member.
        member: Member,
        /// What the sequencer said.
        #[source]
        source: ApiError,
    },
    /// The nonce is not one.
    #[error("the sequencer wants {member} to sign {length} bytes that are no nonce")]
    Nonce {
        /// The member.
        member: Member,
        /// How many bytes.
        length: usize,
    },
    /// The domain knows no key of the member that this node has.
    #[error(
        "the domain knows {} signing keys of {member}, and this node has the private part of none of them",
        known.len()
    )]
    NoKey {
        /// The member.
        member: Member,
        /// The keys that the domain knows.
        known: Vec<Fingerprint>,
    },
    /// The nonce could not be signed.
    #[error("{member} cannot sign its authentication")]
    Sign {
        /// The member.
        member: Member,
        /// Why.
        #[source]
        source: SignError,
    },
    /// The sequencer speaks none of the member's protocol versions.
    #[error("{member} and the sequencer have no protocol version in common")]
    NoVersion {
        /// The member.
        member: Member,
    },
}

impl AuthError {
    /// Whether the same may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Api { source, .. } => source.retryable(),
            Self::Sign { source, .. } => source.retryable(),
            Self::Nonce { .. } | Self::NoKey { .. } | Self::NoVersion { .. } => false,
        }
    }

    /// The sequencer says no more than `INTERNAL` of most that can go wrong, an outdated nonce among it.
    fn is_worth_another_try(&self) -> bool {
        let internal = matches!(
            self,
            Self::Api { source: ApiError::Status { code: Code::Internal | Code::Unknown, .. }, .. }
        );
        internal || self.retryable()
    }
}

/// Who authenticates, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSubject {
    /// The member.
    pub member: Member,
    /// The domain.
    pub domain: DomainId,
    /// The protocol versions that the member speaks.
    pub versions: Vec<ProtocolVersion>,
    /// The id of the service agreement that a participant accepts, if the domain has one.
    pub agreement: Option<String>,
}

/// A member's token at one sequencer.
#[derive(Debug)]
pub struct Authenticator {
    api: Arc<dyn SequencerApi>,
    vault: Vault,
    subject: AuthSubject,
    clock: Arc<dyn Clock>,
    options: AuthOptions,
    issued: RwLock<Option<IssuedToken>>,
    /// Held by the one who is getting a token.
    turn: tokio::sync::Mutex<()>,
}

/// How good the token at hand is.
enum Standing {
    Good(AuthToken),
    Ageing(AuthToken),
    None,
}

impl Authenticator {
    /// A member without a token yet.
    #[must_use]
    pub fn new(
        api: Arc<dyn SequencerApi>,
        vault: Vault,
        subject: AuthSubject,
        clock: Arc<dyn Clock>,
        options: AuthOptions,
    ) -> Self {
        Self {
            api,
            vault,
            subject,
            clock,
            options,
            issued: RwLock::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The member with a token that is good for a while. Asks the sequencer only when there is none.
    ///
    /// # Errors
    /// [`AuthError`], after the retries for what may pass by itself.
    pub async fn caller(&self) -> Result<Caller, AuthError> {
        if self.api.authentication() == Authentication::InProcess {
            return Ok(self.with(None));
        }
        let _turn = match self.standing() {
            Standing::Good(token) => return Ok(self.with(Some(token))),
            Standing::Ageing(token) => match self.turn.try_lock() {
                Ok(turn) => turn,
                // Somebody renews it; it is still good enough.
                Err(_) => return Ok(self.with(Some(token))),
            },
            Standing::None => self.turn.lock().await,
        };
        let old = match self.standing() {
            Standing::Good(token) => return Ok(self.with(Some(token))),
            Standing::Ageing(token) => Some(token),
            Standing::None => None,
        };
        match (self.token().await, old) {
            (Ok(issued), _) => {
                let token = issued.token.clone();
                *self.issued.write().unwrap_or_else(PoisonError::into_inner) = Some(issued);
                Ok(self.with(Some(token)))
            }
            (Err(error), Some(old)) if error.retryable() => {
                tracing::warn!(member = %self.subject.member, %error, "the token could not be renewed yet");
                Ok(self.with(Some(old)))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets a caller's token, which the sequencer did not take. A newer one stays.
    pub fn invalidate(&self, caller: &Caller) {
        let mut issued = self.issued.write().unwrap_or_else(PoisonError::into_inner);
        if issued.as_ref().is_some_and(|issued| Some(&issued.token) == caller.token.as_ref()) {
            *issued = None;
        }
    }

    fn with(&self, token: Option<AuthToken>) -> Caller {
        Caller { member: self.subject.member.clone(), domain: self.subject.domain.clone(), token }
    }

    fn standing(&self) -> Standing {
        let issued = self.issued.read().unwrap_or_else(PoisonError::into_inner);
        let Some(issued) = &*issued else { return Standing::None };
        let now = self.clock.now();
        let refresh_from =
            issued.expires.checked_sub(self.options.refresh_before_expiry).unwrap_or(Timestamp::MIN);
        if now < refresh_from {
            Standing::Good(issued.token.clone())
        } else if now < issued.expires {
            Standing::Ageing(issued.token.clone())
        } else {
            Standing::None
        }
    }

    async fn token(&self) -> Result<IssuedToken, AuthError> {
        let mut left = self.options.retries;
        loop {
            match self.token_once().await {
                Err(error) if error.is_worth_another_try() && left > 0 => {
                    left -= 1;
                    tracing::debug!(member = %self.subject.member, %error, "authentication failed and is tried again");
                    tokio::time::sleep(self.options.pause).await;
                }
                result => return result,
            }
        }
    }

    async fn token_once(&self) -> Result<IssuedToken, AuthError> {
        let Challenge { nonce, fingerprints } = self.challenge().await?;
        if nonce.len() != NONCE {
            return Err(AuthError::Nonce { member: self.subject.member.clone(), length: nonce.len() });
        }
        let hash = authentication_hash(&nonce, &self.subject.domain, self.subject.agreement.as_deref());
        let signature = self.sign(&hash, fingerprints).await?;
        let issued = self.api.authenticate(&self.subject.member, &signature, &nonce).await;
        issued.map_err(|source| self.refused(source))
    }

    /// The sequencer's nonce. One that does not know a version says so, and is asked again without it.
    async fn challenge(&self) -> Result<Challenge, AuthError> {
        let mut versions = self.subject.versions.clone();
        while !versions.is_empty() {
            match self.api.challenge(&self.subject.member, &versions).await {
                Err(ApiError::Status { message, .. }) if drop_unsupported(&mut versions, &message) => {}
                result => return result.map_err(|source| self.refused(source)),
            }
        }
        Err(AuthError::NoVersion { member: self.subject.member.clone() })
    }

    /// Signs with the first of the keys whose private part is here.
    async fn sign(
        &self,
        hash: &Hash,
        fingerprints: Vec<Fingerprint>,
    ) -> Result<cantle_crypto::Signature, AuthError> {
        for fingerprint in &fingerprints {
            match self.vault.sign(hash, fingerprint).await {
                Err(SignError::Key(KeyUseError::Unknown { .. })) => {}
                result => {
                    return result
                        .map_err(|source| AuthError::Sign { member: self.subject.member.clone(), source });
                }
            }
        }
        Err(AuthError::NoKey { member: self.subject.member.clone(), known: fingerprints })
    }

    fn refused(&self, source: ApiError) -> AuthError {
        AuthError::Api { member: self.subject.member.clone(), source }
    }
}

/// Drops the version that a sequencer says it does not know; whether it named one.
fn drop_unsupported(versions: &mut Vec<ProtocolVersion>, message: &str) -> bool {
    let before = versions.len();
    versions.retain(|version| !message.starts_with(&format!("Protocol version {version} is not supported")));
    versions.len() < before
}

/// What a member signs to authenticate: the nonce, the domain, and the service agreement that it accepts thereby.
#[must_use]
pub fn authentication_hash(nonce: &[u8], domain: &DomainId, agreement: Option<&str>) -> Hash {
    let builder =
        HashBuilder::new(HashPurpose::AuthenticationToken).add_without_prefix(nonce).add_str(domain.as_str());
    agreement.map_or_else(|| builder.clone(), |agreement| builder.clone().add_str(agreement)).finish()
}
