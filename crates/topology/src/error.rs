//! What can be wrong with a mapping, with bytes, and with a change to the topology.
//!
//! A change that is refused has one of Canton's error codes, which scripts and operators know, and a class that
//! says what kind of mistake it is without naming a transport.
//! Source: <https://docs.daml.com/canton/reference/error_codes.html>

use cantle_crypto::{ProtoError, VerifyError};
use cantle_proto::versioned::VersionedError;
use cantle_types::{
    DomainId, Fingerprint, IdentifierError, KeyPurpose, Member, Namespace, ParticipantId, ProtocolVersion,
    UniqueIdentifier,
};
use thiserror::Error;

use crate::change::{ParticipantPermission, TopologyChangeOp};
use crate::path::{MappingCode, UniquePath};

/// A mapping, or a transaction with it, that must not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MappingError {
    /// A namespace's own key needs a root delegation.
    #[error("the delegation of namespace {namespace} to its own key must be a root delegation")]
    OwnKeyWithoutRoot {
        /// The namespace.
        namespace: Namespace,
    },
    /// A VIP must be able to confirm.
    #[error(
        "the participant {participant} cannot be VIP with permission {permission}, which does not confirm"
    )]
    VipWithoutConfirmation {
        /// The participant.
        participant: UniqueIdentifier,
        /// Its permission.
        permission: ParticipantPermission,
    },
    /// A participant's own party needs no mapping.
    #[error("the party {uid} has the name of its participant, whose own party it is without a mapping")]
    PartyIsParticipant {
        /// Of party and participant.
        uid: UniqueIdentifier,
    },
    /// A text that is no package id.
    #[error("{text:?} is not a package id: 1 to 64 of the characters a-z, A-Z, 0-9, `-`, `_` and space")]
    PackageId {
        /// The text, shortened.
        text: String,
    },
    /// A number that a domain parameter must not have.
    #[error("the domain parameter {parameter} must be {rule}")]
    DomainParameter {
        /// The parameter's name on the wire.
        parameter: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The protocol version does not know the mapping.
    #[error("protocol version {version} has no mapping {code}")]
    NotInProtocolVersion {
        /// The mapping's kind.
        code: MappingCode,
        /// The protocol version.
        version: ProtocolVersion,
    },
    /// The operation does not go with the mapping.
    #[error(
        "a mapping {code} cannot be the subject of {op}: domain parameters are replaced, all else added and removed"
    )]
    IncompatibleOperation {
        /// The mapping's kind.
        code: MappingCode,
        /// The operation.
        op: TopologyChangeOp,
    },
    /// The element id is not one.
    #[error("the element id cannot be used")]
    ElementId(#[source] IdentifierError),
}

/// Bytes or messages that are no topology.
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
    /// A version that no supported protocol version uses.
    #[error("{message} has version {version}, which no supported protocol version uses")]
    Version {
        /// The message.
        message: &'static str,
        /// The version.
        version: i32,
    },
    /// A field that must be there is missing.
    #[error("{message} lacks the field {field}")]
    Missing {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A number that names nothing, or says that the value is missing.
    #[error("{number} is no {what}")]
    Number {
        /// What it should name.
        what: &'static str,
        /// The number.
        number: i32,
    },
    /// A text that is not the identifier it should be.
    #[error("the field {field} cannot be read")]
    Identifier {
        /// The field.
        field: &'static str,
        /// What is wrong with the text.
        #[source]
        source: IdentifierError,
    },
    /// A key or a signature that cannot be read.
    #[error("the field {field} cannot be read")]
    Key {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: ProtoError,
    },
    /// A span or point in time that cannot be represented.
    #[error("the field {field} is out of range")]
    Time {
        /// The field.
        field: &'static str,
    },
    /// The message is read, and must not exist.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

/// What kind of mistake an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request is wrong, whatever the state.
    InvalidArgument,
    /// What should be made is there already.
    ResourceExists,
    /// What is needed is not there.
    ResourceMissing,
    /// The request does not go with the present state.
    InvalidState,
    /// Someone tried what they have no right to.
    SecurityAlert,
    /// The same request may succeed later.
    Unavailable,
    /// A fault of this program, or of what it depends on.
    Internal,
}

