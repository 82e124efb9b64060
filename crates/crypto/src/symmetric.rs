//! AES-128-GCM with the nonce in front, as Tink and the JDK lay it out.
//!
//! A ciphertext is the nonce (12 bytes), the encrypted text and the tag (16 bytes); there is no associated data.
//! Invariant: every encryption draws a new random nonce.
//! Source: NIST SP 800-38D; <https://developers.google.com/tink/wire-format>

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::error::{DecryptError, EncryptError};
use crate::random::{RandomnessError, random_bytes};
use crate::scheme::SymmetricKeyScheme;
use crate::tink;

const KEY_LENGTH: usize = 16;
const TAG_LENGTH: usize = 16;
const SCHEME: SymmetricKeyScheme = SymmetricKeyScheme::Aes128Gcm;

/// A key of AES-128-GCM. Wiped when dropped.
#[derive(Clone)]
pub struct SymmetricKey(Zeroizing<[u8; KEY_LENGTH]>);

impl SymmetricKey {
    /// Makes a random key.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn generate() -> Result<Self, RandomnessError> {
        random_bytes().map(Zeroizing::new).map(Self)
    }

    /// The key with these 16 bytes; none when there are more or fewer.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Zeroizing::new).map(Self)
    }

    /// The 16 bytes of the key.
    ///
    /// # Security
    /// Whoever has them reads everything encrypted with the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }

    /// The scheme, of which there is one.
    #[must_use]
    pub fn scheme(&self) -> SymmetricKeyScheme {
        SCHEME
    }

    /// Encrypts under a new random nonce. The ciphertext is 28 bytes longer than the plaintext.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
        let failed = EncryptError::Failed { scheme: SCHEME.name() };
        let Ok(nonce) = random_bytes::<NONCE_LEN>() else { return Err(failed) };
        let mut ciphertext = Vec::with_capacity(NONCE_LEN + plaintext.len() + TAG_LENGTH);
        ciphertext.extend_from_slice(&nonce);
        ciphertext.extend_from_slice(plaintext);
        let text = &mut ciphertext[NONCE_LEN..];
        let nonce = Nonce::assume_unique_for_key(nonce);
        match self.key().seal_in_place_separate_tag(nonce, Aad::empty(), text) {
            Ok(tag) => {
                ciphertext.extend_from_slice(tag.as_ref());
                Ok(ciphertext)
            }
            Err(_) => Err(failed),
        }
    }

    /// Decrypts; a ciphertext with the prefix of Tink is tried without it.
    ///
    /// # Errors
    /// When the ciphertext is empty, was not made with this key, or was changed.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        tink::decrypt_with_or_without_prefix(SCHEME.name(), ciphertext, |bytes| self.open(bytes))
    }

    /// Decrypts what has no prefix.
    pub(crate) fn open(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = ciphertext.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key().open_in_place(nonce, Aad::empty(), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    fn key(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_128_GCM, &*self.0).expect("the key has the length of AES-128");
        LessSafeKey::new(key)
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey([REDACTED])")
    }
}
