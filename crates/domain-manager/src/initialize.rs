//! Automatic initialization of a domain's identity: keys, founding topology, identity, in this order.
//!
//! A distributed domain's manager signs the namespace, the dynamic parameters and its own key; the keys of sequencers
//! and mediators follow when they are authorized. An embedded domain is manager, mediator and sequencer at once, with
//! a key for each.

use cantle_crypto::SigningPublicKey;
use cantle_identity::{ChangeError, InitIdError, TopologyManager};
use cantle_topology::{
    DomainParametersChange, DynamicDomainParameters, MediatorDomainState, NamespaceDelegation,
    OwnerToKeyMapping, RequestSide, TopologyMapping,
};
use cantle_types::{DomainId, Identifier, Member, MemberCode, Namespace, NodeName, UniqueIdentifier};
use cantle_vault::{KeyRole, NamedKeyError, Vault};
use thiserror::Error;

/// Which members of the domain the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DomainRoles {
    /// The manager of a distributed domain.
    Manager,
    /// Manager, mediator and sequencer of an embedded domain.
    All,
}

/// A domain that could not be initialized. What was made so far is found and used by the next attempt.
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

/// The signing keys of a domain's members that are with the node.
#[derive(Debug, Clone)]
struct DomainKeys {
    namespace: SigningPublicKey,
    manager: SigningPublicKey,
    /// Mediator and sequencer, where the node is them too.
    others: Option<(SigningPublicKey, SigningPublicKey)>,
}

/// Makes the domain's keys, signs its founding topology with the namespace key, and stores its identity.
///
/// Keys are found or made side by side, as are the signatures. With provider kms and an empty store: for each key
/// CreateKey, DescribeKey and GetPublicKey, for each transaction Sign; in time four round trips. May be repeated after
/// an error or a crash at any point: what is there is used.
///
/// # Errors
/// [`InitializeError`]; the identity was not stored.
pub async fn initialize(
    vault: &Vault,
    manager: &TopologyManager,
    node: &NodeName,
    identifier: Identifier,
    roles: DomainRoles,
    parameters: DynamicDomainParameters,
) -> Result<UniqueIdentifier, InitializeError> {
    let keys = keys_by_name(vault, node, roles).await?;
    let fingerprint = keys.namespace.fingerprint().clone();
    let domain =
        DomainId::new(UniqueIdentifier::new(identifier.clone(), Namespace::new(fingerprint.clone())));
    let mut mappings = founding_mappings(&domain, keys.namespace, keys.manager, parameters);
    if let Some((mediator, sequencer)) = keys.others {
        mappings.push(key_of(MemberCode::Mediator, &domain, mediator));
        mappings.push(TopologyMapping::MediatorDomainState(MediatorDomainState {
            side: RequestSide::Both,
            domain: domain.clone(),
            mediator: domain.uid().clone(),
        }));
        mappings.push(key_of(MemberCode::Sequencer, &domain, sequencer));
    }
    manager.authorize_all(mappings).await.map_err(InitializeError::Topology)?;
    Ok(manager.init_id(identifier, &fingerprint).await?)
}

/// What every domain is founded with: its namespace, its dynamic parameters, and the key of its manager.
#[must_use]
pub fn founding_mappings(
    domain: &DomainId,
    namespace: SigningPublicKey,
    manager: SigningPublicKey,
    parameters: DynamicDomainParameters,
) -> Vec<TopologyMapping> {
    vec![
        TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(namespace)),
        TopologyMapping::DomainParametersChange(DomainParametersChange {
            domain: domain.clone(),
            parameters,
        }),
        key_of(MemberCode::DomainTopologyManager, domain, manager),
    ]
}

fn key_of(code: MemberCode, domain: &DomainId, key: SigningPublicKey) -> TopologyMapping {
    let owner = Member::new(code, domain.uid().clone());
    TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key: key.into() })
}

/// All are tried to their end before an error is returned, so that no key is made and forgotten.
async fn keys_by_name(
    vault: &Vault,
    node: &NodeName,
    roles: DomainRoles,
) -> Result<DomainKeys, NamedKeyError> {
    let namespace = vault.named_signing_key(node, "namespace", KeyRole::Namespace);
    let manager = vault.named_signing_key(node, "topology-manager-signing", KeyRole::Signing);
    match roles {
        DomainRoles::Manager => {
            let (namespace, manager) = tokio::join!(namespace, manager);
            Ok(DomainKeys { namespace: namespace?, manager: manager?, others: None })
        }
        DomainRoles::All => {
            let mediator = vault.named_signing_key(node, "mediator-signing", KeyRole::Signing);
            let sequencer = vault.named_signing_key(node, "sequencer-signing", KeyRole::Signing);
            let (namespace, manager, mediator, sequencer) =
                tokio::join!(namespace, manager, mediator, sequencer);
            Ok(DomainKeys { namespace: namespace?, manager: manager?, others: Some((mediator?, sequencer?)) })
        }
    }
}
