//! What can be wrong with the bytes of a message.
//!
//! Each variant names the message and the field; texts from the network appear shortened or not at all.

use cantle_crypto::{HashError, ProtoError};
use cantle_proto::versioned::VersionedError;
use cantle_types::{IdentifierError, TimestampOutOfRange};
use thiserror::Error;

use crate::sequencing::RecipientsError;

/// Bytes that are not the message they should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes are not the message.
    #[error("the bytes are not a {message} message")]
    Decode {
        /// The message.
        message: &'static str,
        /// Where the bytes go wrong.
        #[source]
        source: prost::DecodeError,
    },
    /// The bytes are not a versioned message.
    #[error("the bytes are not a versioned {message} message")]
    Versioned {
        /// The message.
        message: &'static str,
        /// Where the bytes go wrong.
        #[source]
        source: VersionedError,
    },
    /// A version that the protocol version in force does not use.
    #[error("{message} has version {version}, expected {expected}")]
    Version {
        /// The message.
        message: &'static str,
        /// The version.
        version: i32,
        /// The version that the protocol version in force uses.
        expected: i32,
    },
    /// A field that must be there is missing.
    #[error("{message} lacks the field {field}")]
    Missing {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A number that names nothing, or is out of bounds.
    #[error("{number} cannot be the field {field} of {message}")]
    Number {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// The number.
        number: i64,
    },
    /// A text that is not the identifier it should be.
    #[error("the field {field} of {message} cannot be read")]
    Identifier {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// What is wrong with the text.
        #[source]
        source: IdentifierError,
    },
    /// A text or list that is longer than it may be.
    #[error("the field {field} of {message} has the length {length}, at most {max} are allowed")]
    TooLong {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// Its length.
        length: usize,
        /// The longest that is allowed.
        max: usize,
    },
    /// Bytes that are more or fewer than they must be.
    #[error("the field {field} of {message} has the length {length}, expected {expected}")]
    Length {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// Its length.
        length: usize,
        /// The length that it must have.
        expected: usize,
    },
    /// Bytes that are not a hash.
    #[error("the field {field} of {message} is not a hash")]
    Hash {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// What is wrong with them.
        #[source]
        source: HashError,
    },
    /// A signature that cannot be read.
    #[error("the field {field} of {message} cannot be read")]
    Signature {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: ProtoError,
    },
    /// A point in time that is none.
    #[error("the field {field} of {message} is not a timestamp")]
    Time {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// Why.
        #[source]
        source: TimestampOutOfRange,
    },
    /// A topology transaction that cannot be read.
    #[error("a topology transaction of {message} cannot be read")]
    Topology {
        /// The message.
        message: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<cantle_topology::ParseError>,
    },
    /// Recipients that are none.
    #[error("the recipients of an envelope cannot be read")]
    Recipients(#[from] RecipientsError),
    /// Something that exists in Canton, but is not supported here.
    #[error("{message} is about {what}, which are not supported")]
    Unsupported {
        /// The message.
        message: &'static str,
        /// What it is about.
        what: &'static str,
    },
    /// Fields that do not go together.
    #[error("{message} breaks a rule: {rule}")]
    Rule {
        /// The message.
        message: &'static str,
        /// The rule.
        rule: &'static str,
    },
}
