//! Which gRPC status an error becomes, for all services, in this one file.
//!
//! The message of a status is a stable code, what happened, and its causes: `KMS_KEY_DISABLED: KMS key … is
//! disabled. …`. docs/errors.md lists the codes.

use std::{error::Error, fmt::Write as _};

use cantle_domain_manager::DomainManagerError;
use cantle_identity::{ChangeError, ErrorClass, InitIdError, ReadError};
use cantle_kms::{KmsError, KmsKeyIdError};
use cantle_mediator::MediatorError;
use cantle_participant::{ParticipantError, PingError};
use cantle_sequencer::{
    BootstrapError, DisableError, InitializeError as SequencerInitializeError, SequencerNodeError,
};
use cantle_store::StoreError;
use cantle_vault::{
    DeleteError, ExportError, GenerateError, ImportError, KeyDeletionError, KeyUseError, RegisterError,
    SchemeError, SignError, VaultError, WrapperKeyError,
};
use tonic::{Code, Status};

/// An error with the code that operators look up, and gRPC's.
pub(crate) trait ToStatus: Error + Sized {
    /// gRPC's code and ours.
    fn codes(&self) -> (Code, &'static str);

    /// The status to answer with.
    fn to_status(&self) -> Status {
        let (code, name) = self.codes();
        Status::new(code, format!("{name}: {}", chain(self)))
    }
}

/// An error's text with those of its causes, each once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            // Writing to a String does not fail.
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}

/// A field of a request that cannot be read.
pub(crate) fn invalid(field: &str, error: &dyn Error) -> Status {
    Status::invalid_argument(format!("INVALID_ARGUMENT: field {field}: {}", chain(error)))
}

/// A field of a request that is not there.
pub(crate) fn missing(field: &str) -> Status {
    Status::invalid_argument(format!("INVALID_ARGUMENT: field {field} is missing"))
}

/// What this node, or this version of Cantle, does not do.
pub(crate) fn unsupported(what: &str) -> Status {
    Status::unimplemented(format!("UNSUPPORTED: {what}"))
}

impl ToStatus for StoreError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Unavailable { .. } => (Code::Unavailable, "DATABASE_UNAVAILABLE"),
            Self::Conflict(_) => (Code::AlreadyExists, "STORE_CONFLICT"),
            Self::UnknownKey { .. } => (Code::NotFound, "KEY_NOT_FOUND"),
            Self::ReadOnly { .. } => (Code::FailedPrecondition, "DATABASE_READ_ONLY"),
            _ => (Code::Internal, "DATABASE_DAMAGED"),
        }
    }
}

impl ToStatus for VaultError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Store(error) => error.codes(),
            Self::ProviderMismatch { .. } => (Code::FailedPrecondition, "CRYPTO_PROVIDER_MISMATCH"),
            Self::NoSuchOrphan { .. } => (Code::NotFound, "NO_SUCH_ORPHAN"),
            _ => (Code::FailedPrecondition, "PRIVATE_KEY_MISSING"),
        }
    }
}

impl ToStatus for KmsError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::NotFound { .. } => (Code::NotFound, "KMS_KEY_NOT_FOUND"),
            Self::Disabled { .. } => (Code::FailedPrecondition, "KMS_KEY_DISABLED"),
            Self::InvalidState { .. } => (Code::FailedPrecondition, "KMS_KEY_STATE"),
            Self::AccessDenied { .. } => (Code::PermissionDenied, "KMS_ACCESS_DENIED"),
            Self::InvalidKeyUsage { .. } => (Code::FailedPrecondition, "KMS_KEY_USAGE"),
            Self::LimitExceeded { .. } => (Code::ResourceExhausted, "KMS_LIMIT"),
            Self::Throttled { .. } => (Code::ResourceExhausted, "KMS_THROTTLED"),
            Self::Overloaded { .. } => (Code::ResourceExhausted, "KMS_OVERLOADED"),
            Self::Credentials { .. } => (Code::FailedPrecondition, "KMS_CREDENTIALS"),
            Self::Network { .. } | Self::Timeout { .. } => (Code::Unavailable, "KMS_UNREACHABLE"),
            error if error.retryable() => (Code::Unavailable, "KMS_UNAVAILABLE"),
            _ => (Code::FailedPrecondition, "KMS_REFUSED"),
        }
    }
}

impl ToStatus for SchemeError {
    fn codes(&self) -> (Code, &'static str) {
        (Code::InvalidArgument, "KEY_SCHEME_NOT_ALLOWED")
    }
}

