//! Identifiers, fingerprints, key purposes, bounded strings and the clock.
//!
//! The words every other crate speaks in. No IO, no async, and no cryptography: a [`Fingerprint`] here is
//! a bounded string; that it is the hash of a key is the business of `cantle-crypto`.
//!
//! Invariant: a value that exists obeys the syntax and the length limits of Canton 2.10, and its text
//! parses back to the same value.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

mod clock;
mod error;
mod identifier;
mod key;
mod member;
mod protocol_version;
mod text;
mod timestamp;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::IdentifierError;
pub use identifier::{DomainId, Fingerprint, Identifier, Namespace, PartyId, UniqueIdentifier};
pub use key::{DomainAlias, KeyName, KeyPurpose, NodeName, TopologyElementId, UnknownKeyPurpose};
pub use member::{DomainManagerId, MediatorId, Member, MemberCode, ParticipantId, SequencerId};
pub use protocol_version::{ProtocolVersion, UnsupportedProtocolVersion};
pub use timestamp::{CantonTimestamp, TimestampOutOfRange};
