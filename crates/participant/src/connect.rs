//! Connecting to a domain, step by step, as Canton's participants do.
//!
//! What the sequencer says about its domain is compared with what this participant knows and can; the participant says
//! that it wants to be there; a domain that does not know it yet is introduced to it; then it authenticates and
//! follows. Every step that fails says which one it was.
//! Source: Canton 2.10's `DomainRegistry` and `ParticipantTopologyDispatcher`.

use std::sync::Arc;
use std::time::Duration;

use cantle_identity::{ChangeError, TopologyManager};
use cantle_protocol::HandshakeRequest;
use cantle_sequencing::{
    ApiError, AuthOptions, ClientOptions, ClientSetup, ConnectError, CryptoHandshakeError, MemberSetup,
    OpenClientError, SequencerApi, SequencerClient, SequencerInfo, check_crypto, sequencer_info,
};
use cantle_store::{NodeStore, RoleSetting, StoreError};
use cantle_topology::{
    ChangeOptions, ParticipantPermission, ParticipantState, Replace, RequestSide, TopologyChangeOp,
    TopologyMapping, TopologyState, TopologyView, TrustLevel,
};
use cantle_types::{Clock, DomainAlias, DomainId, ParticipantId, ProtocolVersion};
use cantle_vault::Vault;
use thiserror::Error;

use crate::domain::{Domain, Parts, SessionKeyCache, may_act};
use crate::pings::Pings;
use crate::registration::{RegisterError, Teller, introduce};

/// How often a domain is asked whether it knows this participant by now.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long that may take.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// Why a participant is not connected to a domain, by step.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionFailure {
    /// The sequencer gave no information, or does not suit.
    #[error("the sequencer cannot be used")]
    Connect(#[from] ConnectError),
    /// The alias stands for another domain.
    #[error(
        "the sequencer is of domain {found}, and {alias} was {known} before; register the other domain under an alias of its own"
    )]
    OtherDomain {
        /// The alias.
        alias: DomainAlias,
        /// What it stood for.
        known: DomainId,
        /// What it would stand for.
        found: DomainId,
    },
    /// The domain wants an agreement accepted.
    #[error(
        "domain {alias} has a service agreement, {agreement}, that was not accepted: read it with domains.get_agreement and accept it with domains.accept_agreement"
    )]
    Agreement {
        /// The alias.
        alias: DomainAlias,
        /// The agreement.
        agreement: String,
    },
    /// The participant's keys do not suit the domain.
    #[error(transparent)]
    Crypto(#[from] CryptoHandshakeError),
    /// The participant could not say that it wants to be there.
    #[error("this participant could not authorize its state on the domain")]
    Trust(#[source] ChangeError),
    /// The domain did not take the participant's topology.
    #[error("the domain did not take this participant")]
    Register(#[from] RegisterError),
    /// The sequencer could not be asked whether the participant is active.
    #[error("the sequencer did not say whether this participant is active")]
    Active(#[from] ApiError),
    /// The participant does not become active.
    #[error(
        "this participant was taken by the domain and is not active after {ACTIVE_WITHIN:?}; is its domain manager running?"
    )]
    NotActive,
    /// The client cannot be made.
    #[error("the events of the domain cannot be followed")]
    Client(#[from] OpenClientError),
    /// The store failed.
    #[error("the participant's store failed")]
    Store(#[from] StoreError),
}

impl ConnectionFailure {
    /// Whether the same may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Connect(error) => error.retryable(),
            Self::Active(error) => error.retryable(),
            Self::Trust(error) => error.retryable(),
            Self::Register(RegisterError::Refused { .. } | RegisterError::Convert(_)) => false,
            Self::Register(_) | Self::NotActive => true,
            Self::Store(error) => error.retryable(),
            _ => false,
        }
    }
}

/// What connecting needs of the participant.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) manager: TopologyManager,
    pub(crate) vault: Vault,
    pub(crate) store: Arc<dyn NodeStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) minimum_version: ProtocolVersion,
    pub(crate) client: ClientOptions,
    pub(crate) authentication: AuthOptions,
    pub(crate) session_keys: Option<SessionKeyCache>,
    pub(crate) pings: Arc<Pings>,
}

impl Connector {
    /// The protocol versions that this participant takes.
    pub(crate) fn handshake(&self) -> HandshakeRequest {
        let minimum = self.minimum_version;
        let versions = ProtocolVersion::ALL.into_iter().filter(|version| *version >= minimum).collect();
        HandshakeRequest::new(versions, Some(minimum))
    }

