//! Automatic initialization and registration, stopped before and after every step: each write of the store and each
//! request to the KMS. The next start makes one identity of what is there, and loses no key.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cantle_config::NodeIdentifier;
use cantle_domain_manager::DomainRoles;
use cantle_kms::testing::FakeKms;
use cantle_kms::{
    KeySpec, KeyState, KeyUsage, Kms, KmsAnswer, KmsError, KmsKeyId, KmsRequest, Operation, Reply,
};
use cantle_store::testing::Gate;
use cantle_store::{
    Access, CryptoProvider, KeyStore, MigrateOnStart, NodeIdentity, NodeKind, RoleStore, SqliteLocation,
    SqliteOptions, SqliteStore,
};
use cantle_topology::{DynamicDomainParameters, TopologyMapping};
use cantle_types::{ProtocolVersion, SystemClock};
use cantle_vault::{CREATION_TAG, KeyFilter, VaultBackend, VaultOptions};
use tokio::sync::watch;

use super::*;

const VERSION: ProtocolVersion = ProtocolVersion::V7;
const SOON: Duration = Duration::from_secs(60);

/// Where the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Never,
    Before(usize),
    After(usize),
}

/// Lets steps pass until the one at which the process ends; from then on none.
#[derive(Debug)]
struct Crash {
    at: Stop,
    passed: Mutex<Passed>,
    /// Whether it has ended, and how many steps are still being made then.
    ended: watch::Sender<(bool, usize)>,
}

#[derive(Debug, Default)]
struct Passed {
    entered: usize,
    left: usize,
    names: Vec<String>,
}

impl Crash {
    fn new(at: Stop) -> Arc<Self> {
        Arc::new(Self { at, passed: Mutex::default(), ended: watch::Sender::new((false, 0)) })
    }

    /// Waits for the end, and until nothing is under way.
    async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        let over = tokio::time::timeout(SOON, ended.wait_for(|(ended, inside)| *ended && *inside == 0));
        over.await.expect("steps under way come to their end").expect("the sender is here");
    }

    fn steps(&self) -> Vec<String> {
        self.passed.lock().unwrap().names.clone()
    }
}

#[async_trait]
impl Gate for Crash {
    async fn enter(&self, step: &str) {
        let stops = {
            let mut passed = self.passed.lock().unwrap();
            passed.entered += 1;
            passed.names.push(step.to_owned());
            let here = self.at == Stop::Before(passed.entered);
            let stops = here || self.ended.borrow().0;
            self.ended.send_modify(|(ended, inside)| {
                *ended |= here;
                *inside += usize::from(!stops);
            });
            stops
        };
        if stops {
            pending::<()>().await;
        }
    }

    async fn leave(&self, _step: &str) {
        let stops = {
            let mut passed = self.passed.lock().unwrap();
            passed.left += 1;
            let here = self.at == Stop::After(passed.left);
            let stops = here || self.ended.borrow().0;
            self.ended.send_modify(|(ended, inside)| {
                *ended |= here;
                *inside -= 1;
            });
            stops
        };
        if stops {
            pending::<()>().await;
        }
    }
}

/// A KMS whose requests pass the gate.
#[derive(Debug)]
struct GatedKms {
    inner: Arc<FakeKms>,
    gate: Arc<Crash>,
}

#[async_trait]
impl Kms for GatedKms {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        let operation = request.operation().as_str();
        self.gate.enter(operation).await;
        let answer = self.inner.ask(request).await;
        self.gate.leave(operation).await;
        answer
    }
}

/// What is initialized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Participant,
    DomainManager,
    Domain,
}

impl Kind {
    fn node(self) -> NodeIdentity {
        let kind = match self {
            Self::Participant => NodeKind::Participant,
            Self::DomainManager => NodeKind::DomainManager,
            Self::Domain => NodeKind::Domain,
        };
        NodeIdentity { kind, name: "node1".parse().unwrap() }
    }

    /// How many keys such a node has, and how many topology transactions.
    fn sizes(self) -> (usize, usize) {
        match self {
            Self::Participant => (3, 3),
            Self::DomainManager => (2, 3),
            Self::Domain => (4, 6),
        }
    }
}

/// A node's lasting parts: its database and its KMS.
struct World {
    kind: Kind,
    store: SqliteStore,
    kms: Arc<FakeKms>,
}

/// One process of it.
struct Process {
    vault: Vault,
    manager: TopologyManager,
    store: Arc<dyn NodeStore>,
    gate: Arc<Crash>,
}

impl World {
    async fn new(kind: Kind) -> Self {
        let options = SqliteOptions {
            location: SqliteLocation::Memory,
            node: kind.node(),
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        };
        Self { kind, store: SqliteStore::open(options).await.unwrap(), kms: Arc::new(FakeKms::new()) }
    }

