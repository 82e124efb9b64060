//! Topology transactions judged a second, on one core and with their signatures, and the start of a node that has
//! stored many: both from the bytes on. Keys are those that a KMS makes, on P-256.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use cantle_crypto::{PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_identity::TopologyManager;
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NewTopologyTransaction, NodeIdentity, NodeKind, NodeStore,
    SqliteLocation, SqliteOptions, SqliteStore, TopologyOp, TopologyStoreId,
};
use cantle_topology::{
    DomainParametersChange, DynamicDomainParameters, NamespaceDelegation, Outcome, OwnerToKeyMapping,
    ParticipantPermission, ParticipantState, PartyToParticipant, RequestSide, SignedTopologyTransaction,
    StoredTransaction, TopologyMapping, TopologyTimeline, TopologyTransaction, TrustLevel,
};
use cantle_types::{
    Clock, DomainId, Identifier, Namespace, ParticipantId, PartyId, ProtocolVersion, SystemClock,
    UniqueIdentifier,
};
use cantle_vault::{Vault, VaultBackend, VaultOptions};
use jiff::{SignedDuration, Timestamp};

use super::{Figures, count, median};

const VERSION: ProtocolVersion = ProtocolVersion::V7;
/// Transactions in one message of the domain manager.
const MESSAGE: usize = 10;
const JUDGED: usize = 10_000;
const STORED: usize = 100_000;
const PARTIES: usize = 96;
const ROUNDS: usize = 5;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let domain = Owner::new("domain")?;
    let stored = history(&domain, STORED)?;
    judge(figures, &domain, &stored[..JUDGED])?;
    start(figures, &domain, &stored).await
}

/// Somebody with a namespace.
struct Owner {
    uid: UniqueIdentifier,
    key: SigningPrivateKey,
}

impl Owner {
    fn new(identifier: &str) -> anyhow::Result<Self> {
        let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256)?;
        let identifier: Identifier = identifier.parse()?;
        let uid = UniqueIdentifier::new(identifier, Namespace::new(key.fingerprint().clone()));
        Ok(Self { uid, key })
    }

    fn sign(&self, transaction: TopologyTransaction) -> anyhow::Result<Vec<u8>> {
        let signature = self.key.sign_hash(&transaction.hash())?;
        let signed = SignedTopologyTransaction::assemble(transaction, self.key.public().clone(), signature);
        Ok(signed.to_bytes())
    }

    fn add(&self, mapping: TopologyMapping) -> anyhow::Result<Vec<u8>> {
        self.sign(TopologyTransaction::add(mapping, VERSION)?)
    }

    fn root(&self) -> TopologyMapping {
        TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(self.key.public().clone()))
    }
}

/// A domain, and participants that each host some parties, until there are so many transactions.
fn history(domain: &Owner, length: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    let id = DomainId::new(domain.uid.clone());
    let parameters = DynamicDomainParameters::defaults(VERSION);
    let change = DomainParametersChange { domain: id.clone(), parameters };
    let mut made =
        vec![domain.add(domain.root())?, domain.sign(TopologyTransaction::replace(change, VERSION)?)?];
    while made.len() < length {
        let owner = Owner::new("participant")?;
        let participant = ParticipantId::new(owner.uid.clone());
        let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256)?.public().clone();
        let state = |side| {
            let permission = ParticipantPermission::Submission;
            ParticipantState::new(side, id.clone(), participant.clone(), permission, TrustLevel::Ordinary)
        };
        made.push(owner.add(owner.root())?);
        made.push(owner.add(TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping {
            owner: participant.clone().into(),
            key: PublicKey::Signing(key),
        }))?);
        made.push(domain.add(TopologyMapping::ParticipantState(state(RequestSide::From)?))?);
        made.push(owner.add(TopologyMapping::ParticipantState(state(RequestSide::To)?))?);
        for number in 0..PARTIES {
            let party =
                UniqueIdentifier::new(format!("party{number}").parse()?, owner.uid.namespace().clone());
            let hosted = PartyToParticipant::new(
                RequestSide::Both,
                PartyId::new(party),
                participant.clone(),
                ParticipantPermission::Submission,
            )?;
            made.push(owner.add(TopologyMapping::PartyToParticipant(hosted))?);
        }
    }
    made.truncate(length);
    Ok(made)
}

/// Reads, verifies and applies transactions, message by message.
fn judge(figures: &mut Figures, domain: &Owner, received: &[Vec<u8>]) -> anyhow::Result<()> {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let mut timeline = TopologyTimeline::new(DomainId::new(domain.uid.clone()), VERSION);
        let started = Instant::now();
        for (message, millis) in received.chunks(MESSAGE).zip(1..) {
            let read = message.iter().map(|bytes| SignedTopologyTransaction::from_bytes(bytes));
            let read = read.collect::<Result<Vec<_>, _>>()?;
            let fed = timeline.feed(Timestamp::from_millisecond(millis)?, &read)?;
            anyhow::ensure!(fed.outcomes.iter().all(Outcome::is_accepted), "{fed:?}");
        }
        rates.push(count(received.len()) / started.elapsed().as_secs_f64());
        black_box(timeline);
    }
    figures.at_least(
        "topology transactions read, verified and applied, one core",
        median(rates),
        5000.0,
        "/s",
    );
    Ok(())
}

