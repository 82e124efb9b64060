//! Whether a change is welcome: the checks before a transaction is added to a state, in Canton's order.
//!
//! Not added before; a removal of something active; not a mapping that is there, signed by the same key; nothing
//! dangerous unless forced; authorized. What only one kind of node cares about is checked by that node, between
//! [`TopologyState::check_change`] and [`TopologyState::check_authorization`].

mod domain;

use cantle_types::{Fingerprint, ProtocolVersion};

use crate::change::TopologyChangeOp;
use crate::error::TopologyError;
use crate::mapping::{OwnerToKeyMapping, TopologyMapping};
use crate::parameters::{DomainParametersChange, DynamicDomainParameters};
use crate::signed::SignedTopologyTransaction;
use crate::state::TopologyState;
use crate::transaction::TopologyTransaction;

/// Whether dangerous changes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Force {
    /// They are refused.
    #[default]
    No,
    /// They are made.
    Yes,
}

/// Whether an addition ends what it takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Replace {
    /// It does not.
    #[default]
    No,
    /// It does.
    Yes,
}

impl From<bool> for Force {
    fn from(force: bool) -> Self {
        if force { Self::Yes } else { Self::No }
    }
}

impl From<bool> for Replace {
    fn from(replace: bool) -> Self {
        if replace { Self::Yes } else { Self::No }
    }
}

/// How a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChangeOptions {
    /// Whether dangerous changes are made.
    pub force: Force,
    /// Whether an addition ends what it takes the place of.
    pub replace: Replace,
}

/// A change that may be made, and what must be removed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The transactions that take back what the change takes the place of; still to be signed.
    pub removals: Vec<TopologyTransaction>,
}

impl TopologyState {
    /// Whether a signed transaction may be added; its signature is verified first.
    ///
    /// # Errors
    /// When it may not, with Canton's reason.
    pub fn check(
        &self,
        signed: &SignedTopologyTransaction,
        options: ChangeOptions,
    ) -> Result<Accepted, TopologyError> {
        signed.check_signature()?;
        let signed_by = signed.key().fingerprint();
        self.check_change(signed.transaction(), signed_by, options.force)?;
        self.check_authorization(signed.transaction(), signed_by)?;
        Ok(Accepted { removals: self.replaced_by(signed.transaction(), options.replace)? })
    }

    /// All checks before authorization, for a transaction that `signed_by` signs or is going to sign.
    ///
    /// # Errors
    /// When the change is not welcome.
    pub fn check_change(
        &self,
        transaction: &TopologyTransaction,
        signed_by: &Fingerprint,
        force: Force,
    ) -> Result<(), TopologyError> {
        self.check_not_seen(transaction, signed_by)?;
        match transaction.op() {
            TopologyChangeOp::Add => self.check_mapping_is_new(transaction, signed_by),
            TopologyChangeOp::Remove => {
                self.check_is_active(transaction)?;
                self.check_removal_is_safe(transaction, signed_by, force)
            }
            TopologyChangeOp::Replace => self.check_replacement_is_safe(transaction, force),
        }
    }

    /// Whether what somebody else has signed and wants may be added: dangerous or not, and though the same mapping may be
    /// there already. Its signature is verified first.
    ///
    /// # Errors
    /// When it does not hold, or the key may not sign this; when it was added before, or has nothing to remove.
    pub fn check_requested(&self, signed: &SignedTopologyTransaction) -> Result<(), TopologyError> {
        signed.check_signature()?;
        self.check_verified(signed)
    }

    /// As [`TopologyState::check_requested`], when the signature has been verified.
    ///
    /// # Errors
    /// As there, but for the signature.
    pub fn check_verified(&self, signed: &SignedTopologyTransaction) -> Result<(), TopologyError> {
        let (transaction, signed_by) = (signed.transaction(), signed.key().fingerprint());
        self.check_not_seen(transaction, signed_by)?;
        if transaction.op() == TopologyChangeOp::Remove {
            self.check_is_active(transaction)?;
        }
        self.check_authorization(transaction, signed_by)
    }

    /// Whether `signed_by` may sign the transaction at present.
    ///
    /// # Errors
    /// [`TopologyError::Unauthorized`].
    pub fn check_authorization(
        &self,
        transaction: &TopologyTransaction,
        signed_by: &Fingerprint,
    ) -> Result<(), TopologyError> {
        if self.is_authorized(transaction, signed_by) {
            return Ok(());
        }
        Err(TopologyError::Unauthorized { path: transaction.unique_path(), signed_by: signed_by.clone() })
    }

    /// The removals of what an addition takes the place of, if it is to replace.
    ///
    /// # Errors
    /// Never for a state whose active transactions may exist.
    pub fn replaced_by(
        &self,
        transaction: &TopologyTransaction,
        replace: Replace,
    ) -> Result<Vec<TopologyTransaction>, TopologyError> {
        if replace == Replace::No || transaction.op() != TopologyChangeOp::Add {
            return Ok(Vec::new());
        }
        let mapping = transaction.mapping();
        let replaced =
            self.of_subject(&mapping.subject()).filter(|active| active.mapping().is_replaced_by(mapping));
        replaced.map(|active| Ok(active.transaction().reverse()?)).collect()
    }

