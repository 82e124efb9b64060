//! What is to be signed, worked out on a copy of the state: transactions, keys, and whether all of it is allowed.
//!
//! Nothing here signs or stores. A later change of a plan sees the earlier ones as if they had been made.

use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_topology::{
    ChangeOptions, Force, TopologyChangeOp, TopologyMapping, TopologyState, TopologyTransaction,
};
use cantle_types::{Fingerprint, KeyPurpose, TopologyElementId};

use crate::error::ChangeError;
use crate::manager::TopologyManager;

/// A transaction that may be added once its key has signed it.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) transaction: TopologyTransaction,
    pub(crate) key: SigningPublicKey,
}

/// Changes that are not yet made.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    manager: &'a TopologyManager,
    state: TopologyState,
    planned: Vec<Planned>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(manager: &'a TopologyManager, state: TopologyState) -> Self {
        Self { manager, state, planned: Vec::new() }
    }

    pub(crate) fn finish(self) -> Vec<Planned> {
        self.planned
    }

    /// Plans one change, and after it the removals of what it replaces.
    pub(crate) async fn change(
        &mut self,
        op: TopologyChangeOp,
        mapping: TopologyMapping,
        signed_by: Option<Fingerprint>,
        options: ChangeOptions,
    ) -> Result<(), ChangeError> {
        let transaction = match op {
            TopologyChangeOp::Remove => self.state.removal_of(&mapping)?,
            TopologyChangeOp::Add | TopologyChangeOp::Replace => {
                let version = self.manager.protocol_version();
                TopologyTransaction::new(op, TopologyElementId::random(), mapping, version)?
            }
        };
        let key = match signed_by {
            Some(fingerprint) => self.named_key(fingerprint).await?,
            None => self.preferred_key(transaction.mapping()).await?,
        };
        let removals = self.state.replaced_by(&transaction, options.replace)?;
        self.add(transaction, key, options.force).await?;
        for removal in removals {
            let key = self.preferred_key(removal.mapping()).await?;
            self.state.check_authorization(&removal, key.fingerprint())?;
            self.push(removal, key);
        }
        Ok(())
    }

    /// Plans the addition of a mapping, unless it is there, signed by the key that would sign it now.
    pub(crate) async fn ensure(&mut self, mapping: TopologyMapping) -> Result<(), ChangeError> {
        let op = if mapping.is_governance() { TopologyChangeOp::Replace } else { TopologyChangeOp::Add };
        let version = self.manager.protocol_version();
        let transaction = TopologyTransaction::new(op, TopologyElementId::random(), mapping, version)?;
        let mapping = transaction.mapping();
        let key = self.preferred_key(mapping).await?;
        if self.state.of_mapping(mapping).any(|active| active.signed_by() == key.fingerprint()) {
            return Ok(());
        }
        self.add(transaction, key, Force::No).await
    }

    async fn add(
        &mut self,
        transaction: TopologyTransaction,
        key: SigningPublicKey,
        force: Force,
    ) -> Result<(), ChangeError> {
        self.state.check_change(&transaction, key.fingerprint(), force)?;
        self.manager.check_for_node(&self.state, &transaction, force).await?;
        self.state.check_authorization(&transaction, key.fingerprint())?;
        self.push(transaction, key);
        Ok(())
    }

    fn push(&mut self, transaction: TopologyTransaction, key: SigningPublicKey) {
        self.state.apply(&transaction, key.fingerprint());
        self.planned.push(Planned { transaction, key });
    }

    /// The key that was asked for, if it is a signing key of this node.
    async fn named_key(&self, fingerprint: Fingerprint) -> Result<SigningPublicKey, ChangeError> {
        let vault = &self.manager.inner.vault;
        let Some(PublicKey::Signing(key)) = vault.public_key(&fingerprint).await?.map(|stored| stored.key)
        else {
            return Err(ChangeError::PublicKeyNotInStore { fingerprint });
        };
        if self.manager.has_private_part(&fingerprint, KeyPurpose::Signing).await? {
            Ok(key)
        } else {
            Err(ChangeError::SecretKeyNotInStore { fingerprint })
        }
    }

    /// The first of the keys that may sign whose private part is with this node.
    async fn preferred_key(&self, mapping: &TopologyMapping) -> Result<SigningPublicKey, ChangeError> {
        let candidates = self.state.signing_keys_for(mapping);
        for candidate in &candidates {
            let private = self.manager.inner.vault.private_key(candidate).await?;
            if let Some(PublicKey::Signing(key)) = private.map(|info| info.public) {
                return Ok(key);
            }
        }
        Err(ChangeError::NoAppropriateSigningKeyInStore { candidates })
    }
}

impl TopologyManager {
    /// Whether a key is of a purpose and its private part with this node.
    pub(crate) async fn has_private_part(
        &self,
        fingerprint: &Fingerprint,
        purpose: KeyPurpose,
    ) -> Result<bool, ChangeError> {
        let private = self.inner.vault.private_key(fingerprint).await?;
        Ok(private.is_some_and(|info| info.purpose() == purpose))
    }
}
