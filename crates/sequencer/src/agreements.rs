//! Who accepted the service agreement: a participant does by the signature it authenticates itself with.
//!
//! Invariant: an acceptance that is listed is on disk; each participant has one for each text, the first.

use std::sync::{Arc, Mutex, PoisonError};

use cantle_crypto::Signature;
use cantle_proto::domain::admin::v0::{ServiceAgreementAcceptance, ServiceAgreementAcceptances};
use cantle_store::{NodeStore, RoleSetting, StoreError};
use cantle_types::{DomainId, Member, MemberCode};
use jiff::Timestamp;
use prost::Message;

use crate::sequencer::Sequencer;

/// That a participant accepted an agreement.
pub type Acceptance = ServiceAgreementAcceptance;

/// All acceptances.
#[derive(Debug)]
pub(crate) struct Agreements {
    store: Arc<dyn NodeStore>,
    setting: RoleSetting,
    accepted: Mutex<Vec<Acceptance>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Agreements {
    pub(crate) async fn open(store: Arc<dyn NodeStore>, domain: &DomainId) -> Result<Self, StoreError> {
        let setting = RoleSetting::AgreementAcceptances(domain.clone());
        let stored = store.setting_find(&setting).await?.unwrap_or_default();
        let list = ServiceAgreementAcceptances::decode(&*stored).unwrap_or_else(|error| {
            tracing::error!(%domain, %error, "the stored acceptances of the service agreement cannot be read");
            ServiceAgreementAcceptances::default()
        });
        Ok(Self {
            store,
            setting,
            accepted: Mutex::new(list.acceptances),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// Reads anew what is stored: sequencers that share a database note it there.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let stored = self.store.setting_find(&self.setting).await?.unwrap_or_default();
        let Ok(list) = ServiceAgreementAcceptances::decode(&*stored) else { return Ok(()) };
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if accepted.len() < list.acceptances.len() {
            *accepted = list.acceptances;
        }
        Ok(())
    }

    fn list(&self) -> Vec<Acceptance> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn knows(&self, agreement: &str, participant: &str) -> bool {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.iter().any(|one| one.agreement_id == agreement && one.participant_id == participant)
    }

    async fn note(&self, acceptance: Acceptance) -> Result<(), StoreError> {
        let _one = self.changing.lock().await;
        self.refresh().await?;
        if self.knows(&acceptance.agreement_id, &acceptance.participant_id) {
            return Ok(());
        }
        let mut acceptances = self.list();
        acceptances.push(acceptance);
        let list = ServiceAgreementAcceptances { acceptances };
        self.store.setting_put(&self.setting, &list.encode_to_vec()).await?;
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = list.acceptances;
        Ok(())
    }
}

impl Sequencer {
    /// Who accepted the service agreement, in the order in which they did.
    #[must_use]
    pub fn acceptances(&self) -> Vec<Acceptance> {
        self.agreements().list()
    }

    /// Notes that a participant has accepted the agreement, if there is one and it has not before. Its signature was
    /// verified.
    pub(crate) async fn note_acceptance(&self, member: &Member, signature: &Signature) {
        let Some(agreement) = self.agreement() else { return };
        let participant = member.to_string();
        if member.code() != MemberCode::Participant
            || self.agreements().knows(agreement.id.as_str(), &participant)
        {
            return;
        }
        let now: Timestamp = self.clock().now();
        let acceptance = Acceptance {
            agreement_id: agreement.id.as_str().to_owned(),
            participant_id: participant,
            signature: Some(signature.to_proto()),
            timestamp: Some(crate::grpc::time(now)),
        };
        // With its next signature it is tried again.
        if let Err(error) = self.agreements().note(acceptance).await {
            tracing::warn!(%member, %error, "that a participant accepted the service agreement could not be stored");
        }
    }
}
