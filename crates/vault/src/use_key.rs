//! Signing and decrypting.
//!
//! A key is read from the store once; after that a signature costs one request to the KMS (or none) and nothing else.
//! Every signature of the KMS is verified here with the registered public key before it is given to anyone.
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html>.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

use cantle_crypto::{
    EncryptionPrivateKey, Hash, PrivateKeyError, PublicKey, Signature, SigningPrivateKey, SigningPublicKey,
    VerifyError,
};
use cantle_kms::{CallMode, EncryptionAlgorithm, Kms, KmsError, KmsKeyId, KmsKeyIdError};
use cantle_store::StoreError;
use cantle_types::{Fingerprint, KeyPurpose};
use zeroize::Zeroizing;

use crate::private;
use crate::register::signing_algorithm;
use crate::vault::{Inner, Vault, VaultBackend};

/// An RSA_2048 ciphertext has this many bytes.
const RSA_CIPHERTEXT: usize = 256;
/// Tink's output prefix: 0x01 and four bytes of a key id.
const TINK_PREFIX: usize = 5;

/// A private key as it is used.
pub(crate) enum PrivatePart {
    KmsSigning { key: KmsKeyId, public: SigningPublicKey },
    KmsDecryption { key: KmsKeyId },
    Signing(SigningPrivateKey),
    Decryption(EncryptionPrivateKey),
}

/// Own keys that were used, so that a signature reads nothing from the store. One entry a key.
#[derive(Debug, Default)]
pub(crate) struct UsedKeys {
    parts: HashMap<Fingerprint, Arc<PrivatePart>>,
    deletions: u64,
}

impl PrivatePart {
    fn purpose(&self) -> KeyPurpose {
        match self {
            Self::KmsSigning { .. } | Self::Signing(_) => KeyPurpose::Signing,
            Self::KmsDecryption { .. } | Self::Decryption(_) => KeyPurpose::Encryption,
        }
    }
}

/// Why there is no private key to use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyUseError {
    /// No private key of that fingerprint is with this node.
    #[error("the private part of key {fingerprint} is not with this node")]
    Unknown {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The key is for the other purpose.
    #[error("key {fingerprint} is a key for {purpose} and cannot be used here")]
    WrongPurpose {
        /// The key.
        fingerprint: Fingerprint,
        /// What it is for.
        purpose: KeyPurpose,
    },
    /// The stored private key cannot be read.
    #[error("the stored private key {fingerprint} cannot be read")]
    Unreadable {
        /// The key.
        fingerprint: Fingerprint,
        /// What is wrong with it.
        #[source]
        source: PrivateKeyError,
    },
    /// The stored name of the KMS key is not one.
    #[error("the KMS key stored for {fingerprint} has no usable name")]
    KmsKeyId {
        /// The key.
        fingerprint: Fingerprint,
        /// What is wrong with it.
        #[source]
        source: KmsKeyIdError,
    },
    /// The private key is encrypted with a wrapper key, and the node was opened without its KMS.
    #[error(
        "the private key {fingerprint} is encrypted with wrapper key {wrapper_key_id}; \
         crypto.private-key-store.encryption is needed to use it"
    )]
    Wrapped {
        /// The key.
        fingerprint: Fingerprint,
        /// The wrapper key.
        wrapper_key_id: String,
    },
    /// The KMS did not decrypt the private key with its wrapper key.
    #[error("the private key {fingerprint} could not be decrypted with wrapper key {wrapper_key_id}")]
    Unwrap {
        /// The key.
        fingerprint: Fingerprint,
        /// The wrapper key.
        wrapper_key_id: String,
        /// What the KMS said.
        #[source]
        source: Box<KmsError>,
    },
    /// What the wrapper key decrypted is not that private key.
    #[error(
        "what is stored under the private key {fingerprint}, encrypted with wrapper key {wrapper_key_id}, is not that \
         key; restore the database from a backup"
    )]
    NotThatKey {
        /// The key.
        fingerprint: Fingerprint,
        /// The wrapper key.
        wrapper_key_id: String,
    },
    /// The store failed.
    #[error("the node's key store failed")]
    Store(#[from] StoreError),
}

impl KeyUseError {
    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Store(source) => source.retryable(),
            Self::Unwrap { source, .. } => source.retryable(),
            _ => false,
        }
    }
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// There is no such key to sign with.
    #[error(transparent)]
    Key(#[from] KeyUseError),
    /// The KMS did not sign.
    #[error("KMS key {kms_key_id} did not sign for key {fingerprint}")]
    Kms {
        /// The key.
        fingerprint: Fingerprint,
        /// The KMS key behind it.
        kms_key_id: KmsKeyId,
        /// What the KMS said.
        #[source]
        source: Box<KmsError>,
    },
    /// The KMS gave a signature that the registered public key does not verify. It was discarded.
    #[error(
        "the signature of KMS key {kms_key_id} does not verify with key {fingerprint} and was discarded; \
         does the KMS key still have the key material it was registered with?"
    )]
    SignatureMismatch {
        /// The key.
        fingerprint: Fingerprint,
        /// The KMS key behind it.
        kms_key_id: KmsKeyId,
        /// How verification failed.
        #[source]
        source: VerifyError,
    },
    /// Signing in software failed.
    #[error("signing with key {fingerprint} failed")]
    Software {
        /// The key.
        fingerprint: Fingerprint,
        /// Why.
        #[source]
        source: cantle_crypto::SignError,
    },
}

