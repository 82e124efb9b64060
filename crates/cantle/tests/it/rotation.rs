//! Keys of all five kinds of node are replaced while participants ping each other, and no ping fails.

use std::{fs, path::PathBuf};

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use cantle_testkit::Process;
use serde_json::Value;

use crate::support::{SIX, SOON, Workplace, count_keys, free_port, make_key};

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
    let text = "canton.parameters.ports-file = ports.json\n\
                canton.domain-managers.manager.init.domain-parameters.protocol-version = 7";
    let nodes = NODES.map(|(kind, name)| format!("{kind}.{name}"));
    let config = workplace.with_kms("nodes.conf", text, nodes.iter().map(String::as_str));
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

/// Rotates what `$LINES` says, each key by one that the operator has made in the KMS.
const GIVEN: &str = r#"
def key(node, name):
    return node.keys.secret.list(filterName = node.name + "-" + name)[0].publicKey.fingerprint

$LINES
print("all rotated")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_all_nodes_are_replaced_by_those_that_the_operator_made_and_no_ping_fails() {
    let workplace = Workplace::new(SIX);
    let (daemon, remote) = daemon(&workplace);
    let operator = workplace.client("operator");
    let mut made = Vec::new();
    let mut lines = String::new();
    for (_, name) in NODES {
        let signing = make_key(&operator, KeySpec::EccNistP384, KeyUsageType::SignVerify).await;
        let manager = if matches!(name, "sequencer1" | "mediator1") { ", manager" } else { "" };
        lines += &format!(
            "{name}.keys.secret.rotate_kms_node_key(key({name}, \"signing\"), \"{}\"{manager}, name = \"{name}-mine\")\n",
            signing.id
        );
        made.push((signing, "Sign"));
        if name.starts_with("participant") {
            let encryption = make_key(&operator, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
            lines += &format!(
                "{name}.keys.secret.rotate_kms_node_key(key({name}, \"encryption\"), \"{}\")\n",
                encryption.arn
            );
            made.push((encryption, "Decrypt"));
        }
    }
    let mut pings = script(&workplace, &remote, "pings.canton", PINGS);
    pings.wait_for("round 0", SOON).unwrap();
    let text = GIVEN.replace("$LINES", &lines);
    let rotated = script(&workplace, &remote, "mine.canton", &text).finish(SOON).unwrap();
    assert!(rotated.status.success(), "{}\n{}", rotated.stdout, rotated.stderr);
    let pings = pings.finish(SOON).unwrap();
    assert!(pings.status.success(), "{}\n{}", pings.stdout, pings.stderr);
    let done = script(&workplace, &remote, "again.canton", PINGS).finish(SOON).unwrap();
    assert!(done.status.success(), "{}\n{}", done.stdout, done.stderr);
    for (key, operation) in &made {
        assert!(workplace.requests(&key.arn, operation) > 0, "{operation} with {}", key.arn);
    }

    // Mistakes: each is told, and changes nothing.
    let disabled = make_key(&operator, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    operator.disable_key().key_id(&disabled.id).send().await.unwrap();
    let other = make_key(&workplace.client("other"), KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let rsa = make_key(&operator, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
    let list = "print(participant1.keys.secret.list(), participant1.topology.owner_to_key_mappings.list())\n";
    let before = script(&workplace, &remote, "list.canton", list).finish(SOON).unwrap().stdout;
    for (fingerprint, id, told) in [
        ("\"1220abcd\"", disabled.id.as_str(), "is not that of a key"),
        ("key(participant1, \"mine\")", &disabled.id, "isabled"),
        ("key(participant1, \"mine\")", &other.id, "KMS_KEY_NOT_FOUND"),
        ("key(participant1, \"mine\")", &other.arn, "kms:DescribeKey"),
        ("key(participant1, \"mine\")", &rsa.id, "KeyUsage"),
        ("key(participant1, \"mine\")", "no key at all!", "no key at all!"),
    ] {
        let line = format!("participant1.keys.secret.rotate_kms_node_key({fingerprint}, \"{id}\")");
        let text = GIVEN.replace("$LINES", &line);
        let refused = script(&workplace, &remote, "wrong.canton", &text).finish(SOON).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{line}: {}", refused.stdout);
        assert!(refused.stderr.contains(told), "{line}: {}", refused.stderr);
    }
    assert_eq!(script(&workplace, &remote, "list.canton", list).finish(SOON).unwrap().stdout, before);
    daemon.terminate(SOON).unwrap();
}

/// Has a fresh key sign for a node's namespace, signs all of its topology again with it, and lets the root go.
const RENEW: &str = r#"
def renew(node):
    namespace = node.id.uid.namespace.fingerprint
    fresh = node.keys.secret.generate_signing_key(node.name + "-namespace-delegate")
    node.topology.namespace_delegations.authorize(TopologyChangeOp.Add, namespace, fresh.fingerprint, isRootDelegation = False)
    node.topology.all.renew(namespace, fresh.fingerprint)
    node.keys.secret.delete(namespace, force = True)
"#;

/// The KMS keys that are the roots of namespaces.
fn roots(workplace: &Workplace, config: &std::path::Path) -> Vec<String> {
    let keys = workplace.keys(config);
    let names = keys.iter().filter(|key| key["name"].as_str().unwrap().ends_with("-namespace"));
    names.map(|key| key["kms_key_id"].as_str().unwrap().to_owned()).collect()
}

async fn disable(workplace: &Workplace, ids: &[String]) {
    for id in ids {
        workplace.client("operator").disable_key().key_id(id).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_signed_for_by_fresh_keys_and_no_ping_fails_without_the_roots() {
    let workplace = Workplace::new(SIX);
    let (daemon, remote) = daemon(&workplace);
    let roots = roots(&workplace, &workplace.path("nodes.conf"));
    assert_eq!(roots.len(), 3);
    let mut pings = script(&workplace, &remote, "pings.canton", PINGS);
    pings.wait_for("round 0", SOON).unwrap();
    let text =
        format!("{RENEW}\nrenew(participant1)\nrenew(manager)\nrenew(participant2)\nprint(\"renewed\")\n");
    let renewed = script(&workplace, &remote, "renew.canton", &text).finish(SOON).unwrap();
    assert!(renewed.status.success(), "{}\n{}", renewed.stdout, renewed.stderr);
    disable(&workplace, &roots).await;
    // Signed by the fresh keys.
    let rotated = script(&workplace, &remote, "rotate.canton", ROTATE).finish(SOON).unwrap();
    assert!(rotated.status.success(), "{}\n{}", rotated.stdout, rotated.stderr);
    let pings = pings.finish(SOON).unwrap();
    assert!(pings.status.success(), "{}\n{}", pings.stdout, pings.stderr);
    let done = script(&workplace, &remote, "again.canton", PINGS).finish(SOON).unwrap();
    assert!(done.status.success(), "{}\n{}", done.stdout, done.stderr);
    daemon.terminate(SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_domain_replaces_and_renews_its_keys_too() {
    let workplace = Workplace::new(SIX);
    let operator = workplace.client("operator");
    let mine = make_key(&operator, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let text = format!(
        "canton.domains.mydomain {{ init.domain-parameters.protocol-version = 7, public-api.port = {} }}",
        free_port()
    );
    let config =
        workplace.with_kms("embedded.conf", &text, ["domains.mydomain", "participants.participant1"]);
    let (daemon, ready) = workplace.daemon(&config, "ready: domain mydomain");
    daemon.terminate(SOON).unwrap();
    let roots = roots(&workplace, &config);
    let keys = format!(
        r#"{RENEW}
participant1.domains.connect_local(mydomain)
participant1.health.ping(participant1)
mydomain.keys.secret.rotate_node_keys()
participant1.health.ping(participant1)
signing = [key.publicKey.fingerprint for key in mydomain.keys.secret.list() if "rotated" in key.name][0]
mydomain.keys.secret.rotate_kms_node_key(signing, "{}", "mine")
participant1.health.ping(participant1)
renew(mydomain)
renew(participant1)
participant1.health.ping(participant1)
"#,
        mine.id
    );
    let done = workplace.run(&config, &keys);
    assert!(done.status.success(), "{}\n{}", done.stdout, done.stderr);
    assert!(workplace.requests(&mine.arn, "Sign") > 0);
    assert_eq!(roots.len(), 2);
    disable(&workplace, &roots).await;
    let (daemon, line) = workplace.daemon(&config, "ready: domain mydomain");
    assert_eq!(line, ready);
    assert!(daemon.terminate(SOON).unwrap().status.success());
    let text = "participant1.domains.reconnect_all()\nmydomain.keys.secret.rotate_node_keys()\nparticipant1.health.ping(participant1)\n";
    let done = workplace.run(&config, text);
    assert!(done.status.success(), "{}\n{}", done.stdout, done.stderr);
}
