//! Public keys in DER and other forms, key pairs, and signatures.

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPrivateKey, EncryptionPublicKey, Hash, KeyPair,
    PublicKey, Signature, SigningKeyScheme, SigningPrivateKey, SigningPublicKey,
};
use zeroize::Zeroizing;

use super::Target;
use crate::fuzz::{
    corpus::{self, Corpus},
    mutate::Form,
};

/// Whatever holds keys.
pub(super) struct Keys;

impl Target for Keys {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        let mut items = Vec::new();
        for file in ["jdk-public-keys", "java-libraries", "canton-2.10-crypto"] {
            items.extend(corpus::hex_texts(&format!("crypto/tests/fixtures/{file}.json"))?);
        }
        Ok(items.into_iter().collect())
    }

    fn form(&self) -> Form {
        Form::Binary
    }

    fn run(&mut self, input: &[u8]) -> bool {
        let mut accepted = false;
        for &format in CryptoKeyFormat::ALL {
            for &scheme in SigningKeyScheme::ALL {
                if let Ok(key) = SigningPublicKey::new(format, input, scheme) {
                    assert_eq!(key.bytes(), input);
                    let made_up = Signature::new(vec![0x30; 70], key.fingerprint().clone());
                    assert!(key.verify(b"message", &made_up).is_err());
                    accepted |= key.check_strict().is_ok();
                    let again = SigningPublicKey::from_proto(&key.to_proto());
                    assert_eq!(again.ok().as_ref(), Some(&key));
                }
                let secret = Zeroizing::new(input.to_vec());
                if let Ok(key) = SigningPrivateKey::from_bytes(scheme, format, secret) {
                    assert_eq!(key.public().check_strict(), Ok(()));
                    accepted = true;
                }
            }
            for &scheme in EncryptionKeyScheme::ALL {
                if let Ok(key) = EncryptionPublicKey::new(format, input, scheme) {
                    let strict = key.check_strict().is_ok();
                    assert!(key.encrypt(b"plaintext").is_ok() || !strict);
                    accepted |= strict;
                }
                let secret = Zeroizing::new(input.to_vec());
                accepted |= EncryptionPrivateKey::from_bytes(scheme, format, secret).is_ok();
            }
        }
        accepted |= PublicKey::from_bytes(input).is_ok() || PublicKey::from_versioned_bytes(input).is_ok();
        accepted |= SigningPublicKey::from_versioned_bytes(input).is_ok();
        accepted |= EncryptionPublicKey::from_versioned_bytes(input).is_ok();
        accepted |= KeyPair::from_versioned_or_bare_bytes(input).is_ok();
        if let Ok(hash) = Hash::from_evidence(input) {
            assert_eq!(Hash::from_evidence(&hash.evidence()).ok().as_ref(), Some(&hash));
        }
        accepted
    }
}

const MESSAGE: &[u8] = b"what is signed";
/// Of each scheme.
const SIGNATURES: u8 = 8;

/// Signatures of keys that are drawn at the start. What a run accepts is what it signed itself, or a form of the same.
pub(super) struct Signatures {
    keys: Vec<SigningPrivateKey>,
}

impl Signatures {
    pub(super) fn new() -> anyhow::Result<Self> {
        let schemes = [SigningKeyScheme::EcDsaP256, SigningKeyScheme::EcDsaP384, SigningKeyScheme::Ed25519];
        Ok(Self { keys: schemes.into_iter().map(SigningPrivateKey::generate).collect::<Result<_, _>>()? })
    }
}

impl Target for Signatures {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        let mut items = Vec::new();
        for (number, key) in (0_u8..).zip(&self.keys) {
            for _ in 0..SIGNATURES {
                let mut item = vec![number];
                item.extend(key.sign(MESSAGE)?.bytes());
                items.push(item);
            }
        }
        Ok(items.into_iter().collect())
    }

    fn form(&self) -> Form {
        Form::Binary
    }

    fn run(&mut self, input: &[u8]) -> bool {
        let Some((&number, bytes)) = input.split_first() else { return false };
        let key = self.keys[usize::from(number) % self.keys.len()].public();
        let signature = Signature::new(bytes.to_vec(), key.fingerprint().clone());
        let accepted = key.verify(MESSAGE, &signature).is_ok();
        assert!(key.verify(b"something else", &signature).is_err(), "a signature of nothing");
        let again = Signature::from_proto(&signature.to_proto());
        assert_eq!(again.ok().as_ref().map(Signature::bytes), Some(bytes));
        let _ = Signature::from_versioned_bytes(bytes);
        accepted
    }
}
