//! A domain with several sequencers, each a process, over one database: founding it, adding to them, losing them.

use std::{collections::BTreeMap, fmt::Write as _};

use cantle_testkit::Process;

use super::{Cluster, database, hikari};
use crate::procedures::transcript::{Keys, script};
use crate::support::{SIX, Workplace, free_port};

/// What is not a sequencer, in one process: (section of the configuration, node).
const OTHERS: &[(&str, &str)] = &[
    ("domain-managers", "manager"),
    ("mediators", "mediator1"),
    ("mediators", "mediator2"),
    ("participants", "participant1"),
    ("participants", "participant2"),
    ("participants", "participant3"),
    ("participants", "participant4"),
];
const FOUNDED: &str = include_str!("../../transcripts/several-sequencers.canton");
const ADDED: &str = include_str!("../../transcripts/new-sequencers.canton");

/// A domain of processes, and the configuration of a console that reaches them.
struct World {
    workplace: Workplace,
    sequencers: BTreeMap<String, Process>,
    /// Ends last.
    _others: Process,
    remote: std::path::PathBuf,
}

impl World {
    /// Starts all nodes; sequencers have these storages.
    fn start(sequencers: &[(&str, String)]) -> Self {
        let workplace = Workplace::new(SIX);
        let kms = format!(
            r#"crypto.provider = kms, crypto.kms {{ type = aws, region = us-east-1, endpoint-override = "{}" }}"#,
            workplace.endpoint
        );
        let (mut others, mut remote) = (String::new(), String::new());
        for (section, node) in OTHERS {
            let port = free_port();
            let version = match *section {
                "domain-managers" => "init.domain-parameters.protocol-version = 7,",
                _ => "",
            };
            writeln!(others, "canton.{section}.{node} {{ {version} {kms}, admin-api.port = {port} }}")
                .unwrap();
            writeln!(remote, "canton.remote-{section}.{node}.admin-api.port = {port}").unwrap();
        }
        for (node, storage) in sequencers {
            let (admin, public) = (free_port(), free_port());
            let config = format!(
                "canton.sequencers.{node} {{ {kms}, admin-api.port = {admin}, public-api.port = {public}\n{storage} }}"
            );
            workplace.write(&format!("{node}.conf"), &config);
            let remote_node = format!("canton.remote-sequencers.{node}");
            writeln!(
                remote,
                "{remote_node}.admin-api.port = {admin}\n{remote_node}.public-api.port = {public}"
            )
            .unwrap();
        }
        let config = workplace.write("others.conf", &others);
        let (process, _) = workplace.daemon(&config, "participant4 admin-api");
        let remote = workplace.write("remote.conf", &remote);
        let mut world = Self { workplace, sequencers: BTreeMap::new(), _others: process, remote };
        for (node, _) in sequencers {
            world.start_sequencer(node);
        }
        world
    }

    fn start_sequencer(&mut self, node: &str) {
        let config = self.workplace.path(&format!("{node}.conf"));
        let (process, _) = self.workplace.daemon(&config, &format!("{node} public-api"));
        self.sequencers.insert(node.to_owned(), process);
    }

    /// kill -9
    fn kill_sequencer(&mut self, node: &str) {
        self.sequencers.remove(node).unwrap().kill().unwrap();
    }

    /// What a script prints, which ends well.
    fn run(&self, script: &str) -> String {
        let finished = self.workplace.run(&self.remote, script);
        assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
        finished.stdout
    }
}

/// The storage of a sequencer as Canton has it: all name the same database.
fn shared(cluster: &Cluster, database: &str) -> String {
    format!(
        "{}\nsequencer {{ type = database, high-availability.enabled = true }}",
        hikari(cluster, database)
    )
}

/// A file for what is the node's alone, and the database that it shares.
fn beside(cluster: &Cluster, database: &str) -> String {
    format!("sequencer {{ high-availability.enabled = true, {} }}", hikari(cluster, database))
}