impl SignError {
    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Kms { source, .. } => source.retryable(),
            Self::Key(source) => source.retryable(),
            _ => false,
        }
    }
}

/// Why there is no plaintext.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// There is no such key to decrypt with.
    #[error(transparent)]
    Key(#[from] KeyUseError),
    /// The ciphertext has a length that none for the key has. The KMS was not asked.
    #[error("a ciphertext for key {fingerprint} has {RSA_CIPHERTEXT} bytes, not {length}")]
    Length {
        /// The key.
        fingerprint: Fingerprint,
        /// The ciphertext's length.
        length: usize,
    },
    /// The ciphertext is not for this key, or was changed.
    #[error("the ciphertext does not decrypt with key {fingerprint}: it is for another key, or was changed")]
    Ciphertext {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The KMS did not decrypt.
    #[error("KMS key {kms_key_id} did not decrypt for key {fingerprint}")]
    Kms {
        /// The key.
        fingerprint: Fingerprint,
        /// The KMS key behind it.
        kms_key_id: KmsKeyId,
        /// What the KMS said.
        #[source]
        source: Box<KmsError>,
    },
}

impl DecryptError {
    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Kms { source, .. } => source.retryable(),
            Self::Key(source) => source.retryable(),
            _ => false,
        }
    }
}

impl Vault {
    /// Signs a hash: its 34 bytes of evidence, RAW. ECDSA signatures are DER as the KMS gave them, Ed25519 has 64 bytes.
    ///
    /// One Sign request with provider kms (`kms:Sign`), none otherwise; reads the store only the first time a key is
    /// used. The signature has been verified.
    ///
    /// # Errors
    /// [`SignError`].
    pub async fn sign(&self, hash: &Hash, fingerprint: &Fingerprint) -> Result<Signature, SignError> {
        let part = self.inner.private_part(fingerprint, KeyPurpose::Signing).await?;
        let (key, public) = match &*part {
            PrivatePart::KmsSigning { key, public } => (key, public),
            PrivatePart::Signing(private) => {
                return private
                    .sign_hash(hash)
                    .map_err(|source| SignError::Software { fingerprint: fingerprint.clone(), source });
            }
            PrivatePart::KmsDecryption { .. } | PrivatePart::Decryption(_) => {
                return Err(wrong_purpose(fingerprint, &part).into());
            }
        };
        let kms = self.inner.kms(fingerprint)?;
        let answer = kms.sign(key, &hash.evidence(), signing_algorithm(public), CallMode::Execute).await;
        let bytes = answer.map_err(|source| SignError::Kms {
            fingerprint: fingerprint.clone(),
            kms_key_id: key.clone(),
            source: Box::new(source),
        })?;
        let signature = Signature::new(bytes.value, fingerprint.clone());
        match public.verify_hash(hash, &signature) {
            Ok(()) => Ok(signature),
            Err(source) => Err(SignError::SignatureMismatch {
                fingerprint: fingerprint.clone(),
                kms_key_id: key.clone(),
                source,
            }),
        }
    }

    /// Decrypts a ciphertext that was made for one of this node's encryption keys.
    ///
    /// With provider kms 256 bytes of RSAES_OAEP_SHA_256, with or without Tink's prefix of five bytes: one Decrypt
    /// request (`kms:Decrypt`).
    ///
    /// # Errors
    /// [`DecryptError`].
    pub async fn decrypt(
        &self,
        ciphertext: &[u8],
        fingerprint: &Fingerprint,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let part = self.inner.private_part(fingerprint, KeyPurpose::Encryption).await?;
        let not_for_this_key = || DecryptError::Ciphertext { fingerprint: fingerprint.clone() };
        let key = match &*part {
            PrivatePart::KmsDecryption { key } => key,
            PrivatePart::Decryption(private) => {
                return private.decrypt(ciphertext).map_err(|_| not_for_this_key());
            }
            PrivatePart::KmsSigning { .. } | PrivatePart::Signing(_) => {
                return Err(wrong_purpose(fingerprint, &part).into());
            }
        };
        let bare = match ciphertext {
            [1, ..] if ciphertext.len() == TINK_PREFIX + RSA_CIPHERTEXT => &ciphertext[TINK_PREFIX..],
            _ => ciphertext,
        };
        if bare.len() != RSA_CIPHERTEXT {
            return Err(DecryptError::Length { fingerprint: fingerprint.clone(), length: ciphertext.len() });
        }
        let kms = self.inner.kms(fingerprint)?;
        match kms.decrypt(key, bare, EncryptionAlgorithm::RsaesOaepSha256, CallMode::Execute).await {
            Ok(reply) => Ok(reply.value),
            Err(KmsError::InvalidCiphertext { .. } | KmsError::IncorrectKey { .. }) => {
                Err(not_for_this_key())
            }
            Err(source) => Err(DecryptError::Kms {
                fingerprint: fingerprint.clone(),
                kms_key_id: key.clone(),
                source: Box::new(source),
            }),
        }
    }
}

