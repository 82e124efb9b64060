//! What the suite does in software, to compare: parsing public keys, verifying and encrypting with aws-lc-rs.

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::{KeySpec, SigningAlgorithm};

/// Whether `der` is a SubjectPublicKeyInfo of that spec.
pub(super) fn is_public_key(spec: &KeySpec, der: &[u8]) -> bool {
    let is_spki = der.first() == Some(&0x30);
    is_spki
        && match spec {
            KeySpec::EccNistP256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der).parse().is_ok(),
            KeySpec::EccNistP384 => UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, der).parse().is_ok(),
            KeySpec::Rsa2048 => {
                PublicEncryptingKey::from_der(der).is_ok_and(|key| key.key_size_bits() == 2048)
            }
            _ => false,
        }
}

/// Whether the signature is one of the message, with the public key of `der`.
pub(super) fn verifies(algorithm: SigningAlgorithm, der: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let algorithm: &'static dyn VerificationAlgorithm = match algorithm {
        SigningAlgorithm::EcdsaSha256 => &ECDSA_P256_SHA256_ASN1,
        SigningAlgorithm::EcdsaSha384 => &ECDSA_P384_SHA384_ASN1,
        SigningAlgorithm::Ed25519Sha512 => &ED25519,
    };
    UnparsedPublicKey::new(algorithm, der).verify(message, signature).is_ok()
}

/// RSA-OAEP with SHA-256 and MGF1 with SHA-256.
///
/// # Panics
/// If `der` is no RSA key: the suite has looked at it before.
pub(super) fn encrypt(der: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let key = PublicEncryptingKey::from_der(der).expect("contract: an RSA public key parses");
    let key = OaepPublicEncryptingKey::new(key).expect("contract: an RSA public key encrypts");
    let mut ciphertext = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut ciphertext, None)
        .expect("contract: 190 bytes fit into RSA_2048")
        .to_vec()
}
