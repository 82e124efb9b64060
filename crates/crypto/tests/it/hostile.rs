//! Whatever the bytes, the answer is a value or an error, never a panic.

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPrivateKey, EncryptionPublicKey, Hash, KeyPair,
    PublicKey, Signature, SigningKeyScheme, SigningPrivateKey, SigningPublicKey, SymmetricKey,
};
use proptest::collection::vec;
use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::support::{canton, java, jdk_keys, p256_key, signature};

/// Arbitrary bytes, and real keys of which some bytes are changed, cut off or put in.
fn keys() -> impl Strategy<Value = Vec<u8>> {
    let mut real: Vec<_> = jdk_keys().list("cases").iter().map(|case| case.hex("key")).collect();
    real.extend(java().list("tink_signing").iter().map(|case| case.hex("public_keyset")));
    real.push(java().at("ecies_gcm_raw").hex("public_keyset"));
    prop_oneof![vec(any::<u8>(), 0..200), changed(real)]
}

fn changed(real: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4);
    (prop::sample::select(real), changes).prop_map(|(mut bytes, changes)| {
        for (index, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let index = index.index(bytes.len());
            match kind {
                0 => bytes[index] = byte,
                1 => bytes.truncate(index),
                _ => bytes.insert(index, byte),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn public_keys_are_read_and_used_or_refused(bytes in keys(), made in vec(any::<u8>(), 0..100)) {
        for &format in CryptoKeyFormat::ALL {
            for &scheme in SigningKeyScheme::ALL {
                if let Ok(key) = SigningPublicKey::new(format, &*bytes, scheme) {
                    prop_assert_eq!(key.bytes(), &*bytes);
                    prop_assert!(key.verify(b"message", &signature(&key, made.clone())).is_err());
                    let _ = key.check_strict();
                    prop_assert_eq!(SigningPublicKey::from_proto(&key.to_proto()).unwrap(), key);
                }
            }
            for &scheme in EncryptionKeyScheme::ALL {
                if let Ok(key) = EncryptionPublicKey::new(format, &*bytes, scheme) {
                    if key.check_strict().is_ok() {
                        prop_assert!(key.encrypt(b"plaintext").is_ok());
                    } else {
                        let _ = key.encrypt(b"plaintext");
                    }
                    prop_assert_eq!(EncryptionPublicKey::from_proto(&key.to_proto()).unwrap(), key);
                }
            }
        }
    }

    #[test]
    fn messages_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        let _ = PublicKey::from_bytes(&bytes);
        let _ = PublicKey::from_versioned_bytes(&bytes);
        let _ = SigningPublicKey::from_versioned_bytes(&bytes);
        let _ = EncryptionPublicKey::from_versioned_bytes(&bytes);
        let _ = Signature::from_versioned_bytes(&bytes);
        prop_assert!(KeyPair::from_versioned_or_bare_bytes(&bytes).is_err());
        if let Ok(hash) = Hash::from_evidence(&bytes) {
            prop_assert_eq!(Hash::from_evidence(&hash.evidence()).unwrap(), hash);
        }
    }

    #[test]
    fn made_up_signatures_are_invalid(bytes in vec(any::<u8>(), 0..100), message in vec(any::<u8>(), 0..64)) {
        let key = p256_key();
        prop_assert!(key.verify(&message, &signature(&key, bytes)).is_err());
    }

    #[test]
    fn made_up_ciphertexts_are_invalid(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(SymmetricKey::from_bytes(&[1; 16]).unwrap().decrypt(&bytes).is_err());
        for scheme in [
            EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm,
            EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc,
        ] {
            let pkcs8 = Zeroizing::new(java().at("ecies_cbc").hex("private_key_pkcs8"));
            let key = EncryptionPrivateKey::from_bytes(scheme, CryptoKeyFormat::Der, pkcs8).unwrap();
            prop_assert!(key.decrypt(&bytes).is_err());
        }
    }

    #[test]
    fn private_keys_are_read_or_refused(
        bytes in changed(java().list("private_keys").iter().map(|case| case.hex("pkcs8")).collect()),
    ) {
        let secret = || Zeroizing::new(bytes.clone());
        for &scheme in SigningKeyScheme::ALL {
            for &format in CryptoKeyFormat::ALL {
                if let Ok(key) = SigningPrivateKey::from_bytes(scheme, format, secret()) {
                    prop_assert_eq!(key.public().check_strict(), Ok(()));
                }
            }
        }
        for &scheme in EncryptionKeyScheme::ALL {
            let _ = EncryptionPrivateKey::from_bytes(scheme, CryptoKeyFormat::Der, secret());
        }
    }
}

#[test]
fn a_rsa_ciphertext_of_another_length_is_invalid() {
    let vectors = canton().at("rsa_oaep");
    let pkcs8 = Zeroizing::new(vectors.hex("private_key_pkcs8_test_only"));
    let scheme = EncryptionKeyScheme::Rsa2048OaepSha256;
    let key = EncryptionPrivateKey::from_bytes(scheme, CryptoKeyFormat::Der, pkcs8).unwrap();
    for length in [1, 255, 256, 257, 1000] {
        assert!(key.decrypt(&vec![0xff; length]).is_err(), "{length} bytes");
    }
}