impl ToStatus for GenerateError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Scheme(error) => error.codes(),
            Self::Kms { source, .. } => {
                kms_cause(&**source).map_or((Code::Unavailable, "KMS_REFUSED"), ToStatus::codes)
            }
            Self::Store(error) => error.codes(),
            Self::NotStored { source, .. } => source.codes(),
            Self::Wrapper(error) => error.codes(),
            Self::NotTried { source, .. } => source.codes(),
            Self::Stopped => (Code::Cancelled, "STOPPING"),
            _ => (Code::Internal, "KEY_NOT_MADE"),
        }
    }
}

/// The answer of the KMS below an error.
fn kms_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a KmsError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(kms) = error.downcast_ref::<KmsError>() {
            return Some(kms);
        }
        cause = error.source();
    }
    None
}

impl ToStatus for RegisterError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::NotKms { .. } => (Code::FailedPrecondition, "CRYPTO_PROVIDER_NOT_KMS"),
            Self::NotFound { .. } | Self::NotFoundInOwnAccount { .. } => {
                (Code::NotFound, "KMS_KEY_NOT_FOUND")
            }
            Self::InvalidArn { .. } => (Code::InvalidArgument, "KMS_KEY_ARN"),
            Self::Disabled { .. } => (Code::FailedPrecondition, "KMS_KEY_DISABLED"),
            Self::PendingDeletion { .. } => (Code::FailedPrecondition, "KMS_KEY_PENDING_DELETION"),
            Self::NotEnabled { .. } => (Code::FailedPrecondition, "KMS_KEY_STATE"),
            Self::NotMultiRegion { .. } => (Code::FailedPrecondition, "KMS_KEY_NOT_MULTI_REGION"),
            Self::WrongUsage { .. } => (Code::InvalidArgument, "KMS_KEY_USAGE"),
            Self::WrongSpec { .. } => (Code::InvalidArgument, "KMS_KEY_SPEC"),
            Self::SchemeNotAllowed { source, .. } => source.codes(),
            Self::AccessDenied { .. } => (Code::PermissionDenied, "KMS_ACCESS_DENIED"),
            Self::Kms { source, .. } => source.codes(),
            Self::Store { source, .. } => source.codes(),
            _ => (Code::FailedPrecondition, "KMS_KEY_UNUSABLE"),
        }
    }
}

impl ToStatus for ExportError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Unsupported { .. } => (Code::FailedPrecondition, "PRIVATE_KEY_IN_KMS"),
            Self::Key(KeyUseError::Unwrap { source, .. }) => source.codes(),
            _ => (Code::NotFound, "KEY_NOT_FOUND"),
        }
    }
}

impl ToStatus for ImportError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Unsupported { .. } => (Code::FailedPrecondition, "PRIVATE_KEY_IN_KMS"),
            Self::Wrapper(error) => error.codes(),
            Self::Store(error) => error.codes(),
            Self::Scheme(error) => error.codes(),
            _ => (Code::InvalidArgument, "KEY_PAIR_UNREADABLE"),
        }
    }
}

impl ToStatus for DeleteError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::InUse { .. } => (Code::FailedPrecondition, "KEY_IN_USE"),
            Self::Unknown { .. } => (Code::NotFound, "KEY_NOT_FOUND"),
            Self::Store(error) => error.codes(),
            _ => (Code::Internal, "KEY_NOT_DELETED"),
        }
    }
}

impl ToStatus for KeyDeletionError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Unknown { .. } => (Code::NotFound, "KEY_NOT_FOUND"),
            Self::NotMade { .. } => (Code::FailedPrecondition, "KEY_NOT_OURS"),
            Self::InUse { .. } => (Code::FailedPrecondition, "KEY_IN_USE"),
            Self::Window { .. } => (Code::InvalidArgument, "INVALID_ARGUMENT"),
            Self::NotScheduled { .. } => (Code::FailedPrecondition, "KEY_DELETION_NOT_SCHEDULED"),
            Self::Kms(source) => source.codes(),
            Self::Store(error) => error.codes(),
            _ => (Code::Internal, "KEY_NOT_DELETED"),
        }
    }
}

impl ToStatus for SignError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Kms { source, .. } => source.codes(),
            Self::SignatureMismatch { .. } => (Code::Internal, "KMS_SIGNATURE_MISMATCH"),
            Self::Key(KeyUseError::Unwrap { source, .. }) => source.codes(),
            Self::Key(_) => (Code::FailedPrecondition, "SECRET_KEY_NOT_IN_STORE"),
            _ => (Code::Internal, "NOT_SIGNED"),
        }
    }
}

