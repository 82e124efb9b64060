//! Signing, verifying and encrypting with the keys that the topology gives to members.
//!
//! Which key it is follows from a topology: whoever asks says at which time by the view that he brings. One's own
//! signature is by the key that was registered last among those whose private part is here; another's may be by any key
//! that is his at that time, if its scheme is one that the domain requires.
//! Invariant: a signature that verifies here was made with a key that the topology gives to the member.

use std::sync::Arc;

use cantle_crypto::{
    EncryptError, EncryptionKeyScheme, EncryptionPublicKey, Hash, Signature, SigningKeyScheme, VerifyError,
};
use cantle_protocol::StaticDomainParameters;
use cantle_topology::TopologyView;
use cantle_types::{Fingerprint, Member};
use cantle_vault::{DecryptError, KeyUseError, SignError, Vault};
use zeroize::Zeroizing;

/// A member's cryptography on one domain. Clones are the same.
#[derive(Debug, Clone)]
pub struct SyncCrypto(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    member: Member,
    vault: Vault,
    signing: Vec<SigningKeyScheme>,
    encryption: Vec<EncryptionKeyScheme>,
}

/// Why a member cannot sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncSignError {
    /// The topology gives the member no key that this node has.
    #[error(
        "the topology gives {known} signing keys to {member}, and this node has the private part of none of them"
    )]
    NoKey {
        /// The member.
        member: Member,
        /// How many keys the topology gives it.
        known: usize,
    },
    /// The key could not be used.
    #[error("{member} cannot sign")]
    Sign {
        /// The member.
        member: Member,
        /// Why.
        #[source]
        source: SignError,
    },
}

impl SyncSignError {
    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Sign { source, .. } if source.retryable())
    }
}

/// Why a signature counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncVerifyError {
    /// The key is none of the member's at that time.
    #[error(
        "the signature is by key {signed_by}, which is none of the {known} signing keys of {member} at that time"
    )]
    NotAKeyOf {
        /// The member.
        member: Member,
        /// The key that the signature names.
        signed_by: Fingerprint,
        /// How many keys the member has.
        known: usize,
    },
    /// The domain does not allow signatures of that scheme.
    #[error("the key {signed_by} of {member} is of scheme {scheme}, which the domain does not allow")]
    Scheme {
        /// The member.
        member: Member,
        /// The key.
        signed_by: Fingerprint,
        /// Its scheme.
        scheme: SigningKeyScheme,
    },
    /// The signature does not hold.
    #[error("the signature of {member} does not hold")]
    Invalid {
        /// The member.
        member: Member,
        /// How it fails.
        #[source]
        source: VerifyError,
    },
}

/// Why nothing can be encrypted for a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncEncryptError {
    /// The member has no encryption key at that time.
    #[error("{member} has no encryption key in the topology")]
    NoKey {
        /// The member.
        member: Member,
    },
    /// The domain does not allow encryption of that scheme.
    #[error("the encryption key {key} of {member} is of scheme {scheme}, which the domain does not allow")]
    Scheme {
        /// The member.
        member: Member,
        /// The key.
        key: Fingerprint,
        /// Its scheme.
        scheme: EncryptionKeyScheme,
    },
    /// The key cannot be used.
    #[error("nothing can be encrypted for {member}")]
    Encrypt {
        /// The member.
        member: Member,
        /// Why.
        #[source]
        source: Box<EncryptError>,
    },
}

/// A ciphertext for one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedFor {
    /// For whom.
    pub member: Member,
    /// The key that decrypts it.
    pub key: Fingerprint,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}

impl SyncCrypto {
    /// The cryptography of a member on a domain with these parameters.
    #[must_use]
    pub fn new(member: Member, vault: Vault, parameters: &StaticDomainParameters) -> Self {
        Self(Arc::new(Inner {
            member,
            vault,
            signing: parameters.required_signing_key_schemes.clone(),
            encryption: parameters.required_encryption_key_schemes.clone(),
        }))
    }

    /// Who signs and decrypts.
    #[must_use]
    pub fn member(&self) -> &Member {
        &self.0.member
    }

