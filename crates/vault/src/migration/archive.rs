//! Private keys as they are kept outside of a node: lines of text, to be encrypted as a whole before they are written.
//!
//! The first line names format and version, the next ones the node; then a line a key: fingerprint, name and key pair, the
//! last two in base64. A key pair is what `keys.secret.download` gives and `keys.secret.upload` takes. Invariant: what is
//! read has key pairs of the fingerprints that it says.

use base64::{Engine, engine::general_purpose::STANDARD};
use cantle_crypto::KeyPair;
use cantle_store::StoredPrivateKey;
use cantle_types::{Fingerprint, KeyName};
use thiserror::Error;
use zeroize::Zeroizing;

const FIRST_LINE: &str = "cantle private keys 1";

/// A private key with its name.
pub struct ArchivedKey {
    /// The key.
    pub fingerprint: Fingerprint,
    /// Its name.
    pub name: Option<KeyName>,
    /// The versioned bytes of the key pair, in clear.
    pub pair: Zeroizing<Vec<u8>>,
}

/// The private keys of a node.
#[derive(Debug)]
pub struct KeyArchive {
    /// Whose they are: kind and name.
    pub node: String,
    /// The keys.
    pub keys: Vec<ArchivedKey>,
}

/// Why an archive cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the content is not an archive of private keys: line {line} {problem}")]
pub struct ArchiveError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl std::fmt::Debug for ArchivedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchivedKey")
            .field("fingerprint", &self.fingerprint)
            .field("name", &self.name)
            .field("pair", &"[REDACTED]")
            .finish()
    }
}

impl ArchivedKey {
    /// The key as the store keeps it, in clear.
    ///
    /// # Errors
    /// When it is not a key pair.
    pub fn to_stored(&self) -> Result<StoredPrivateKey, cantle_crypto::PrivateKeyError> {
        let pair = KeyPair::from_versioned_bytes(&self.pair)?;
        Ok(StoredPrivateKey {
            fingerprint: pair.fingerprint().clone(),
            purpose: pair.purpose(),
            key: self.pair.clone(),
            wrapper_key_id: None,
        })
    }
}

impl KeyArchive {
    /// The key of a fingerprint.
    #[must_use]
    pub fn find(&self, fingerprint: &Fingerprint) -> Option<&ArchivedKey> {
        self.keys.iter().find(|key| key.fingerprint == *fingerprint)
    }

    /// The archive as text.
    ///
    /// # Security
    /// It holds the private keys in clear.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = |key: &ArchivedKey| {
            let name = key.name.as_ref().map_or(0, |name| name.as_str().len());
            key.fingerprint.as_str().len() + (name + key.pair.len()) * 4 / 3 + 20
        };
        let capacity = FIRST_LINE.len() + self.node.len() + 20 + self.keys.iter().map(length).sum::<usize>();
        // Never grows, so that no copy is left behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        bytes.extend_from_slice(format!("{FIRST_LINE}\nnode {}\n", self.node).as_bytes());
        for key in &self.keys {
            let name = STANDARD.encode(key.name.as_ref().map_or("", KeyName::as_str));
            bytes.extend_from_slice(format!("key {} {name} ", key.fingerprint).as_bytes());
            let mut pair = Zeroizing::new(vec![0; key.pair.len().div_ceil(3) * 4]);
            let written = STANDARD.encode_slice(&*key.pair, &mut pair).unwrap_or_default();
            bytes.extend_from_slice(&pair[..written]);
            bytes.push(b'\n');
        }
        bytes
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`ArchiveError`] at the first line that is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let at = |line: usize, problem| ArchiveError { line: line + 1, problem };
        let text = std::str::from_utf8(bytes).map_err(|_| at(0, "is not text"))?;
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, line)| line) != Some(FIRST_LINE) {
            return Err(at(0, "does not name the format"));
        }
        let node = lines.next().and_then(|(_, line)| line.strip_prefix("node "));
        let node = node.ok_or_else(|| at(1, "does not name the node"))?.to_owned();
        let mut keys = Vec::new();
        for (number, line) in lines {
            keys.push(key(line).map_err(|problem| at(number, problem))?);
        }
        Ok(Self { node, keys })
    }
}

fn key(line: &str) -> Result<ArchivedKey, &'static str> {
    let mut words = line.split(' ');
    let (Some("key"), Some(fingerprint), Some(name), Some(pair), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err("does not have a fingerprint, a name and a key pair");
    };
    let fingerprint: Fingerprint = fingerprint.parse().map_err(|_| "has no fingerprint")?;
    let name = STANDARD.decode(name).ok().and_then(|name| String::from_utf8(name).ok());
    let name = name.and_then(|name| KeyName::try_from(name).ok()).ok_or("has no name of a key")?;
    let pair = Zeroizing::new(STANDARD.decode(pair).map_err(|_| "is not base64")?);
    let read = KeyPair::from_versioned_bytes(&pair).map_err(|_| "has no key pair")?;
    if read.fingerprint() != &fingerprint {
        return Err("has the key pair of another fingerprint");
    }
    Ok(ArchivedKey { fingerprint, name: Some(name).filter(|name| !name.is_empty()), pair })
}

#[cfg(test)]
mod tests {
    use cantle_crypto::{SigningKeyScheme, SigningPrivateKey};

    use super::*;

    fn archived(name: &str) -> ArchivedKey {
        let pair = KeyPair::from(SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap());
        let name = KeyName::try_from(name.to_owned()).unwrap();
        ArchivedKey {
            fingerprint: pair.fingerprint().clone(),
            name: Some(name).filter(|name| !name.is_empty()),
            pair: pair.to_versioned_bytes(),
        }
    }

    #[test]
    fn an_archive_is_read_back_whole() {
        let keys = vec![archived("participant1-namespace"), archived(""), archived("zwei Wörter\nund mehr")];
        let archive = KeyArchive { node: "participant participant1".to_owned(), keys };
        let read = KeyArchive::from_bytes(&archive.to_bytes()).unwrap();
        assert_eq!(read.node, archive.node);
        assert_eq!(read.keys.len(), 3);
        for (read, key) in read.keys.iter().zip(&archive.keys) {
            assert_eq!((&read.fingerprint, &read.name, &read.pair), (&key.fingerprint, &key.name, &key.pair));
            assert_eq!(read.to_stored().unwrap().fingerprint, key.fingerprint);
        }
        assert!(format!("{archive:?}").contains("[REDACTED]"));
    }

    #[test]
    fn lines_that_are_none_are_told_by_number() {
        let (first, second) = (archived("a"), archived("b"));
        let archive = KeyArchive { node: "n".to_owned(), keys: vec![first, second] };
        let text = String::from_utf8(archive.to_bytes().to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mixed =
            lines[2].replace(archive.keys[0].fingerprint.as_str(), archive.keys[1].fingerprint.as_str());
        let cases = [
            ("something else".to_owned(), 1),
            (format!("{}\nkey", lines[0]), 2),
            (format!("{}\n{}\nkey x", lines[0], lines[1]), 3),
            (format!("{}\n{}\n{mixed}", lines[0], lines[1]), 3),
            (format!("{text}\n"), 5),
        ];
        for (text, line) in cases {
            let error = KeyArchive::from_bytes(text.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{error}");
        }
    }
}
