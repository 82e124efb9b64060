//! `cantle migrate` end to end: a node of provider jce moves into AWS KMS and back, with the same identity.

use std::{fs, path::Path, path::PathBuf};

use cantle_testkit::{Finished, Process};
use serde_json::Value;

use crate::http::ask;
use crate::support::{SIX, SOON, Workplace, count_keys};

/// What a migration needs besides what a node does.
const IMPORT: &[&str] = &["kms:GetParametersForImport", "kms:ImportKeyMaterial"];
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
/// P-256 and RSA: what every KMS holds.
const PLAIN: &str = "signing.default = ec-dsa-p-256, encryption.default = rsa-2048-oaep-sha-256";

pub(crate) fn all() -> Vec<&'static str> {
    [SIX, IMPORT].concat()
}

/// A node of provider jce that has been started once: its configuration and its ready line.
pub(crate) fn started(workplace: &Workplace, crypto: &str) -> (PathBuf, String) {
    let config =
        workplace.write("jce.conf", &format!("canton.participants.participant1.crypto {{ {crypto} }}"));
    let (daemon, line) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    (config, line)
}

fn migrate(workplace: &Workplace, config: &Path, arguments: &[&str]) -> Finished {
    let mut command = migration(workplace, config, arguments);
    Process::spawn(&mut command).unwrap().finish(SOON).unwrap()
}

pub(crate) fn migration(workplace: &Workplace, config: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = workplace.cantle();
    command.arg("migrate").args(arguments).args(["--node", "participant1", "-c"]).arg(config);
    command.env("CANTLE_EXPORT_PASSPHRASE", PASSPHRASE);
    command
}

/// Fingerprint, purpose and name of each key: what no migration changes.
fn identities(workplace: &Workplace, config: &Path) -> Vec<(Value, Value, Value)> {
    let keys = workplace.keys(config);
    keys.into_iter()
        .map(|key| (key["fingerprint"].clone(), key["purpose"].clone(), key["name"].clone()))
        .collect()
}

