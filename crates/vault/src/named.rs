//! Keys by their names: found, or made where they are not there. Canton's getOrCreate, for every role.
//!
//! The name is the one tie between a role and its key, so a name that only a foreign public key has is an error and
//! never a reason to make another key.

use cantle_crypto::{EncryptionPublicKey, PublicKey, SigningPublicKey};
use cantle_types::{KeyName, KeyPurpose, NodeName};
use thiserror::Error;

use crate::{GenerateError, KeyRole, Vault, VaultError};

/// A key that could be neither found nor made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NamedKeyError {
    /// The keys that are there could not be read, or one lacks its private part.
    #[error("the key named {name} cannot be used")]
    Find {
        /// The key's name.
        name: String,
        /// Why.
        #[source]
        source: Box<VaultError>,
    },
    /// The key could not be made.
    #[error("the {role} key named {name} could not be made")]
    Make {
        /// What it is for.
        role: &'static str,
        /// The key's name.
        name: String,
        /// Why.
        #[source]
        source: Box<GenerateError>,
    },
    /// `<node>-<role>` is longer than a key's name may be.
    #[error("the name {name} is no key name; give the node a shorter name")]
    Name {
        /// What would have been the key's name.
        name: String,
    },
}

impl Vault {
    /// The signing key named `<node>-<suffix>`, made if it is not there.
    ///
    /// With provider kms, what is made costs what [`Vault::generate_signing_key`] says; a key that is found costs
    /// nothing.
    ///
    /// # Errors
    /// [`NamedKeyError`].
    pub async fn named_signing_key(
        &self,
        node: &NodeName,
        suffix: &str,
        role: KeyRole,
    ) -> Result<SigningPublicKey, NamedKeyError> {
        let name = key_name(node, suffix)?;
        if let Some(PublicKey::Signing(key)) = self.find_named(&name, KeyPurpose::Signing).await? {
            return Ok(key);
        }
        let made = self.generate_signing_key(Some(name.clone()), None, role).await;
        made.map_err(|source| not_made(role, &name, source))
    }

    /// The encryption key named `<node>-<suffix>`, made if it is not there.
    ///
    /// # Errors
    /// [`NamedKeyError`].
    pub async fn named_encryption_key(
        &self,
        node: &NodeName,
        suffix: &str,
    ) -> Result<EncryptionPublicKey, NamedKeyError> {
        let name = key_name(node, suffix)?;
        if let Some(PublicKey::Encryption(key)) = self.find_named(&name, KeyPurpose::Encryption).await? {
            return Ok(key);
        }
        let role = KeyRole::Encryption;
        let made = self.generate_encryption_key(Some(name.clone()), None, role).await;
        made.map_err(|source| not_made(role, &name, source))
    }

    async fn find_named(
        &self,
        name: &KeyName,
        purpose: KeyPurpose,
    ) -> Result<Option<PublicKey>, NamedKeyError> {
        match self.find_by_name(name, purpose).await {
            Ok(found) => Ok(found.map(|info| info.public)),
            Err(source) => Err(NamedKeyError::Find { name: name.to_string(), source: Box::new(source) }),
        }
    }
}

fn not_made(role: KeyRole, name: &KeyName, source: GenerateError) -> NamedKeyError {
    NamedKeyError::Make { role: role.as_str(), name: name.to_string(), source: Box::new(source) }
}

fn key_name(node: &NodeName, suffix: &str) -> Result<KeyName, NamedKeyError> {
    let name = format!("{node}-{suffix}");
    KeyName::try_from(name.clone()).map_err(|_| NamedKeyError::Name { name })
}
