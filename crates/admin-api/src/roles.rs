//! What a node's keys are for: what the topology says of them, and before it says anything, their names.

use cantle_identity::{ListQuery, ReadError};
use cantle_topology::TopologyMapping;
use cantle_types::{Fingerprint, KeyName, KeyPurpose};
use cantle_vault::{KeyRole, PrivateKeyInfo};

use crate::NodeTopology;

/// The active topology of one node at one moment.
#[derive(Debug)]
pub struct Roles {
    namespace: Option<Fingerprint>,
    active: Vec<TopologyMapping>,
}

impl Roles {
    /// Reads the topology as it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(topology: &NodeTopology) -> Result<Self, ReadError> {
        let query = ListQuery { state_only: true, ..ListQuery::default() };
        let active = topology.lists().list(&query).await?;
        Ok(Self {
            namespace: topology.uid().map(|uid| uid.namespace().fingerprint().clone()),
            active: active
                .into_iter()
                .map(|listed| listed.stored.transaction.transaction().mapping().clone())
                .collect(),
        })
    }

    /// `namespace`, `signing` or `encryption`.
    #[must_use]
    pub fn role_of(&self, key: &PrivateKeyInfo) -> &'static str {
        if key.purpose() == KeyPurpose::Encryption {
            return KeyRole::Encryption.as_str();
        }
        let delegated = self.active.iter().any(|mapping| {
            matches!(mapping, TopologyMapping::NamespaceDelegation(delegation)
                if delegation.target().fingerprint() == key.fingerprint())
        });
        let namespace = delegated
            || self.namespace.as_ref() == Some(key.fingerprint())
            || role_of_name(key.name.as_ref()) == KeyRole::Namespace;
        if namespace { KeyRole::Namespace.as_str() } else { KeyRole::Signing.as_str() }
    }

    /// What needs the key, in a few words.
    #[must_use]
    pub fn use_of(&self, key: &Fingerprint) -> Option<String> {
        if self.namespace.as_ref() == Some(key) {
            return Some("it is this node's namespace".to_owned());
        }
        match self.active.iter().find(|mapping| mapping.key() == Some(key))? {
            TopologyMapping::NamespaceDelegation(delegation) => {
                Some(format!("namespace {} is delegated to it", delegation.namespace()))
            }
            TopologyMapping::IdentifierDelegation(delegation) => {
                Some(format!("{} is delegated to it", delegation.identifier))
            }
            TopologyMapping::OwnerToKeyMapping(mapping) => Some(format!("it is mapped to {}", mapping.owner)),
            _ => None,
        }
    }

    /// Whether the key is the root of this node's namespace and nothing else, and another one that `is_here` may sign for the
    /// namespace in its stead.
    #[must_use]
    pub fn is_spare_root(&self, key: &Fingerprint, is_here: impl Fn(&Fingerprint) -> bool) -> bool {
        let others = self.active.iter().any(|mapping| {
            mapping.key() == Some(key) && !matches!(mapping, TopologyMapping::NamespaceDelegation(_))
        });
        let delegated = self.active.iter().any(|mapping| {
            matches!(mapping, TopologyMapping::NamespaceDelegation(delegation)
                if delegation.namespace().fingerprint() == key
                    && mapping.key().is_some_and(|target| target != key && is_here(target)))
        });
        self.namespace.as_ref() == Some(key) && !others && delegated
    }
}

/// The role that a signing key's name tells, by Canton's convention `<node>-namespace`, `<node>-signing`.
pub(crate) fn role_of_name(name: Option<&KeyName>) -> KeyRole {
    match name.map(KeyName::as_str) {
        Some(name) if name.ends_with("-namespace") => KeyRole::Namespace,
        Some(name) if name.ends_with("-signing") => KeyRole::Signing,
        _ => KeyRole::Other,
    }
}
