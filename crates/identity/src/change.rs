//! Changing the topology: authorizing mappings with this node's keys, and adding what others signed.
//!
//! A change is checked before it is signed, so that what cannot be added costs no request to a KMS. Several mappings
//! are planned one after the other, signed side by side, and stored in their order in one store transaction.

use cantle_topology::{
    ChangeOptions, Force, SignedTopologyTransaction, TopologyChangeOp, TopologyMapping, TopologyState,
};
use cantle_types::Fingerprint;
use futures::future::try_join_all;

use crate::error::ChangeError;
use crate::manager::TopologyManager;
use crate::plan::{Plan, Planned};

impl TopologyManager {
    /// Makes, signs and stores one change, and returns the transaction.
    ///
    /// A removal takes back the oldest active transaction with the mapping. Without `signed_by`, the most recently
    /// delegated of the keys that may sign and are with this node signs. One request to the KMS (`kms:Sign`), and one
    /// more for each mapping that is replaced, side by side.
    ///
    /// # Errors
    /// [`ChangeError`]. Nothing was stored.
    pub async fn authorize(
        &self,
        op: TopologyChangeOp,
        mapping: TopologyMapping,
        signed_by: Option<Fingerprint>,
        options: ChangeOptions,
    ) -> Result<SignedTopologyTransaction, ChangeError> {
        let writer = self.writer().await?;
        let mut plan = Plan::new(self, TopologyState::clone(&self.state()));
        plan.change(op, mapping, signed_by, options).await?;
        let signed = self.sign_all(plan.finish()).await?;
        let first = signed.first().cloned().expect("a change plans itself before what it replaces");
        self.append(writer, signed).await?;
        Ok(first)
    }

    /// Adds several mappings at once and returns the transactions that were added.
    ///
    /// A mapping that is active, signed by the key that would sign it now, is left as it is: the call may be repeated.
    /// Each mapping may rest on those before it. The signatures are made side by side (`kms:Sign` for each), and all
    /// transactions are stored or none.
    ///
    /// # Errors
    /// [`ChangeError`]. Nothing was stored.
    pub async fn authorize_all(
        &self,
        mappings: Vec<TopologyMapping>,
    ) -> Result<Vec<SignedTopologyTransaction>, ChangeError> {
        let writer = self.writer().await?;
        let mut plan = Plan::new(self, TopologyState::clone(&self.state()));
        for mapping in mappings {
            plan.ensure(mapping).await?;
        }
        let signed = self.sign_all(plan.finish()).await?;
        if !signed.is_empty() {
            self.append(writer, signed.clone()).await?;
        }
        Ok(signed)
    }

    /// Adds a transaction that was signed elsewhere, or before. Dangerous changes are made, as in Canton.
    ///
    /// # Errors
    /// [`ChangeError`], if the signature does not hold or the state does not allow it. Nothing was stored.
    pub async fn add(&self, signed: SignedTopologyTransaction) -> Result<(), ChangeError> {
        let writer = self.writer().await?;
        let options = ChangeOptions { force: Force::Yes, ..ChangeOptions::default() };
        let state = self.state();
        state.check(&signed, options)?;
        self.check_for_node(&state, signed.transaction(), options.force).await?;
        self.append(writer, vec![signed]).await
    }

    /// Adds what somebody else asks for, signed by them: dangerous or not, and though the same mapping may be there.
    ///
    /// # Errors
    /// As [`TopologyManager::add`].
    pub async fn add_requested(&self, signed: SignedTopologyTransaction) -> Result<(), ChangeError> {
        let writer = self.writer().await?;
        let state = self.state();
        state.check_requested(&signed)?;
        self.check_for_node(&state, signed.transaction(), Force::Yes).await?;
        self.append(writer, vec![signed]).await
    }

    async fn sign_all(&self, planned: Vec<Planned>) -> Result<Vec<SignedTopologyTransaction>, ChangeError> {
        let vault = &self.inner.vault;
        try_join_all(planned.into_iter().map(|Planned { transaction, key }| async move {
            match vault.sign(&transaction.hash(), key.fingerprint()).await {
                Ok(signature) => Ok(SignedTopologyTransaction::assemble(transaction, key, signature)),
                Err(source) => {
                    let path = transaction.unique_path();
                    Err(ChangeError::Sign { path, source: Box::new(source) })
                }
            }
        }))
        .await
    }
}
