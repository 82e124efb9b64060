//! Private keys in software: made, stored, exported, imported, used, and never shown.

use cantle_crypto::{
    CryptoKeyFormat, DecryptError, EncryptionKeyScheme, EncryptionPrivateKey, KeyPair, PrivateKeyError,
    ProtoError, PublicKey, SigningKeyScheme, SigningPrivateKey, SymmetricKey, UnknownNumber, digest,
    key_purpose_from_proto, key_purpose_to_proto,
};
use cantle_proto::crypto::v0;
use cantle_types::KeyPurpose;
use prost::Message;
use zeroize::Zeroizing;

use crate::support::{canton, java};

fn signing_keys() -> Vec<SigningPrivateKey> {
    SigningKeyScheme::ALL.iter().map(|&scheme| SigningPrivateKey::generate(scheme).unwrap()).collect()
}

fn encryption_keys() -> Vec<EncryptionPrivateKey> {
    EncryptionKeyScheme::ALL.iter().map(|&scheme| EncryptionPrivateKey::generate(scheme).unwrap()).collect()
}

fn key_pairs() -> Vec<KeyPair> {
    let signing = signing_keys().into_iter().map(KeyPair::from);
    signing.chain(encryption_keys().into_iter().map(KeyPair::from)).collect()
}

#[test]
fn made_keys_pass_the_strict_check_and_sign() {
    let hash = digest(cantle_crypto::HashPurpose::TopologyTransactionSignature, b"transaction");
    for key in signing_keys() {
        assert_eq!(key.public().check_strict(), Ok(()));
        let signature = key.sign_hash(&hash).unwrap();
        assert_eq!(signature.signed_by(), key.fingerprint());
        assert_eq!(key.public().verify_hash(&hash, &signature), Ok(()));
        assert!(key.public().verify(hash.digest(), &signature).is_err());
    }
}

#[test]
fn made_keys_pass_the_strict_check_and_decrypt() {
    for key in encryption_keys() {
        let scheme = key.public().scheme();
        assert_eq!(key.public().check_strict(), Ok(()));
        for length in [0, 1, 15, 16, 17, 190] {
            let plaintext = vec![9; length];
            let ciphertext = key.public().encrypt(&plaintext).unwrap();
            assert_eq!(*key.decrypt(&ciphertext).unwrap(), plaintext, "{scheme}, {length} bytes");
            assert_ne!(key.public().encrypt(&plaintext).unwrap(), ciphertext, "{scheme}");
            let prefixed = [&[1, 2, 3, 4, 5], &ciphertext[..]].concat();
            assert_eq!(*key.decrypt(&prefixed).unwrap(), plaintext, "{scheme}, {length} bytes");
        }
    }
}

#[test]
fn changed_ciphertexts_are_invalid() {
    for key in encryption_keys() {
        let scheme = key.public().scheme().name();
        let ciphertext = key.public().encrypt(b"0123456789abcdef").unwrap();
        // BouncyCastle's MAC does not cover the IV: a change there changes the first block of the plaintext.
        let unprotected = match key.public().scheme() {
            EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc => 16,
            _ => 0,
        };
        for index in 0..ciphertext.len() {
            let mut changed = ciphertext.clone();
            changed[index] ^= 1;
            if index < unprotected {
                assert_ne!(**key.decrypt(&changed).unwrap(), *b"0123456789abcdef");
            } else {
                assert_eq!(key.decrypt(&changed), Err(DecryptError::Invalid { scheme }), "byte {index}");
            }
            let result = key.decrypt(&ciphertext[..index]);
            match index {
                0 => assert_eq!(result, Err(DecryptError::Empty { scheme })),
                _ => assert_eq!(result, Err(DecryptError::Invalid { scheme }), "{index} bytes"),
            }
        }
        let longer = [&ciphertext[..], &[0]].concat();
        assert_eq!(key.decrypt(&longer), Err(DecryptError::Invalid { scheme }));
    }
}

#[test]
fn ciphertext_for_another_key_or_scheme_is_invalid() {
    for (one, other) in encryption_keys().iter().zip(encryption_keys()) {
        let ciphertext = one.public().encrypt(b"secret").unwrap();
        assert!(other.decrypt(&ciphertext).is_err());
        for scheme in EncryptionKeyScheme::ALL {
            let secret = Zeroizing::new(one.secret_bytes().to_vec());
            let Ok(relabelled) = EncryptionPrivateKey::from_bytes(*scheme, CryptoKeyFormat::Der, secret)
            else {
                continue;
            };
            assert_eq!(relabelled.decrypt(&ciphertext).is_ok(), *scheme == one.public().scheme());
        }
    }
}

