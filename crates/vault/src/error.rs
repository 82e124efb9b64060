//! Errors of opening a vault and of looking into it.

use cantle_store::{CryptoProvider, StoreError};
use cantle_types::{Fingerprint, KeyName};

/// The command that moves a node's keys to a provider.
fn migration(to: CryptoProvider) -> &'static str {
    match to {
        CryptoProvider::Kms => "cantle migrate to-kms",
        CryptoProvider::Jce => "cantle migrate from-kms",
    }
}

/// Why a vault could not be opened or read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The store failed.
    #[error("the node's key store failed")]
    Store(#[from] StoreError),
    /// The node's keys belong to the other crypto provider.
    #[error(
        "this node's keys were made with crypto.provider = {recorded}, but it is configured with \
         crypto.provider = {configured}: that needs a migration. Nothing was changed. Set crypto.provider back to \
         {recorded}, or move the keys with `{} --node NAME` and this configuration", migration(*configured)
    )]
    ProviderMismatch {
        /// What the store remembers.
        recorded: CryptoProvider,
        /// What the configuration says.
        configured: CryptoProvider,
    },
    /// There is a public key of the wanted name, but this node lacks its private part.
    #[error(
        "the key named {name} ({fingerprint}) is known only by its public part: its private part is not with this \
         node. Import or register the private part, or delete that public key and start again"
    )]
    PrivateKeyMissing {
        /// The name.
        name: KeyName,
        /// The public key of that name.
        fingerprint: Fingerprint,
    },
    /// No creation of a KMS key of that id was interrupted.
    #[error(
        "there is no possible orphan {id}, or its key is just being made; `cantle keys --orphans` lists them"
    )]
    NoSuchOrphan {
        /// The id.
        id: String,
    },
}
