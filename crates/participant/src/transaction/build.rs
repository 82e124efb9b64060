//! A confirmation request: the view tree of a command, signed, encrypted for those concerned, and addressed.
//!
//! One signature of the participant (the root hash), and none of the KMS besides: views are encrypted in software. At
//! protocol version 7 session keys are kept for as long as their receivers keep their keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cantle_crypto::{EncryptionPublicKey, Hash, RandomnessError, Signature};
use cantle_protocol::{
    Batch, CommonMetadata, ConfirmationPolicy, DeduplicationPeriod, EncryptedViewMessage, Envelope,
    ExpiringCache, GenTransactionTree, InformeeMessage, LightTransactionViewTree, MerkleSeq, ParseError,
    ParticipantMetadata, ProtocolMessage, Recipients, RecipientsError, RootHashMessage, SaltSeed, SessionKey,
    SubmitterMetadata, ViewCommonData, ViewConfirmationParameters, ViewEncryptionError, ViewNode,
    ViewParticipantData, ViewSeed, ViewType,
};
use cantle_sequencing::{SyncCrypto, SyncEncryptError, SyncSignError};
use cantle_topology::TopologyView;
use cantle_types::{CantonTimestamp, Clock, Fingerprint, Member, ParticipantId, PartyId, ProtocolVersion};
use thiserror::Error;
use uuid::Uuid;

use crate::ping::{Command, ModelError, parties};

/// What Canton's application of pings is called.
const APPLICATION: &str = "admin-ping";

