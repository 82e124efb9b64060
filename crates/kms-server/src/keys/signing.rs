//! Signatures and MACs over parsed keys.
//!
//! The invariant: a digest is signed as it is, never hashed again, and its length is the algorithm's.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html>

use aws_lc_rs::{
    digest::{self, Digest},
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{
        self, ECDSA_P256_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
        ECDSA_P521_SHA512_ASN1, ED25519, ML_DSA_44, ML_DSA_65, ML_DSA_87, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
        RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, VerificationAlgorithm,
    },
};

use super::{
    material::Parsed,
    spec::{KeySpec, MacAlgorithm, MessageType, SigningAlgorithm},
};

/// Signs a message or a digest. `None` if the key and the algorithm do not fit (the caller has checked that they do)
/// or the library fails.
pub(crate) fn sign(
    key: &Parsed,
    spec: KeySpec,
    algorithm: SigningAlgorithm,
    message_type: MessageType,
    message: &[u8],
) -> Option<Vec<u8>> {
    match key {
        Parsed::Ecdsa { pair, .. } => match message_type {
            MessageType::Digest => {
                let digest = Digest::import_less_safe(message, digest_of(algorithm)?).ok()?;
                pair.sign_digest(&digest).ok().map(|signature| signature.as_ref().to_vec())
            }
            _ => pair.sign(&SystemRandom::new(), message).ok().map(|signature| signature.as_ref().to_vec()),
        },
        Parsed::Ed25519 { pair, .. } => match algorithm {
            SigningAlgorithm::Ed25519Sha512 => Some(pair.sign(message).as_ref().to_vec()),
            _ => super::prehash::ed25519ph_sign(pair, message),
        },
        Parsed::Rsa(rsa) => {
            let encoding = rsa_encoding(algorithm)?;
            let mut signature = vec![0; rsa.signer.public_modulus_len()];
            match message_type {
                MessageType::Digest => {
                    let digest = Digest::import_less_safe(message, digest_of(algorithm)?).ok()?;
                    rsa.signer.sign_digest(encoding, &digest, &mut signature).ok()?;
                }
                _ => rsa.signer.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?,
            }
            Some(signature)
        }
        Parsed::MlDsa { pair, seed, .. } => match message_type {
            MessageType::ExternalMu => super::prehash::ml_dsa_sign_mu(spec, seed, message),
            _ => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                let length = pair.sign(message, &mut signature).ok()?;
                signature.truncate(length);
                Some(signature)
            }
        },
        Parsed::Symmetric(_) | Parsed::Hmac(_) => None,
    }
}

/// Whether the signature is the key's over the message.
pub(crate) fn verify(
    key: &Parsed,
    spec: KeySpec,
    algorithm: SigningAlgorithm,
    message_type: MessageType,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let Some(public) = key.public() else { return false };
    match (algorithm, message_type) {
        (SigningAlgorithm::Ed25519PhSha512, _) => {
            return super::prehash::ed25519ph_verify(public, message, signature);
        }
        (SigningAlgorithm::MlDsaShake256, MessageType::ExternalMu) => {
            let Parsed::MlDsa { seed, .. } = key else { return false };
            return super::prehash::ml_dsa_verify_mu(spec, seed, message, signature);
        }
        _ => {}
    }
    let Some(verification) = verification(spec, algorithm) else { return false };
    let Ok(parsed) = ParsedPublicKey::new(verification, public) else { return false };
    if message_type == MessageType::Digest {
        let Some(digest) = digest_of(algorithm).and_then(|kind| Digest::import_less_safe(message, kind).ok())
        else {
            return false;
        };
        parsed.verify_digest_sig(&digest, signature).is_ok()
    } else {
        parsed.verify_sig(message, signature).is_ok()
    }
}

/// The HMAC of a message.
pub(crate) fn mac(key: &hmac::Key, message: &[u8]) -> Vec<u8> {
    hmac::sign(key, message).as_ref().to_vec()
}

pub(crate) fn hmac_algorithm(algorithm: MacAlgorithm) -> hmac::Algorithm {
    match algorithm {
        MacAlgorithm::Sha224 => hmac::HMAC_SHA224,
        MacAlgorithm::Sha256 => hmac::HMAC_SHA256,
        MacAlgorithm::Sha384 => hmac::HMAC_SHA384,
        MacAlgorithm::Sha512 => hmac::HMAC_SHA512,
    }
}

fn digest_of(algorithm: SigningAlgorithm) -> Option<&'static digest::Algorithm> {
    match algorithm.digest_len() {
        32 => Some(&digest::SHA256),
        48 => Some(&digest::SHA384),
        64 => Some(&digest::SHA512),
        _ => None,
    }
}

fn rsa_encoding(algorithm: SigningAlgorithm) -> Option<&'static dyn signature::RsaEncoding> {
    Some(match algorithm {
        SigningAlgorithm::PssSha256 => &RSA_PSS_SHA256,
        SigningAlgorithm::PssSha384 => &RSA_PSS_SHA384,
        SigningAlgorithm::PssSha512 => &RSA_PSS_SHA512,
        SigningAlgorithm::Pkcs1Sha256 => &RSA_PKCS1_SHA256,
        SigningAlgorithm::Pkcs1Sha384 => &RSA_PKCS1_SHA384,
        SigningAlgorithm::Pkcs1Sha512 => &RSA_PKCS1_SHA512,
        _ => return None,
    })
}