/// Opens the topology manager and the timeline of a domain, each with that many transactions in SQLite.
async fn start(figures: &mut Figures, domain: &Owner, transactions: &[Vec<u8>]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let node = NodeIdentity { kind: NodeKind::Participant, name: "bench".parse()? };
    let options = SqliteOptions {
        location: SqliteLocation::File(folder.path().join("bench.db")),
        node: node.clone(),
        migrate: MigrateOnStart::Yes,
        access: Access::ReadWrite,
    };
    let store: Arc<dyn NodeStore> = Arc::new(SqliteStore::open(options).await?);
    let id = DomainId::new(domain.uid.clone());
    let stores = [TopologyStoreId::Authorized, TopologyStoreId::Domain(id.clone())];
    for store_id in &stores {
        for batch in transactions.chunks(1000) {
            let rows = batch.iter().map(|bytes| row(bytes)).collect::<anyhow::Result<_>>()?;
            store.topology_append(store_id, rows, Timestamp::now()).await?;
        }
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let vault_options = VaultOptions::new(node, CryptoProvider::Jce);
    let vault = Vault::open(Arc::clone(&store), VaultBackend::Jce, vault_options, Arc::clone(&clock)).await?;

    let started = Instant::now();
    let manager = TopologyManager::open(Arc::clone(&store), vault, clock, VERSION).await?;
    let opened = started.elapsed();
    anyhow::ensure!(manager.state().len() == transactions.len(), "the manager has not read everything");
    figures.at_most("topology manager opened on 100,000 stored transactions", seconds(opened), 5.0, "s");

    let started = Instant::now();
    let timeline = restored(&*store, &stores[1], id).await?;
    let restored = started.elapsed();
    let known = timeline.latest().state().len();
    anyhow::ensure!(known == transactions.len(), "the timeline has not read everything");
    figures.at_most("timeline of a domain restored from 100,000", seconds(restored), 5.0, "s");
    figures.only(
        "both, one after the other, as of a node that has stored each",
        seconds(opened + restored),
        "s",
    );

    let state = manager.state();
    let started = Instant::now();
    for _ in 0..1000 {
        black_box(cantle_topology::TopologyState::clone(&state));
    }
    figures.only("a copy of the state of 100,000", seconds(started.elapsed()) * 1e6 / 1000.0, "us");
    Ok(())
}

async fn restored(
    store: &dyn NodeStore,
    store_id: &TopologyStoreId,
    domain: DomainId,
) -> anyhow::Result<TopologyTimeline> {
    let query = cantle_store::TopologyQuery {
        time: cantle_store::TimeQuery::HISTORY,
        ..cantle_store::TopologyQuery::default()
    };
    let rows = store.topology_list(store_id, &query).await?;
    let read = rows.into_iter().map(|stored| {
        Ok(StoredTransaction {
            sequenced: stored.sequenced,
            valid_from: stored.valid_from,
            valid_until: stored.valid_until,
            transaction: SignedTopologyTransaction::from_bytes(&stored.transaction.serialized)?,
        })
    });
    let read = read.collect::<anyhow::Result<Vec<_>>>()?;
    let from =
        Timestamp::now().checked_add(SignedDuration::from_hours(1)).context("the clock is at its end")?;
    Ok(TopologyTimeline::restore(domain, VERSION, read, from, cantle_topology::DEFAULT_HORIZON))
}

fn row(bytes: &[u8]) -> anyhow::Result<NewTopologyTransaction> {
    let signed = SignedTopologyTransaction::from_bytes(bytes)?;
    let transaction = signed.transaction();
    let subject = transaction.mapping().subject();
    Ok(NewTopologyTransaction {
        op: match transaction.op() {
            cantle_topology::TopologyChangeOp::Add => TopologyOp::Add,
            cantle_topology::TopologyChangeOp::Remove => TopologyOp::Remove,
            cantle_topology::TopologyChangeOp::Replace => TopologyOp::Replace,
        },
        code: subject.code.to_string(),
        namespace: subject.namespace.fingerprint().clone(),
        identifier: subject.identifier.map(|identifier| identifier.to_string()).unwrap_or_default(),
        element_id: transaction.element_id().to_string(),
        mapping_hash: transaction.hash().evidence().to_vec(),
        signed_by: signed.key().fingerprint().clone(),
        serialized: signed.to_bytes(),
    })
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}
