//! A node's keys: create, register, list, import, export and delete them; sign and decrypt with them.
//!
//! The vault stands between a node and whoever holds its private keys: AWS KMS (provider kms) or the node's own store
//! (provider jce), in clear or encrypted with a wrapper key of a KMS. It does not know topology: which key a transaction needs is decided above. Invariants: a key is
//! reported only once its rows are on disk; a signature leaves only if it verifies with the registered public
//! key; no alias is ever stored; no key of a KMS is deleted but one that the node made, when an operator says so.
//! Source: <https://docs.daml.com/canton/usermanual/kms/kms.html>.

mod check;
mod deletion;
mod detached;
mod error;
mod generate;
mod info;
mod key_scheme;
mod migration;
mod named;
mod options;
mod private;
mod reconcile;
mod register;
mod scheme;
mod strays;
mod transfer;
mod trial;
mod use_key;
mod vault;
mod wrapping;

pub use check::{KeyCheck, KeyCheckError, KeyStatus};
pub use deletion::{KeyDeletionError, ScheduledDeletion};
pub use detached::DetachedKmsKey;
pub use error::VaultError;
pub use generate::GenerateError;
pub use info::{KeyFilter, PrivateKeyInfo};
pub use migration::{
    ArchiveError, ArchivedKey, Ed25519Keys, ImportStep, KeyArchive, KeyMove, MigrationError, PlannedKey,
    import_spec,
};
pub use named::NamedKeyError;
pub use options::{CREATION_TAG, KeyRole, Registrable, VaultOptions};
pub use register::{KmsPublicKeyError, RegisterError, TrialError};
pub use scheme::{Scheme, SchemeError, Schemes, SchemesError};
pub use strays::{StrayKey, StrayKeys, StrayKeysError};
pub use transfer::{DeleteError, DeletedKeyPair, ExportError, ImportError, KeyInUse};
pub use use_key::{DecryptError, KeyUseError, SignError};
pub use vault::{Vault, VaultBackend};
pub use wrapping::{WrapperKeyError, Wrapping};
