//! The members' own client on this sequencer: over the wire and in its process.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cantle_crypto::KeyPair;
use cantle_protocol::{Batch, EventContent, HandshakeRequest};
use cantle_sequencer::{InProcessSequencer, Sequencer};
use cantle_sequencing::{
    AuthOptions, ClientOptions, ClientSetup, Delivery, EventHandler, GrpcOptions, GrpcSequencer,
    HandlerError, MemberSetup, SendOutcome, SequencerApi, SequencerClient, SequencerConnection, Submission,
    sequencer_info,
};
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_types::ProtocolVersion;
use cantle_vault::{Vault, VaultBackend, VaultOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::public_api::serve;
use super::support::{Keyed, World, in_time, to};

/// What a member was given.
#[derive(Debug, Default)]
struct Seen {
    events: Mutex<Vec<Delivery>>,
    count: watch::Sender<usize>,
}

impl Seen {
    async fn reaches(&self, count: usize) {
        let mut seen = self.count.subscribe();
        in_time(seen.wait_for(|seen| *seen >= count)).await.unwrap();
    }
}

#[async_trait]
impl EventHandler for Seen {
    async fn handle(&self, events: Vec<Delivery>) -> Result<(), HandlerError> {
        let count = {
            let mut seen = self.events.lock().unwrap();
            seen.extend(events);
            seen.len()
        };
        self.count.send_replace(count);
        Ok(())
    }
}

/// A member that follows the domain.
struct Following {
    client: SequencerClient,
    seen: Arc<Seen>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Following {
    async fn start(world: &World, keyed: &Keyed, api: Arc<dyn SequencerApi>) -> Self {
        let versions = ProtocolVersion::ALL.to_vec();
        let handshake = HandshakeRequest::new(versions.clone(), Some(ProtocolVersion::V5));
        let info = sequencer_info(&*api, &handshake).await.unwrap();
        let (store, vault) = node_of(world, keyed).await;
        let setup = ClientSetup {
            api,
            info,
            member: keyed.member.clone(),
            clock: world.clock.clone(),
            versions,
            options: ClientOptions::default(),
        };
        let own = MemberSetup { vault, store, authentication: AuthOptions::default() };
        let client = SequencerClient::open(setup, own).await.unwrap();
        let (seen, stop) = (Arc::new(Seen::default()), CancellationToken::new());
        let task = tokio::spawn({
            let (client, seen, stop) = (client.clone(), Arc::clone(&seen), stop.clone());
            async move { client.run(seen, stop).await.unwrap() }
        });
        Self { client, seen, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        in_time(self.task).await.unwrap();
    }
}

async fn node_of(world: &World, keyed: &Keyed) -> (Arc<SqliteStore>, Vault) {
    let node = NodeIdentity { kind: NodeKind::Participant, name: "participant".parse().unwrap() };
    let options = SqliteOptions {
        location: SqliteLocation::Memory,
        node: node.clone(),
        migrate: MigrateOnStart::No,
        access: Access::ReadWrite,
    };
    let store = Arc::new(SqliteStore::open(options).await.unwrap());
    let options = VaultOptions::new(node, CryptoProvider::Jce);
    let vault = Vault::open(store.clone(), VaultBackend::Jce, options, world.clock.clone()).await.unwrap();
    let pair: KeyPair = keyed.key.clone().into();
    vault.import_key_pair(&pair.to_versioned_bytes(), None).await.unwrap();
    (store, vault)
}

/// A domain in which nobody but the sequencer knows the topology yet, and both participants are told of it.
async fn told(world: &World) -> Sequencer {
    let (sequencer, key) = world.open(world.store().await).await;
    let mut topology = world.initial_topology(&key);
    topology.extend(world.participants.iter().flat_map(|participant| world.onboarding(participant)));
    world.begin(&sequencer, &topology).await;
    let message = world.topology_message(topology);
    let to_both = world.participants.iter().map(|participant| to(&message, &[&participant.member])).collect();
    world.send(&sequencer, &world.manager, to_both).await.unwrap();
    sequencer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_talk_over_the_wire_and_in_process() {
    let world = World::new();
    let sequencer = told(&world).await;
    let served = serve(&world, &sequencer, cantle_sequencer::PublicServerOptions::default()).await;
    let uri = format!("http://{}", served.address);
    let connection = SequencerConnection::from_uris("sequencer1", [uri.as_str()], None).unwrap();
    let remote = GrpcSequencer::new(connection, GrpcOptions::default()).unwrap();
    let one = Following::start(&world, world.one(), Arc::new(remote)).await;
    let two =
        Following::start(&world, world.two(), Arc::new(InProcessSequencer::new(sequencer.clone()))).await;
    one.seen.reaches(1).await;
    two.seen.reaches(1).await;
    let topology = one.client.topology().unwrap().latest();
    assert!(topology.is_active(&world.two().member), "the first event brings the topology");

    for (from, to_whom) in [(&one, world.two()), (&two, world.one())] {
        let batch = Batch::new(vec![to(b"hello", &[&to_whom.member])]);
        let pending = from.client.send(Submission::new(batch)).await.unwrap();
        let id = pending.message_id().clone();
        let outcome = in_time(pending).await;
        let SendOutcome::Sequenced { counter, .. } = outcome else { panic!("{outcome:?}") };
        from.seen.reaches(usize::try_from(counter.get()).unwrap() + 1).await;
        let seen = from.seen.events.lock().unwrap();
        let receipt = seen.iter().find(|delivery| delivery.counter() == counter).unwrap();
        assert_eq!(receipt.event.content().message_id(), Some(&id));
    }
    for following in [&one, &two] {
        following.seen.reaches(3).await;
        let seen = following.seen.events.lock().unwrap();
        let counters: Vec<_> = seen.iter().map(|delivery| delivery.counter().get()).collect();
        // Either may have asked for the time besides.
        assert_eq!(counters, (0..).take(counters.len()).collect::<Vec<_>>());
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_asks_for_the_time_and_gets_a_proof() {
    let world = World::new();
    let sequencer = told(&world).await;
    let one =
        Following::start(&world, world.one(), Arc::new(InProcessSequencer::new(sequencer.clone()))).await;
    one.seen.reaches(1).await;
    let before = world.now();
    world.clock.advance(std::time::Duration::from_secs(5));
    in_time(one.client.time().await_time(before.saturating_add(std::time::Duration::from_secs(1))))
        .await
        .unwrap();
    let seen: Vec<_> = one.seen.events.lock().unwrap().drain(1..).collect();
    for delivery in &seen {
        let EventContent::Deliver { message_id, batch } = delivery.event.content().content() else {
            panic!("{delivery:?}")
        };
        assert!(message_id.as_ref().unwrap().as_str().starts_with("tick-"));
        assert!(batch.is_empty());
    }
    one.stop().await;
}
