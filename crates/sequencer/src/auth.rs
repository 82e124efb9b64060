//! Who a caller is: nonces, signatures of them, and tokens.
//!
//! A nonce carries its own proof of having been issued here, to this member and not long ago, so that nobody fills a table
//! by asking for them. It can be used once, and a wrong signature does not use it up. Tokens are kept as hashes.
//! Invariants: a token is given only for a signature by a key that the member has now; a member that is deactivated has
//! no token any more; nothing secret is printed.
//! Source: `SequencerAuthenticationService` of Canton 2.10.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use cantle_crypto::{RandomnessError, Signature, random_bytes};
use cantle_protocol::check_versions;
use cantle_sequencing::{
    AuthErrorCode, AuthToken, Challenge, IssuedToken, ServiceAgreement, authentication_hash,
};
use cantle_types::{CantonTimestamp, Clock, DomainId, Member, MemberCode};
use jiff::Timestamp;
use tonic::Code;

use crate::administration::Disabled;
use crate::options::SequencerOptions;
use crate::topology::Topology;

/// A nonce: four bytes of time, four of chance, and what proves them.
const NONCE: usize = 20;
const HEAD: usize = 8;
const TOKEN: usize = 20;
/// How long an expired token may stay in the table.
const SWEEP: Duration = Duration::from_secs(60);

/// Why a member is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The participant is not active.
    #[error("participant {0} is disabled")]
    ParticipantDisabled(Member),
    /// The mediator is not active.
    #[error("mediator {0} is disabled")]
    MediatorDisabled(Member),
    /// Members of this kind do not authenticate.
    #[error("member {0} does not authenticate")]
    Unsupported(Member),
    /// The domain knows no key of the member.
    #[error("member {0} has no keys registered")]
    NoKeys(Member),
    /// The domain speaks none of the member's protocol versions.
    #[error("{0}")]
    Version(String),
    /// The nonce was not issued to the member, is too old, or was used.
    #[error("the nonce of member {0} is unknown, used or too old")]
    Nonce(Member),
    /// The signature does not hold.
    #[error("the signature of member {0} does not hold")]
    Signature(Member),
    /// The token is unknown or too old.
    #[error("member {0} has no such token")]
    Token(Member),
    /// The member means another domain.
    #[error("the call is meant for the domain {meant}, this one is {domain}")]
    Domain {
        /// What is meant.
        meant: DomainId,
        /// What this is.
        domain: DomainId,
    },
    /// The sequencer has no topology to know members by.
    #[error("the domain is not initialized yet")]
    NotInitialized,
    /// There is no randomness to be had.
    #[error("the sequencer cannot make nonces and tokens")]
    Randomness(#[from] RandomnessError),
}

impl AuthFailure {
    /// The gRPC code of the failure in an answer of the authentication service.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::ParticipantDisabled(_) | Self::MediatorDisabled(_) => Code::PermissionDenied,
            Self::Version(_) => Code::FailedPrecondition,
            Self::NotInitialized => Code::Unavailable,
            Self::Unsupported(_) => Code::InvalidArgument,
            Self::NoKeys(_)
            | Self::Nonce(_)
            | Self::Signature(_)
            | Self::Token(_)
            | Self::Domain { .. }
            | Self::Randomness(_) => Code::Internal,
        }
    }

    /// The code in the trailer of a call that was refused.
    #[must_use]
    pub fn auth_code(&self) -> Option<AuthErrorCode> {
        Some(match self {
            Self::ParticipantDisabled(_) => AuthErrorCode::ParticipantDisabled,
            Self::MediatorDisabled(_) => AuthErrorCode::MediatorDisabled,
            Self::Unsupported(_) => AuthErrorCode::UnsupportedMember,
            Self::NoKeys(_) => AuthErrorCode::NoKeysRegistered,
            Self::Nonce(_) => AuthErrorCode::MissingNonce,
            Self::Signature(_) => AuthErrorCode::InvalidSignature,
            Self::Token(_) => AuthErrorCode::MissingToken,
            Self::Domain { .. } => AuthErrorCode::NonMatchingDomainId,
            Self::Version(_) | Self::NotInitialized | Self::Randomness(_) => return None,
        })
    }
}

