//! Key material: making it, reading it back, and its public half.
//!
//! Secret bytes are held in one form per spec: PKCS#8 for RSA and the ECDSA curves, the 32-byte seed for Ed25519 and
//! ML-DSA, the bare bytes for AES and HMAC. Material is never changed, only replaced, so a parsed key can be kept for
//! as long as anybody likes.

use std::fmt;

use aws_lc_rs::{
    agreement,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    hmac,
    rsa::{
        KeyPair as RsaKeyPair, KeySize, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
        PrivateDecryptingKey,
    },
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
        ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm,
    },
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::spec::KeySpec;

/// Secret bytes, in the form of their spec.
pub(crate) type SecretBytes = Zeroizing<Vec<u8>>;

/// Material that could not be made or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum MaterialError {
    /// The random source or the key generator failed.
    #[error("could not generate {} key material", .0.as_str())]
    Generate(KeySpec),
    /// The bytes are not a key of that spec.
    #[error("the bytes are not {} key material", .0.as_str())]
    Parse(KeySpec),
}

/// A key ready for use.
pub(crate) enum Parsed {
    Symmetric(SecretBytes),
    Hmac(Box<hmac::Key>),
    Ecdsa { pair: EcdsaKeyPair, pkcs8: SecretBytes, public: Vec<u8> },
    Ed25519 { pair: Ed25519KeyPair, public: Vec<u8> },
    Rsa(Box<ParsedRsa>),
    MlDsa { pair: Box<PqdsaKeyPair>, seed: SecretBytes, public: Vec<u8> },
}

/// The two faces of an RSA key pair: aws-lc-rs keeps signing and encryption apart.
pub(crate) struct ParsedRsa {
    pub(crate) signer: RsaKeyPair,
    pub(crate) decrypter: OaepPrivateDecryptingKey,
    pub(crate) encrypter: OaepPublicEncryptingKey,
    pub(crate) public: Vec<u8>,
}

impl fmt::Debug for Parsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[REDACTED]")
    }
}

impl Parsed {
    /// The DER SubjectPublicKeyInfo; none for symmetric keys.
    pub(crate) fn public(&self) -> Option<&[u8]> {
        match self {
            Self::Symmetric(_) | Self::Hmac(_) => None,
            Self::Ecdsa { public, .. } | Self::Ed25519 { public, .. } | Self::MlDsa { public, .. } => {
                Some(public)
            }
            Self::Rsa(rsa) => Some(&rsa.public),
        }
    }
}

/// Fills a buffer from the system's random source. Not aws-lc's: its first use gathers entropy for 40 ms, which a
/// start would wait for.
pub(crate) fn random_bytes(length: usize) -> Option<SecretBytes> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}

/// Makes new material. RSA takes from 50 ms (2048 bits) to seconds (4096).
pub(crate) fn generate(spec: KeySpec) -> Result<SecretBytes, MaterialError> {
    let failed = || MaterialError::Generate(spec);
    if let Some(algorithm) = ecdsa_algorithm(spec) {
        let pair = EcdsaKeyPair::generate(algorithm).map_err(|_| failed())?;
        let document = pair.to_pkcs8v1().map_err(|_| failed())?;
        return Ok(Zeroizing::new(document.as_ref().to_vec()));
    }
    let size = match spec {
        KeySpec::Rsa2048 => KeySize::Rsa2048,
        KeySpec::Rsa3072 => KeySize::Rsa3072,
        KeySpec::Rsa4096 => KeySize::Rsa4096,
        KeySpec::EccNistEdwards25519 | KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => {
            return random_bytes(32).ok_or_else(failed);
        }
        symmetric => return random_bytes(symmetric.symmetric_len()).ok_or_else(failed),
    };
    let pair = RsaKeyPair::generate(size).map_err(|_| failed())?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed())?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

