//! Keys of all five kinds of node are replaced while participants ping each other, and no ping fails.

use std::{fs, path::PathBuf};

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use cantle_testkit::Process;
use serde_json::Value;

use crate::support::{SIX, SOON, Workplace, count_keys, make_key};

const NODES: [(&str, &str); 5] = [
    ("domain-managers", "manager"),
    ("sequencers", "sequencer1"),
    ("mediators", "mediator1"),
    ("participants", "participant1"),
    ("participants", "participant2"),
];
/// How many keys the five have between them.
const KEYS: usize = 10;

const FOUND: &str = "
manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))
mediator1.health.wait_for_initialized()
participant1.domains.connect_local(sequencer1)
participant2.domains.connect_local(sequencer1)
participant1.health.ping(participant2)
print(\"founded\")
";

const PINGS: &str = r#"
def pings():
    for number in range(25):
        participant1.health.ping(participant2)
        participant2.health.ping(participant1)
        print("round", number)

pings()
print("all pinged")
"#;

const ROTATE: &str = r#"
participant1.keys.secret.rotate_node_keys()
sequencer1.keys.secret.rotate_node_keys(manager)
participant2.keys.secret.rotate_node_keys()
mediator1.keys.secret.rotate_node_keys(manager)
manager.keys.secret.rotate_node_keys()
print("all rotated")
"#;

/// The five nodes as a daemon, and a configuration of consoles that reach them.
fn daemon(workplace: &Workplace) -> (Process, PathBuf) {
    let mut text = "canton.parameters.ports-file = ports.json\n\
                    canton.domain-managers.manager.init.domain-parameters.protocol-version = 7\n"
        .to_owned();
    for (kind, name) in NODES {
        text += &format!(
            "canton.{kind}.{name}.crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, endpoint-override = \"{}\" }} }}\n",
            workplace.endpoint
        );
    }
    let config = workplace.write("nodes.conf", &text);
    let found = workplace.write("found.canton", FOUND);
    let mut command = workplace.cantle();
    command.arg("daemon").arg("-c").arg(config).arg("--bootstrap").arg(found);
    let mut daemon = Process::spawn(&mut command).unwrap();
    daemon.wait_for("founded", SOON).unwrap();
    let ports: Value =
        serde_json::from_str(&fs::read_to_string(workplace.path("ports.json")).unwrap()).unwrap();
    let remote: String = NODES
        .iter()
        .map(|(kind, name)| {
            let port = &ports[name]["adminApi"];
            format!("canton.remote-{kind}.{name}.admin-api {{ address = 127.0.0.1, port = {port} }}\n")
        })
        .collect();
    (daemon, workplace.write("remote.conf", &remote))
}

fn script(workplace: &Workplace, remote: &PathBuf, name: &str, text: &str) -> Process {
    let mut command = workplace.cantle();
    command.arg("run").arg(workplace.write(name, text)).arg("-c").arg(remote);
    Process::spawn(&mut command).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_ping_fails_while_the_keys_of_all_nodes_are_replaced() {
    let workplace = Workplace::new(SIX);
    let (daemon, remote) = daemon(&workplace);
    let operator = workplace.client("operator");
    assert_eq!(count_keys(&operator).await, KEYS);

    let mut pings = script(&workplace, &remote, "pings.canton", PINGS);
    pings.wait_for("round 0", SOON).unwrap();
    let rotated = script(&workplace, &remote, "rotate.canton", ROTATE).finish(SOON).unwrap();
    assert!(rotated.status.success(), "{}\n{}", rotated.stdout, rotated.stderr);
    // Signing keys of all five, and the encryption keys of the participants.
    assert_eq!(count_keys(&operator).await, KEYS + 5 + 2);
    let pings = pings.finish(SOON).unwrap();
    assert!(pings.status.success(), "{}\n{}", pings.stdout, pings.stderr);
    assert!(pings.stdout.contains("all pinged"), "{}", pings.stdout);
    daemon.terminate(SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_by_one_that_the_operator_made() {
    let workplace = Workplace::new(SIX);
    let (daemon, remote) = daemon(&workplace);
    let operator = workplace.client("operator");
    let signing = make_key(&operator, KeySpec::EccNistP384, KeyUsageType::SignVerify).await;
    let encryption = make_key(&operator, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
    let text = format!(
        r#"
def key(name):
    return participant1.keys.secret.list(filterName = "participant1-" + name)[0].publicKey.fingerprint

participant1.keys.secret.rotate_kms_node_key(key("signing"), "{}", "mine")
participant1.keys.secret.rotate_kms_node_key(key("encryption"), "{}")
participant1.health.ping(participant2)
participant2.health.ping(participant1)
print("pinged with them")
"#,
        signing.id, encryption.arn
    );
    let done = script(&workplace, &remote, "mine.canton", &text).finish(SOON).unwrap();
    assert!(done.stdout.contains("pinged with them"), "{}\n{}", done.stdout, done.stderr);
    for (key, operation) in [(&signing, "Sign"), (&encryption, "Decrypt")] {
        assert!(workplace.requests(&key.arn, operation) > 0, "{operation} with {}", key.arn);
    }
    daemon.terminate(SOON).unwrap();
}