    /// The removal of the oldest active transaction with a mapping.
    ///
    /// # Errors
    /// When there is none, or the mapping cannot be removed.
    pub fn removal_of(&self, mapping: &TopologyMapping) -> Result<TopologyTransaction, TopologyError> {
        mapping.check_operation(TopologyChangeOp::Remove)?;
        let active = self.of_mapping(mapping).next();
        let active = active.ok_or_else(|| TopologyError::NoCorrespondingActiveTransaction {
            code: mapping.code(),
            path: mapping.subject().to_string(),
        })?;
        Ok(active.transaction().reverse()?)
    }

    /// Parameters may be replaced by those of before.
    fn check_not_seen(
        &self,
        transaction: &TopologyTransaction,
        signed_by: &Fingerprint,
    ) -> Result<(), TopologyError> {
        if transaction.op() != TopologyChangeOp::Replace && self.has_seen(transaction, signed_by) {
            let path = transaction.unique_path();
            return Err(TopologyError::DuplicateTransaction { path, signed_by: signed_by.clone() });
        }
        Ok(())
    }

    /// An active addition of the same mapping at the same protocol version, signed by the same key, is enough.
    fn check_mapping_is_new(
        &self,
        transaction: &TopologyTransaction,
        signed_by: &Fingerprint,
    ) -> Result<(), TopologyError> {
        let existing = self.of_mapping(transaction.mapping()).find(|active| {
            active.signed_by() == signed_by && active.transaction().version() == transaction.version()
        });
        match existing {
            None => Ok(()),
            Some(active) => Err(TopologyError::MappingAlreadyExists {
                path: active.transaction().unique_path(),
                signed_by: signed_by.clone(),
            }),
        }
    }

    fn check_is_active(&self, removal: &TopologyTransaction) -> Result<(), TopologyError> {
        let path = removal.unique_path();
        if self.of_path(&path).any(|active| active.mapping() == removal.mapping()) {
            return Ok(());
        }
        let (code, path) = (removal.mapping().code(), path.to_string());
        Err(TopologyError::NoCorrespondingActiveTransaction { code, path })
    }

    fn check_removal_is_safe(
        &self,
        removal: &TopologyTransaction,
        signed_by: &Fingerprint,
        force: Force,
    ) -> Result<(), TopologyError> {
        match removal.mapping() {
            TopologyMapping::OwnerToKeyMapping(mapping) if force == Force::No => {
                self.check_other_key_remains(removal, mapping)
            }
            TopologyMapping::NamespaceDelegation(delegation) => {
                self.check_authorization(removal, signed_by)?;
                self.check_nothing_dangles(removal, delegation.target().fingerprint(), signed_by, force)
            }
            TopologyMapping::IdentifierDelegation(delegation) => {
                self.check_authorization(removal, signed_by)?;
                self.check_nothing_dangles(removal, delegation.target.fingerprint(), signed_by, force)
            }
            _ => Ok(()),
        }
    }

    fn check_other_key_remains(
        &self,
        removal: &TopologyTransaction,
        removed: &OwnerToKeyMapping,
    ) -> Result<(), TopologyError> {
        let purpose = removed.key.purpose();
        let remains = self.of_subject(&removal.mapping().subject()).any(|active| {
            matches!(active.mapping(), TopologyMapping::OwnerToKeyMapping(mapping)
                if mapping.owner == removed.owner && mapping.key.purpose() == purpose)
                && active.transaction().element_id() != removal.element_id()
        });
        if remains {
            return Ok(());
        }
        let (owner, key) = (removed.owner.clone(), removed.key.fingerprint().clone());
        Err(TopologyError::RemovingLastKey { owner, key, purpose })
    }

    /// What is not authorized now does not count: the removal does not make it worse.
    fn check_nothing_dangles(
        &self,
        removal: &TopologyTransaction,
        key: &Fingerprint,
        signed_by: &Fingerprint,
        force: Force,
    ) -> Result<(), TopologyError> {
        if force == Force::Yes {
            return Ok(());
        }
        let mut after = self.clone();
        after.apply(removal, signed_by);
        let dangling = after.active().find(|active| {
            let authorized = |state: &Self| state.is_authorized(active.transaction(), active.signed_by());
            authorized(self) && !authorized(&after)
        });
        match dangling {
            None => Ok(()),
            Some(active) => Err(TopologyError::RemovingKeyWithDanglingTransactions {
                key: key.clone(),
                dangling: active.transaction().unique_path(),
            }),
        }
    }

    fn check_replacement_is_safe(
        &self,
        replacement: &TopologyTransaction,
        force: Force,
    ) -> Result<(), TopologyError> {
        let TopologyMapping::DomainParametersChange(change) = replacement.mapping() else { return Ok(()) };
        let new = change.parameters.ledger_time_record_time_tolerance;
        let old = self.tolerance(replacement, change);
        if force == Force::No && old < new {
            return Err(TopologyError::IncreaseOfLedgerTimeRecordTimeTolerance { old, new });
        }
        Ok(())
    }

    /// The tolerance of a domain at present; the default for one without parameters.
    fn tolerance(
        &self,
        replacement: &TopologyTransaction,
        change: &DomainParametersChange,
    ) -> std::time::Duration {
        let present = self.of_path(&replacement.unique_path()).next_back();
        let present = present.and_then(|active| match active.mapping() {
            TopologyMapping::DomainParametersChange(present) if present.domain == change.domain => {
                Some(present.parameters.ledger_time_record_time_tolerance)
            }
            _ => None,
        });
        present.unwrap_or_else(|| {
            DynamicDomainParameters::defaults(ProtocolVersion::V7).ledger_time_record_time_tolerance
        })
    }
}
