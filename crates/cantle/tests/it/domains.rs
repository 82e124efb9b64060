//! An embedded sync domain and two participants in one process: they ping each other, before and after restarts, whatever
//! moment they were killed at.

use std::path::{Path, PathBuf};

use cantle_testkit::{Finished, Process};

use crate::support::{SIX, SOON, Workplace, count_keys};

const NODES: [(&str, &str); 3] =
    [("domains", "mydomain"), ("participants", "participant1"), ("participants", "participant2")];

/// What an operator types; saying it again changes nothing.
const SCRIPT: &str = r#"
print("started")
participant1.domains.connect_local(mydomain)
participant2.domains.connect_local(mydomain)
print("connected")
print("pinged in {}".format(participant1.health.ping(participant2)))
"#;

/// What is printed on the way, in its order.
const STAGES: [&str; 5] =
    ["making keys and identity", "started", "connected to a domain", "connected", "pinged in"];

fn config(workplace: &Workplace) -> PathBuf {
    let nodes = NODES.map(|(kind, name)| format!("{kind}.{name}"));
    let text = "canton.domains.mydomain.init.domain-parameters.protocol-version = 7";
    workplace.with_kms("domain.conf", text, nodes.iter().map(String::as_str))
}

fn begin(workplace: &Workplace, config: &Path) -> Process {
    let script = workplace.write("script.canton", SCRIPT);
    let mut command = workplace.cantle();
    command.arg("run").arg(script).arg("-c").arg(config);
    Process::spawn(&mut command).unwrap()
}

fn pinged(finished: &Finished) {
    assert!(finished.status.success(), "{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("pinged in"), "{}", finished.stdout);
}

/// The keys of each node are in the KMS, and no others.
async fn exactly_their_keys(workplace: &Workplace, config: &Path) {
    let keys = workplace.keys(config);
    let of = |name: &str| keys.iter().filter(|key| key["node"] == name).count();
    assert_eq!(NODES.map(|(_, name)| of(name)), [4, 3, 3], "{keys:?}");
    assert_eq!(count_keys(&workplace.client("operator")).await, keys.len(), "a key that no node knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn participants_of_an_embedded_domain_ping_each_other_again_after_a_restart() {
    let workplace = Workplace::new(SIX);
    let config = config(&workplace);
    for _ in 0..2 {
        pinged(&begin(&workplace, &config).finish(SOON).unwrap());
    }
    exactly_their_keys(&workplace, &config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_killed_at_any_stage_go_on_where_they_were() {
    let workplace = Workplace::new(SIX);
    let config = config(&workplace);
    for stage in STAGES {
        let mut running = begin(&workplace, &config);
        running.wait_for(stage, SOON).unwrap();
        running.kill().unwrap();
    }
    pinged(&begin(&workplace, &config).finish(SOON).unwrap());
}
