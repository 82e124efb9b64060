//! Software keys between memory and store: made, read, exported and imported, always in wiped memory.

use cantle_crypto::{EncryptionPrivateKey, KeyPair, PrivateKeyError, PublicKey, SigningPrivateKey};
use cantle_store::StoredPrivateKey;
use zeroize::Zeroizing;

use crate::key_scheme::KeyScheme;
use crate::use_key::PrivatePart;

/// Makes a key pair. Takes long for RSA.
pub(crate) fn generate(scheme: KeyScheme) -> Result<(PublicKey, StoredPrivateKey), PrivateKeyError> {
    Ok(stored(&match scheme {
        KeyScheme::Signing(scheme) => SigningPrivateKey::generate(scheme)?.into(),
        KeyScheme::Encryption(scheme) => EncryptionPrivateKey::generate(scheme)?.into(),
    }))
}

/// Reads a key pair as it is stored.
pub(crate) fn read(bytes: &[u8]) -> Result<PrivatePart, PrivateKeyError> {
    Ok(match KeyPair::from_versioned_bytes(bytes)? {
        KeyPair::Signing(key) => PrivatePart::Signing(key),
        KeyPair::Encryption(key) => PrivatePart::Decryption(key),
    })
}

/// The versioned bytes of a stored key pair, checked.
pub(crate) fn export(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    Ok(KeyPair::from_versioned_bytes(bytes)?.to_versioned_bytes())
}

/// Reads a key pair from outside: versioned bytes, or the bare message.
pub(crate) fn import(bytes: &[u8]) -> Result<(PublicKey, StoredPrivateKey), PrivateKeyError> {
    Ok(stored(&KeyPair::from_versioned_or_bare_bytes(bytes)?))
}

fn stored(pair: &KeyPair) -> (PublicKey, StoredPrivateKey) {
    let stored = StoredPrivateKey {
        fingerprint: pair.fingerprint().clone(),
        purpose: pair.purpose(),
        key: pair.to_versioned_bytes(),
        wrapper_key_id: None,
    };
    (pair.public(), stored)
}