/// A change to the topology that is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TopologyError {
    /// The signature is not valid.
    #[error("the signature of the topology transaction {path} does not hold")]
    InvalidSignature {
        /// The transaction's path.
        path: UniquePath,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// The same transaction, signed by the same key, was added before; a removal is final.
    #[error(
        "the transaction {path} signed by {signed_by} was added before; a removal is final, add a new one"
    )]
    DuplicateTransaction {
        /// The transaction's path.
        path: UniquePath,
        /// The key that signed.
        signed_by: Fingerprint,
    },
    /// A removal of what is not active.
    #[error("there is no active {code} transaction with this mapping and element id to remove: {path}")]
    NoCorrespondingActiveTransaction {
        /// The mapping's kind.
        code: MappingCode,
        /// The path of the removal, or the subject when no element id was given.
        path: String,
    },
    /// The same mapping, signed by the same key, is active.
    #[error("the same mapping, signed by {signed_by}, is active already: {path}")]
    MappingAlreadyExists {
        /// The path of the active transaction.
        path: UniquePath,
        /// The key that signed.
        signed_by: Fingerprint,
    },
    /// The last key of a purpose would go.
    #[error(
        "{key} is the last {purpose} key of {owner}, which could do nothing without it; force the removal if that is wanted"
    )]
    RemovingLastKey {
        /// Whose key.
        owner: Member,
        /// The key.
        key: Fingerprint,
        /// What it is for.
        purpose: KeyPurpose,
    },
    /// Active transactions would lose their authorization.
    #[error(
        "without the delegation to {key}, the transaction {dangling} and possibly others lose their authorization; \
         force the removal if that is wanted"
    )]
    RemovingKeyWithDanglingTransactions {
        /// The key of the delegation.
        key: Fingerprint,
        /// The first transaction that would dangle.
        dangling: UniquePath,
    },
    /// The tolerance would grow while old transactions may still be in flight.
    #[error(
        "raising ledger_time_record_time_tolerance from {old:?} to {new:?} at once weakens deduplication; \
         force it if that is wanted"
    )]
    IncreaseOfLedgerTimeRecordTimeTolerance {
        /// The present tolerance.
        old: std::time::Duration,
        /// The tolerance asked for.
        new: std::time::Duration,
    },
    /// The signing key has no right to this.
    #[error("the key {signed_by} is not authorized for {path}: no chain of delegations leads to it")]
    Unauthorized {
        /// The transaction's path.
        path: UniquePath,
        /// The key that signed.
        signed_by: Fingerprint,
    },
    /// The transaction is about another domain.
    #[error("a transaction about the domain {found} is not for {expected}")]
    WrongDomain {
        /// The domain that it is about.
        found: DomainId,
        /// The domain on which it was sent.
        expected: DomainId,
    },
    /// The transaction is written for another protocol version.
    #[error(
        "{path} is written for protocol version {found}, the domain speaks {expected}; convert and sign it again"
    )]
    WrongProtocolVersion {
        /// The transaction's path.
        path: UniquePath,
        /// The version that it is written for.
        found: ProtocolVersion,
        /// The domain's version.
        expected: ProtocolVersion,
    },
    /// A key of a manager or sequencer of another domain.
    #[error("{owner} is not of this domain, whose manager keeps no keys of other domains")]
    AlienDomainEntities {
        /// Whose key it is.
        owner: Member,
    },
    /// Both sides of a participant's state at once, which ended with protocol version 4.
    #[error("{path} is said for both sides; authorize one for From and one for To")]
    BothSidesOfParticipant {
        /// The transaction's path.
        path: UniquePath,
    },
    /// A participant without keys would be enabled.
    #[error("the participant {participant} cannot be enabled without {missing}; register its keys first")]
    ParticipantNotInitialized {
        /// The participant.
        participant: ParticipantId,
        /// What it lacks.
        missing: &'static str,
    },
    /// The transaction must not exist.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

impl TopologyError {
    /// Canton's id of the error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidSignature { .. } => "INVALID_TOPOLOGY_TX_SIGNATURE_ERROR",
            Self::DuplicateTransaction { .. } => "DUPLICATE_TOPOLOGY_TRANSACTION",
            Self::NoCorrespondingActiveTransaction { .. } => "NO_CORRESPONDING_ACTIVE_TX_TO_REVOKE",
            Self::MappingAlreadyExists { .. } => "TOPOLOGY_MAPPING_ALREADY_EXISTS",
            Self::RemovingLastKey { .. } => "REMOVING_LAST_KEY_MUST_BE_FORCED",
            Self::RemovingKeyWithDanglingTransactions { .. } => {
                "REMOVING_KEY_DANGLING_TRANSACTIONS_MUST_BE_FORCED"
            }
            Self::IncreaseOfLedgerTimeRecordTimeTolerance { .. } => {
                "INCREASE_OF_LEDGER_TIME_RECORD_TIME_TOLERANCE"
            }
            Self::Unauthorized { .. } => "UNAUTHORIZED_TOPOLOGY_TRANSACTION",
            Self::WrongDomain { .. } => "WRONG_DOMAIN",
            Self::WrongProtocolVersion { .. } => "WRONG_PROTOCOL_VERSION",
            Self::AlienDomainEntities { .. } => "ALIEN_DOMAIN_ENTITIES",
            Self::BothSidesOfParticipant { .. } => "INVALID_TOPOLOGY_MAPPING",
            Self::ParticipantNotInitialized { .. } => "PARTICIPANT_NOT_INITIALIZED",
            Self::Mapping(_) => "INVALID_ARGUMENT",
        }
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::InvalidSignature { .. } | Self::Unauthorized { .. } => ErrorClass::SecurityAlert,
            Self::DuplicateTransaction { .. } | Self::MappingAlreadyExists { .. } => {
                ErrorClass::ResourceExists
            }
            Self::NoCorrespondingActiveTransaction { .. }
            | Self::RemovingLastKey { .. }
            | Self::RemovingKeyWithDanglingTransactions { .. }
            | Self::IncreaseOfLedgerTimeRecordTimeTolerance { .. }
            | Self::WrongDomain { .. }
            | Self::WrongProtocolVersion { .. }
            | Self::AlienDomainEntities { .. }
            | Self::BothSidesOfParticipant { .. }
            | Self::ParticipantNotInitialized { .. } => ErrorClass::InvalidState,
            Self::Mapping(_) => ErrorClass::InvalidArgument,
        }
    }
}
