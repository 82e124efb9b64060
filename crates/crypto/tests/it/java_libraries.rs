//! What BouncyCastle, Tink and the JDK made (`fixtures/java-libraries.json`) is read here.

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPrivateKey, EncryptionPublicKey, SigningPrivateKey,
    SigningPublicKey, SymmetricKey, fingerprint, hkdf,
};
use zeroize::Zeroizing;

use crate::support::{Vector, java, signature, signing_scheme};

const GCM: EncryptionKeyScheme = EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm;
const CBC: EncryptionKeyScheme = EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc;
const RSA: EncryptionKeyScheme = EncryptionKeyScheme::Rsa2048OaepSha256;

fn private_key(vectors: &Vector, scheme: EncryptionKeyScheme) -> EncryptionPrivateKey {
    let pkcs8 = Zeroizing::new(vectors.hex("private_key_pkcs8"));
    let key = EncryptionPrivateKey::from_bytes(scheme, CryptoKeyFormat::Der, pkcs8).unwrap();
    assert_eq!(key.public().bytes(), vectors.hex("public_key_spki"));
    key
}

fn assert_decrypts(vectors: &Vector, scheme: EncryptionKeyScheme) {
    let key = private_key(vectors, scheme);
    for case in vectors.list("cases") {
        let plaintext = key.decrypt(&case.hex("ciphertext")).unwrap();
        assert_eq!(*plaintext, case.hex("plaintext"));
    }
}

#[test]
fn ecies_cbc_of_bouncy_castle_is_decrypted() {
    assert_decrypts(&java().at("ecies_cbc"), CBC);
}

#[test]
fn ecies_gcm_of_tink_is_decrypted() {
    assert_decrypts(&java().at("ecies_gcm_raw"), GCM);
}

#[test]
fn ecies_gcm_of_tink_with_its_prefix_is_decrypted() {
    let vectors = java().at("ecies_gcm_tink_prefix");
    assert!(vectors.list("cases").iter().all(|case| case.text("ciphertext").starts_with("01")));
    assert_decrypts(&vectors, GCM);
}

#[test]
fn a_public_keyset_of_tink_is_encrypted_to() {
    let vectors = java().at("ecies_gcm_raw");
    let keyset = EncryptionPublicKey::new(CryptoKeyFormat::Tink, vectors.hex("public_keyset"), GCM).unwrap();
    assert_eq!(*keyset.fingerprint(), fingerprint(&vectors.hex("keyset_value")));
    let ciphertext = keyset.encrypt(b"to a keyset").unwrap();
    assert_eq!(**private_key(&vectors, GCM).decrypt(&ciphertext).unwrap(), *b"to a keyset");
    assert!(keyset.check_strict().is_err());
    for scheme in [CBC, RSA] {
        assert!(
            EncryptionPublicKey::new(CryptoKeyFormat::Tink, vectors.hex("public_keyset"), scheme).is_err()
        );
    }
}

#[test]
fn symmetric_ciphertexts_of_tink_are_decrypted() {
    let vectors = java().at("aes_gcm");
    let key = SymmetricKey::from_bytes(&vectors.hex("key")).unwrap();
    for case in vectors.list("cases") {
        assert_eq!(*key.decrypt(&case.hex("ciphertext")).unwrap(), case.hex("plaintext"));
    }
}

#[test]
fn hkdf_is_that_of_tink() {
    for case in java().list("hkdf") {
        let output = case.hex("output");
        let derived = hkdf(&case.hex("secret"), case.text("info").as_bytes(), output.len()).unwrap();
        assert_eq!(*derived, output);
    }
}

#[test]
fn signatures_of_tink_are_verified_with_its_keysets() {
    for case in java().list("tink_signing") {
        let (scheme, _) = signing_scheme(case.text("scheme"));
        let key = SigningPublicKey::new(CryptoKeyFormat::Tink, case.hex("public_keyset"), scheme).unwrap();
        assert_eq!(*key.fingerprint(), fingerprint(&case.hex("keyset_value")));
        let message = case.hex("message");
        assert_eq!(key.verify(&message, &signature(&key, case.hex("signature"))), Ok(()));
        assert!(key.verify(&message[1..], &signature(&key, case.hex("signature"))).is_err());
        assert!(key.check_strict().is_err());
    }
}

#[test]
fn private_keysets_and_keysets_of_other_schemes_are_refused() {
    let cases = java().list("tink_signing");
    for case in &cases {
        let (scheme, _) = signing_scheme(case.text("scheme"));
        assert!(SigningPublicKey::new(CryptoKeyFormat::Tink, case.hex("private_keyset"), scheme).is_err());
        for other in cases.iter().filter(|other| other.text("scheme") != case.text("scheme")) {
            let keyset = other.hex("public_keyset");
            assert!(SigningPublicKey::new(CryptoKeyFormat::Tink, keyset, scheme).is_err());
        }
    }
}

#[test]
fn private_keys_of_the_jdk_and_bouncy_castle_sign_and_decrypt() {
    for case in java().list("private_keys") {
        let (pkcs8, der) = (Zeroizing::new(case.hex("pkcs8")), CryptoKeyFormat::Der);
        if case.text("scheme") == "rsa" {
            let key = EncryptionPrivateKey::from_bytes(RSA, der, pkcs8).unwrap();
            assert_eq!(key.public().bytes(), case.hex("spki"));
            let ciphertext = key.public().encrypt(b"secret").unwrap();
            assert_eq!(**key.decrypt(&ciphertext).unwrap(), *b"secret");
            continue;
        }
        let (scheme, _) = signing_scheme(case.text("scheme"));
        let key = SigningPrivateKey::from_bytes(scheme, der, pkcs8).unwrap();
        assert_eq!(key.public().bytes(), case.hex("spki"), "{}", case.text("made_by"));
        let message = case.hex("message");
        let public = key.public();
        assert_eq!(public.verify(&message, &signature(public, case.hex("signature"))), Ok(()));
        assert_eq!(public.verify(&message, &key.sign(&message).unwrap()), Ok(()));
    }
}