fn wrong_purpose(fingerprint: &Fingerprint, part: &PrivatePart) -> KeyUseError {
    KeyUseError::WrongPurpose { fingerprint: fingerprint.clone(), purpose: part.purpose() }
}

impl Inner {
    fn kms(&self, fingerprint: &Fingerprint) -> Result<&Arc<dyn Kms>, KeyUseError> {
        match &self.backend {
            VaultBackend::Kms(kms) => Ok(kms),
            VaultBackend::Jce | VaultBackend::JceWrapped(_) => {
                Err(KeyUseError::Unknown { fingerprint: fingerprint.clone() })
            }
        }
    }

    async fn private_part(
        &self,
        fingerprint: &Fingerprint,
        purpose: KeyPurpose,
    ) -> Result<Arc<PrivatePart>, KeyUseError> {
        let deletions = {
            let used = self.used.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(part) = used.parts.get(fingerprint) {
                return Ok(Arc::clone(part));
            }
            used.deletions
        };
        let part = Arc::new(self.load(fingerprint, purpose).await?);
        let mut used = self.used.write().unwrap_or_else(PoisonError::into_inner);
        // A key deleted meanwhile must not come back.
        if used.deletions == deletions {
            used.parts.insert(fingerprint.clone(), Arc::clone(&part));
        }
        Ok(part)
    }

    async fn load(&self, fingerprint: &Fingerprint, purpose: KeyPurpose) -> Result<PrivatePart, KeyUseError> {
        let unknown = || KeyUseError::Unknown { fingerprint: fingerprint.clone() };
        let public = self.store.public_key_find(fingerprint).await?.ok_or_else(unknown)?.key;
        if public.purpose() != purpose {
            let purpose = public.purpose();
            return Err(KeyUseError::WrongPurpose { fingerprint: fingerprint.clone(), purpose });
        }
        match &self.backend {
            VaultBackend::Kms(_) => {
                let Some(metadata) = self.store.kms_metadata_find(fingerprint).await? else {
                    return self.load_kept(fingerprint).await;
                };
                let key = KmsKeyId::parse(&metadata.kms_key_id)
                    .map_err(|source| KeyUseError::KmsKeyId { fingerprint: fingerprint.clone(), source })?;
                Ok(match public {
                    PublicKey::Signing(public) => PrivatePart::KmsSigning { key, public },
                    PublicKey::Encryption(_) => PrivatePart::KmsDecryption { key },
                })
            }
            VaultBackend::Jce | VaultBackend::JceWrapped(_) => {
                let stored = self.store.private_key_find(fingerprint).await?.ok_or_else(unknown)?;
                private::read(&self.in_clear(&stored).await?)
                    .map_err(|source| KeyUseError::Unreadable { fingerprint: fingerprint.clone(), source })
            }
        }
    }

    /// The private key that a migration into the KMS has kept in the store: to decrypt what is still sent to it, or to sign
    /// for whoever does not know its successor yet.
    async fn load_kept(&self, fingerprint: &Fingerprint) -> Result<PrivatePart, KeyUseError> {
        let kept = self.store.private_key_find(fingerprint).await?;
        let kept = kept.ok_or_else(|| KeyUseError::Unknown { fingerprint: fingerprint.clone() })?;
        private::read(&self.in_clear(&kept).await?)
            .map_err(|source| KeyUseError::Unreadable { fingerprint: fingerprint.clone(), source })
    }

    /// Forgets a key that was deleted.
    pub(crate) fn forget(&self, fingerprint: &Fingerprint) {
        let mut used = self.used.write().unwrap_or_else(PoisonError::into_inner);
        used.deletions += 1;
        used.parts.remove(fingerprint);
    }
}

impl fmt::Debug for PrivatePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KmsSigning { key, .. } | Self::KmsDecryption { key } => {
                f.debug_tuple("Kms").field(key).finish()
            }
            Self::Signing(_) | Self::Decryption(_) => f.write_str("[REDACTED]"),
        }
    }
}
