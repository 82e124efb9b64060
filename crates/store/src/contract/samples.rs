//! Keys and transactions for the suite.

use cantle_crypto::{
    EncryptionKeyScheme, EncryptionPrivateKey, KeyPair, PublicKey, SigningKeyScheme, SigningPrivateKey,
};
use cantle_types::{Fingerprint, KeyName};
use jiff::Timestamp;

use crate::{KeyOrigin, KmsMetadata, NewTopologyTransaction, StoredPrivateKey, TopologyOp};

pub(super) fn name(text: &str) -> KeyName {
    text.parse().expect("a short name is a key name")
}

pub(super) fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).expect("a time near 1970 is a time")
}

/// A new key pair.
///
/// # Panics
/// Without randomness.
#[must_use]
pub fn signing_pair() -> KeyPair {
    SigningPrivateKey::generate(SigningKeyScheme::Ed25519).expect("an Ed25519 key can be made").into()
}

pub(super) fn encryption_pair() -> KeyPair {
    let scheme = EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm;
    EncryptionPrivateKey::generate(scheme).expect("an ECIES key can be made").into()
}

pub(super) fn signing_key() -> PublicKey {
    signing_pair().public()
}

/// A private key as it is stored in clear.
#[must_use]
pub fn private(pair: &KeyPair) -> StoredPrivateKey {
    StoredPrivateKey {
        fingerprint: pair.fingerprint().clone(),
        purpose: pair.purpose(),
        key: pair.to_versioned_bytes(),
        wrapper_key_id: None,
    }
}

pub(super) fn metadata(key: &PublicKey, kms_key_id: &str) -> KmsMetadata {
    KmsMetadata {
        fingerprint: key.fingerprint().clone(),
        kms_key_id: kms_key_id.to_owned(),
        kms_key_arn: Some(format!("arn:aws:kms:us-east-1:111122223333:key/{kms_key_id}")),
        purpose: key.purpose(),
        key_spec: "ECC_NIST_P256".to_owned(),
        origin: KeyOrigin::Generated,
        created_at: time(1_700_000_000_123_456),
    }
}

pub(super) fn fingerprint(text: &str) -> Fingerprint {
    text.parse().expect("a short word is a fingerprint")
}

/// A transaction on the path (`code`, `ns`, `id`, `element`), signed by `key1`.
pub(super) fn transaction(
    op: TopologyOp,
    code: &str,
    element: &str,
    mapping: &[u8],
) -> NewTopologyTransaction {
    NewTopologyTransaction {
        op,
        code: code.to_owned(),
        namespace: fingerprint("ns"),
        identifier: "id".to_owned(),
        element_id: element.to_owned(),
        mapping_hash: mapping.to_vec(),
        signed_by: fingerprint("key1"),
        serialized: [op.as_str().as_bytes(), element.as_bytes(), mapping].concat(),
    }
}
