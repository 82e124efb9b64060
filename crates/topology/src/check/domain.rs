//! What a domain's topology manager asks of a change besides what every manager asks.
//!
//! It speaks for one domain and one protocol version, knows the keys of no other domain's members, and lets a participant in
//! only when that can be spoken to.

use cantle_types::{DomainId, MemberCode, ProtocolVersion};

use crate::change::{RequestSide, TopologyChangeOp};
use crate::error::TopologyError;
use crate::mapping::{OwnerToKeyMapping, ParticipantState, TopologyMapping};
use crate::path::{MappingCode, Subject};
use crate::state::TopologyState;
use crate::transaction::TopologyTransaction;
use crate::view::TopologyView;

impl TopologyTransaction {
    /// Whether the transaction is one for this domain, in its protocol version.
    ///
    /// # Errors
    /// [`TopologyError::WrongProtocolVersion`], [`TopologyError::WrongDomain`].
    pub fn check_place(&self, domain: &DomainId, expected: ProtocolVersion) -> Result<(), TopologyError> {
        if self.version() != expected {
            let (path, found) = (self.unique_path(), self.version());
            return Err(TopologyError::WrongProtocolVersion { path, found, expected });
        }
        match self.mapping().restricted_to_domain() {
            Some(found) if found != domain => {
                Err(TopologyError::WrongDomain { found: found.clone(), expected: domain.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl TopologyState {
    /// The checks of a domain's topology manager.
    ///
    /// # Errors
    /// When the change is not one for this domain, concerns the members of another one, or would let a participant in
    /// that has no keys.
    pub fn check_for_domain(
        &self,
        transaction: &TopologyTransaction,
        domain: &DomainId,
        version: ProtocolVersion,
    ) -> Result<(), TopologyError> {
        transaction.check_place(domain, version)?;
        match transaction.mapping() {
            TopologyMapping::OwnerToKeyMapping(mapping) => check_owner(mapping, domain),
            TopologyMapping::ParticipantState(state) if transaction.op() == TopologyChangeOp::Add => {
                self.check_enabling(state, transaction)
            }
            _ => Ok(()),
        }
    }

    /// A participant is enabled by the second of the two sides, and by then needs keys of both purposes. No protocol version
    /// that is spoken here has both sides in one transaction.
    fn check_enabling(
        &self,
        state: &ParticipantState,
        transaction: &TopologyTransaction,
    ) -> Result<(), TopologyError> {
        if state.side() == RequestSide::Both {
            return Err(TopologyError::BothSidesOfParticipant { path: transaction.unique_path() });
        }
        if !state.permission().is_active() || !self.has_other_side(state) {
            return Ok(());
        }
        let view = TopologyView::new(state.domain().clone(), transaction.version(), self.clone());
        let member = state.participant().member();
        let (signing, encryption) =
            (view.signing_key(member).is_some(), view.encryption_key(member).is_some());
        if signing && encryption {
            return Ok(());
        }
        Err(TopologyError::ParticipantNotInitialized {
            participant: state.participant().clone(),
            missing: match (signing, encryption) {
                (false, false) => "a signing key and an encryption key",
                (false, true) => "a signing key",
                (true, _) => "an encryption key",
            },
        })
    }

    fn has_other_side(&self, state: &ParticipantState) -> bool {
        let subject = Subject::of_uid(MappingCode::ParticipantState, state.participant().uid());
        self.of_subject(&subject).any(|active| match active.mapping() {
            TopologyMapping::ParticipantState(other) => {
                other.domain() == state.domain()
                    && other.side() != state.side()
                    && other.permission().is_active()
            }
            _ => false,
        })
    }
}

/// Participants and mediators may come from anywhere; manager and sequencer bear the name of their domain.
fn check_owner(mapping: &OwnerToKeyMapping, domain: &DomainId) -> Result<(), TopologyError> {
    match mapping.owner.code() {
        MemberCode::Participant | MemberCode::Mediator => Ok(()),
        _ if mapping.owner.uid() == domain.uid() => Ok(()),
        _ => Err(TopologyError::AlienDomainEntities { owner: mapping.owner.clone() }),
    }
}