/// Reads material back.
pub(crate) fn parse(spec: KeySpec, secret: &[u8]) -> Result<Parsed, MaterialError> {
    let failed = || MaterialError::Parse(spec);
    if let Some(algorithm) = ecdsa_algorithm(spec) {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, secret).map_err(|_| failed())?;
        let public = spki(pair.public_key()).ok_or_else(failed)?;
        return Ok(Parsed::Ecdsa { pair, pkcs8: Zeroizing::new(secret.to_vec()), public });
    }
    if let Some(algorithm) = ml_dsa_algorithm(spec) {
        let pair = PqdsaKeyPair::from_seed(algorithm, secret).map_err(|_| failed())?;
        let public = spki(pair.public_key()).ok_or_else(failed)?;
        return Ok(Parsed::MlDsa { pair: Box::new(pair), seed: Zeroizing::new(secret.to_vec()), public });
    }
    match spec {
        KeySpec::EccNistEdwards25519 => {
            let pair = Ed25519KeyPair::from_seed_unchecked(secret).map_err(|_| failed())?;
            let public = spki(pair.public_key()).ok_or_else(failed)?;
            Ok(Parsed::Ed25519 { pair, public })
        }
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
            let signer = RsaKeyPair::from_pkcs8(secret).map_err(|_| failed())?;
            if signer.public_modulus_len() != spec.modulus_len() {
                return Err(failed());
            }
            let private = PrivateDecryptingKey::from_pkcs8(secret).map_err(|_| failed())?;
            let encrypter = OaepPublicEncryptingKey::new(private.public_key()).map_err(|_| failed())?;
            let decrypter = OaepPrivateDecryptingKey::new(private).map_err(|_| failed())?;
            let public = spki(signer.public_key()).ok_or_else(failed)?;
            Ok(Parsed::Rsa(Box::new(ParsedRsa { signer, decrypter, encrypter, public })))
        }
        KeySpec::SymmetricDefault if secret.len() == 32 => {
            Ok(Parsed::Symmetric(Zeroizing::new(secret.to_vec())))
        }
        _ => {
            let algorithm = spec.mac_algorithm().ok_or_else(failed)?;
            Ok(Parsed::Hmac(Box::new(hmac::Key::new(super::signing::hmac_algorithm(algorithm), secret))))
        }
    }
}

/// The private half as PKCS#8, as `GenerateDataKeyPair` hands it out.
pub(crate) fn private_der(spec: KeySpec, secret: &[u8]) -> Result<SecretBytes, MaterialError> {
    if spec != KeySpec::EccNistEdwards25519 {
        return Ok(Zeroizing::new(secret.to_vec()));
    }
    let failed = || MaterialError::Parse(spec);
    let pair = Ed25519KeyPair::from_seed_unchecked(secret).map_err(|_| failed())?;
    let document = pair.to_pkcs8v1().map_err(|_| failed())?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

/// Turns imported bytes into the form of the spec, refusing what is not a key of it.
pub(crate) fn import(spec: KeySpec, bytes: &[u8]) -> Result<SecretBytes, MaterialError> {
    let failed = || MaterialError::Parse(spec);
    let secret = match spec {
        KeySpec::EccNistEdwards25519 => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map_err(|_| failed())?;
            let seed = pair.seed().map_err(|_| failed())?;
            let bytes: aws_lc_rs::encoding::Curve25519SeedBin<'_> =
                aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&seed).map_err(|_| failed())?;
            Zeroizing::new(bytes.as_ref().to_vec())
        }
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => return Err(failed()),
        // At least as long as the hash, at most as long as its block. A symmetric key must have 256 bits.
        spec if spec.is_hmac() && !spec.imported_hmac_len().contains(&bytes.len()) => return Err(failed()),
        _ => Zeroizing::new(bytes.to_vec()),
    };
    parse(spec, &secret)?;
    Ok(secret)
}