/// The gate of a sequencer.
pub(crate) struct Gate {
    domain: DomainId,
    disabled: Arc<Disabled>,
    topology: Arc<Topology>,
    agreement: Option<ServiceAgreement>,
    clock: Arc<dyn Clock>,
    options: Arc<SequencerOptions>,
    /// New at each start: nonces do not outlive the process.
    secret: hmac::Key,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    /// Nonces that were used, and until when they could have been.
    used: HashSet<[u8; NONCE]>,
    used_until: VecDeque<(Timestamp, [u8; NONCE])>,
    tokens: HashMap<[u8; 32], Granted>,
    by_member: HashMap<Member, VecDeque<[u8; 32]>>,
    /// When to look for expired tokens next.
    sweep: Option<Timestamp>,
}

struct Granted {
    member: Member,
    expires: Timestamp,
}

impl Gate {
    pub(crate) fn new(
        domain: DomainId,
        disabled: Arc<Disabled>,
        topology: Arc<Topology>,
        agreement: Option<ServiceAgreement>,
        clock: Arc<dyn Clock>,
        options: Arc<SequencerOptions>,
    ) -> Result<Self, RandomnessError> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>()?);
        Ok(Self { domain, disabled, topology, agreement, clock, options, secret, tables: Mutex::default() })
    }

    /// What participants must accept, if anything.
    pub(crate) fn agreement(&self) -> Option<&ServiceAgreement> {
        self.agreement.as_ref()
    }

    /// A nonce for a member to sign, with the keys that it may sign by.
    pub(crate) fn challenge(&self, member: &Member, versions: &[String]) -> Result<Challenge, AuthFailure> {
        let version = self.topology.parameters().protocol_version;
        check_versions(version, versions, None).map_err(|error| AuthFailure::Version(error.to_string()))?;
        self.check_active(member)?;
        let moment = self.topology.at(self.now()).map_err(|_| AuthFailure::NotInitialized)?;
        let keys = moment.signing_keys(member);
        if keys.is_empty() {
            return Err(AuthFailure::NoKeys(member.clone()));
        }
        let fingerprints = keys.iter().map(|key| key.fingerprint().clone()).collect();
        Ok(Challenge { nonce: self.nonce(member)?.to_vec(), fingerprints })
    }

    /// A token for a signed nonce.
    pub(crate) fn authenticate(
        &self,
        member: &Member,
        signature: &Signature,
        nonce: &[u8],
    ) -> Result<IssuedToken, AuthFailure> {
        self.check_active(member)?;
        let (nonce, usable_until) =
            self.issued(member, nonce).ok_or_else(|| AuthFailure::Nonce(member.clone()))?;
        self.check_signature(member, signature, &nonce)?;
        let token = random_bytes::<TOKEN>()?;
        let now = self.clock.now();
        let expires = after(now, self.options.token_expiration);
        let mut tables = self.tables();
        tables.expire(now);
        if !tables.used.insert(nonce) {
            return Err(AuthFailure::Nonce(member.clone()));
        }
        tables.used_until.push_back((usable_until, nonce));
        tables.grant(member, hashed(&token), expires, self.options.max_tokens_per_member);
        tracing::info!(%member, %expires, "a member has authenticated itself");
        Ok(IssuedToken { token: AuthToken::new(token.to_vec()), expires })
    }

    /// Until when a token lets its holder act as a member.
    pub(crate) fn verify(
        &self,
        member: &Member,
        meant: &DomainId,
        token: &[u8],
    ) -> Result<Timestamp, AuthFailure> {
        if *meant != self.domain {
            return Err(AuthFailure::Domain { meant: meant.clone(), domain: self.domain.clone() });
        }
        let now = self.clock.now();
        let tables = self.tables();
        match tables.tokens.get(&hashed(token)) {
            Some(granted) if granted.member == *member && now < granted.expires => Ok(granted.expires),
            _ => Err(AuthFailure::Token(member.clone())),
        }
    }

    /// Takes all tokens of a member away.
    pub(crate) fn revoke(&self, member: &Member) {
        let mut tables = self.tables();
        for token in tables.by_member.remove(member).unwrap_or_default() {
            tables.tokens.remove(&token);
        }
    }

    /// Who has a token.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.tables().by_member.keys().cloned().collect()
    }

    /// Whether a member may take part: by the topology that is in force, and by the one that is to come.
    pub(crate) fn check_active(&self, member: &Member) -> Result<(), AuthFailure> {
        match member.code() {
            MemberCode::Sequencer | MemberCode::Unauthenticated => {
                return Err(AuthFailure::Unsupported(member.clone()));
            }
            MemberCode::DomainTopologyManager => return Ok(()),
            MemberCode::Participant | MemberCode::Mediator => {}
        }
        let moment = self.topology.at(self.now()).map_err(|_| AuthFailure::NotInitialized)?;
        let is_disabled = self.disabled.contains(member);
        if !is_disabled && moment.view().is_active(member) && self.topology.latest().is_active(member) {
            return Ok(());
        }
        Err(match member.code() {
            MemberCode::Mediator => AuthFailure::MediatorDisabled(member.clone()),
            _ => AuthFailure::ParticipantDisabled(member.clone()),
        })
    }

    fn check_signature(
        &self,
        member: &Member,
        signature: &Signature,
        nonce: &[u8],
    ) -> Result<(), AuthFailure> {
        let agreement = match member.code() {
            MemberCode::Participant => self.agreement.as_ref().map(|agreement| agreement.id.as_str()),
            _ => None,
        };
        let hash = authentication_hash(nonce, &self.domain, agreement);
        let moment = self.topology.at(self.now()).map_err(|_| AuthFailure::NotInitialized)?;
        let keys = moment.signing_keys(member);
        let key = keys.iter().find(|key| key.fingerprint() == signature.signed_by());
        let holds = key.is_some_and(|key| {
            self.topology.allows(key.scheme()) && key.verify_hash(&hash, signature).is_ok()
        });
        if holds { Ok(()) } else { Err(AuthFailure::Signature(member.clone())) }
    }

    fn now(&self) -> CantonTimestamp {
        self.topology.present(self.clock.now())
    }

    fn nonce(&self, member: &Member) -> Result<[u8; NONCE], RandomnessError> {
        // Four bytes of seconds go round after 136 years.
        let [.., a, b, c, d] = self.clock.now().as_second().to_be_bytes();
        let [e, f, g, h] = random_bytes::<4>()?;
        Ok(self.completed(member, [a, b, c, d, e, f, g, h]))
    }

    fn completed(&self, member: &Member, head: [u8; HEAD]) -> [u8; NONCE] {
        let mut proven = head.to_vec();
        proven.extend_from_slice(member.as_str().as_bytes());
        let proof = hmac::sign(&self.secret, &proven);
        let mut nonce = [0; NONCE];
        nonce[..HEAD].copy_from_slice(&head);
        nonce[HEAD..].copy_from_slice(&proof.as_ref()[..NONCE - HEAD]);
        nonce
    }

    /// The nonce if it was issued here to the member and can be used still, and until when.
    fn issued(&self, member: &Member, nonce: &[u8]) -> Option<([u8; NONCE], Timestamp)> {
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let head: [u8; HEAD] = nonce[..HEAD].try_into().ok()?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.completed(member, head), &nonce).ok()?;
        let [a, b, c, d, ..] = head;
        let issued = Timestamp::from_second(i64::from(u32::from_be_bytes([a, b, c, d]))).ok()?;
        // A second more, because parts of one were cut off.
        let until = after(issued, self.options.nonce_expiration + Duration::from_secs(1));
        (self.clock.now() < until).then_some((nonce, until))
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn expire(&mut self, now: Timestamp) {
        while let Some((_, nonce)) = self.used_until.pop_front_if(|(until, _)| *until <= now) {
            self.used.remove(&nonce);
        }
        if self.sweep.is_some_and(|sweep| now < sweep) {
            return;
        }
        self.sweep = Some(after(now, SWEEP));
        let Self { tokens, by_member, .. } = self;
        by_member.retain(|_, hashes| {
            hashes.retain(|hash| {
                let good = tokens.get(hash).is_some_and(|granted| now < granted.expires);
                if !good {
                    tokens.remove(hash);
                }
                good
            });
            !hashes.is_empty()
        });
    }

    fn grant(&mut self, member: &Member, hash: [u8; 32], expires: Timestamp, max: usize) {
        let hashes = self.by_member.entry(member.clone()).or_default();
        if hashes.len() >= max
            && let Some(oldest) = hashes.pop_front()
        {
            self.tokens.remove(&oldest);
        }
        hashes.push_back(hash);
        self.tokens.insert(hash, Granted { member: member.clone(), expires });
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("domain", &self.domain).finish_non_exhaustive()
    }
}

fn hashed(token: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token).as_ref());
    hash
}

fn after(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}
