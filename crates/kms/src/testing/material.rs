//! Software keys of the in-memory service, on aws-lc-rs.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
};
use zeroize::Zeroizing;

use crate::{KeySpec, KeyUsage};

/// A key's material.
pub(super) enum Material {
    Ecdsa(Box<EcdsaKeyPair>),
    Rsa(Box<PrivateDecryptingKey>),
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
            _ => Err("KeyUsage is not valid for KeySpec"),
        }
    }

    /// DER SubjectPublicKeyInfo.
    pub(super) fn public_der(&self) -> Vec<u8> {
        match self {
            Self::Ecdsa(pair) => {
                pair.public_key().as_der().expect("a generated key has an encoding").as_ref().to_vec()
            }
            Self::Rsa(key) => {
                key.public_key().as_der().expect("a generated key has an encoding").as_ref().to_vec()
            }
        }
    }
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