fn verification(spec: KeySpec, algorithm: SigningAlgorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (spec, algorithm) {
        (KeySpec::EccNistP256, SigningAlgorithm::EcdsaSha256) => &ECDSA_P256_SHA256_ASN1,
        (KeySpec::EccSecgP256k1, SigningAlgorithm::EcdsaSha256) => &ECDSA_P256K1_SHA256_ASN1,
        (KeySpec::EccNistP384, SigningAlgorithm::EcdsaSha384) => &ECDSA_P384_SHA384_ASN1,
        (KeySpec::EccNistP521, SigningAlgorithm::EcdsaSha512) => &ECDSA_P521_SHA512_ASN1,
        (KeySpec::EccNistEdwards25519, SigningAlgorithm::Ed25519Sha512) => &ED25519,
        (KeySpec::MlDsa44, SigningAlgorithm::MlDsaShake256) => &ML_DSA_44,
        (KeySpec::MlDsa65, SigningAlgorithm::MlDsaShake256) => &ML_DSA_65,
        (KeySpec::MlDsa87, SigningAlgorithm::MlDsaShake256) => &ML_DSA_87,
        (_, SigningAlgorithm::PssSha256) => &RSA_PSS_2048_8192_SHA256,
        (_, SigningAlgorithm::PssSha384) => &RSA_PSS_2048_8192_SHA384,
        (_, SigningAlgorithm::PssSha512) => &RSA_PSS_2048_8192_SHA512,
        (_, SigningAlgorithm::Pkcs1Sha256) => &RSA_PKCS1_2048_8192_SHA256,
        (_, SigningAlgorithm::Pkcs1Sha384) => &RSA_PKCS1_2048_8192_SHA384,
        (_, SigningAlgorithm::Pkcs1Sha512) => &RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

/// RSA-OAEP encryption: the ciphertext is exactly the modulus's length and anybody's implementation reads it.
pub(crate) fn oaep_encrypt(
    key: &super::material::ParsedRsa,
    algorithm: &'static rsa::OaepAlgorithm,
    plaintext: &[u8],
) -> Option<Vec<u8>> {
    let mut ciphertext = vec![0; key.encrypter.ciphertext_size()];
    let length = key.encrypter.encrypt(algorithm, plaintext, &mut ciphertext, None).ok()?.len();
    ciphertext.truncate(length);
    Some(ciphertext)
}

/// RSA-OAEP decryption.
pub(crate) fn oaep_decrypt(
    key: &super::material::ParsedRsa,
    algorithm: &'static rsa::OaepAlgorithm,
    ciphertext: &[u8],
) -> Option<super::material::SecretBytes> {
    let mut plaintext = zeroize::Zeroizing::new(vec![0; key.decrypter.min_output_size()]);
    let length = key.decrypter.decrypt(algorithm, ciphertext, &mut plaintext, None).ok()?.len();
    plaintext.truncate(length);
    Some(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::material::{generate, parse};

    fn check(spec: KeySpec, algorithm: SigningAlgorithm) {
        let key = parse(spec, &generate(spec).unwrap()).unwrap();
        let message = b"a message";
        let raw = sign(&key, spec, algorithm, MessageType::Raw, message).unwrap();
        assert!(verify(&key, spec, algorithm, MessageType::Raw, message, &raw), "{spec:?} {algorithm:?}");
        assert!(!verify(&key, spec, algorithm, MessageType::Raw, b"another", &raw), "{spec:?} {algorithm:?}");
        if spec.is_ml_dsa() || spec == KeySpec::EccNistEdwards25519 {
            return;
        }
        let digest = digest::digest(digest_of(algorithm).unwrap(), message);
        assert!(verify(&key, spec, algorithm, MessageType::Digest, digest.as_ref(), &raw), "{spec:?}");
        let of_digest = sign(&key, spec, algorithm, MessageType::Digest, digest.as_ref()).unwrap();
        assert!(
            verify(&key, spec, algorithm, MessageType::Raw, message, &of_digest),
            "{spec:?} hashed twice"
        );
    }

    #[test]
    fn a_digest_signs_as_its_message_does() {
        check(KeySpec::EccNistP256, SigningAlgorithm::EcdsaSha256);
        check(KeySpec::EccNistP384, SigningAlgorithm::EcdsaSha384);
        check(KeySpec::EccNistP521, SigningAlgorithm::EcdsaSha512);
        check(KeySpec::EccSecgP256k1, SigningAlgorithm::EcdsaSha256);
        check(KeySpec::EccNistEdwards25519, SigningAlgorithm::Ed25519Sha512);
        check(KeySpec::MlDsa65, SigningAlgorithm::MlDsaShake256);
        for algorithm in KeySpec::Rsa2048.signing_algorithms() {
            check(KeySpec::Rsa2048, *algorithm);
        }
    }
}