impl ToStatus for WrapperKeyError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::NotEncrypted => (Code::Unimplemented, "UNSUPPORTED"),
            Self::NotConfigured { .. } => (Code::FailedPrecondition, "WRAPPER_KEY_NOT_CONFIGURED"),
            Self::AlreadyInUse { .. } => (Code::AlreadyExists, "WRAPPER_KEY_ALREADY_IN_USE"),
            Self::NotFound { .. } => (Code::NotFound, "WRAPPER_KEY_NOT_EXIST"),
            Self::NotEnabled { .. } => (Code::FailedPrecondition, "WRAPPER_KEY_DISABLED_OR_DELETED"),
            Self::WrongKind { .. } => (Code::InvalidArgument, "WRAPPER_KEY_KIND"),
            Self::KeyId { source, .. } => source.codes(),
            Self::NotMade { source, .. } => {
                kms_cause(&**source).map_or((Code::Unavailable, "KMS_REFUSED"), ToStatus::codes)
            }
            Self::Kms { source, .. } => source.codes(),
            Self::Unreadable { source, .. } => match &**source {
                KeyUseError::Unwrap { source, .. } => source.codes(),
                _ => (Code::Internal, "PRIVATE_KEY_UNREADABLE"),
            },
            Self::Store(error) => error.codes(),
            Self::Stopped => (Code::Cancelled, "STOPPING"),
            _ => (Code::Internal, "WRAPPER_KEY"),
        }
    }
}

impl ToStatus for KmsKeyIdError {
    fn codes(&self) -> (Code, &'static str) {
        (Code::InvalidArgument, "KMS_KEY_ID")
    }
}

impl ToStatus for DomainManagerError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::NoIdentity => (Code::FailedPrecondition, "NODE_NOT_INITIALIZED"),
            Self::NotInitialized => (Code::FailedPrecondition, "DOMAIN_NOT_INITIALIZED"),
            Self::AlreadyInitialized => (Code::AlreadyExists, "DOMAIN_ALREADY_INITIALIZED"),
            Self::Connection(_) => (Code::InvalidArgument, "SEQUENCER_CONNECTION"),
            Self::Store(error) => error.codes(),
            Self::Api(_) | Self::Run(_) => (Code::FailedPrecondition, "SEQUENCER_NOT_CONNECTED"),
            _ => (Code::Internal, "DOMAIN_MANAGER"),
        }
    }
}

impl ToStatus for SequencerNodeError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Initialize(SequencerInitializeError::OtherDomain { .. }) => {
                (Code::AlreadyExists, "SEQUENCER_ALREADY_INITIALIZED")
            }
            Self::Initialize(SequencerInitializeError::Key(_)) => (Code::FailedPrecondition, "KEY_NOT_MADE"),
            Self::Initialize(SequencerInitializeError::Store(error)) => error.codes(),
            Self::Initialize(_) => (Code::FailedPrecondition, "SEQUENCER_SETUP"),
            Self::OwnDatabase => (Code::FailedPrecondition, "SEQUENCER_NOT_SHARED"),
            Self::OtherSnapshot { .. } => (Code::FailedPrecondition, "SEQUENCER_SNAPSHOT_OF_OTHER_DATABASE"),
            Self::Store(error) => error.codes(),
            Self::NotInitialized => (Code::FailedPrecondition, "SEQUENCER_NOT_INITIALIZED"),
            Self::Bootstrap(BootstrapError::Begun) => (Code::AlreadyExists, "DOMAIN_ALREADY_BOOTSTRAPPED"),
            Self::Bootstrap(BootstrapError::Unavailable) | Self::Stopped => {
                (Code::Unavailable, "SEQUENCER_UNAVAILABLE")
            }
            Self::Bootstrap(_) => (Code::InvalidArgument, "TOPOLOGY_NOT_TAKEN"),
            _ => (Code::Internal, "SEQUENCER"),
        }
    }
}

impl ToStatus for DisableError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Unknown(_) => (Code::NotFound, "MEMBER_NOT_FOUND"),
            Self::Manager(_) => (Code::FailedPrecondition, "MEMBER_NEEDED"),
            Self::Store(error) => error.codes(),
            _ => (Code::Internal, "SEQUENCER"),
        }
    }
}