    async fn process(&self, at: Stop) -> Process {
        let gate = Crash::new(at);
        let store: Arc<dyn NodeStore> = Arc::new(self.store.clone().gated(gate.clone()));
        let kms = GatedKms { inner: self.kms.clone(), gate: gate.clone() };
        let mut options = VaultOptions::new(self.kind.node(), CryptoProvider::Kms);
        options.search_patience = Duration::ZERO;
        let clock = Arc::new(SystemClock);
        let backend = VaultBackend::Kms(Arc::new(kms));
        let vault = Vault::open(store.clone(), backend, options, clock.clone()).await.unwrap();
        let manager = TopologyManager::open(store.clone(), vault.clone(), clock, VERSION).await.unwrap();
        Process { vault, manager, store, gate }
    }

    /// A process that makes its identity, or has one, until it is done or ends at `at`. The answer is how many steps it
    /// made, if it was done.
    async fn run(&self, at: Stop) -> Option<(UniqueIdentifier, Vec<String>)> {
        let process = self.process(at).await;
        let gate = process.gate.clone();
        let initialized = tokio::spawn(initialize(self.kind, process));
        tokio::select! {
            uid = initialized => Some((uid.unwrap(), gate.steps())),
            () = gate.ended() => None,
        }
    }

    /// What must hold of a node that is initialized.
    async fn check(&self, uid: &UniqueIdentifier, what: &str) {
        let process = self.process(Stop::Never).await;
        let (keys, transactions) = self.kind.sizes();
        assert_eq!(process.manager.uid().as_ref(), Some(uid), "{what}: one identity");
        let own = process.vault.private_keys(&KeyFilter::default()).await.unwrap();
        assert_eq!(own.len(), keys, "{what}: each key once");
        assert!(
            own.iter().any(|key| key.fingerprint() == uid.namespace().fingerprint()),
            "{what}: its own namespace"
        );
        let state = process.manager.state();
        let active: Vec<_> = state.active().collect();
        assert_eq!(active.len(), transactions, "{what}: nothing is signed twice");
        for transaction in active {
            let signer = transaction.signed_by();
            assert!(own.iter().any(|key| key.fingerprint() == signer), "{what}: {signer} is its key");
            if let TopologyMapping::OwnerToKeyMapping(mapping) = transaction.mapping() {
                assert_eq!(mapping.owner.uid(), uid, "{what}: no half identity");
            }
        }
        let orphans = process.vault.possible_orphans().await.unwrap();
        for key in self.kms.keys() {
            let tags = self.kms.tags(&key.key_id);
            let stored = own.iter().any(|own| own.kms.as_ref().unwrap().kms_key_id == key.key_id.as_str());
            let named =
                orphans.iter().any(|orphan| tags.contains(&(CREATION_TAG.to_owned(), orphan.id.clone())));
            assert!(
                stored != named,
                "{what}: {} is a key of the node ({stored}) or a named orphan",
                key.key_id
            );
        }
    }
}

async fn initialize(kind: Kind, process: Process) -> UniqueIdentifier {
    let Process { vault, manager, store, .. } = process;
    let init = InitConfig { auto_init: AutoInit::Yes, node_identifier: NodeIdentifier::Random };
    let reporter = Reporter::new(kind.node(), Arc::new(|_| {}));
    let name = kind.node().name;
    let make = async |identifier| match kind {
        Kind::Participant => Ok(cantle_participant::initialize(&vault, &manager, &name, identifier).await?),
        Kind::DomainManager | Kind::Domain => {
            let roles = if kind == Kind::Domain { DomainRoles::All } else { DomainRoles::Manager };
            let parameters = DynamicDomainParameters::defaults(VERSION);
            let made =
                cantle_domain_manager::initialize(&vault, &manager, &name, identifier, roles, parameters);
            Ok(made.await?)
        }
    };
    let reached = reach(&init, &vault, &manager, &*store, &reporter, make).await;
    reached.unwrap_or_else(|| panic!("it must reach its identity: {:?}", reporter.state()))
}

