//! Software keys of the in-memory service, on aws-lc-rs.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use zeroize::Zeroizing;

use crate::{KeySpec, KeyUsage};

/// A key's material.
pub(super) enum Material {
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    Rsa(Box<PrivateDecryptingKey>),
    Symmetric(Box<RandomizedNonceKey>),
    /// Still to be imported.
    None,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl Material {
    /// Makes material. The error is the service's words.
    pub(super) fn generate(spec: &KeySpec, usage: &KeyUsage) -> Result<Self, &'static str> {
        let ecdsa = |algorithm| {
            EcdsaKeyPair::generate(algorithm)
                .map(|pair| Self::Ecdsa(Box::new(pair)))
                .map_err(|_| "no ECDSA key")
        };
        match (spec, usage) {
            (KeySpec::EccNistP256, KeyUsage::SignVerify) => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            (KeySpec::EccNistP384, KeyUsage::SignVerify) => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            (KeySpec::Rsa2048, KeyUsage::EncryptDecrypt | KeyUsage::SignVerify) => {
                PrivateDecryptingKey::generate(KeySize::Rsa2048)
                    .map(|key| Self::Rsa(Box::new(key)))
                    .map_err(|_| "no RSA key")
            }
            (KeySpec::EccNistEdwards25519, KeyUsage::SignVerify) => Ed25519KeyPair::generate()
                .map(|pair| Self::Ed25519(Box::new(pair)))
                .map_err(|_| "no Ed25519 key"),
            (KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt) => {
                let mut key = Zeroizing::new([0; 32]);
                aws_lc_rs::rand::fill(&mut *key).map_err(|_| "no randomness")?;
                RandomizedNonceKey::new(&AES_256_GCM, &*key)
                    .map(|key| Self::Symmetric(Box::new(key)))
                    .map_err(|_| "no symmetric key")
            }
            _ => Err("KeyUsage is not valid for KeySpec"),
        }
    }

    /// Reads imported material in PKCS#8.
    pub(super) fn import(spec: &KeySpec, pkcs8: &[u8]) -> Option<Self> {
        let ecdsa = |algorithm| {
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).ok().map(|pair| Self::Ecdsa(Box::new(pair)))
        };
        match spec {
            KeySpec::EccNistP256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            KeySpec::EccNistP384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            KeySpec::EccNistEdwards25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)
                .ok()
                .map(|pair| Self::Ed25519(Box::new(pair))),
            KeySpec::Rsa2048 => {
                PrivateDecryptingKey::from_pkcs8(pkcs8).ok().map(|key| Self::Rsa(Box::new(key)))
            }
            _ => None,
        }
    }

    /// DER SubjectPublicKeyInfo.
    pub(super) fn public_der(&self) -> Vec<u8> {
        match self {
            Self::Ecdsa(pair) => {
                pair.public_key().as_der().expect("a generated key has an encoding").as_ref().to_vec()
            }
            Self::Ed25519(pair) => {
                pair.public_key().as_der().expect("a generated key has an encoding").as_ref().to_vec()
            }
            Self::Rsa(key) => {
                key.public_key().as_der().expect("a generated key has an encoding").as_ref().to_vec()
            }
            Self::Symmetric(_) | Self::None => Vec::new(),
        }
    }
}

/// The service's wrapping key. RSA_2048, which takes a fraction of the time of AWS's RSA_4096.
pub(super) fn wrapping_key() -> PrivateDecryptingKey {
    PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("an RSA key can be made")
}

/// Takes material out of RSA_AES_KEY_WRAP_SHA_256.
pub(super) fn unwrap(wrapping: &PrivateDecryptingKey, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (key, sealed) = wrapped.split_at_checked(256)?;
    let key = decrypt(wrapping, key)?;
    let mut opened = Zeroizing::new(vec![0; sealed.len()]);
    let kek = AesKek::new(&AES_256, &key).ok()?;
    let length = kek.unwrap_with_padding(sealed, &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}

/// Nonce, ciphertext and tag, bound to the key's name.
pub(super) fn seal(key: &RandomizedNonceKey, name: &str, plaintext: &[u8]) -> Vec<u8> {
    let mut text = plaintext.to_vec();
    let nonce = key
        .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut text)
        .expect("a short text can be sealed");
    [nonce.as_ref().as_slice(), &text].concat()
}

pub(super) fn open(key: &RandomizedNonceKey, name: &str, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, text) = ciphertext.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = Zeroizing::new(text.to_vec());
    let length = key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}

pub(super) fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    pair.sign(&SystemRandom::new(), message).expect("a generated key signs").as_ref().to_vec()
}

pub(super) fn decrypt(key: &PrivateDecryptingKey, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = OaepPrivateDecryptingKey::new(key.clone()).ok()?;
    let mut buffer = Zeroizing::new(vec![0; key.min_output_size()]);
    let length = key.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut buffer, None).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}