impl ToStatus for ParticipantError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::NoIdentity => (Code::FailedPrecondition, "NODE_NOT_INITIALIZED"),
            Self::AliasTaken { .. } => (Code::AlreadyExists, "DOMAIN_ALIAS_DUPLICATION"),
            Self::UnknownAlias { .. } => (Code::NotFound, "UNKNOWN_DOMAIN_ALIAS"),
            Self::Connection(_) | Self::Alias(_) => (Code::InvalidArgument, "SEQUENCER_CONNECTION"),
            Self::Api(error) if error.retryable() => (Code::Unavailable, "DOMAIN_IS_NOT_AVAILABLE"),
            Self::Api(_) => (Code::FailedPrecondition, "DOMAIN_NOT_CONNECTED"),
            Self::Threshold { .. } => (Code::Unimplemented, "UNSUPPORTED"),
            Self::NotConnected { .. } if self.retryable() => (Code::Unavailable, "DOMAIN_IS_NOT_AVAILABLE"),
            Self::NotConnected { .. } => (Code::FailedPrecondition, "DOMAIN_NOT_CONNECTED"),
            Self::OtherAgreement { .. } => (Code::FailedPrecondition, "SERVICE_AGREEMENT"),
            Self::Store(error) => error.codes(),
            _ => (Code::Internal, "PARTICIPANT"),
        }
    }
}

impl ToStatus for PingError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::NoResponder => (Code::InvalidArgument, "PING_WITHOUT_RESPONDER"),
            Self::Duplicate { .. } => (Code::AlreadyExists, "PING_UNDER_WAY"),
            Self::NoDomain { .. } => (Code::FailedPrecondition, "NO_DOMAIN_FOR_PING"),
            Self::TimedOut { .. } => (Code::DeadlineExceeded, "PING_TIMED_OUT"),
            Self::NotSent { .. } => (Code::Aborted, "PING_NOT_SENT"),
            Self::NotConfirmed { .. } => (Code::Aborted, "PING_NOT_CONFIRMED"),
            _ => (Code::Unavailable, "PING_INTERRUPTED"),
        }
    }
}

impl ToStatus for MediatorError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::AlreadyInitialized { .. } => (Code::AlreadyExists, "MEDIATOR_ALREADY_INITIALIZED"),
            Self::NotInitialized => (Code::FailedPrecondition, "MEDIATOR_NOT_INITIALIZED"),
            Self::ForeignMediator { .. } | Self::UnknownKey { .. } | Self::Connection(_) => {
                (Code::InvalidArgument, "MEDIATOR_SETUP")
            }
            Self::Crypto(_) => (Code::FailedPrecondition, "CRYPTO_HANDSHAKE_FAILED"),
            Self::Store(error) => error.codes(),
            Self::Vault(error) => error.codes(),
            Self::Key(_) => (Code::FailedPrecondition, "KEY_NOT_MADE"),
            Self::Api(_) | Self::Run(_) => (Code::FailedPrecondition, "SEQUENCER_NOT_CONNECTED"),
            _ => (Code::Internal, "MEDIATOR"),
        }
    }
}

/// gRPC's code for a class of mistakes.
fn of_class(class: ErrorClass) -> Code {
    match class {
        ErrorClass::InvalidArgument => Code::InvalidArgument,
        ErrorClass::ResourceExists => Code::AlreadyExists,
        ErrorClass::ResourceMissing => Code::NotFound,
        ErrorClass::InvalidState => Code::FailedPrecondition,
        // As in Canton, which answers those who try what they may not with as little as it can.
        ErrorClass::SecurityAlert => Code::InvalidArgument,
        ErrorClass::Unavailable => Code::Unavailable,
        ErrorClass::Internal => Code::Internal,
    }
}

impl ToStatus for ChangeError {
    fn codes(&self) -> (Code, &'static str) {
        match self {
            Self::Sign { source, .. } => source.codes(),
            Self::Store(error) => error.codes(),
            Self::Vault(error) => error.codes(),
            error => (of_class(error.class()), error.code()),
        }
    }
}

impl ToStatus for ReadError {
    fn codes(&self) -> (Code, &'static str) {
        (of_class(self.class()), self.code())
    }
}

impl ToStatus for InitIdError {
    fn codes(&self) -> (Code, &'static str) {
        (of_class(self.class()), self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cantle_sequencing::ApiError;

    use super::*;

    #[test]
    fn a_domain_that_cannot_be_asked_is_no_fault_of_the_node() {
        let endpoint = "https://example.test".to_owned();
        let bad = ApiError::Configuration { endpoint, source: "no certificate".into() };
        let status = ParticipantError::from(bad).to_status();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().starts_with("DOMAIN_NOT_CONNECTED: "), "{status}");
        assert!(status.message().ends_with("no certificate"), "{status}");
        let late = ApiError::TimedOut { call: "GetServiceAgreement", after: Duration::from_secs(1) };
        let status = ParticipantError::from(late).to_status();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with("DOMAIN_IS_NOT_AVAILABLE: "), "{status}");
    }
}
