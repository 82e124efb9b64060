//! What belongs to keys and nodes: purposes and names.
//!
//! Not the keys themselves (`cantle-crypto`), nor AWS's names of them (`KmsKeyId` in `cantle-kms`).
//! Source: <https://docs.daml.com/canton/usermanual/security.html>

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::error::IdentifierError;
use crate::text::{bounded_string, check_length};

const KEY_NAME_MAX: usize = 300;
const ELEMENT_ID_MAX: usize = 255;
const DOMAIN_ALIAS_MAX: usize = 255;
const NODE_NAME_MAX: usize = 185;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPurpose {
    /// It signs.
    Signing,
    /// It decrypts.
    Encryption,
}

impl KeyPurpose {
    /// `signing` or `encryption`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Encryption => "encryption",
        }
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no key purpose.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown key purpose {text:?}, expected `signing` or `encryption`")]
pub struct UnknownKeyPurpose {
    /// The text, shortened.
    pub text: String,
}

impl FromStr for KeyPurpose {
    type Err = UnknownKeyPurpose;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "signing" => Ok(Self::Signing),
            "encryption" => Ok(Self::Encryption),
            other => Err(UnknownKeyPurpose { text: crate::error::shortened(other) }),
        }
    }
}

bounded_string! {
    /// What an operator calls a key: at most 300 characters of any kind; empty means that it has no name.
    ///
    /// Characters are counted as the JVM does, in UTF-16 units.
    KeyName,
    |text| check_length("key name", text, KEY_NAME_MAX)
}

impl KeyName {
    /// The empty name of a key without one.
    #[must_use]
    pub fn none() -> Self {
        Self("".into())
    }

    /// Whether the key has no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

bounded_string! {
    /// The identity of one element of the topology, at most 255 characters.
    ///
    /// A removal names the addition that it takes back by this.
    TopologyElementId,
    |text| check_length("topology element id", text, ELEMENT_ID_MAX)
}

impl TopologyElementId {
    /// A new one: 32 random ASCII letters and digits.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn random() -> Self {
        const LENGTH: usize = 32;
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        // The greatest multiple of 62 in a byte: above it the remainder would favour the first letters.
        const FAIR: usize = 4 * ALPHABET.len();

        let mut id = String::with_capacity(LENGTH);
        let mut buffer = [0_u8; 2 * LENGTH];
        while id.len() < LENGTH {
            getrandom::fill(&mut buffer).expect("the operating system gives random bytes");
            let fair = buffer.iter().map(|&byte| usize::from(byte)).filter(|&byte| byte < FAIR);
            id.extend(fair.take(LENGTH - id.len()).map(|byte| char::from(ALPHABET[byte % ALPHABET.len()])));
        }
        Self(id.into())
    }
}

bounded_string! {
    /// What a participant calls a sync domain that it connects to: 1 to 255 characters of any kind.
    DomainAlias,
    |text| {
        const WHAT: &str = "domain alias";
        if text.is_empty() {
            return Err(IdentifierError::Empty { what: WHAT });
        }
        check_length(WHAT, text, DOMAIN_ALIAS_MAX)
    }
}

bounded_string! {
    /// The name of a node in the configuration: 1 to 185 ASCII letters, digits, `-` and `_`.
    ///
    /// It is the default [`crate::Identifier`] of the node, and every node name is a legal one.
    NodeName,
    |text| {
        const WHAT: &str = "node name";
        if text.is_empty() {
            return Err(IdentifierError::Empty { what: WHAT });
        }
        check_length(WHAT, text, NODE_NAME_MAX)?;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match text.chars().enumerate().find(|&(_, c)| !legal(c)) {
            Some((position, character)) => Err(IdentifierError::IllegalCharacter {
                what: WHAT,
                character,
                position,
                allowed: "ASCII letters, digits, `-` and `_`",
            }),
            None => Ok(()),
        }
    }
}
