//! A domain manager that is connected to a sequencer: its subscription, its dispatcher, its registrar.

use std::sync::Arc;

use cantle_identity::TopologyManager;
use cantle_protocol::HandshakeRequest;
use cantle_protocol::StaticDomainParameters;
use cantle_sequencing::{
    AuthOptions, ClientHealth, ClientOptions, ClientSetup, ConnectError, DomainTopologyClient, MemberSetup,
    OpenClientError, SequencerApi, SequencerClient, SequencerInfo, chain, sequencer_info, topology_row,
};
use cantle_store::{NodeStore, SequencedTopology, StoreError, TimeQuery, TopologyQuery, TopologyStoreId};
use cantle_topology::SignedTopologyTransaction;
use cantle_types::{Clock, DomainId, DomainManagerId, Member, SequencerId};
use cantle_vault::Vault;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::dispatch::plan::Known;
use crate::dispatch::{DispatchError, DispatchStatus, Dispatcher};
use crate::initialize::DomainRoles;
use crate::onboarding::{Admission, OnboardingPolicy, ParticipantCertificate};
use crate::requests::{Registrar, channel};

/// Why a domain manager did not start to work with a sequencer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The sequencer does not suit.
    #[error("the sequencer cannot be used")]
    Connect(#[from] ConnectError),
    /// The sequencer is one of another domain.
    #[error(
        "the sequencer is of domain {found}, this is the manager of {own}; initialize it with this domain's id, or name another one"
    )]
    OtherDomain {
        /// This domain.
        own: DomainId,
        /// The sequencer's.
        found: DomainId,
    },
    /// The sequencer has other parameters.
    #[error("the sequencer was initialized with other static domain parameters than this domain manager has")]
    OtherParameters,
    /// The client cannot be made.
    #[error("the events of the domain cannot be followed")]
    Client(#[from] OpenClientError),
    /// The dispatcher cannot go on.
    #[error("the topology of the domain cannot be sent")]
    Dispatch(#[from] DispatchError),
    /// The store failed.
    #[error("the domain manager's store failed")]
    Store(#[from] StoreError),
    /// A stored transaction cannot be read.
    #[error("a stored topology transaction cannot be read")]
    Transaction(#[from] cantle_topology::ParseError),
}

/// What a running domain manager is made of.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) domain: DomainId,
    pub(crate) roles: DomainRoles,
    pub(crate) parameters: StaticDomainParameters,
    pub(crate) admission: Admission,
    pub(crate) certificate: ParticipantCertificate,
    pub(crate) manager: TopologyManager,
    pub(crate) vault: Vault,
    pub(crate) store: Arc<dyn NodeStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) client: ClientOptions,
    pub(crate) authentication: AuthOptions,
}

/// The tasks of a connected domain manager. Dropped, they end.
#[derive(Debug)]
pub(crate) struct Running {
    client: SequencerClient,
    stop: CancellationToken,
    follower: JoinHandle<()>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Connects to a sequencer of the domain and begins to work.
    pub(crate) async fn start(
        parts: Parts,
        api: Arc<dyn SequencerApi>,
        status: watch::Sender<DispatchStatus>,
    ) -> Result<Self, RunError> {
        let version = parts.parameters.protocol_version;
        let info = sequencer_info(&*api, &HandshakeRequest::new(vec![version], Some(version))).await?;
        let SequencerInfo { identity, parameters, .. } = &info;
        if identity.domain != parts.domain {
            return Err(RunError::OtherDomain { own: parts.domain, found: identity.domain.clone() });
        }
        if *parameters != parts.parameters {
            return Err(RunError::OtherParameters);
        }
        know_own_topology(&parts).await?;
        let member = DomainManagerId::new(parts.domain.uid().clone()).member().clone();
        let setup = ClientSetup {
            api,
            info,
            member: member.clone(),
            clock: Arc::clone(&parts.clock),
            versions: vec![version],
            options: parts.client,
        };
        let own = MemberSetup {
            vault: parts.vault.clone(),
            store: Arc::clone(&parts.store),
            authentication: parts.authentication,
        };
        let client = SequencerClient::open(setup, own).await?;
        let known = Known::nothing(parts.domain.clone(), version, told_sequencer(&parts));
        let dispatcher = Dispatcher::resume(&parts, known, client.clone(), status).await?;
        let (handler, asked, open, caught_up) = channel(parts.domain.clone(), member);
        let registrar = Registrar {
            manager: parts.manager,
            client: client.clone(),
            policy: OnboardingPolicy {
                domain: parts.domain,
                version,
                admission: parts.admission,
                certificate: parts.certificate,
            },
            open,
        };
        let stop = CancellationToken::new();
        let follower = tokio::spawn({
            let (client, until) = (client.clone(), stop.clone());
            async move {
                if let Err(error) = client.run(Arc::new(handler), until).await {
                    tracing::error!(error = %chain(&error), "the domain manager follows its domain no more");
                }
            }
            .in_current_span()
        });
        let mut tasks = JoinSet::new();
        let ending = stop.clone();
        tasks.spawn(
            async move {
                let Err(error) = dispatcher.run().await;
                tracing::error!(error = %chain(&error), "the topology of the domain is sent no more; connecting anew");
                ending.cancel();
            }
            .in_current_span(),
        );
        tasks.spawn(registrar.run(asked, caught_up).in_current_span());
        Ok(Self { client, stop, follower, tasks })
    }

    pub(crate) fn health(&self) -> watch::Receiver<ClientHealth> {
        self.client.health()
    }

    /// Whether it has seen a change of the topology that is in effect only later.
    pub(crate) fn awaits_topology(&self) -> bool {
        self.client.topology().is_some_and(DomainTopologyClient::awaits_change)
    }

    /// Stores what is done with and ends.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        // The subscription ends by itself and stores its cursor; the others wait for ever and are ended with the set.
        let _ = self.follower.await;
        self.tasks.shutdown().await;
    }
}

/// The sequencer, where it has to be told of the topology.
fn told_sequencer(parts: &Parts) -> Option<Member> {
    match parts.roles {
        DomainRoles::Manager => Some(SequencerId::new(parts.domain.uid().clone()).member().clone()),
        DomainRoles::All => None,
    }
}

/// The manager knows its own topology before the domain tells it: it needs its key to say anything at all.
///
/// What it has authorized by the time of its first start is put into the domain's store, as of the times at which it was
/// authorized, which are all before the domain's first event.
async fn know_own_topology(parts: &Parts) -> Result<(), RunError> {
    let store = TopologyStoreId::Domain(parts.domain.clone());
    if parts.store.topology_latest(&store).await?.is_some() {
        return Ok(());
    }
    let query = TopologyQuery { time: TimeQuery::HISTORY, ..TopologyQuery::default() };
    let mut messages = Vec::new();
    for stored in parts.store.topology_list(&TopologyStoreId::Authorized, &query).await? {
        let signed = SignedTopologyTransaction::from_bytes(&stored.transaction.serialized)?;
        messages.push(SequencedTopology {
            sequenced: stored.sequenced,
            effective: stored.sequenced,
            transactions: vec![topology_row(&signed)],
        });
    }
    Ok(parts.store.topology_append_sequenced(&parts.domain, &messages).await?)
}