/// Stops at every step, and finishes with the next start.
async fn at_every_step(kind: Kind, may_list: bool) {
    let mut crashes = 0;
    let undisturbed = World::new(kind).await.run(Stop::Never).await.unwrap().1.len();
    for before in [true, false] {
        for number in 1.. {
            let stop = if before { Stop::Before(number) } else { Stop::After(number) };
            let what = format!("{kind:?}, stopped {stop:?}, may list keys: {may_list}");
            let world = World::new(kind).await;
            if !may_list {
                world.kms.deny(Operation::ListKeys);
            }
            if world.run(stop).await.is_some() {
                assert!(number >= undisturbed, "{what}: every step was tried");
                break;
            }
            crashes += 1;
            let name = "node1-namespace".parse().unwrap();
            let keys = world.store.public_key_list().await.unwrap();
            let namespace = keys.into_iter().find(|key| key.name.as_ref() == Some(&name));
            let identifier = world.store.setting_find(&RoleSetting::OwnIdentifier).await.unwrap();

            let (uid, _) = world.run(Stop::Never).await.unwrap();
            world.check(&uid, &what).await;
            if let Some(namespace) = namespace {
                assert_eq!(
                    uid.namespace().fingerprint(),
                    namespace.key.fingerprint(),
                    "{what}: the namespace stays"
                );
            }
            if let Some(identifier) = identifier {
                assert_eq!(
                    uid.identifier().to_string().as_bytes(),
                    identifier,
                    "{what}: the identifier stays"
                );
            }
            if may_list {
                assert_eq!(world.kms.keys().len(), kind.sizes().0, "{what}: each key that was made is used");
            }
            let (again, _) = world.run(Stop::Never).await.unwrap();
            assert_eq!(again, uid, "{what}: a third start changes nothing");
            world.check(&uid, &what).await;
        }
    }
    assert!(crashes >= 2 * undisturbed - 2, "{kind:?}: {crashes} crashes");
    tell(format_args!("{kind:?}, may list keys: {may_list}"), crashes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_participant_that_may_list_keys_loses_none_at_any_step() {
    at_every_step(Kind::Participant, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_participant_that_may_not_names_its_possible_orphans() {
    at_every_step(Kind::Participant, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_manager_loses_no_key_at_any_step() {
    at_every_step(Kind::DomainManager, true).await;
    at_every_step(Kind::DomainManager, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_domain_loses_no_key_at_any_step() {
    at_every_step(Kind::Domain, true).await;
    at_every_step(Kind::Domain, false).await;
}

/// Registers three keys by hand and makes the identity with them, as the manual's script does.
async fn register(process: Process, keys: [KmsKeyId; 3]) -> UniqueIdentifier {
    let [namespace, signing, encryption] = keys;
    let name = |purpose: &str| Some(format!("node1-{purpose}").parse().unwrap());
    process.vault.register_kms_signing_key(&namespace, name("namespace")).await.unwrap();
    process.vault.register_kms_signing_key(&signing, name("signing")).await.unwrap();
    process.vault.register_kms_encryption_key(&encryption, name("encryption")).await.unwrap();
    initialize(Kind::Participant, process).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registration_stopped_at_any_step_is_repeated_without_a_trace() {
    let mut crashes = 0;
    for before in [true, false] {
        for number in 1.. {
            let stop = if before { Stop::Before(number) } else { Stop::After(number) };
            let what = format!("registration, stopped {stop:?}");
            let world = World::new(Kind::Participant).await;
            let sign = || world.kms.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
            let keys = [sign(), sign(), world.kms.add_key(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt).key_id];
            // The operator's keys are all there is.
            world.kms.deny(Operation::CreateKey);
            let process = world.process(stop).await;
            let gate = process.gate.clone();
            let done = tokio::spawn(register(process, keys.clone()));
            let done = tokio::select! { uid = done => Some(uid.unwrap()), () = gate.ended() => None };
            let is_last = done.is_some();
            let uid = match done {
                Some(uid) => uid,
                None => register(world.process(Stop::Never).await, keys.clone()).await,
            };
            world.check_registered(&uid, &what).await;
            if is_last {
                break;
            }
            crashes += 1;
        }
    }
    assert!(crashes > 30, "{crashes}");
    tell(format_args!("registration"), crashes);
}

impl World {
    async fn check_registered(&self, uid: &UniqueIdentifier, what: &str) {
        let process = self.process(Stop::Never).await;
        assert_eq!(process.manager.uid().as_ref(), Some(uid), "{what}");
        let own = process.vault.private_keys(&KeyFilter::default()).await.unwrap();
        let mut used: Vec<_> = own.iter().map(|key| key.kms.as_ref().unwrap().kms_key_id.clone()).collect();
        let mut made: Vec<_> = self.kms.keys().iter().map(|key| key.key_id.as_str().to_owned()).collect();
        used.sort();
        made.sort();
        assert_eq!(used, made, "{what}: the operator's keys and no other");
        assert!(self.kms.keys().iter().all(|key| key.state == KeyState::Enabled), "{what}");
        assert!(process.vault.possible_orphans().await.unwrap().is_empty(), "{what}");
        assert_eq!(process.manager.state().active().count(), 3, "{what}");
    }
}

/// The counts of docs/reliability.md, for who asks with `--nocapture`.
#[expect(clippy::print_stdout, reason = "a figure for people")]
fn tell(what: std::fmt::Arguments<'_>, crashes: usize) {
    println!("{what}: {crashes} crashes, one before and one after each step");
}
