//! Why the topology was not changed or read, and why a node did not get its identity.
//!
//! Codes are Canton's, where Canton has one; classes say what kind of mistake it is without naming a transport.
//! Source: <https://docs.daml.com/canton/reference/error_codes.html>

use cantle_store::{StoreError, TopologyStoreId};
use cantle_topology::{ErrorClass, MappingError, ParseError, TopologyError, UniquePath};
use cantle_types::{Fingerprint, ParticipantId, UniqueIdentifier};
use cantle_vault::{SignError, VaultError};
use jiff::Timestamp;
use thiserror::Error;

/// Canton's code for faults within a topology manager.
const INTERNAL: &str = "TOPOLOGY_MANAGER_INTERNAL_ERROR";

/// A change to the topology that was not made. Nothing was stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The state does not allow it.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The key that is to sign is not a signing key that this node knows.
    #[error(
        "this node knows no signing key {fingerprint}; make or register it here, or import it with keys.public.upload"
    )]
    PublicKeyNotInStore {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The private part of the key that is to sign is not with this node.
    #[error("the private part of key {fingerprint} is not with this node; sign with one of keys.secret.list")]
    SecretKeyNotInStore {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// None of the keys that may sign is with this node.
    #[error(
        "{}; delegate to a key of this node, or add the delegations that are missing",
        no_key(candidates)
    )]
    NoAppropriateSigningKeyInStore {
        /// The keys that may sign, the preferred one first.
        candidates: Vec<Fingerprint>,
    },
    /// A key would be assigned to this participant that it does not have.
    #[error("key {fingerprint} cannot be a key of this participant: its private part is not with this node")]
    KeyWithoutPrivatePart {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// A key would be assigned to another participant.
    #[error(
        "assigning a key to another participant, {participant}, could break it; force it if that is wanted"
    )]
    AlienParticipant {
        /// The other participant.
        participant: ParticipantId,
    },
    /// Packages would be unvetted, or vetted for another participant.
    #[error(
        "unvetting packages, or vetting them for another participant, can fork the ledger ({participant}); \
         force it if that is wanted"
    )]
    DangerousVetting {
        /// The participant of the mapping.
        participant: ParticipantId,
    },
    /// The transaction could not be signed.
    #[error("the topology transaction {path} was not signed")]
    Sign {
        /// The transaction's path.
        path: UniquePath,
        /// Why.
        #[source]
        source: Box<SignError>,
    },
    /// The keys could not be looked up.
    #[error("the node's keys could not be looked up")]
    Vault(#[from] VaultError),
    /// The transactions could not be stored.
    #[error("the topology transactions could not be stored")]
    Store(#[from] StoreError),
    /// The stored topology could not be read again after an earlier failure.
    #[error("the stored topology could not be read")]
    Read(#[from] ReadError),
    /// The node is stopping.
    #[error("the node is stopping; whether the change was made shows after its next start")]
    Stopped,
}

fn no_key(candidates: &[Fingerprint]) -> String {
    if candidates.is_empty() {
        return "no key may sign this: its namespace has no root certificate here".to_owned();
    }
    let keys: Vec<&str> = candidates.iter().map(Fingerprint::as_str).collect();
    format!("none of the keys that may sign this is with this node: {}", keys.join(", "))
}

impl From<MappingError> for ChangeError {
    fn from(error: MappingError) -> Self {
        Self::Topology(error.into())
    }
}

impl ChangeError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Topology(error) => error.code(),
            Self::PublicKeyNotInStore { .. } => "PUBLIC_KEY_NOT_IN_STORE",
            Self::SecretKeyNotInStore { .. } => "SECRET_KEY_NOT_IN_STORE",
            Self::NoAppropriateSigningKeyInStore { .. } => "NO_APPROPRIATE_SIGNING_KEY_IN_STORE",
            Self::KeyWithoutPrivatePart { .. } | Self::AlienParticipant { .. } => {
                "DANGEROUS_KEY_USE_COMMAND_REQUIRES_FORCE"
            }
            Self::DangerousVetting { .. } => "DANGEROUS_VETTING_COMMANDS_REQUIRE_FORCE",
            Self::Sign { .. } | Self::Vault(_) | Self::Store(_) | Self::Read(_) | Self::Stopped => INTERNAL,
        }
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Topology(error) => error.class(),
            Self::PublicKeyNotInStore { .. }
            | Self::SecretKeyNotInStore { .. }
            | Self::KeyWithoutPrivatePart { .. }
            | Self::AlienParticipant { .. }
            | Self::DangerousVetting { .. } => ErrorClass::InvalidState,
            Self::NoAppropriateSigningKeyInStore { .. } => ErrorClass::ResourceMissing,
            Self::Stopped => ErrorClass::Unavailable,
            Self::Sign { .. } | Self::Vault(_) | Self::Store(_) | Self::Read(_) if self.retryable() => {
                ErrorClass::Unavailable
            }
            Self::Sign { .. } | Self::Vault(_) | Self::Store(_) | Self::Read(_) => ErrorClass::Internal,
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Sign { source, .. } => source.retryable(),
            Self::Vault(VaultError::Store(source)) | Self::Store(source) => source.retryable(),
            Self::Read(source) => source.retryable(),
            _ => false,
        }
    }
}

/// Stored topology that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store failed.
    #[error("the topology could not be read from the store")]
    Store(#[from] StoreError),
    /// A stored transaction is damaged.
    #[error(
        "the topology transaction of {sequenced} in store {store} cannot be read; restore the database from a backup"
    )]
    Transaction {
        /// The topology store.
        store: TopologyStoreId,
        /// When it was added.
        sequenced: Timestamp,
        /// What is wrong with it.
        #[source]
        source: Box<ParseError>,
    },
}

impl ReadError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        INTERNAL
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        if self.retryable() { ErrorClass::Unavailable } else { ErrorClass::Internal }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Store(source) if source.retryable())
    }
}

/// A node that did not get its identity.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitIdError {
    /// The node has its identity already.
    #[error("this node is initialized already, as {uid}; an identity never changes")]
    AlreadyInitialized {
        /// The identity.
        uid: UniqueIdentifier,
    },
    /// The namespace's key is not a signing key that this node knows.
    #[error(
        "key {fingerprint} cannot span the node's namespace: this node knows no such signing key; \
         make or register it first"
    )]
    NamespaceKeyNotInStore {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The keys could not be looked up.
    #[error("the node's keys could not be looked up")]
    Vault(#[from] VaultError),
    /// The identity could not be stored.
    #[error("the node's identity could not be stored")]
    Store(#[from] StoreError),
    /// The node is stopping.
    #[error("the node is stopping; whether it got its identity shows after its next start")]
    Stopped,
}

impl InitIdError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyInitialized { .. } => "NODE_ALREADY_INITIALIZED",
            Self::NamespaceKeyNotInStore { .. } => "PUBLIC_KEY_NOT_IN_STORE",
            Self::Vault(_) | Self::Store(_) | Self::Stopped => INTERNAL,
        }
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::AlreadyInitialized { .. } => ErrorClass::ResourceExists,
            Self::NamespaceKeyNotInStore { .. } => ErrorClass::InvalidArgument,
            Self::Stopped => ErrorClass::Unavailable,
            Self::Vault(VaultError::Store(source)) | Self::Store(source) if source.retryable() => {
                ErrorClass::Unavailable
            }
            Self::Vault(_) | Self::Store(_) => ErrorClass::Internal,
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Vault(VaultError::Store(source)) | Self::Store(source) => source.retryable(),
            _ => false,
        }
    }
}