    /// Where the private keys are.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// Signs as the member: with the last of its keys whose private part is here. One KMS request with provider kms.
    ///
    /// # Errors
    /// [`SyncSignError`].
    pub async fn sign(&self, view: &TopologyView, hash: &Hash) -> Result<Signature, SyncSignError> {
        let keys = view.signing_keys(&self.0.member);
        for key in keys.iter().rev() {
            match self.0.vault.sign(hash, key.fingerprint()).await {
                Err(SignError::Key(KeyUseError::Unknown { .. })) => {}
                signed => {
                    return signed
                        .map_err(|source| SyncSignError::Sign { member: self.0.member.clone(), source });
                }
            }
        }
        Err(SyncSignError::NoKey { member: self.0.member.clone(), known: keys.len() })
    }

    /// Whether a member made a signature.
    ///
    /// # Errors
    /// [`SyncVerifyError`].
    pub fn verify(
        &self,
        view: &TopologyView,
        member: &Member,
        hash: &Hash,
        signature: &Signature,
    ) -> Result<(), SyncVerifyError> {
        let keys = view.signing_keys(member);
        let signed_by = signature.signed_by();
        let Some(key) = keys.iter().find(|key| key.fingerprint() == signed_by) else {
            return Err(SyncVerifyError::NotAKeyOf {
                member: member.clone(),
                signed_by: signed_by.clone(),
                known: keys.len(),
            });
        };
        if !self.0.signing.contains(&key.scheme()) {
            return Err(SyncVerifyError::Scheme {
                member: member.clone(),
                signed_by: signed_by.clone(),
                scheme: key.scheme(),
            });
        }
        key.verify_hash(hash, signature)
            .map_err(|source| SyncVerifyError::Invalid { member: member.clone(), source })
    }

    /// The key to encrypt to for a member: the one that was registered last.
    ///
    /// # Errors
    /// When it has none, or one of a scheme that the domain does not allow.
    pub fn encryption_key(
        &self,
        view: &TopologyView,
        member: &Member,
    ) -> Result<EncryptionPublicKey, SyncEncryptError> {
        let key =
            view.encryption_key(member).ok_or_else(|| SyncEncryptError::NoKey { member: member.clone() })?;
        if self.0.encryption.contains(&key.scheme()) {
            return Ok(key);
        }
        let (scheme, key) = (key.scheme(), key.fingerprint().clone());
        Err(SyncEncryptError::Scheme { member: member.clone(), key, scheme })
    }

    /// Encrypts a secret of at most 190 bytes for each of the members, in their order. In software.
    ///
    /// # Errors
    /// [`SyncEncryptError`], at the first member for whom it cannot be done.
    pub fn encrypt_for<'a>(
        &self,
        view: &TopologyView,
        members: impl IntoIterator<Item = &'a Member>,
        secret: &[u8],
    ) -> Result<Vec<EncryptedFor>, SyncEncryptError> {
        let encrypt = |member: &Member| {
            let key = self.encryption_key(view, member)?;
            let ciphertext = key.encrypt(secret).map_err(|error| SyncEncryptError::Encrypt {
                member: member.clone(),
                source: Box::new(error),
            })?;
            Ok(EncryptedFor { member: member.clone(), key: key.fingerprint().clone(), ciphertext })
        };
        members.into_iter().map(encrypt).collect()
    }

    /// Which of several keys is an encryption key of the member in a topology: the one that its ciphertext is for.
    #[must_use]
    pub fn own_encryption_key<'a>(
        &self,
        view: &TopologyView,
        keys: impl IntoIterator<Item = &'a Fingerprint>,
    ) -> Option<&'a Fingerprint> {
        let own = view.encryption_keys(&self.0.member);
        keys.into_iter().find(|key| own.iter().any(|own| own.fingerprint() == *key))
    }

    /// Decrypts what was encrypted for one of this node's keys. One KMS request with provider kms.
    ///
    /// # Errors
    /// [`DecryptError`].
    pub async fn decrypt(
        &self,
        ciphertext: &[u8],
        key: &Fingerprint,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        self.0.vault.decrypt(ciphertext, key).await
    }
}
