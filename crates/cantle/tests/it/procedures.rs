//! The procedures of manual initialization, as `tests/transcripts` has them, with a process for each node: keys that the
//! console makes, and keys that the operator has made in the KMS.

pub(crate) mod transcript;

use std::path::PathBuf;

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use cantle_testkit::Process;

use crate::support::{FOUR, SIX, SOON, Workplace, count_keys, free_port, make_key};
use transcript::{Consoles, Keys, script};

/// A transcript.
macro_rules! transcript {
    ($name:literal) => {
        include_str!(concat!("../transcripts/", $name, ".canton"))
    };
}

/// (section of the configuration, node)
const DISTRIBUTED: &[(&str, &str)] = &[
    ("domain-managers", "manager"),
    ("sequencers", "sequencer1"),
    ("mediators", "mediator1"),
    ("mediators", "mediator2"),
    ("participants", "participant1"),
];
const EMBEDDED: &[(&str, &str)] = &[("domains", "mydomain"), ("participants", "participant1")];

/// The keys that a node of this kind has, no more and no fewer: (end of the name, spec, usage).
fn keys_of(section: &str) -> Vec<(&'static str, KeySpec, KeyUsageType)> {
    let namespace = ("namespace", KeySpec::EccNistP256, KeyUsageType::SignVerify);
    let signing = ("signing", KeySpec::EccNistP384, KeyUsageType::SignVerify);
    let encryption = ("encryption", KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt);
    match section {
        "participants" => vec![namespace, signing, encryption],
        "domains" | "domain-managers" => vec![namespace, signing],
        _ => vec![signing],
    }
}

/// A KMS whose caller may do what the keys need, and those keys if the operator makes them.
pub(crate) async fn prepare(keys: Keys, nodes: &[(&str, &str)]) -> Workplace {
    let workplace = Workplace::new(if keys == Keys::Generated { SIX } else { FOUR });
    if keys == Keys::Registered {
        let client = workplace.client("operator");
        for (section, node) in nodes {
            for (end, spec, usage) in keys_of(section) {
                let key = make_key(&client, spec, usage).await;
                let alias = format!("alias/{node}-{end}");
                client.create_alias().alias_name(alias).target_key_id(key.id).send().await.unwrap();
            }
        }
    }
    workplace
}

/// The configuration of one node, manual where it can be.
fn config(workplace: &Workplace, section: &str, node: &str, storage: &str) -> PathBuf {
    let manual = match section {
        "sequencers" | "mediators" => "",
        "participants" => "init.auto-init = false",
        _ => "init { auto-init = false, domain-parameters.protocol-version = 7 }",
    };
    let public = match section {
        "sequencers" | "domains" => format!("public-api.port = {}", free_port()),
        _ => String::new(),
    };
    workplace.write(
        &format!("{node}.conf"),
        &format!(
            r#"canton.{section}.{node} {{
              {manual}
              {public}
              {storage}
              crypto.provider = kms
              crypto.kms {{ type = aws, region = us-east-1, endpoint-override = "{}" }}
            }}"#,
            workplace.endpoint
        ),
    )
}

/// Every key of the KMS belongs to a node, and every node has its keys.
async fn assert_all_keys_are_used(workplace: &Workplace, nodes: &[(&str, &str)]) {
    let wanted: usize = nodes.iter().map(|(section, _)| keys_of(section).len()).sum();
    assert_eq!(count_keys(&workplace.client("operator")).await, wanted);
}

/// An embedded domain and a participant, each at its own console.
pub(crate) async fn embedded(keys: Keys, storage: impl Fn(&str) -> String) {
    let workplace = prepare(keys, EMBEDDED).await;
    let mut consoles = Consoles::default();
    for (section, node) in EMBEDDED {
        consoles.open(&workplace, node, &config(&workplace, section, node, &storage(node)));
    }
    consoles.follow(&workplace, transcript!("participant"), keys);
    consoles.follow(&workplace, transcript!("embedded-domain"), keys);
    for finished in consoles.close() {
        assert!(finished.status.success(), "{}", finished.stderr);
    }
    assert_all_keys_are_used(&workplace, EMBEDDED).await;
}

/// A distributed domain with two mediators, and a participant, each at its own console.
pub(crate) async fn separate(keys: Keys, storage: impl Fn(&str) -> String) {
    let workplace = prepare(keys, DISTRIBUTED).await;
    let mut consoles = Consoles::default();
    for (section, node) in DISTRIBUTED {
        consoles.open(&workplace, node, &config(&workplace, section, node, &storage(node)));
    }
    consoles.follow(&workplace, transcript!("participant"), keys);
    consoles.follow(&workplace, transcript!("domain-manager"), keys);
    consoles.follow(&workplace, transcript!("separate-consoles"), keys);
    for finished in consoles.close() {
        assert!(finished.status.success(), "{}", finished.stderr);
    }
    assert_all_keys_are_used(&workplace, DISTRIBUTED).await;
}

/// The same nodes as daemons, and one console that reaches them all.
pub(crate) async fn from_one_console(keys: Keys, storage: impl Fn(&str) -> String) {
    let workplace = prepare(keys, DISTRIBUTED).await;
    let mut daemons: Vec<Process> = Vec::new();
    let mut remote = String::new();
    for (section, node) in DISTRIBUTED {
        let config = config(&workplace, section, node, &storage(node));
        let mut command = workplace.cantle();
        command.arg("daemon").arg("-c").arg(config);
        daemons.push(Process::spawn(&mut command).unwrap());
        let daemon = daemons.last_mut().unwrap();
        let mut port = |api: &str| {
            let line =
                daemon.wait_for(&format!("{node} {api}"), SOON).unwrap_or_else(|error| panic!("{error}"));
            line.rsplit(':').next().unwrap().to_owned()
        };
        if *section == "sequencers" {
            remote += &format!("canton.remote-{section}.{node}.public-api.port = {}\n", port("public-api"));
        }
        remote += &format!("canton.remote-{section}.{node}.admin-api.port = {}\n", port("admin-api"));
    }
    let remote = workplace.write("remote.conf", &remote);
    let typed = [transcript!("participant"), transcript!("domain-manager"), transcript!("one-console")];
    let typed: Vec<String> = typed.iter().map(|transcript| script(transcript, keys)).collect();
    let finished = workplace.run(&remote, &typed.join("\n"));
    assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
    for daemon in daemons {
        let finished = daemon.terminate(SOON).unwrap();
        assert!(finished.status.success(), "{}", finished.stderr);
    }
    assert_all_keys_are_used(&workplace, DISTRIBUTED).await;
}

/// Storage that is not configured: SQLite.
fn default(_node: &str) -> String {
    String::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_domain_is_initialized_by_hand_with_generated_keys() {
    embedded(Keys::Generated, default).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_domain_is_initialized_by_hand_with_keys_of_the_kms() {
    embedded(Keys::Registered, default).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distributed_domain_is_founded_from_one_console_with_generated_keys() {
    from_one_console(Keys::Generated, default).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distributed_domain_is_founded_from_one_console_with_keys_of_the_kms() {
    from_one_console(Keys::Registered, default).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distributed_domain_is_founded_from_separate_consoles_with_generated_keys() {
    separate(Keys::Generated, default).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distributed_domain_is_founded_from_separate_consoles_with_keys_of_the_kms() {
    separate(Keys::Registered, default).await;
}