#[test]
fn key_pairs_survive_storing_and_exporting() {
    for pair in key_pairs() {
        let again = KeyPair::from_versioned_or_bare_bytes(&pair.to_versioned_bytes()).unwrap();
        assert_eq!((again.public(), again.purpose()), (pair.public(), pair.purpose()));
        let bare = KeyPair::from_versioned_or_bare_bytes(&pair.to_bytes()).unwrap();
        assert_eq!(bare.fingerprint(), pair.fingerprint());
        assert_eq!(KeyPair::from_bytes(&pair.to_bytes()).unwrap().public(), pair.public());
        assert!(KeyPair::from_versioned_bytes(&pair.to_bytes()).is_err());
        let wrapped = cantle_proto::versioned::wrap(&pair.to_bytes(), 0);
        assert_eq!(*pair.to_versioned_bytes(), wrapped);

        match &pair {
            KeyPair::Signing(key) => {
                let again = SigningPrivateKey::from_proto_bytes(&key.to_proto_bytes()).unwrap();
                assert_eq!(again.secret_bytes(), key.secret_bytes());
            }
            KeyPair::Encryption(key) => {
                let again = EncryptionPrivateKey::from_proto_bytes(&key.to_proto_bytes()).unwrap();
                assert_eq!(again.secret_bytes(), key.secret_bytes());
            }
        }
    }
}

#[test]
fn private_key_beside_another_public_key_is_refused() {
    let [one, other] = [(); 2].map(|()| SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap());
    let pair = |key: &SigningPrivateKey| v0::SigningKeyPair::decode(&**key.to_proto_bytes()).unwrap();
    let mut mixed = pair(&one);
    mixed.private_key = pair(&other).private_key;
    let result = SigningPrivateKey::from_proto_bytes(&mixed.encode_to_vec());
    assert!(matches!(result, Err(PrivateKeyError::Proto(ProtoError::WrongId { .. }))), "{result:?}");
    mixed.private_key.as_mut().unwrap().id = one.fingerprint().to_string();
    let result = SigningPrivateKey::from_proto_bytes(&mixed.encode_to_vec());
    assert!(matches!(result, Err(PrivateKeyError::Mismatch { .. })), "{result:?}");
    let wrapped = v0::CryptoKeyPair { pair: Some(v0::crypto_key_pair::Pair::SigningKeyPair(mixed)) };
    let wrapped = cantle_proto::versioned::wrap(&wrapped.encode_to_vec(), 0);
    let result = KeyPair::from_versioned_or_bare_bytes(&wrapped);
    assert!(matches!(result, Err(PrivateKeyError::Mismatch { .. })), "{result:?}");
}

#[test]
fn public_key_in_another_encoding_keeps_its_fingerprint() {
    let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
    let mut pair = v0::SigningKeyPair::decode(&**key.to_proto_bytes()).unwrap();
    let public = pair.public_key.as_mut().unwrap();
    public.public_key.push(0);
    public.id = cantle_crypto::fingerprint(&public.public_key).to_string();
    pair.private_key.as_mut().unwrap().id.clone_from(&public.id);
    let id = public.id.clone();
    let read = SigningPrivateKey::from_proto_bytes(&pair.encode_to_vec()).unwrap();
    assert_eq!(read.fingerprint().as_str(), id);
    assert_eq!(read.public().verify(b"m", &read.sign(b"m").unwrap()), Ok(()));
}

#[test]
fn private_keys_in_other_formats_are_unsupported() {
    let tink = java().list("tink_signing")[0].hex("private_keyset");
    let result =
        SigningPrivateKey::from_bytes(SigningKeyScheme::Ed25519, CryptoKeyFormat::Tink, Zeroizing::new(tink));
    assert!(matches!(result, Err(PrivateKeyError::UnsupportedFormat { .. })), "{result:?}");
    let seed = Zeroizing::new(vec![7; 32]);
    for format in [CryptoKeyFormat::Der, CryptoKeyFormat::Tink] {
        assert!(SigningPrivateKey::from_bytes(SigningKeyScheme::Ed25519, format, seed.clone()).is_err());
    }
    for length in [0, 31, 33, 64] {
        let bytes = Zeroizing::new(vec![7; length]);
        let result = SigningPrivateKey::from_bytes(SigningKeyScheme::Ed25519, CryptoKeyFormat::Raw, bytes);
        assert!(matches!(result, Err(PrivateKeyError::Encoding { .. })), "{length} bytes");
    }
}

