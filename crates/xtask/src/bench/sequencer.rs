//! A sequencer alone: signed events a second from many senders, and the cost of one with few and with many stored.
//!
//! Keys of provider jce, the store in a SQLite file. Each submission goes to a receiver that reads along, so that it
//! has two events: a receipt and a delivery.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use cantle_crypto::{PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_protocol::{
    Batch, Envelope, MessageId, Recipients, Signable, SignedContent, StaticDomainParameters, SubmissionKind,
    SubmissionRequest, TraceContext,
};
use cantle_sequencer::{Initialization, Sequencer, SequencerNode, SequencerNodeSetup, SequencerOptions};
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_topology::{
    DomainParametersChange, DynamicDomainParameters, MediatorDomainState, NamespaceDelegation,
    OwnerToKeyMapping, ParticipantPermission, ParticipantState, RequestSide, SignedTopologyTransaction,
    TopologyMapping, TopologyTransaction, TrustLevel,
};
use cantle_types::{
    CantonTimestamp, Clock, DomainId, Member, MemberCode, Namespace, NodeName, ParticipantId,
    ProtocolVersion, SequencerId, SystemClock, UniqueIdentifier,
};
use cantle_vault::{Vault, VaultBackend, VaultOptions};
use tokio::task::JoinSet;

use super::Figures;

const VERSION: ProtocolVersion = ProtocolVersion::V7;
const PARTICIPANTS: usize = 8;
/// Submissions of one participant that are under way at once.
const SIDE_BY_SIDE: usize = 64;
/// What a response to a request weighs.
const CONTENT: usize = 480;
/// How many events are stored before the first and the last measurement.
const FEW: i64 = 10_000;
const MANY: i64 = 1_000_000;

/// A member and its keys.
struct Keyed {
    member: Member,
    key: SigningPrivateKey,
    namespace: Arc<SigningPrivateKey>,
}

/// The domain that is measured.
struct World {
    domain: DomainId,
    manager: Keyed,
    mediator: Keyed,
    participants: Vec<Arc<Keyed>>,
}

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let world = World::new()?;
    let sequencer = world.start(&folder.path().join("sequencer.db")).await?;

    fill(&world, &sequencer, FEW).await?;
    let few = rate(&world, &sequencer, 20_000).await?;
    figures.at_least("sequencer: signed events delivered, 10 thousand stored", few, 5_000.0, "1/s");
    let started = Instant::now();
    fill(&world, &sequencer, MANY).await?;
    figures.only("sequencer: time to a million stored events", started.elapsed().as_secs_f64(), "s");
    let many = rate(&world, &sequencer, 20_000).await?;
    figures.at_least("sequencer: signed events delivered, 1 million stored", many, 5_000.0, "1/s");
    figures.at_most("sequencer: cost of an event, 1 million : 10 thousand stored", few / many, 1.25, "");
    sequencer.close().await;
    Ok(())
}

/// Sends until so many events are stored.
async fn fill(world: &World, sequencer: &Sequencer, events: i64) -> anyhow::Result<()> {
    let stored: i64 = sequencer.status().await?.members.iter().map(|member| member.events).sum();
    let missing = usize::try_from((events - stored).max(0))?;
    if missing > 0 {
        send(world, sequencer, missing / 2).await?;
    }
    Ok(())
}

/// Events a second from the first submission until the last one is delivered.
async fn rate(world: &World, sequencer: &Sequencer, events: usize) -> anyhow::Result<f64> {
    let mut readers = JoinSet::new();
    let each = events / PARTICIPANTS;
    let members = sequencer.status().await?.members;
    for participant in &world.participants {
        let next = members
            .iter()
            .find(|status| status.member == participant.member)
            .map_or(0, |status| status.events);
        let mut subscription = sequencer.subscribe(&participant.member, next)?;
        readers.spawn(async move {
            for _ in 0..each {
                subscription.next().await?;
            }
            anyhow::Ok(())
        });
    }
    let started = Instant::now();
    send(world, sequencer, events / 2).await?;
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    Ok(f64::from(u32::try_from(events)?) / started.elapsed().as_secs_f64())
}