/// Every member has its events without a gap, and nothing that was forwarded is forgotten: it is answered within thirty
/// seconds, since nodes go on to say what they have to.
async fn assert_whole(cluster: &Cluster, database: &str) {
    let check = "DO $$ BEGIN \
         IF EXISTS (SELECT 1 FROM sequencer_events GROUP BY member \
             HAVING max(counter) + 1 <> count(*) OR min(counter) <> 0 OR count(DISTINCT sequenced) <> count(*)) \
         THEN RAISE EXCEPTION 'a counter is left out or repeated'; END IF; \
         IF (SELECT count(*) FROM sequencer_events) < 20 THEN RAISE EXCEPTION 'there are no events'; END IF; \
         FOR moment IN 1 .. 300 LOOP \
             EXIT WHEN NOT EXISTS (SELECT 1 FROM sequencer_forwarded WHERE outcome IS NULL); \
             PERFORM pg_sleep(0.1); \
             IF moment = 300 THEN RAISE EXCEPTION 'something that was forwarded was not answered'; END IF; \
         END LOOP; \
         END $$";
    cluster.run(database, check).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_domain_goes_on_when_any_of_its_sequencers_is_killed() {
    let cluster = database("killed_sequencers").await;
    let of = |_: &str| shared(&cluster, "killed_sequencers");
    let mut world = World::start(&[("sequencer1", of("sequencer1")), ("sequencer2", of("sequencer2"))]);
    world.run(&script(FOUNDED, Keys::Generated));
    // One of the two writes: it is killed, whichever it is, and the other one goes on.
    for node in ["sequencer1", "sequencer2"] {
        world.kill_sequencer(node);
        world.run("participant1.health.ping(participant2)\nparticipant2.health.ping(participant1)");
        world.start_sequencer(node);
        world.run(&format!("{node}.health.wait_for_initialized()\nparticipant1.health.ping(participant2)"));
    }
    assert_whole(&cluster, "killed_sequencers").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_running_domain_gets_sequencers_that_serve_alone() {
    let cluster = database("more_sequencers").await;
    let storages = [
        ("sequencer1", shared(&cluster, "more_sequencers")),
        ("sequencer2", shared(&cluster, "more_sequencers")),
        ("sequencer3", beside(&cluster, "more_sequencers")),
        ("sequencer4", beside(&cluster, "more_sequencers")),
    ];
    let mut world = World::start(&storages);
    world.run(&script(FOUNDED, Keys::Generated));
    world.run(&script(ADDED, Keys::Generated));
    // The first two are gone for good: one of the new ones writes.
    world.kill_sequencer("sequencer1");
    world.kill_sequencer("sequencer2");
    world.run("participant3.health.ping(participant4)");
    assert_whole(&cluster, "more_sequencers").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn sequencers_that_share_no_database_found_no_domain() {
    let (one, other) = (database("not_shared_one").await, database("not_shared_other").await);
    let storages = [
        ("sequencer1", shared(&one, "not_shared_one")),
        ("sequencer2", shared(&other, "not_shared_other")),
        ("sequencer3", String::new()),
    ];
    let world = World::start(&storages);
    let refused = |second: &str| {
        let script = format!(
            "manager.health.wait_for_identity()\n\
             manager.setup.bootstrap_domain(Seq(sequencer1, {second}), Seq(mediator1))"
        );
        let finished = world.workplace.run(&world.remote, &script);
        assert!(!finished.status.success(), "{}", finished.stdout);
        finished.stderr
    };
    let error = refused("sequencer2");
    assert!(error.contains("sequencer1 and sequencer2, which share no database"), "{error}");
    let error = refused("sequencer3");
    assert!(error.contains("sequencer3 has a database of its own"), "{error}");
    assert!(error.contains("sequencer.high-availability.enabled = true"), "{error}");
    world.run("assert(!sequencer1.health.initialized())\nassert(!mediator1.health.initialized())");
}
