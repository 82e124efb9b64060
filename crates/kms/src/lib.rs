//! A key management service as a node sees it: the trait, its errors, its contract suite and its wrappers.
//!
//! [`Kms`] is the contract every backend keeps, [`KmsError`] the one error of it, [`KmsKeyId`] AWS's name of a key.
//! Nothing here talks to a network.

mod algorithm;
mod error;
mod key;
mod key_id;
mod operation;
mod service;

pub use algorithm::{EncryptionAlgorithm, SigningAlgorithm};
pub use error::{CredentialsProblem, FailedCall, KmsError, NetworkProblem, ServiceMessage};
pub use key::{CreateKey, KeyMetadata, KeySpec, KeyState, KeyUsage, KmsPublicKey, MultiRegion, OriginType};
pub use key_id::{KmsKeyId, KmsKeyIdError, KmsKeyIdKind};
pub use operation::Operation;
pub use service::{CallMode, Kms, Reply};
