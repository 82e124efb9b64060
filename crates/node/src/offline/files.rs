//! The files that go to and from the machine with the root key.
//!
//! Read: what is too long to be meant is not. Written: only new files, whole and on disk.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPublicKey, PublicKey, Signature, SigningKeyScheme,
    SigningPublicKey,
};
use cantle_types::KeyPurpose;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::OfflineError;

/// More than any of these files has.
const MAX: u64 = 1024 * 1024;
/// SubjectPublicKeyInfo of an Ed25519 key, before its 32 bytes. Source: RFC 8410.
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The bytes of a file that should be `what`.
pub(super) fn read(path: &Path, what: &'static str) -> Result<Zeroizing<Vec<u8>>, OfflineError> {
    let failed = |source| OfflineError::File { path: path.to_owned(), done: "read", source };
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).map_err(failed)?.take(MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX {
        return Err(OfflineError::TooLong { path: path.to_owned(), max: MAX, what });
    }
    Ok(bytes)
}

/// Makes sure, as far as can be, that a new file can be written: before something is done that cannot be done again.
///
/// # Errors
/// When it is there, or its folder is not.
pub fn check_new(path: &Path) -> Result<(), OfflineError> {
    if path.symlink_metadata().is_ok() {
        return Err(OfflineError::Exists { path: path.to_owned() });
    }
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let failed = |source| OfflineError::File { path: path.to_owned(), done: "written", source };
    match folder.metadata().map_err(failed)?.is_dir() {
        true => Ok(()),
        false => Err(failed(std::io::ErrorKind::NotADirectory.into())),
    }
}

/// Writes a file that must not be there yet.
///
/// # Errors
/// When it is there, or cannot be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), OfflineError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => OfflineError::Exists { path: path.to_owned() },
        _ => OfflineError::File { path: path.to_owned(), done: "written", source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

/// Reads a public key: what `keys.public.download_to` writes, or SubjectPublicKeyInfo in PEM or DER, as
/// `aws kms get-public-key` and `openssl` give it. A file that could be either kind of key is one to sign with, unless a
/// purpose is named.
///
/// # Errors
/// When it is none, of a kind that no node may have, or for another purpose.
pub fn read_public_key(path: &Path, purpose: Option<KeyPurpose>) -> Result<PublicKey, OfflineError> {
    let bytes = read(path, "a public key")?;
    let wrong = |problem: String| OfflineError::KeyFile {
        path: path.to_owned(),
        wanted: "a public key, as keys.public.download_to writes it or in PEM or DER",
        problem,
    };
    let read: Vec<PublicKey> = if bytes.starts_with(b"-----BEGIN") {
        let der =
            SubjectPublicKeyInfoDer::from_pem_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        of_spki(&der)
    } else if bytes.first() == Some(&0x30) {
        of_spki(&bytes)
    } else {
        of_messages(&bytes)
    };
    let usable: Vec<_> = read.into_iter().filter(|key| key.check_strict().is_ok()).collect();
    let suits = |key: &&PublicKey| purpose.is_none_or(|purpose| key.purpose() == purpose);
    match (usable.iter().find(suits), usable.first(), purpose) {
        (Some(key), _, _) => Ok(key.clone()),
        (None, Some(other), Some(purpose)) => Err(OfflineError::WrongKey {
            problem: format!(
                "{} holds the {} key {}, and a {purpose} key is needed",
                path.display(),
                other.purpose(),
                other.fingerprint()
            ),
        }),
        _ => Err(wrong("it is none of P-256, P-384, Ed25519 and RSA with 2048 bits".to_owned())),
    }
}

/// The keys that a message of Canton's may be: of either kind, or one that says which.
fn of_messages(bytes: &[u8]) -> Vec<PublicKey> {
    let signing = SigningPublicKey::from_versioned_bytes(bytes).map(PublicKey::Signing);
    let encryption = EncryptionPublicKey::from_versioned_bytes(bytes).map(PublicKey::Encryption);
    let either = [PublicKey::from_versioned_bytes(bytes), PublicKey::from_bytes(bytes)];
    [signing, encryption].into_iter().chain(either).flatten().collect()
}

fn of_spki(der: &[u8]) -> Vec<PublicKey> {
    if let Some(raw) = der.strip_prefix(ED25519) {
        let key = SigningPublicKey::new(CryptoKeyFormat::Raw, raw, SigningKeyScheme::Ed25519);
        return key.into_iter().map(PublicKey::Signing).collect();
    }
    let signing = [SigningKeyScheme::EcDsaP256, SigningKeyScheme::EcDsaP384]
        .map(|scheme| SigningPublicKey::new(CryptoKeyFormat::Der, der, scheme).map(PublicKey::Signing));
    let encryption =
        EncryptionPublicKey::new(CryptoKeyFormat::Der, der, EncryptionKeyScheme::Rsa2048OaepSha256);
    signing.into_iter().chain([encryption.map(PublicKey::Encryption)]).flatten().collect()
}

/// Reads a signature of a key: what `cantle topology sign` writes, or the bare signature of another tool, which for ECDSA is
/// DER.
///
/// # Errors
/// When it is none.
pub fn read_signature(path: &Path, key: &SigningPublicKey) -> Result<Signature, OfflineError> {
    let bytes = read(path, "a signature")?;
    if let Ok(signature) = Signature::from_versioned_bytes(&bytes) {
        return Ok(signature);
    }
    let bare = match key.scheme() {
        SigningKeyScheme::Ed25519 => bytes.len() == 64,
        SigningKeyScheme::EcDsaP256 | SigningKeyScheme::EcDsaP384 => bytes.first() == Some(&0x30),
    };
    if !bare {
        return Err(OfflineError::SignatureFile {
            path: path.to_owned(),
            problem: format!(
                "it is neither what `cantle topology sign` writes nor the bare signature of a {} key",
                key.scheme().name()
            ),
        });
    }
    Ok(Signature::new(bytes.to_vec(), key.fingerprint().clone()))
}
