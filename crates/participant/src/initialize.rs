//! Automatic initialization: keys, topology, identity, in this order.

use cantle_identity::{ChangeError, InitIdError, TopologyManager};
use cantle_topology::{NamespaceDelegation, OwnerToKeyMapping, TopologyMapping};
use cantle_types::{Identifier, Member, MemberCode, Namespace, NodeName, UniqueIdentifier};
use cantle_vault::{NamedKeyError, Vault};
use thiserror::Error;

use crate::keys::keys_by_name;

/// A participant that could not be initialized. What was made so far is found and used by the next attempt.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitializeError {
    /// One of its keys could be neither found nor made.
    #[error(transparent)]
    Key(#[from] NamedKeyError),
    /// Its topology transactions were not signed or stored.
    #[error("its topology could not be authorized")]
    Topology(#[source] ChangeError),
    /// Its identity could not be stored.
    #[error("its identity could not be stored")]
    Identity(#[from] InitIdError),
}

/// Makes the participant's keys, signs its topology with the namespace key, and stores its identity.
///
/// The topology is the root namespace delegation and two owner-to-key mappings, signed side by side. With provider
/// kms and an empty store: three CreateKey, three DescribeKey and GetPublicKey, one Decrypt, three Sign; in time five round
/// trips.
/// May be repeated after an error or a crash at any point: what is there is used.
///
/// # Errors
/// [`InitializeError`]; the identity was not stored.
pub async fn initialize(
    vault: &Vault,
    manager: &TopologyManager,
    node: &NodeName,
    identifier: Identifier,
) -> Result<UniqueIdentifier, InitializeError> {
    let keys = keys_by_name(vault, node).await?;
    let fingerprint = keys.namespace.fingerprint().clone();
    let uid = UniqueIdentifier::new(identifier.clone(), Namespace::new(fingerprint.clone()));
    let owner = Member::new(MemberCode::Participant, uid);
    let mapping = |key| TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: owner.clone(), key });
    manager
        .authorize_all(vec![
            TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(keys.namespace)),
            mapping(keys.signing.into()),
            mapping(keys.encryption.into()),
        ])
        .await
        .map_err(InitializeError::Topology)?;
    Ok(manager.init_id(identifier, &fingerprint).await?)
}