/// Why a request was not built. Nothing was sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum BuildError {
    /// The command cannot be carried out.
    #[error("the command cannot be carried out")]
    Model(#[from] ModelError),
    /// The domain has no mediator.
    #[error("domain {domain} has no active mediator")]
    NoMediator {
        /// The domain.
        domain: cantle_types::DomainId,
    },
    /// A party is nowhere on the domain.
    #[error("no active participant of domain {domain} hosts {party}")]
    NotHosted {
        /// The domain.
        domain: cantle_types::DomainId,
        /// The party.
        party: PartyId,
    },
    /// The message cannot be.
    #[error("the request cannot be written")]
    Message(#[from] ParseError),
    /// The message cannot be addressed.
    #[error("the request cannot be addressed")]
    Recipients(#[from] RecipientsError),
    /// The root hash was not signed.
    #[error("the request was not signed")]
    Sign(#[source] Box<SyncSignError>),
    /// A receiver has no key.
    #[error("the request cannot be encrypted")]
    Key(#[source] Box<SyncEncryptError>),
    /// It cannot be encrypted.
    #[error("the request cannot be encrypted")]
    Encrypt(#[from] ViewEncryptionError),
    /// There is no randomness to be had.
    #[error("no random numbers for the request")]
    Randomness(#[from] RandomnessError),
}

/// A request, ready to be sent.
#[derive(Debug)]
pub(crate) struct BuiltRequest {
    pub(crate) root_hash: Hash,
    pub(crate) batch: Batch,
    pub(crate) max_sequencing_time: CantonTimestamp,
}

/// What a participant builds its requests with, on one domain.
#[derive(Debug)]
pub(crate) struct Builder {
    participant: ParticipantId,
    version: ProtocolVersion,
    crypto: SyncCrypto,
    clock: Arc<dyn Clock>,
    session_keys: Option<ExpiringCache<BTreeSet<Fingerprint>, SessionKey>>,
}

impl Builder {
    /// A builder that keeps session keys for `lifetime`, or makes one for each view.
    pub(crate) fn new(
        participant: ParticipantId,
        version: ProtocolVersion,
        crypto: SyncCrypto,
        clock: Arc<dyn Clock>,
        session_keys: Option<(usize, Duration)>,
    ) -> Self {
        let session_keys = session_keys
            .map(|(capacity, lifetime)| ExpiringCache::new(Arc::clone(&clock), capacity, lifetime));
        Self { participant, version, crypto, clock, session_keys }
    }

    /// Builds the request of a command by the topology at present. One signature.
    pub(crate) async fn build(
        &self,
        command: &Command,
        command_id: &str,
        workflow_id: Option<&str>,
        topology: &TopologyView,
    ) -> Result<BuiltRequest, BuildError> {
        let domain = topology.domain();
        let mediator = topology.mediators().into_iter().next();
        let mediator =
            mediator.ok_or_else(|| BuildError::NoMediator { domain: domain.clone() })?.member().clone();
        let now = CantonTimestamp::from(self.clock.now());
        let tolerance = topology.parameters().ledger_time_record_time_tolerance;
        let max_sequencing_time = now.saturating_add(tolerance);
        let tree =
            self.tree(command, command_id, workflow_id, topology, &mediator, now, max_sequencing_time)?;
        let root_hash = tree.root_hash();
        let [light] = &tree.light_trees()?[..] else {
            unreachable!("a command makes one view");
        };
        let informees: Vec<_> = light.common_data().parameters().informees().keys().cloned().collect();
        let concerned = concerned(topology, &informees)?;
        let signature = self.crypto.sign(topology, &root_hash).await;
        let signature = signature.map_err(|error| BuildError::Sign(Box::new(error)))?;
        let view = self.encrypted(light, &concerned, topology, signature)?;
        let informee = InformeeMessage::new(tree.informee_tree()?, self.version);
        let root = RootHashMessage {
            root_hash,
            domain_id: domain.clone(),
            view_type: ViewType::Transaction,
            payload: Vec::new(),
        };
        let members = || concerned.iter().map(|participant| participant.member().clone());
        let pairs = members().map(|member| [mediator.clone(), member]);
        let alone = members().map(|member| [member]);
        let envelopes = vec![
            self.envelope(ProtocolMessage::Informee(Box::new(informee)), Recipients::only(mediator.clone()))?,
            self.envelope(ProtocolMessage::RootHash(root), Recipients::groups(pairs)?)?,
            self.envelope(ProtocolMessage::EncryptedView(Box::new(view)), Recipients::groups(alone)?)?,
        ];
        Ok(BuiltRequest { root_hash, batch: Batch::new(envelopes), max_sequencing_time })
    }

    #[expect(clippy::too_many_arguments, reason = "each is a part of the tree")]
    fn tree(
        &self,
        command: &Command,
        command_id: &str,
        workflow_id: Option<&str>,
        topology: &TopologyView,
        mediator: &Member,
        now: CantonTimestamp,
        max_sequencing_time: CantonTimestamp,
    ) -> Result<GenTransactionTree, BuildError> {
        let mut salts = SaltSeed::random()?;
        let [submitter, common, participant, view_common, view_participant] =
            std::array::from_fn(|_| salts.next_salt());
        let content = command.content(&view_participant, now)?;
        let parties = parties(&content)?;
        let parameters = ViewConfirmationParameters::signatory(&parties.confirmers, &parties.others)?;
        let view = ViewNode::new(
            ViewCommonData::new(&view_common, parameters, self.version)?,
            ViewParticipantData::new(&view_participant, content, self.version)?,
            MerkleSeq::new(Vec::new()),
        );
        let submitter = SubmitterMetadata::new(
            &submitter,
            parties.actors,
            APPLICATION.to_owned(),
            command_id.to_owned(),
            self.participant.clone(),
            None,
            DeduplicationPeriod::Duration(Duration::ZERO),
            max_sequencing_time,
        )?;
        let common = CommonMetadata::new(
            &common,
            ConfirmationPolicy::Signatory,
            topology.domain().clone(),
            Uuid::new_v4(),
            mediator.clone(),
        )?;
        let participant =
            ParticipantMetadata::new(&participant, now, now, workflow_id.map(ToOwned::to_owned))?;
        Ok(GenTransactionTree::new(submitter, common, participant, vec![view])?)
    }

    fn encrypted(
        &self,
        light: &LightTransactionViewTree,
        receivers: &BTreeSet<ParticipantId>,
        topology: &TopologyView,
        signature: Signature,
    ) -> Result<EncryptedViewMessage, BuildError> {
        let keys = receivers
            .iter()
            .map(|participant| self.crypto.encryption_key(topology, participant.member()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| BuildError::Key(Box::new(error)))?;
        let seed = ViewSeed::random()?;
        match self.version {
            ProtocolVersion::V5 => Ok(EncryptedViewMessage::with_seed(light, &seed, &keys, Some(signature))?),
            ProtocolVersion::V7 => {
                let session_key = self.session_key(&keys)?;
                Ok(EncryptedViewMessage::with_session_key(light, &seed, &session_key, Some(signature))?)
            }
        }
    }

    fn session_key(&self, receivers: &[EncryptionPublicKey]) -> Result<SessionKey, ViewEncryptionError> {
        let Some(cache) = &self.session_keys else { return SessionKey::generate(receivers) };
        let kept_under = SessionKey::receivers(receivers);
        if let Some(key) = cache.get(&kept_under) {
            return Ok(key);
        }
        let key = SessionKey::generate(receivers)?;
        cache.insert(kept_under, key.clone());
        Ok(key)
    }

    fn envelope(&self, message: ProtocolMessage, recipients: Recipients) -> Result<Envelope, ParseError> {
        message.to_envelope(recipients, self.version)
    }
}

/// The active participants of parties; each party has at least one.
fn concerned(topology: &TopologyView, parties: &[PartyId]) -> Result<BTreeSet<ParticipantId>, BuildError> {
    let mut concerned = BTreeSet::new();
    for party in parties {
        let hosting = topology.active_participants_of(party);
        if hosting.is_empty() {
            return Err(BuildError::NotHosted { domain: topology.domain().clone(), party: party.clone() });
        }
        concerned.extend(hosting.into_keys());
    }
    Ok(concerned)
}
