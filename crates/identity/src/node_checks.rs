//! What only one kind of node cares about.
//!
//! A participant: keys that it does not have, and packages that it unvets. Not checked: whether the packages to vet are
//! on this node, which has no package store of its own. A domain: what is for it, and whom it lets in.

use cantle_store::NodeKind;
use cantle_topology::{
    Force, OwnerToKeyMapping, Packages, TopologyChangeOp, TopologyMapping, TopologyState, TopologyTransaction,
};
use cantle_types::{DomainId, ParticipantId};

use crate::error::ChangeError;
use crate::manager::TopologyManager;

impl TopologyManager {
    /// The checks of this kind of node.
    pub(crate) async fn check_for_node(
        &self,
        state: &TopologyState,
        transaction: &TopologyTransaction,
        force: Force,
    ) -> Result<(), ChangeError> {
        match self.inner.vault.options().node.kind {
            NodeKind::Participant => self.check_for_participant(transaction, force).await,
            NodeKind::Domain | NodeKind::DomainManager => self.check_for_domain(state, transaction),
            NodeKind::Sequencer | NodeKind::Mediator => Ok(()),
        }
    }

    /// Until it has its identity, nothing can be said of what is for the domain.
    fn check_for_domain(
        &self,
        state: &TopologyState,
        transaction: &TopologyTransaction,
    ) -> Result<(), ChangeError> {
        let Some(uid) = self.uid() else { return Ok(()) };
        Ok(state.check_for_domain(transaction, &DomainId::new(uid), self.protocol_version())?)
    }

    async fn check_for_participant(
        &self,
        transaction: &TopologyTransaction,
        force: Force,
    ) -> Result<(), ChangeError> {
        match (transaction.op(), transaction.mapping()) {
            (TopologyChangeOp::Add, TopologyMapping::OwnerToKeyMapping(mapping)) => {
                self.check_owner(mapping, force).await
            }
            (op, TopologyMapping::VettedPackages(packages)) => self.check_vetting(op, packages, force),
            _ => Ok(()),
        }
    }

    /// A key of this participant must be with it, forced or not; one of another participant must be forced. Before it
    /// has its identity, the participant takes every participant for itself, unless it is forced.
    async fn check_owner(&self, mapping: &OwnerToKeyMapping, force: Force) -> Result<(), ChangeError> {
        let Ok(participant) = ParticipantId::try_from(mapping.owner.clone()) else { return Ok(()) };
        let is_own = match self.uid() {
            Some(uid) => participant.uid() == &uid,
            None => force == Force::No,
        };
        if !is_own {
            return match force {
                Force::Yes => Ok(()),
                Force::No => Err(ChangeError::AlienParticipant { participant }),
            };
        }
        let fingerprint = mapping.key.fingerprint();
        if self.has_private_part(fingerprint, mapping.key.purpose()).await? {
            return Ok(());
        }
        Err(ChangeError::KeyWithoutPrivatePart { fingerprint: fingerprint.clone() })
    }

    fn check_vetting(
        &self,
        op: TopologyChangeOp,
        packages: &Packages,
        force: Force,
    ) -> Result<(), ChangeError> {
        let is_own = self.uid().is_none_or(|uid| packages.participant.uid() == &uid);
        if force == Force::Yes || (op == TopologyChangeOp::Add && is_own) {
            return Ok(());
        }
        Err(ChangeError::DangerousVetting { participant: packages.participant.clone() })
    }
}