/// Sends submissions from all participants, each to the next one.
async fn send(world: &World, sequencer: &Sequencer, submissions: usize) -> anyhow::Result<()> {
    let mut senders = JoinSet::new();
    let each = submissions / PARTICIPANTS;
    for (index, participant) in world.participants.iter().enumerate() {
        let to = world.participants[(index + 1) % PARTICIPANTS].member.clone();
        for lane in 0..SIDE_BY_SIDE {
            let (participant, to, sequencer) = (Arc::clone(participant), to.clone(), sequencer.clone());
            let count = each / SIDE_BY_SIDE + usize::from(lane < each % SIDE_BY_SIDE);
            senders.spawn(async move {
                for _ in 0..count {
                    participant.send(&sequencer, &to).await?;
                }
                anyhow::Ok(())
            });
        }
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    Ok(())
}

impl Keyed {
    fn new(code: MemberCode, name: &str, namespace: Arc<SigningPrivateKey>) -> anyhow::Result<Self> {
        let uid = UniqueIdentifier::new(name.parse()?, Namespace::new(namespace.fingerprint().clone()));
        Ok(Self { member: Member::new(code, uid), key: key()?, namespace })
    }

    async fn send(&self, sequencer: &Sequencer, to: &Member) -> anyhow::Result<()> {
        let envelope = Envelope::new(vec![7; CONTENT], Recipients::only(to.clone()));
        let request = SubmissionRequest::new(
            self.member.clone(),
            MessageId::random(),
            SubmissionKind::Other,
            Batch::new(vec![envelope]).compress(),
            CantonTimestamp::MAX,
            None,
        );
        let signature = self.key.sign_hash(&request.hash())?;
        let now = CantonTimestamp::from(SystemClock.now());
        let signed = SignedContent::assemble(request, signature, Some(now));
        Ok(sequencer.submit(&self.member, &signed, &TraceContext::none()).await?)
    }
}

impl World {
    fn new() -> anyhow::Result<Self> {
        let namespace = Arc::new(key()?);
        let manager = Keyed::new(MemberCode::DomainTopologyManager, "domain", Arc::clone(&namespace))?;
        let participant =
            |index| Keyed::new(MemberCode::Participant, &format!("p{index}"), Arc::new(key()?)).map(Arc::new);
        Ok(Self {
            domain: DomainId::new(manager.member.uid().clone()),
            manager,
            mediator: Keyed::new(MemberCode::Mediator, "mediator", namespace)?,
            participants: (0..PARTICIPANTS).map(participant).collect::<anyhow::Result<_>>()?,
        })
    }

    async fn start(&self, path: &Path) -> anyhow::Result<Sequencer> {
        let name: NodeName = "sequencer1".parse()?;
        let node = NodeIdentity { kind: NodeKind::Sequencer, name: name.clone() };
        let store = SqliteStore::open(SqliteOptions {
            location: SqliteLocation::File(path.to_owned()),
            node: node.clone(),
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        });
        let store = Arc::new(store.await?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let options = VaultOptions::new(node, CryptoProvider::Jce);
        let vault = Vault::open(store.clone(), VaultBackend::Jce, options, Arc::clone(&clock)).await?;
        let options = SequencerOptions::default();
        let setup = SequencerNodeSetup { name, vault, store, shared: None, clock, agreement: None, options };
        let node = SequencerNode::open(setup).await?;
        let parameters = StaticDomainParameters::all_schemes(VERSION);
        let key = node.initialize(&Initialization { domain: self.domain.clone(), parameters }, &[]).await?;
        node.bootstrap(&self.topology(key)?).await?;
        let sequencer = node.sequencer().context("the sequencer runs")?;
        // The domain manager writes to everybody, who are known from then on.
        for participant in &self.participants {
            self.manager.send(&sequencer, &participant.member).await?;
        }
        Ok(sequencer)
    }

    fn topology(
        &self,
        sequencer: cantle_crypto::SigningPublicKey,
    ) -> anyhow::Result<Vec<SignedTopologyTransaction>> {
        let namespace = &self.manager.namespace;
        let owner = |owner: &Member, key: cantle_crypto::SigningPublicKey| {
            TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping {
                owner: owner.clone(),
                key: PublicKey::Signing(key),
            })
        };
        let root = |key: &SigningPrivateKey| {
            TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(key.public().clone()))
        };
        let mut topology = vec![
            signed(namespace, root(namespace))?,
            signed(namespace, owner(&self.manager.member, self.manager.key.public().clone()))?,
            signed(namespace, owner(SequencerId::new(self.domain.uid().clone()).member(), sequencer))?,
            signed(namespace, owner(&self.mediator.member, self.mediator.key.public().clone()))?,
            signed(
                namespace,
                TopologyMapping::MediatorDomainState(MediatorDomainState {
                    side: RequestSide::Both,
                    domain: self.domain.clone(),
                    mediator: self.mediator.member.uid().clone(),
                }),
            )?,
            signed(
                namespace,
                TopologyMapping::DomainParametersChange(DomainParametersChange {
                    domain: self.domain.clone(),
                    parameters: DynamicDomainParameters::defaults(VERSION),
                }),
            )?,
        ];
        for participant in &self.participants {
            topology.push(signed(&participant.namespace, root(&participant.namespace))?);
            let mapping = owner(&participant.member, participant.key.public().clone());
            topology.push(signed(&participant.namespace, mapping)?);
            for (side, key) in [(RequestSide::From, namespace), (RequestSide::To, &participant.namespace)] {
                let id = ParticipantId::try_from(participant.member.clone())?;
                let (permission, trust) = (ParticipantPermission::Submission, TrustLevel::Ordinary);
                let state = ParticipantState::new(side, self.domain.clone(), id, permission, trust)?;
                topology.push(signed(key, TopologyMapping::ParticipantState(state))?);
            }
        }
        Ok(topology)
    }
}

fn key() -> anyhow::Result<SigningPrivateKey> {
    Ok(SigningPrivateKey::generate(SigningKeyScheme::Ed25519)?)
}

fn signed(key: &SigningPrivateKey, mapping: TopologyMapping) -> anyhow::Result<SignedTopologyTransaction> {
    let transaction = match mapping {
        TopologyMapping::DomainParametersChange(change) => TopologyTransaction::replace(change, VERSION)?,
        mapping => TopologyTransaction::add(mapping, VERSION)?,
    };
    let signature = key.sign_hash(&transaction.hash())?;
    Ok(SignedTopologyTransaction::assemble(transaction, key.public().clone(), signature))
}
