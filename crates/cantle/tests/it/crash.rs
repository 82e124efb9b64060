//! kill -9 at random moments of automatic initialization and of registration: real processes, a KMS that keeps its keys
//! in a file, and what the next start makes of what is left.
//!
//! Here the moment is what is tested, so a process is killed after a time that is drawn; nothing depends on which it is.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use cantle_testkit::Process;
use serde_json::Value;

use crate::support::{SIX, SOON, Workplace, make_key};

/// With these a node finds a key whose making was interrupted.
const LISTING: &[&str] = &["kms:ListKeys", "kms:ListResourceTags"];

const REGISTER: &str = r#"
participant1.keys.secret.register_kms_signing_key("NAMESPACE", name = "participant1-namespace")
participant1.keys.secret.register_kms_signing_key("SIGNING", name = "participant1-signing")
participant1.keys.secret.register_kms_encryption_key("ENCRYPTION", name = "participant1-encryption")
"#;

const INITIALIZE: &str = r#"
val key = participant1.keys.secret.list(filterName = "participant1-namespace").head.publicKey
participant1.topology.namespace_delegations.authorize(TopologyChangeOp.Add, key.fingerprint, key.fingerprint, isRootDelegation = true)
participant1.topology.init_id("participant1", key.fingerprint)
"#;

/// What a round does before it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Participant,
    DomainManager,
    Registration,
}

/// What came of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    initializations: usize,
    registrations: usize,
    /// Processes that were killed at a moment that was drawn, and those of them that were not done by then.
    kills: usize,
    unfinished: usize,
    orphans: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.initializations += other.initializations;
        self.registrations += other.registrations;
        self.kills += other.kills;
        self.unfinished += other.unfinished;
        self.orphans += other.orphans;
    }
}

/// Where nodes keep their data, as a part of the configuration, for each round; nothing for files.
pub(crate) type Storage<'a> = Option<&'a (dyn Fn(usize) -> String + Sync)>;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_a_node_has_one_identity_and_no_key_is_lost() {
    run(15, None).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs minutes"]
async fn killed_at_any_of_three_hundred_moments_a_node_has_one_identity_and_no_key_is_lost() {
    tell(&run(300, None).await);
}

/// As many rounds, half of them with nodes that may list keys, side by side with the others.
pub(crate) async fn run(rounds: usize, storage: Storage<'_>) -> Counts {
    let stages = [Stage::new(&[SIX, LISTING].concat()), Stage::new(SIX)];
    let runtime = tokio::runtime::Handle::current();
    let run = |(first, stage): (usize, Stage)| {
        let numbers: Vec<_> = (first..rounds).step_by(2).collect();
        runtime.block_on(stage.rounds(&numbers, storage))
    };
    let run = &run;
    let [(may_list, one), (_, other)] = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let [one, other] = stages;
            let [one, other] = [(0, one), (1, other)].map(|stage| scope.spawn(move || run(stage)));
            [one.join().unwrap(), other.join().unwrap()]
        })
    });
    assert!(
        may_list.orphans.values().all(Option::is_none),
        "a key that can be listed is adopted: {may_list:?}"
    );
    let mut counts = one;
    counts.add(&other);
    counts
}

#[expect(clippy::print_stdout, reason = "the figures of docs/reliability.md")]
pub(crate) fn tell(counts: &Counts) {
    println!("{counts:?}");
}

/// A KMS, and what is known of the keys in it.
#[derive(Debug)]
struct Stage {
    workplace: Workplace,
    /// KMS keys that nodes have.
    stored: HashSet<String>,
    /// Possible orphans: the creation, and the key where it is known.
    orphans: HashMap<String, Option<String>>,
    /// From the start of a process to its first line, and from there to its identity.
    first_line: Duration,
    to_ready: Duration,
}

impl Stage {
    fn new(actions: &[&str]) -> Self {
        Self {
            workplace: Workplace::new(actions),
            stored: HashSet::new(),
            orphans: HashMap::new(),
            first_line: Duration::from_millis(300),
            to_ready: Duration::from_millis(500),
        }
    }

    /// The rounds of these numbers, one after the other, and a look at all keys at the end.
    async fn rounds(mut self, numbers: &[usize], storage: Storage<'_>) -> (Self, Counts) {
        let (mut random, mut counts) = (Random::new(), Counts::default());
        for number in numbers {
            let subject = match number / 2 % 5 {
                0 | 3 => Subject::Participant,
                1 => Subject::DomainManager,
                _ => Subject::Registration,
            };
            let what = format!("round {number} of seed {}: {subject:?}", random.seed);
            self.round(*number, subject, storage, &mut random, &mut counts, &what).await;
        }
        self.check_all_keys().await;
        (self, counts)
    }

