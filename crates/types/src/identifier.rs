//! Fingerprints, namespaces, identifiers and the unique identifiers made of them.
//!
//! Not the members of a domain ([`crate::Member`]): those carry a code in front.
//! Invariant: the text of a [`UniqueIdentifier`], split at its first `::`, gives back its two parts.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{IdentifierError, shortened};
use crate::text::{SEPARATOR, bounded_string, check_length, check_safe_simple, string_impls};

const FINGERPRINT_MAX: usize = 68;
const IDENTIFIER_MAX: usize = 185;
const UNIQUE_IDENTIFIER_MAX: usize = 255;

bounded_string! {
    /// The name of a key, derived from its public part: 1 to 68 characters.
    ///
    /// Of a real key it is the multihash of the public key in hex, always 68 characters beginning with
    /// `1220`; any safe simple string is a fingerprint syntactically.
    Fingerprint,
    |text| check_safe_simple("fingerprint", text, FINGERPRINT_MAX)
}

impl Fingerprint {
    /// The first 12 characters and `...`, for people; the whole when it is not longer.
    #[must_use]
    pub fn short(&self) -> String {
        const SHOWN: usize = 12;
        match self.as_str().get(..SHOWN) {
            Some(start) if self.as_str().len() > SHOWN => format!("{start}..."),
            _ => self.as_str().to_owned(),
        }
    }
}

bounded_string! {
    /// The part of a unique identifier that its owner chooses: 1 to 185 characters.
    ///
    /// It does not end with `:`. No text of a unique identifier can hold such a one, since the text is
    /// split at the first `::`.
    Identifier,
    |text| {
        check_safe_simple("identifier", text, IDENTIFIER_MAX)?;
        if text.ends_with(':') {
            return Err(IdentifierError::TrailingColon { what: "identifier" });
        }
        Ok(())
    }
}

/// The fingerprint of the root key that governs a set of identifiers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(pub Fingerprint);

impl Namespace {
    /// The namespace governed by the key with this fingerprint.
    #[must_use]
    pub fn new(fingerprint: Fingerprint) -> Self {
        Self(fingerprint)
    }

    /// The fingerprint of the root key.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0
    }

    /// The text: that of the fingerprint.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<Fingerprint> for Namespace {
    fn from(fingerprint: Fingerprint) -> Self {
        Self(fingerprint)
    }
}

impl FromStr for Namespace {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_safe_simple("namespace", text, FINGERPRINT_MAX)?;
        text.parse().map(Self)
    }
}

string_impls!(Namespace);

/// A name that is unique in all domains: an identifier in a namespace, written `identifier::namespace`.
#[derive(Clone)]
pub struct UniqueIdentifier {
    text: Arc<str>,
    identifier: Identifier,
    namespace: Namespace,
}

impl UniqueIdentifier {
    /// Joins the two parts. Their limits keep the whole within 255 characters.
    #[must_use]
    pub fn new(identifier: Identifier, namespace: Namespace) -> Self {
        let text = format!("{identifier}{SEPARATOR}{namespace}").into();
        Self { text, identifier, namespace }
    }

    /// The part in front of the first `::`.
    #[must_use]
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// The part after the first `::`.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The text `identifier::namespace`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for UniqueIdentifier {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "unique identifier";
        check_length(WHAT, text, UNIQUE_IDENTIFIER_MAX)?;
        let Some((identifier, namespace)) = text.split_once(SEPARATOR) else {
            return Err(IdentifierError::MissingSeparator {
                what: WHAT,
                text: shortened(text),
                expected: "identifier::namespace",
            });
        };
        Ok(Self { text: text.into(), identifier: identifier.parse()?, namespace: namespace.parse()? })
    }
}

impl PartialEq for UniqueIdentifier {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for UniqueIdentifier {}

impl PartialOrd for UniqueIdentifier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UniqueIdentifier {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for UniqueIdentifier {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

string_impls!(UniqueIdentifier);

/// A newtype over [`UniqueIdentifier`] whose text is the bare unique identifier.
macro_rules! uid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub UniqueIdentifier);

        impl $name {
            /// The one with this unique identifier.
            #[must_use]
            pub fn new(uid: UniqueIdentifier) -> Self {
                Self(uid)
            }

            /// Its unique identifier.
            #[must_use]
            pub fn uid(&self) -> &UniqueIdentifier {
                &self.0
            }

            /// The text: that of the unique identifier.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl From<UniqueIdentifier> for $name {
            fn from(uid: UniqueIdentifier) -> Self {
                Self(uid)
            }
        }

        impl FromStr for $name {
            type Err = IdentifierError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        string_impls!($name);
    };
}

uid_newtype! {
    /// A sync domain. It has no member code: its text is the bare unique identifier.
    DomainId
}

uid_newtype! {
    /// A party. Its text is the bare unique identifier.
    PartyId
}
