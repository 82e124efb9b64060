//! The three keys of a participant, found or made by their names.

use cantle_crypto::{EncryptionPublicKey, PublicKey, SigningPublicKey};
use cantle_types::{KeyName, KeyPurpose, NodeName};
use cantle_vault::{GenerateError, KeyRole, Vault, VaultError};
use thiserror::Error;

/// A participant's keys, by what they are for.
#[derive(Clone, Debug)]
pub struct ParticipantKeys {
    /// Its identity: signs topology.
    pub namespace: SigningPublicKey,
    /// Signs protocol messages.
    pub signing: SigningPublicKey,
    /// Decrypts what others encrypt to it.
    pub encryption: EncryptionPublicKey,
}

/// A key that could be neither found nor made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
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

/// Finds the keys named `<node>-namespace`, `<node>-signing` and `<node>-encryption`, and makes those that are not
/// there, side by side: they are independent of each other.
///
/// All three are tried to their end before an error is returned, so that no key is made and forgotten.
///
/// # Errors
/// The first of the keys, in this order, that could be neither found nor made.
pub async fn keys_by_name(vault: &Vault, node: &NodeName) -> Result<ParticipantKeys, KeyError> {
    let (namespace, signing, encryption) = tokio::join!(
        signing_key(vault, node, KeyRole::Namespace),
        signing_key(vault, node, KeyRole::Signing),
        encryption_key(vault, node),
    );
    Ok(ParticipantKeys { namespace: namespace?, signing: signing?, encryption: encryption? })
}

async fn signing_key(vault: &Vault, node: &NodeName, role: KeyRole) -> Result<SigningPublicKey, KeyError> {
    let name = key_name(node, role)?;
    if let Some(PublicKey::Signing(key)) = find(vault, &name, KeyPurpose::Signing).await? {
        return Ok(key);
    }
    let made = vault.generate_signing_key(Some(name.clone()), None, role).await;
    made.map_err(|source| KeyError::Make {
        role: role.as_str(),
        name: name.to_string(),
        source: Box::new(source),
    })
}

async fn encryption_key(vault: &Vault, node: &NodeName) -> Result<EncryptionPublicKey, KeyError> {
    let role = KeyRole::Encryption;
    let name = key_name(node, role)?;
    if let Some(PublicKey::Encryption(key)) = find(vault, &name, KeyPurpose::Encryption).await? {
        return Ok(key);
    }
    let made = vault.generate_encryption_key(Some(name.clone()), None, role).await;
    made.map_err(|source| KeyError::Make {
        role: role.as_str(),
        name: name.to_string(),
        source: Box::new(source),
    })
}

async fn find(vault: &Vault, name: &KeyName, purpose: KeyPurpose) -> Result<Option<PublicKey>, KeyError> {
    match vault.find_by_name(name, purpose).await {
        Ok(found) => Ok(found.map(|info| info.public)),
        Err(source) => Err(KeyError::Find { name: name.to_string(), source: Box::new(source) }),
    }
}

fn key_name(node: &NodeName, role: KeyRole) -> Result<KeyName, KeyError> {
    let name = format!("{node}-{}", role.as_str());
    KeyName::try_from(name.clone()).map_err(|_| KeyError::Name { name })
}