    /// Asks a sequencer about its domain, and compares.
    pub(crate) async fn info(
        &self,
        alias: &DomainAlias,
        known: Option<&DomainId>,
        api: &dyn SequencerApi,
    ) -> Result<SequencerInfo, ConnectionFailure> {
        let info = sequencer_info(api, &self.handshake()).await?;
        let found = &info.identity.domain;
        match known {
            Some(known) if known != found => Err(ConnectionFailure::OtherDomain {
                alias: alias.clone(),
                known: known.clone(),
                found: found.clone(),
            }),
            _ => Ok(info),
        }
    }

    /// Connects to a domain.
    pub(crate) async fn connect(
        &self,
        participant: &ParticipantId,
        alias: DomainAlias,
        known: Option<&DomainId>,
        api: Arc<dyn SequencerApi>,
    ) -> Result<Domain, ConnectionFailure> {
        let info = self.info(&alias, known, &*api).await?;
        check_crypto(&info.parameters, self.vault.options())?;
        let domain = info.identity.domain.clone();
        if let Some(agreement) = &info.agreement
            && !self.has_accepted(&domain, &agreement.id).await?
        {
            return Err(ConnectionFailure::Agreement { alias, agreement: agreement.id.clone() });
        }
        self.store.connection_identify(&alias, &domain).await?;
        let version = info.parameters.protocol_version;
        let teller = Teller {
            participant: participant.clone(),
            domain: domain.clone(),
            version,
            manager: self.manager.clone(),
            vault: self.vault.clone(),
        };
        self.trust(participant, &domain).await?;
        if !api.verify_active(participant.member()).await? {
            let clock = Arc::clone(&self.clock);
            introduce(&teller, Arc::clone(&api), info.clone(), clock, self.client).await?;
            self.wait_until_active(participant, &*api).await?;
        }
        let setup = ClientSetup {
            api,
            info,
            member: participant.member().clone(),
            clock: Arc::clone(&self.clock),
            versions: vec![version],
            options: self.client,
        };
        let own = MemberSetup {
            vault: self.vault.clone(),
            store: Arc::clone(&self.store),
            authentication: self.authentication,
        };
        let client = SequencerClient::open(setup, own).await?;
        let domain = Domain::start(Parts {
            alias,
            client,
            teller,
            session_keys: self.session_keys,
            pings: Arc::clone(&self.pings),
            clock: Arc::clone(&self.clock),
        });
        let known = domain.core.topology_until(|view| may_act(view, participant));
        if let Ok(Ok(())) = tokio::time::timeout(ACTIVE_WITHIN, known).await {
            return Ok(domain);
        }
        domain.stop().await;
        Err(ConnectionFailure::NotActive)
    }

    /// Says that this participant wants to be on the domain, unless it has said so.
    async fn trust(&self, participant: &ParticipantId, domain: &DomainId) -> Result<(), ConnectionFailure> {
        let state = TopologyState::clone(&self.manager.state());
        let view = TopologyView::new(domain.clone(), self.manager.protocol_version(), state);
        if view.is_trusted_by(participant) {
            return Ok(());
        }
        let state = ParticipantState::new(
            RequestSide::To,
            domain.clone(),
            participant.clone(),
            ParticipantPermission::Submission,
            TrustLevel::Ordinary,
        )
        .expect("an ordinary participant may have any permission");
        let options = ChangeOptions { replace: Replace::Yes, ..ChangeOptions::default() };
        let mapping = TopologyMapping::ParticipantState(state);
        let authorized = self.manager.authorize(TopologyChangeOp::Add, mapping, None, options).await;
        authorized.map(|_| ()).map_err(ConnectionFailure::Trust)
    }

    async fn wait_until_active(
        &self,
        participant: &ParticipantId,
        api: &dyn SequencerApi,
    ) -> Result<(), ConnectionFailure> {
        let until = tokio::time::Instant::now() + ACTIVE_WITHIN;
        while tokio::time::Instant::now() < until {
            if api.verify_active(participant.member()).await? {
                return Ok(());
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Err(ConnectionFailure::NotActive)
    }

    /// Whether an agreement of a domain was accepted.
    pub(crate) async fn has_accepted(&self, domain: &DomainId, agreement: &str) -> Result<bool, StoreError> {
        let accepted = self.store.setting_find(&RoleSetting::AcceptedAgreement(domain.clone())).await?;
        Ok(accepted.is_some_and(|accepted| accepted == agreement.as_bytes()))
    }
}
