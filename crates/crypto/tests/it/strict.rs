//! What this node makes or registers must be whole, though it reads more than that.

use cantle_crypto::{
    CryptoKeyFormat, EncryptError, EncryptionKeyScheme, EncryptionPublicKey, PublicKey, SigningKeyScheme,
    SigningPublicKey, StrictKeyError,
};

use crate::support::{canton, jdk_keys, p256_key};

const DER: CryptoKeyFormat = CryptoKeyFormat::Der;

fn signing(bytes: Vec<u8>, scheme: SigningKeyScheme) -> Result<(), StrictKeyError> {
    SigningPublicKey::new(DER, bytes, scheme).unwrap().check_strict()
}

fn encryption(bytes: Vec<u8>, scheme: EncryptionKeyScheme) -> EncryptionPublicKey {
    EncryptionPublicKey::new(DER, bytes, scheme).unwrap()
}

#[test]
fn whole_keys_pass() {
    let inputs = canton().at("inputs");
    assert_eq!(PublicKey::from(p256_key()).check_strict(), Ok(()));
    assert_eq!(signing(inputs.hex("p384_spki"), SigningKeyScheme::EcDsaP384), Ok(()));
    let rsa = encryption(inputs.hex("rsa_spki_rfc7517_A1"), EncryptionKeyScheme::Rsa2048OaepSha256);
    assert_eq!(rsa.check_strict(), Ok(()));
    let ed25519 = inputs.hex("ed25519_public_rfc8032_1");
    let ed25519 = SigningPublicKey::new(CryptoKeyFormat::Raw, ed25519, SigningKeyScheme::Ed25519).unwrap();
    assert_eq!(ed25519.check_strict(), Ok(()));
    for scheme in [
        EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm,
        EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc,
    ] {
        assert_eq!(encryption(inputs.hex("p256_spki"), scheme).check_strict(), Ok(()));
    }
}

#[test]
fn key_on_another_curve_than_its_scheme_fails() {
    let inputs = canton().at("inputs");
    let error = signing(inputs.hex("p384_spki"), SigningKeyScheme::EcDsaP256).unwrap_err();
    assert!(matches!(error, StrictKeyError::Curve { curve: "P-384", expected: "P-256", .. }), "{error}");
    let error = signing(inputs.hex("p256_spki"), SigningKeyScheme::EcDsaP384).unwrap_err();
    assert!(matches!(error, StrictKeyError::Curve { curve: "P-256", expected: "P-384", .. }), "{error}");
    let key = encryption(inputs.hex("p384_spki"), EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc);
    assert!(matches!(key.check_strict(), Err(StrictKeyError::Curve { .. })));
    assert!(matches!(key.encrypt(b""), Err(EncryptError::InvalidKey { .. })));
}

#[test]
fn key_off_its_curve_or_with_bytes_after_it_fails() {
    let whole = p256_key().bytes().to_vec();
    let longer = [&whole[..], &[0]].concat();
    let error = signing(longer, SigningKeyScheme::EcDsaP256).unwrap_err();
    assert!(matches!(error, StrictKeyError::Encoding { .. }), "{error}");
    let mut off_curve = whole;
    *off_curve.last_mut().unwrap() ^= 1;
    let error = signing(off_curve.clone(), SigningKeyScheme::EcDsaP256).unwrap_err();
    assert!(matches!(error, StrictKeyError::NotOnCurve { .. }), "{error}");
    let key = encryption(off_curve, EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm);
    assert!(matches!(key.encrypt(b""), Err(EncryptError::InvalidKey { .. })));
}

#[test]
fn rsa_key_of_another_length_is_read_but_not_used() {
    for (name, bits) in [("rsa-2047", 2047), ("rsa-2049", 2049), ("rsa-3072", 3072), ("rsa-512", 512)] {
        let bytes = jdk_keys().named("cases", name).hex("key");
        let key = encryption(bytes, EncryptionKeyScheme::Rsa2048OaepSha256);
        assert!(
            matches!(key.check_strict(), Err(StrictKeyError::RsaModulus { bits: found, .. }) if found == bits),
            "{name}"
        );
        assert!(matches!(key.encrypt(b"x"), Err(EncryptError::InvalidKey { .. })), "{name}");
    }
}

#[test]
fn rsa_takes_at_most_190_bytes() {
    let bytes = canton().at("inputs").hex("rsa_spki_rfc7517_A1");
    let key = encryption(bytes, EncryptionKeyScheme::Rsa2048OaepSha256);
    assert_eq!(key.encrypt(&[7; 190]).unwrap().len(), 256);
    assert!(matches!(key.encrypt(&[7; 191]), Err(EncryptError::TooLong { length: 191, max: 190, .. })));
}