#[test]
fn private_key_of_another_scheme_is_refused() {
    let p384 = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP384).unwrap();
    let secret = || Zeroizing::new(p384.secret_bytes().to_vec());
    let der = CryptoKeyFormat::Der;
    assert!(SigningPrivateKey::from_bytes(SigningKeyScheme::EcDsaP256, der, secret()).is_err());
    for scheme in EncryptionKeyScheme::ALL {
        assert!(EncryptionPrivateKey::from_bytes(*scheme, der, secret()).is_err(), "{scheme}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    for pair in key_pairs() {
        let secret = match &pair {
            KeyPair::Signing(key) => key.secret_bytes().to_vec(),
            KeyPair::Encryption(key) => key.secret_bytes().to_vec(),
        };
        let shown = format!("{pair:?}");
        assert!(shown.contains("[REDACTED]") && shown.contains(pair.fingerprint().as_str()), "{shown}");
        assert!(!shown.contains(&hex::encode(&secret)) && !shown.contains(&format!("{secret:?}")));
    }
    assert_eq!(format!("{:?}", SymmetricKey::generate().unwrap()), "SymmetricKey([REDACTED])");
}

#[test]
fn symmetric_encryption_is_undone_only_by_its_key() {
    let [key, other] = [(); 2].map(|()| SymmetricKey::generate().unwrap());
    for length in [0, 1, 16, 1000] {
        let plaintext = vec![3; length];
        let ciphertext = key.encrypt(&plaintext).unwrap();
        assert_eq!(ciphertext.len(), length + 28);
        assert_eq!(*key.decrypt(&ciphertext).unwrap(), plaintext);
        assert_eq!(other.decrypt(&ciphertext), Err(DecryptError::Invalid { scheme: "AES128-GCM" }));
        assert_ne!(key.encrypt(&plaintext).unwrap(), ciphertext);
    }
    assert!(SymmetricKey::from_bytes(&[0; 15]).is_none());
    assert_eq!(SymmetricKey::from_bytes(key.as_bytes()).unwrap().as_bytes(), key.as_bytes());
}

#[test]
fn schemes_have_their_names_and_numbers() {
    assert_eq!("ec-dsa-p-384".parse(), Ok(SigningKeyScheme::EcDsaP384));
    assert_eq!(SigningKeyScheme::EcDsaP256.to_string(), "ECDSA-P256");
    assert_eq!(
        SigningKeyScheme::from_number(4),
        Err(UnknownNumber { what: "signing key scheme", number: 4 })
    );
    assert!(CryptoKeyFormat::from_number(10000).is_err());
    for scheme in SigningKeyScheme::ALL {
        assert_eq!(scheme.config_name().parse(), Ok(*scheme));
        assert_eq!(SigningKeyScheme::from_number(scheme.number()), Ok(*scheme));
    }
    for scheme in EncryptionKeyScheme::ALL {
        assert_eq!(scheme.config_name().parse(), Ok(*scheme));
        assert_eq!(EncryptionKeyScheme::from_number(scheme.number()), Ok(*scheme));
    }
    let error = "rsa".parse::<EncryptionKeyScheme>().unwrap_err().to_string();
    assert!(error.contains("rsa-2048-oaep-sha-256"), "{error}");
    for purpose in [KeyPurpose::Signing, KeyPurpose::Encryption] {
        assert_eq!(key_purpose_from_proto(key_purpose_to_proto(purpose).into()), Ok(purpose));
    }
    assert!(key_purpose_from_proto(0).is_err());
}

#[test]
fn messages_that_lack_something_are_refused() {
    let inputs = canton().at("inputs");
    let message =
        v0::SigningPublicKey { id: "1220".into(), format: 2, public_key: inputs.hex("p256_spki"), scheme: 2 };
    let of = |message: v0::SigningPublicKey| cantle_crypto::SigningPublicKey::from_proto(&message);
    assert!(matches!(of(message.clone()), Err(ProtoError::WrongId { .. })));
    let unnamed = v0::SigningPublicKey { id: String::new(), ..message.clone() };
    assert!(matches!(of(unnamed), Err(ProtoError::Fingerprint { .. })));
    for (format, scheme) in [(0, 2), (10000, 2), (2, 0), (2, 4), (-1, 2)] {
        let unknown = v0::SigningPublicKey { format, scheme, ..message.clone() };
        assert!(matches!(of(unknown), Err(ProtoError::Number(_))), "{format}, {scheme}");
    }
    assert!(matches!(PublicKey::from_bytes(&[]), Err(ProtoError::Missing { .. })));
    let wrapped = cantle_proto::versioned::wrap(&[], 1);
    assert!(matches!(PublicKey::from_versioned_bytes(&wrapped), Err(ProtoError::Version { version: 1, .. })));
    let signature = v0::Signature { format: 0, signature: vec![1], signed_by: "a".into() };
    assert!(cantle_crypto::Signature::from_proto(&signature).is_err());
}
