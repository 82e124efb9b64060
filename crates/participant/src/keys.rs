//! The three keys of a participant, found or made by their names.

use cantle_crypto::{EncryptionPublicKey, SigningPublicKey};
use cantle_types::NodeName;
use cantle_vault::{KeyRole, NamedKeyError, Vault};

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

/// Finds the keys named `<node>-namespace`, `<node>-signing` and `<node>-encryption`, and makes those that are not
/// there, side by side: they are independent of each other.
///
/// All three are tried to their end before an error is returned, so that no key is made and forgotten.
///
/// # Errors
/// The first of the keys, in this order, that could be neither found nor made.
pub async fn keys_by_name(vault: &Vault, node: &NodeName) -> Result<ParticipantKeys, NamedKeyError> {
    let (namespace, signing, encryption) = tokio::join!(
        vault.named_signing_key(node, "namespace", KeyRole::Namespace),
        vault.named_signing_key(node, "signing", KeyRole::Signing),
        vault.named_encryption_key(node, "encryption"),
    );
    Ok(ParticipantKeys { namespace: namespace?, signing: signing?, encryption: encryption? })
}
