//! Which encodings of public keys the JDK reads, and Canton with it (`fixtures/jdk-public-keys.json`).

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPublicKey, SigningKeyScheme, SigningPublicKey,
};

use crate::support::jdk_keys;

/// The JDK takes BER's indefinite lengths; we do not.
const REFUSED_HERE: &str = "ber-indef";

#[test]
fn encodings_are_read_as_by_the_jdk() {
    let der = CryptoKeyFormat::Der;
    for case in jdk_keys().list("cases") {
        let (name, bytes) = (case.text("name"), case.hex("key"));
        let accepted = case.flag("accepted") && name != REFUSED_HERE;
        match case.text("algorithm") {
            "EC" => {
                for scheme in [SigningKeyScheme::EcDsaP256, SigningKeyScheme::EcDsaP384] {
                    let key = SigningPublicKey::new(der, &*bytes, scheme);
                    assert_eq!(key.is_ok(), accepted, "{name}: {key:?}");
                }
                for scheme in [
                    EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm,
                    EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc,
                ] {
                    let key = EncryptionPublicKey::new(der, &*bytes, scheme);
                    assert_eq!(key.is_ok(), accepted, "{name}: {key:?}");
                }
            }
            "RSA" => {
                let key = EncryptionPublicKey::new(der, &*bytes, EncryptionKeyScheme::Rsa2048OaepSha256);
                assert_eq!(key.is_ok(), accepted, "{name}: {key:?}");
            }
            other => panic!("unknown algorithm {other}"),
        }
    }
}

#[test]
fn only_whole_keys_pass_the_strict_check() {
    let der = CryptoKeyFormat::Der;
    let (mut signing, mut encryption) = (Vec::new(), Vec::new());
    for case in jdk_keys().list("cases") {
        let (name, bytes) = (case.text("name").to_owned(), case.hex("key"));
        if case.text("algorithm") == "EC" {
            let key = SigningPublicKey::new(der, bytes, SigningKeyScheme::EcDsaP256);
            if key.is_ok_and(|key| key.check_strict().is_ok()) {
                signing.push(name);
            }
        } else {
            let key = EncryptionPublicKey::new(der, bytes, EncryptionKeyScheme::Rsa2048OaepSha256);
            if key.is_ok_and(|key| key.check_strict().is_ok()) {
                encryption.push(name);
            }
        }
    }
    assert_eq!(signing, ["p256"]);
    assert_eq!(encryption, ["rsa", "rsa-e-3"]);
}