    async fn round(
        &mut self,
        round: usize,
        subject: Subject,
        storage: Storage<'_>,
        random: &mut Random,
        counts: &mut Counts,
        what: &str,
    ) {
        let name = if subject == Subject::DomainManager { "manager1" } else { "participant1" };
        let config = self.config(subject, name, storage.map(|of| of(round)).as_deref());
        let data = self.workplace.path(&format!("data-{round}"));
        if subject == Subject::Registration {
            counts.registrations += 1;
            let (script, made) = self.script().await;
            self.kill_at_random(&["run", script.to_str().unwrap()], &config, &data, random, counts);
            self.finish_registration(&config, &data, &script, &made, what);
            return;
        }
        counts.initializations += 1;
        let finished = self.kill_at_random(&["daemon"], &config, &data, random, counts);
        // A second one, at times: also a start that goes on with what is there may be killed.
        if !finished && random.below(3) == 0 {
            self.kill_at_random(&["daemon"], &config, &data, random, counts);
        }
        let namespace = self.namespace(&config, &data, name);
        let began = Instant::now();
        let (process, uid) = self.start(&config, &data, name);
        self.to_ready = (self.to_ready * 3 + began.elapsed().saturating_sub(self.first_line)) / 4;
        if let Some(namespace) = namespace {
            assert!(uid.ends_with(&format!("::{namespace}")), "{what}: the namespace stays: {uid}");
        }
        process.kill().unwrap();
        let (process, again) = self.start(&config, &data, name);
        assert_eq!(again, uid, "{what}: the same identity after a restart");
        let wanted = if subject == Subject::Participant { 3 } else { 2 };
        let keys = self.keys(&config, &data);
        assert_eq!(keys.len(), wanted, "{what}: each key once");
        for key in &keys {
            assert!(self.stored.insert(key["kms_key_id"].as_str().unwrap().to_owned()), "{what}: {key}");
        }
        for orphan in self.listed(&["keys", "--orphans"], &config, &data) {
            counts.orphans += 1;
            let key = orphan["kms_key_id"].as_str().map(str::to_owned);
            self.orphans.insert(orphan["id"].as_str().unwrap().to_owned(), key);
        }
        process.kill().unwrap();
    }

    /// Registers what is not registered yet and makes the identity.
    fn finish_registration(
        &mut self,
        config: &Path,
        data: &Path,
        script: &Path,
        made: &[String; 3],
        what: &str,
    ) {
        let text = std::fs::read_to_string(script).unwrap();
        let whole = self.workplace.write("whole.canton", &(text + INITIALIZE));
        let mut command = self.command(&["run", whole.to_str().unwrap()], config, data);
        let finished = Process::spawn(&mut command).unwrap().finish(SOON).unwrap();
        assert!(finished.status.success(), "{what}: {}{}", finished.stdout, finished.stderr);
        let (process, uid) = self.start(config, data, "participant1");
        let keys = self.keys(config, data);
        assert!(uid.ends_with(keys[0]["fingerprint"].as_str().unwrap()), "{what}: {uid}");
        let mut ids: Vec<_> = keys.iter().map(|key| key["kms_key_id"].as_str().unwrap().to_owned()).collect();
        let mut wanted = made.to_vec();
        ids.sort();
        wanted.sort();
        assert_eq!(ids, wanted, "{what}: the operator's keys and no other");
        assert!(keys.iter().all(|key| key["state"] == "Enabled" && key["origin"] == "registered"), "{what}");
        assert!(self.listed(&["keys", "--orphans"], config, data).is_empty(), "{what}");
        self.stored.extend(made.iter().cloned());
        process.kill().unwrap();
    }

    /// Every key of the KMS belongs to a node, or is named as a possible orphan.
    async fn check_all_keys(&self) {
        let client = self.workplace.client("operator");
        let mut pages = client.list_keys().into_paginator().send();
        let mut listed = 0;
        while let Some(page) = pages.next().await {
            for key in page.unwrap().keys() {
                listed += 1;
                let id = key.key_id().unwrap();
                let tags = client.list_resource_tags().key_id(id).send().await.unwrap();
                let creation = tags.tags().iter().find(|tag| tag.tag_key() == "CantleCreation");
                let named = creation.is_some_and(|tag| self.orphans.contains_key(tag.tag_value()));
                let is_stored = self.stored.contains(id);
                assert!(is_stored != named, "key {id} is a node's ({is_stored}) or named ({named})");
            }
        }
        assert!(listed >= self.stored.len(), "no key of a node is gone");
    }