/// The node's topology, byte for byte, as a console sees it.
fn topology(workplace: &Workplace, config: &Path) -> String {
    let script = "for item in participant1.topology.all.list().result:\n    println(item)\n\
         for item in participant1.topology.namespace_delegations.list(filterStore = \"Authorized\"):\n    println(item.context.serialized)\n\
         for item in participant1.topology.owner_to_key_mappings.list(filterStore = \"Authorized\"):\n    println(item.context.serialized)\n";
    let finished = workplace.run(config, script);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    finished.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_moves_into_the_kms_and_back_with_the_same_identity_and_topology() {
    let workplace = Workplace::new(&all());
    let (jce, ready) = started(&workplace, PLAIN);
    let (keys, before) = (identities(&workplace, &jce), topology(&workplace, &jce));
    let kms = workplace.config("");
    let database = workplace.path("cantle-data/participant1.db");

    let untouched = fs::read(&database).unwrap();
    let dry = migrate(&workplace, &kms, &["to-kms", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", dry.stderr);
    for text in
        ["ECC_NIST_P256", "RSA_2048", "kms:ImportKeyMaterial", "3 USD a month", "topology transactions: none"]
    {
        assert!(dry.stdout.contains(text), "no {text:?} in {}", dry.stdout);
    }
    let dry = migrate(&workplace, &kms, &["to-kms", "--dry-run", "--json"]);
    let plan: Value = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!((&plan["usd_per_month"], plan["keys"].as_array().unwrap().len()), (&Value::from(3), 3));
    assert_eq!(fs::read(&database).unwrap(), untouched, "a dry run writes nothing");
    assert_eq!(count_keys(&workplace.client("operator")).await, 0);

    let first = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age"]);
    assert_eq!(first.status.code(), Some(0), "{}", first.stderr);
    assert!(
        first.stderr.contains("--yes") && first.stdout.contains("nothing was switched"),
        "{}",
        first.stdout
    );
    assert_eq!(identities(&workplace, &jce), keys, "without a confirmation the node is as it was");

    let moved = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    for text in ["migrated: participant participant1", "keys.age", "namespace_delegations.authorize"] {
        assert!(moved.stdout.contains(text), "no {text:?} in {}", moved.stdout);
    }
    assert_eq!(count_keys(&workplace.client("operator")).await, 3, "nothing was imported twice");
    let again = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert!(again.stdout.contains("in the KMS already"), "{}{}", again.stdout, again.stderr);

    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    assert_eq!(line, ready, "the identity is the same");
    daemon.terminate(SOON).unwrap();
    assert_eq!(identities(&workplace, &kms), keys);
    assert_eq!(topology(&workplace, &kms), before);
    let listed = workplace.keys(&kms);
    assert!(listed.iter().all(|key| key["origin"] == "imported" && key["state"] == "Enabled"), "{listed:?}");
    let refused = workplace.finish(&["daemon", "-c", jce.to_str().unwrap()]);
    assert!(refused.stderr.contains("cantle migrate from-kms"), "{}", refused.stderr);

    let back = migrate(&workplace, &jce, &["from-kms", "--export", "keys.age", "--yes"]);
    assert_eq!(back.status.code(), Some(0), "{}", back.stderr);
    assert!(back.stdout.contains("schedule-key-deletion"), "{}", back.stdout);
    let (daemon, line) = workplace.daemon(&jce, "ready: participant participant1");
    assert_eq!(line, ready);
    daemon.terminate(SOON).unwrap();
    assert_eq!((identities(&workplace, &jce), topology(&workplace, &jce)), (keys, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_killed_after_any_step_is_taken_up_by_the_next() {
    // Who may list keys finds those whose answer a kill has lost.
    let listing = [all().as_slice(), &["kms:ListKeys", "kms:ListResourceTags"]].concat();
    let workplace = Workplace::new(&listing);
    let (jce, ready) = started(&workplace, PLAIN);
    let keys = identities(&workplace, &jce);
    let kms = workplace.config("");
    let arguments = ["to-kms", "--export", "keys.age", "--yes"];
    for line in ["exported:", "made:", "imported:", "proved:"] {
        let mut command = migration(&workplace, &kms, &arguments);
        let mut process = Process::spawn(&mut command).unwrap();
        process.wait_for(line, SOON).unwrap();
        process.kill().unwrap();
    }
    let moved = migrate(&workplace, &kms, &arguments);
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    assert_eq!(count_keys(&workplace.client("operator")).await, 3, "no key is made twice");
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!((line, identities(&workplace, &kms)), (ready.clone(), keys));

    // The lines of the report, as they stand: a fresh key signs for the namespace, and the root can go offline.
    let lines =
        moved.stdout.lines().filter_map(|line| line.strip_prefix("  ")).collect::<Vec<_>>().join("\n");
    assert!(lines.contains("all.renew"), "{lines}");
    let root = workplace.keys(&kms)[0]["kms_key_id"].as_str().unwrap().to_owned();
    let delegated = workplace.run(&kms, &lines);
    assert_eq!(delegated.status.code(), Some(0), "{}", delegated.stderr);
    workplace.client("operator").disable_key().key_id(root).send().await.unwrap();
    let signed = workplace.run(
        &kms,
        "val key = participant1.keys.secret.generate_signing_key(\"later\")\n\
         participant1.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, participant1.id, key.fingerprint, KeyPurpose.Signing)\n",
    );
    assert_eq!(signed.status.code(), Some(0), "without the root: {}", signed.stderr);
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready, "and it is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_node_moves_and_its_encryption_key_is_rotated_as_the_dry_run_said() {
    let workplace = Workplace::new(&all());
    let (jce, ready) = started(&workplace, "");
    let before = identities(&workplace, &jce);
    let old = before.iter().find(|key| key.1 == "encryption").unwrap().0.as_str().unwrap().to_owned();
    let kms = workplace.config("");
    let dry = migrate(&workplace, &kms, &["to-kms", "--dry-run", "--json"]);
    assert_eq!(dry.status.code(), Some(0), "{}", dry.stderr);
    let plan: Value = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!(plan["usd_per_month"], 3);
    let announced: Vec<&str> =
        plan["topology_transactions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(announced.len() == 2 && announced[0].contains("participant1-encryption-kms"), "{announced:?}");
    assert!(announced[1].starts_with("Remove") && announced[1].contains(&old), "{announced:?}");

    let history = topology(&workplace, &jce);
    let moved = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    let end = format!("participant1.keys.secret.delete(\"{old}\", force = true)");
    assert!(
        moved.stdout.contains("rotated: encryption key") && moved.stdout.contains(&end),
        "{}",
        moved.stdout
    );
    assert_eq!(count_keys(&workplace.client("operator")).await, 3);
    let again = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert!(again.stdout.contains("already") && !again.stdout.contains("rotated"), "{}", again.stdout);
    assert_ne!(topology(&workplace, &kms), history, "what was announced is in the topology");

    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready);
    let keys = workplace.keys(&kms);
    let spec = |name: &str| {
        keys.iter().find(|key| key["name"] == name).map(|key| key["key_spec"].as_str().unwrap().to_owned())
    };
    for name in ["participant1-namespace", "participant1-signing"] {
        assert_eq!(spec(name).as_deref(), Some("ECC_NIST_EDWARDS25519"));
    }
    assert_eq!(spec("participant1-encryption-kms").as_deref(), Some("RSA_2048"));
    assert_eq!(keys.len(), 4, "the old one is there to decrypt: {keys:?}");
    let ended = workplace.run(&kms, &end);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(workplace.keys(&kms).len(), 3);
    // A key that was imported is replaced by one of a scheme that the KMS makes.
    let rotated = workplace.run(&kms, "participant1.keys.secret.rotate_node_keys()\n");
    assert_eq!(rotated.status.code(), Some(0), "{}", rotated.stderr);
    let keys = workplace.keys(&kms);
    let made = keys.iter().filter(|key| key["name"].as_str().unwrap().contains("-rotated-"));
    let mut made: Vec<&str> = made.map(|key| key["key_spec"].as_str().unwrap()).collect();
    made.sort_unstable();
    assert_eq!(made, ["ECC_NIST_P256", "RSA_2048"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_prepared_beside_the_running_node_is_not_done_again_at_the_switch() {
    let workplace = Workplace::new(&all());
    let (jce, _) = started(&workplace, PLAIN);
    let keys = identities(&workplace, &jce);
    let kms = workplace.config("");
    let (daemon, ready) = workplace.daemon(&jce, "ready: participant participant1");
    for line in ["exported:", "made:", "imported:", "proved:"] {
        let mut command = migration(&workplace, &kms, &["to-kms", "--export", "keys.age", "--prepare"]);
        let mut process = Process::spawn(&mut command).unwrap();
        process.wait_for(line, SOON).unwrap();
        process.kill().unwrap();
    }
    let prepare = ["to-kms", "--export", "keys.age", "--prepare"];
    let prepared = migrate(&workplace, &kms, &prepare);
    assert_eq!(prepared.status.code(), Some(0), "{}", prepared.stderr);
    assert!(prepared.stdout.contains("prepared: participant participant1: 3 keys"), "{}", prepared.stdout);
    let made = count_keys(&workplace.client("operator")).await;
    daemon.terminate(SOON).unwrap();
    assert_eq!(identities(&workplace, &jce), keys, "the node is as it was");

    let moved = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    assert_eq!(count_keys(&workplace.client("operator")).await, made, "nothing is imported again");
    assert!(!workplace.path("keys.age.journal").exists());
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!((line, identities(&workplace, &kms)), (ready, keys));
}

#[test]
fn a_missing_permission_stops_the_migration_and_the_node_starts_as_it_was() {
    for lacking in ["kms:ImportKeyMaterial", "kms:GetParametersForImport", "kms:CreateKey", "kms:Decrypt"] {
        let allowed: Vec<&str> = all().into_iter().filter(|action| *action != lacking).collect();
        let workplace = Workplace::new(&allowed);
        let (jce, ready) = started(&workplace, PLAIN);
        let arguments = ["to-kms", "--export", "keys.age", "--yes"];
        let stopped = migrate(&workplace, &workplace.config(""), &arguments);
        assert_eq!(stopped.status.code(), Some(1), "{lacking}: {}", stopped.stdout);
        assert!(stopped.stderr.contains(lacking), "{lacking}: {}", stopped.stderr);
        assert!(stopped.stderr.contains("MIGRATION_STOPPED"), "{lacking}: {}", stopped.stderr);
        let (daemon, line) = workplace.daemon(&jce, "ready: participant participant1");
        daemon.terminate(SOON).unwrap();
        assert_eq!(line, ready, "{lacking}");
    }
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let workplace = Workplace::new(&all());
    let kms = workplace.config("");
    let refused = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert!(refused.stderr.contains("MIGRATION_DATABASE"), "{}", refused.stderr);
    assert!(!workplace.path("cantle-data/participant1.db").exists(), "no database comes about");
    let (jce, _) = started(&workplace, PLAIN);
    for (config, arguments, text) in [
        (&jce, &["to-kms", "--export", "keys.age", "--yes"][..], "MIGRATION_CONFIGURATION"),
        (&kms, &["from-kms", "--export", "keys.age", "--yes"], "MIGRATION_EXPORT_FILE"),
        (&kms, &["to-kms", "--yes"], "--export FILE is needed"),
    ] {
        let refused = migrate(&workplace, config, arguments);
        assert!(!refused.status.success(), "{arguments:?}");
        assert!(refused.stderr.contains(text), "{arguments:?}: {}", refused.stderr);
    }
    let mut short = migration(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    short.env("CANTLE_EXPORT_PASSPHRASE", "short");
    let refused = Process::spawn(&mut short).unwrap().finish(SOON).unwrap();
    assert!(refused.stderr.contains("too short"), "{}", refused.stderr);
    let (daemon, _) = workplace.daemon(&jce, "ready: participant participant1");
    let refused = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert!(refused.stderr.contains("stop the node"), "{}", refused.stderr);
    daemon.terminate(SOON).unwrap();
    let unrelated = workplace.write("keys.age", "something else");
    let refused = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert!(refused.stderr.contains("MIGRATION_EXPORT_FILE"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(unrelated).unwrap(), "something else");
}

#[test]
fn keys_made_in_the_kms_cannot_come_back() {
    let workplace = Workplace::new(&all());
    let other = Workplace::new(&all());
    let (_, _) = started(&other, PLAIN);
    let exported = migrate(&other, &other.config(""), &["to-kms", "--export", "keys.age", "--yes"]);
    assert_eq!(exported.status.code(), Some(0), "{}", exported.stderr);
    fs::copy(other.path("keys.age"), workplace.path("keys.age")).unwrap();
    let kms = workplace.config("");
    let (daemon, ready) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let jce = workplace.write("jce.conf", "canton.participants.participant1 {}");
    let refused = migrate(&workplace, &jce, &["from-kms", "--export", "keys.age", "--yes"]);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
    for text in ["MIGRATION_NO_MATERIAL", "generated", "never leaves it"] {
        assert!(refused.stderr.contains(text), "no {text:?} in {}", refused.stderr);
    }
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready, "nothing was changed");
}

#[test]
fn a_rotation_that_the_kms_refuses_leaves_a_node_that_starts_and_is_made_up_for() {
    let mut workplace = Workplace::new(&all());
    let (_, ready) = started(&workplace, "");
    let kms = workplace.config("");
    let printed = workplace.finish(&["iam-policy", "--migration", "-c", kms.to_str().unwrap()]);
    let whole: Value = serde_json::from_str(&printed.stdout).unwrap();
    let mut lacking = whole.clone();
    lacking["Statement"].as_array_mut().unwrap().retain(|statement| statement["Sid"] != "MakeEncryptionKeys");
    workplace.allow(&lacking);
    let arguments = ["to-kms", "--export", "keys.age", "--yes"];
    let stopped = migrate(&workplace, &kms, &arguments);
    assert_eq!(stopped.status.code(), Some(1), "{}", stopped.stdout);
    assert!(stopped.stderr.contains("MIGRATION_NOT_ROTATED"), "{}", stopped.stderr);
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready);
    workplace.allow(&whole);
    let moved = migrate(&workplace, &kms, &arguments);
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    assert!(moved.stdout.contains("rotated: encryption key"), "{}", moved.stdout);
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_node_in_postgresql_gets_a_wrapper_key_and_moves_then() {
    let cluster = crate::postgres::database("migration_to_kms").await;
    let workplace = Workplace::new(&[all().as_slice(), &["kms:Encrypt"]].concat());
    let storage = crate::postgres::hikari(&cluster, "migration_to_kms");
    let kms_section =
        format!("kms {{ type = aws, region = us-east-1, endpoint-override = \"{}\" }}", workplace.endpoint);
    let config = |name: &str, crypto: &str| {
        workplace
            .write(name, &format!("canton.participants.participant1 {{ {storage}, crypto {{ {crypto} }} }}"))
    };
    let clear = config("clear.conf", PLAIN);
    let (daemon, ready) = workplace.daemon(&clear, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let keys = identities(&workplace, &clear);
    let wrapped =
        config("wrapped.conf", &format!("{PLAIN}, {kms_section}, private-key-store.encryption.type = kms"));
    let (daemon, line) = workplace.daemon(&wrapped, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready);
    let kms = config("kms.conf", &format!("provider = kms, {kms_section}"));
    let moved = migrate(&workplace, &kms, &["to-kms", "--export", "keys.age", "--yes"]);
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!((line, identities(&workplace, &kms)), (ready.clone(), keys));
    let back = migrate(&workplace, &clear, &["from-kms", "--export", "keys.age", "--yes"]);
    assert_eq!(back.status.code(), Some(0), "{}", back.stderr);
    let (daemon, line) = workplace.daemon(&clear, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready);
}

/// A KMS without Ed25519: nobody may make such a key.
pub(crate) fn without_ed25519(workplace: &mut Workplace) {
    workplace.allow(&serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:CreateKey", "Resource": "*",
         "Condition": {"StringEquals": {"kms:KeySpec": "ECC_NIST_EDWARDS25519"}}},
    ]}));
}

const WITHOUT_ED25519: [&str; 5] = ["to-kms", "--export", "keys.age", "--yes", "--rotate-ed25519"];

#[tokio::test(flavor = "multi_thread")]
async fn where_the_kms_has_no_ed25519_the_root_delegates_to_a_kms_key_and_leaves() {
    let mut workplace = Workplace::new(&all());
    without_ed25519(&mut workplace);
    let (jce, ready) = started(&workplace, "");
    let before = identities(&workplace, &jce);
    let root = before.iter().find(|key| key.2 == "participant1-namespace").unwrap().0.clone();
    let kms = workplace.config("");
    let refused = migrate(&workplace, &kms, &WITHOUT_ED25519[..4]);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("--rotate-ed25519"), "{}", refused.stderr);
    let (daemon, line) = workplace.daemon(&jce, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready, "the node is as it was");

    let dry = migrate(&workplace, &kms, &["to-kms", "--dry-run", "--rotate-ed25519", "--json"]);
    let plan: Value = serde_json::from_str(&dry.stdout).unwrap();
    let announced: Vec<&str> =
        plan["topology_transactions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let starts =
        ["Add NamespaceDelegation", "Add OwnerToKey", "Remove OwnerToKey", "Add Owner", "Remove Owner"];
    assert!(
        announced.len() == 5 && announced.iter().zip(starts).all(|(text, start)| text.starts_with(start)),
        "{announced:?}"
    );
    let moved = migrate(&workplace, &kms, &WITHOUT_ED25519);
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    assert_eq!(moved.stdout.matches("rotated: ").count(), 3, "{}", moved.stdout);
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready, "the identity is the same");
    let keys = workplace.keys(&kms);
    assert!(keys.iter().all(|key| key["fingerprint"] != root), "the root has left: {keys:?}");
    let in_kms = keys.iter().filter(|key| key["provider"] == "kms").count();
    assert_eq!((in_kms, keys.len()), (3, 5), "and two are kept for others: {keys:?}");
    assert_eq!(count_keys(&workplace.client("operator")).await, 3);

    // The delegate signs, and what is kept can be ended.
    let lines = moved.stdout.lines().filter_map(|line| line.split_once("nothing needs it any more: "));
    let ends: String = lines.map(|(_, end)| format!("{end}\n")).collect();
    assert_eq!(ends.lines().count(), 2, "{ends}");
    let signed = workplace.run(
        &kms,
        &format!(
            "{ends}val key = participant1.keys.secret.generate_signing_key(\"later\")\n\
             participant1.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, participant1.id, key.fingerprint, KeyPurpose.Signing)\n"
        ),
    );
    assert_eq!(signed.status.code(), Some(0), "{}", signed.stderr);
    let again = migrate(&workplace, &kms, &WITHOUT_ED25519);
    assert!(again.stdout.contains("already") && !again.stdout.contains("rotated"), "{}", again.stdout);
    let doctor = workplace.finish(&["doctor", "-c", kms.to_str().unwrap()]);
    assert_eq!(doctor.status.code(), Some(0), "{}", doctor.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_killed_after_the_switch_is_taken_up_whatever_was_rotated() {
    let mut workplace = Workplace::new(&all());
    without_ed25519(&mut workplace);
    let (_, ready) = started(&workplace, "");
    let kms = workplace.config("");
    // Each kill comes while the next key is being made: what is lost of it is found again by its tag.
    let delay = r#"[{"operation": "CreateKey", "kind": "delay_answer", "ms": 300}]"#;
    let address = workplace.endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let faults = |text: &str| assert_eq!(ask(&address, "PUT", "/_cantle/faults", &[], text).status, 200);
    faults(delay);
    let (mut ended, mut done) = (0, "switched: ");
    for _ in 0..3 {
        let mut command = migration(&workplace, &kms, &WITHOUT_ED25519);
        command.args(["--log-level", "info"]);
        let mut process = Process::spawn(&mut command).unwrap();
        if process.wait_for(done, SOON).is_ok() {
            ended += 1;
        }
        process.kill().unwrap();
        done = "was rotated";
        let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
        daemon.terminate(SOON).unwrap();
        assert_eq!(line, ready);
    }
    assert_eq!(ended, 3, "each attempt came further");
    faults("[]");
    // The root does not leave before it is in an export file.
    let elsewhere = ["to-kms", "--export", "other.age", "--yes", "--rotate-ed25519"];
    let refused = migrate(&workplace, &kms, &elsewhere);
    assert!(refused.stderr.contains("MIGRATION_EXPORT_FILE"), "{}{}", refused.stdout, refused.stderr);
    assert!(workplace.keys(&kms).iter().any(|key| key["name"] == "participant1-namespace"));
    let moved = migrate(&workplace, &kms, &WITHOUT_ED25519);
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    assert_eq!(count_keys(&workplace.client("operator")).await, 3, "no key is made twice");
    let keys = workplace.keys(&kms);
    let in_kms = keys.iter().filter(|key| key["provider"] == "kms").count();
    assert_eq!((in_kms, keys.len()), (3, 5), "{keys:?}");
    assert!(!workplace.path("keys.age.journal").exists());
    let (daemon, line) = workplace.daemon(&kms, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready);
}
