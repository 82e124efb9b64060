//! What only a participant's manager cares about: keys that it does not have, and packages that it unvets.
//!
//! Not checked: whether the packages to vet are on this node, which has no package store of its own.

use cantle_store::NodeKind;
use cantle_topology::{
    Force, OwnerToKeyMapping, Packages, TopologyChangeOp, TopologyMapping, TopologyTransaction,
};
use cantle_types::ParticipantId;

use crate::error::ChangeError;
use crate::manager::TopologyManager;

impl TopologyManager {
    /// The checks of this kind of node.
    pub(crate) async fn check_for_node(
        &self,
        transaction: &TopologyTransaction,
        force: Force,
    ) -> Result<(), ChangeError> {
        if self.inner.vault.options().node.kind != NodeKind::Participant {
            return Ok(());
        }
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