    /// Starts a process and kills it; whether it had its identity, or was done, by then.
    fn kill_at_random(
        &mut self,
        arguments: &[&str],
        config: &Path,
        data: &Path,
        random: &mut Random,
        counts: &mut Counts,
    ) -> bool {
        let began = Instant::now();
        let mut process = Process::spawn(&mut self.command(arguments, config, data)).unwrap();
        if random.below(4) == 0 {
            sleep(random.of(self.first_line));
        } else {
            process.wait_for("listening: ", SOON).unwrap();
            self.first_line = (self.first_line * 3 + began.elapsed()) / 4;
            sleep(random.of(self.to_ready * 5 / 4));
        }
        let killed = process.kill().unwrap();
        let finished = ["ready: ", "has no sequencer yet"].iter().any(|line| killed.stderr.contains(line))
            || killed.status.success();
        counts.kills += 1;
        counts.unfinished += usize::from(!finished);
        finished
    }

    /// Starts a node to its identity. In PostgreSQL it may take a moment until the killed process is known to be gone.
    fn start(&self, config: &Path, data: &Path, name: &str) -> (Process, String) {
        let deadline = Instant::now() + SOON;
        loop {
            let mut process = Process::spawn(&mut self.command(&["daemon"], config, data)).unwrap();
            // A domain manager waits for its sequencer then.
            let line = if name == "manager1" { "waiting: " } else { "ready: " };
            match process.wait_for(line, SOON) {
                Ok(line) => {
                    let mut words = line.split(' ').skip(2);
                    assert_eq!(words.next(), Some(name), "{line}");
                    return (process, words.next().unwrap().to_owned());
                }
                Err(error) => assert!(
                    error.to_string().contains("is in use") && Instant::now() < deadline,
                    "it must start: {error}"
                ),
            }
        }
    }

    /// The namespace key that the node has, if it came so far.
    fn namespace(&self, config: &Path, data: &Path, name: &str) -> Option<String> {
        let mut command = self.command(&["keys", "--json"], config, data);
        let finished = Process::spawn(&mut command).unwrap().finish(SOON).unwrap();
        if !finished.status.success() {
            let early = [
                "there is no database",
                "needs a migration",
                "is in use",
                "is not available",
                // Before it has chosen its log, and so before there is a key.
                "in the midst of a write",
            ];
            assert!(early.iter().any(|text| finished.stderr.contains(text)), "{}", finished.stderr);
            return None;
        }
        let keys: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap();
        let key = keys.into_iter().find(|key| key["name"] == format!("{name}-namespace"))?;
        Some(key["fingerprint"].as_str().unwrap().to_owned())
    }

    fn keys(&self, config: &Path, data: &Path) -> Vec<Value> {
        self.listed(&["keys"], config, data)
    }

    fn listed(&self, arguments: &[&str], config: &Path, data: &Path) -> Vec<Value> {
        let mut command = self.command(arguments, config, data);
        let finished = Process::spawn(command.arg("--json")).unwrap().finish(SOON).unwrap();
        assert!(finished.status.success(), "{}", finished.stderr);
        serde_json::from_str(&finished.stdout).unwrap()
    }

    fn command(&self, arguments: &[&str], config: &Path, data: &Path) -> Command {
        let mut command = self.workplace.cantle();
        command.args(arguments).arg("-c").arg(config).arg("--data-dir").arg(data);
        command
    }

    fn config(&self, subject: Subject, name: &str, storage: Option<&str>) -> PathBuf {
        let section = match subject {
            Subject::DomainManager => "domain-managers",
            Subject::Participant | Subject::Registration => "participants",
        };
        let init = match subject {
            Subject::Registration => "init.auto-init = false",
            Subject::Participant => "init.identity.node-identifier.type = random",
            Subject::DomainManager => {
                "init { identity.node-identifier.type = random, domain-parameters.protocol-version = 7 }"
            }
        };
        let text = format!(
            r#"canton.{section}.{name} {{
              crypto.provider = kms
              crypto.kms {{ type = aws, region = us-east-1, endpoint-override = "{}" }}
              {init}
              {}
            }}"#,
            self.workplace.endpoint,
            storage.unwrap_or_default()
        );
        self.workplace.write("round.conf", &text)
    }

    /// Three keys of the operator, and the script that registers them.
    async fn script(&self) -> (PathBuf, [String; 3]) {
        let client = self.workplace.client("operator");
        let sign = || make_key(&client, KeySpec::EccNistP256, KeyUsageType::SignVerify);
        let encryption = make_key(&client, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
        let made = [sign().await.id, sign().await.id, encryption.id];
        let text = REGISTER.replace("NAMESPACE", &made[0]).replace("SIGNING", &made[1]);
        (self.workplace.write("register.canton", &text.replace("ENCRYPTION", &made[2])), made)
    }
}

/// Numbers from a seed: splitmix64.
#[derive(Debug)]
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) ^ now.as_secs();
        Self { seed, state: seed }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A part of a time.
    fn of(&mut self, whole: Duration) -> Duration {
        let micros = u64::try_from(whole.as_micros()).unwrap();
        Duration::from_micros(self.below(micros.max(1)))
    }
}
