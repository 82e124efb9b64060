//! The protocol versions of a sync domain.
//!
//! Only the stable ones of Canton 2.10, 5 and 7; the others are deleted or in development.
//! Source: <https://docs.daml.com/canton/usermanual/versioning.html>

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A version of the protocol between the members of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// Protocol version 5.
    V5,
    /// Protocol version 7, the default of a participant's own topology.
    V7,
}

impl ProtocolVersion {
    /// Every supported version, oldest first.
    pub const ALL: [Self; 2] = [Self::V5, Self::V7];

    /// The number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::V5 => 5,
            Self::V7 => 7,
        }
    }

    /// The version as nodes tell it each other, `5.0.0` or `7.0.0`.
    #[must_use]
    pub fn semantic(self) -> &'static str {
        match self {
            Self::V5 => "5.0.0",
            Self::V7 => "7.0.0",
        }
    }

    /// Reads what [`ProtocolVersion::semantic`] writes.
    ///
    /// # Errors
    /// When the text names another version, or none.
    pub fn from_semantic(text: &str) -> Result<Self, UnsupportedProtocolVersion> {
        let known = Self::ALL.into_iter().find(|version| version.semantic() == text);
        known.ok_or_else(|| UnsupportedProtocolVersion { version: crate::error::shortened(text) })
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// A protocol version that is not 5 or 7.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("protocol version {version:?} is not supported, expected 5 or 7")]
pub struct UnsupportedProtocolVersion {
    /// What was asked for, shortened.
    pub version: String,
}

impl TryFrom<i32> for ProtocolVersion {
    type Error = UnsupportedProtocolVersion;

    fn try_from(number: i32) -> Result<Self, Self::Error> {
        let known = Self::ALL.into_iter().find(|version| version.number() == number);
        known.ok_or_else(|| UnsupportedProtocolVersion { version: number.to_string() })
    }
}

impl FromStr for ProtocolVersion {
    type Err = UnsupportedProtocolVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "5" => Ok(Self::V5),
            "7" => Ok(Self::V7),
            other => Err(UnsupportedProtocolVersion { version: crate::error::shortened(other) }),
        }
    }
}
