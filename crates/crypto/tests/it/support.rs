//! Vectors as JSON, and names of schemes in them.

use std::ops::Index;

use cantle_crypto::{CryptoKeyFormat, Signature, SigningKeyScheme, SigningPublicKey};
use serde_json::Value;

/// One object of a vector file.
#[derive(Debug, Clone)]
pub(crate) struct Vector(Value);

impl Vector {
    pub(crate) fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    pub(crate) fn at(&self, field: &str) -> Self {
        assert!(!self.0[field].is_null(), "no field {field}");
        Self(self.0[field].clone())
    }

    pub(crate) fn list(&self, field: &str) -> Vec<Self> {
        let list: Vec<_> = self.0[field].as_array().unwrap().iter().cloned().map(Self).collect();
        assert!(!list.is_empty(), "no {field}");
        list
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_else(|| panic!("no text {field}"))
    }

    pub(crate) fn hex(&self, field: &str) -> Vec<u8> {
        hex::decode(self.text(field)).unwrap()
    }

    pub(crate) fn flag(&self, field: &str) -> bool {
        self.0[field].as_bool().unwrap()
    }

    /// The one of a list that has this name.
    pub(crate) fn named(&self, list: &str, name: &str) -> Self {
        let found = self.list(list).into_iter().find(|vector| vector.text("name") == name);
        found.unwrap_or_else(|| panic!("no {name} in {list}"))
    }
}

impl Index<&str> for Vector {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        &self.0[field]
    }
}

pub(crate) fn canton() -> Vector {
    Vector::parse(include_str!("../fixtures/canton-2.10-crypto.json"))
}

pub(crate) fn java() -> Vector {
    Vector::parse(include_str!("../fixtures/java-libraries.json"))
}

pub(crate) fn jdk_keys() -> Vector {
    Vector::parse(include_str!("../fixtures/jdk-public-keys.json"))
}

/// The scheme by its short name, and the format the provider `jce` has for it.
pub(crate) fn signing_scheme(name: &str) -> (SigningKeyScheme, CryptoKeyFormat) {
    match name {
        "ed25519" => (SigningKeyScheme::Ed25519, CryptoKeyFormat::Raw),
        "p256" => (SigningKeyScheme::EcDsaP256, CryptoKeyFormat::Der),
        "p384" => (SigningKeyScheme::EcDsaP384, CryptoKeyFormat::Der),
        other => panic!("unknown scheme {other}"),
    }
}

pub(crate) fn p256_key() -> SigningPublicKey {
    let bytes = canton().at("inputs").hex("p256_spki");
    SigningPublicKey::new(CryptoKeyFormat::Der, bytes, SigningKeyScheme::EcDsaP256).unwrap()
}

pub(crate) fn signature(key: &SigningPublicKey, bytes: Vec<u8>) -> Signature {
    Signature::new(bytes, key.fingerprint().clone())
}