/// A shared secret with a peer's public key (DER SubjectPublicKeyInfo).
pub(crate) fn agree(spec: KeySpec, pkcs8: &[u8], peer: &[u8]) -> Option<SecretBytes> {
    let algorithm = match spec {
        KeySpec::EccNistP256 => &agreement::ECDH_P256,
        KeySpec::EccNistP384 => &agreement::ECDH_P384,
        KeySpec::EccNistP521 => &agreement::ECDH_P521,
        _ => return None,
    };
    let private = agreement::PrivateKey::from_private_key_der(algorithm, pkcs8).ok()?;
    let peer = agreement::UnparsedPublicKey::new(algorithm, peer);
    agreement::agree(&private, peer, (), |secret| Ok(Zeroizing::new(secret.to_vec()))).ok()
}

pub(super) const fn ecdsa_algorithm(spec: KeySpec) -> Option<&'static EcdsaSigningAlgorithm> {
    match spec {
        KeySpec::EccNistP256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeySpec::EccNistP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeySpec::EccNistP521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeySpec::EccSecgP256k1 => Some(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
        _ => None,
    }
}

const fn ml_dsa_algorithm(spec: KeySpec) -> Option<&'static PqdsaSigningAlgorithm> {
    match spec {
        KeySpec::MlDsa44 => Some(&ML_DSA_44_SIGNING),
        KeySpec::MlDsa65 => Some(&ML_DSA_65_SIGNING),
        KeySpec::MlDsa87 => Some(&ML_DSA_87_SIGNING),
        _ => None,
    }
}

fn spki(public: &impl AsDer<PublicKeyX509Der<'static>>) -> Option<Vec<u8>> {
    public.as_der().ok().map(|der| der.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_material_parses_and_has_a_public_half_when_asymmetric() {
        for spec in [
            KeySpec::EccNistP256,
            KeySpec::EccNistP384,
            KeySpec::EccNistP521,
            KeySpec::EccSecgP256k1,
            KeySpec::EccNistEdwards25519,
            KeySpec::Rsa2048,
            KeySpec::MlDsa44,
            KeySpec::MlDsa87,
        ] {
            let secret = generate(spec).unwrap();
            let parsed = parse(spec, &secret).unwrap();
            assert_eq!(parsed.public().unwrap()[0], 0x30, "{spec:?}");
        }
        let secret = generate(KeySpec::Hmac384).unwrap();
        assert_eq!(secret.len(), 48);
        assert!(parse(KeySpec::Hmac384, &secret).unwrap().public().is_none());
    }

    #[test]
    fn material_of_another_spec_is_refused() {
        let secret = generate(KeySpec::EccNistP256).unwrap();
        assert!(parse(KeySpec::EccNistP384, &secret).is_err());
        assert!(import(KeySpec::Rsa2048, &secret).is_err());
        assert!(import(KeySpec::SymmetricDefault, &secret).is_err());
        for (spec, shortest, longest) in [
            (KeySpec::Hmac224, 28, 64),
            (KeySpec::Hmac256, 32, 64),
            (KeySpec::Hmac384, 48, 128),
            (KeySpec::Hmac512, 64, 128),
        ] {
            assert!(import(spec, &vec![7; shortest]).is_ok() && import(spec, &vec![7; longest]).is_ok());
            assert!(
                import(spec, &vec![7; shortest - 1]).is_err() && import(spec, &vec![7; longest + 1]).is_err()
            );
        }
    }

    #[test]
    fn two_parties_derive_one_secret() {
        let ours = generate(KeySpec::EccNistP384).unwrap();
        let theirs = generate(KeySpec::EccNistP384).unwrap();
        let our_public = parse(KeySpec::EccNistP384, &ours).unwrap().public().unwrap().to_vec();
        let their_public = parse(KeySpec::EccNistP384, &theirs).unwrap().public().unwrap().to_vec();
        let one = agree(KeySpec::EccNistP384, &ours, &their_public).unwrap();
        let other = agree(KeySpec::EccNistP384, &theirs, &our_public).unwrap();
        assert_eq!(one, other);
        assert_eq!(one.len(), 48);
        assert!(agree(KeySpec::EccNistP384, &ours, b"no key").is_none());
    }
}
