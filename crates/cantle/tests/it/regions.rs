//! Nodes with multi-Region keys: moved to another Region, and while a Region is out.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
};

use aws_sdk_kms::types::{KeySpec, KeyUsageType};

use crate::{
    pregenerated::{INITIALIZE, MANUAL, REGISTER, ids},
    support::{MadeKey, SIX, SOON, Workplace},
};

const MULTI_REGION: &str = "canton.participants.participant1.crypto.kms.multi-region-key = true\n";
const AWAY: &str = "canton.participants.participant1.crypto.kms.region = eu-west-1\n";
const FAILOVER: &str = "canton.participants.participant1.crypto.kms.failover-regions = [eu-west-1]\n";

/// Something to sign with the namespace key.
const SIGN: &str = r#"
val identityKey = participant1.keys.secret.list(filterName = "participant1-namespace").head.publicKey
val signingKey = participant1.keys.secret.list(filterName = "participant1-signing").head.publicKey
participant1.topology.namespace_delegations.authorize(
  TopologyChangeOp.Add,
  identityKey.fingerprint,
  signingKey.fingerprint,
  isRootDelegation = false,
)
"#;

fn config(workplace: &Workplace, more: &[&str]) -> PathBuf {
    workplace.config(&more.concat())
}

async fn replicate<'a>(workplace: &Workplace, keys: impl IntoIterator<Item = &'a str>) {
    let operator = workplace.client("operator");
    for key in keys {
        operator.replicate_key().key_id(key).replica_region("eu-west-1").send().await.unwrap();
    }
}

fn ids_of(workplace: &Workplace, config: &std::path::Path) -> Vec<String> {
    let keys = workplace.keys(config);
    keys.iter().map(|key| key["kms_key_id"].as_str().unwrap().to_owned()).collect()
}

/// Arms the faults of the KMS server.
fn set_faults(workplace: &Workplace, faults: &str) {
    let address = workplace.endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "PUT /_cantle/faults HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{faults}",
        faults.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_in_another_region_once_its_keys_are_replicated() {
    let workplace = Workplace::new(SIX);
    let here = config(&workplace, &[MULTI_REGION]);
    let (daemon, before) = workplace.daemon(&here, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    replicate(&workplace, ids_of(&workplace, &here).iter().map(String::as_str)).await;

    let there = config(&workplace, &[MULTI_REGION, AWAY]);
    let (daemon, after) = workplace.daemon(&there, "ready: participant participant1");
    let audit = daemon.terminate(SOON).unwrap().stderr;
    assert_eq!(before, after, "the same identity");
    assert!(!audit.contains("CreateKeyRequest"), "{audit}");
    let finished = workplace.run(&there, SIGN);
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    let finished = workplace.finish(&["doctor", "-c", there.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stdout);
    assert_eq!(finished.stdout.matches("public key as registered").count(), 3, "{}", finished.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_registered_by_an_arn_of_the_old_region_are_found_in_the_new_one() {
    let workplace = Workplace::new(SIX);
    let operator = workplace.client("operator");
    let make = |spec, usage| {
        let request = operator.create_key().key_spec(spec).key_usage(usage).multi_region(true);
        async move {
            let answer = request.send().await.unwrap();
            let metadata = answer.key_metadata().unwrap();
            MadeKey { id: metadata.key_id().to_owned(), arn: metadata.arn().unwrap().to_owned() }
        }
    };
    let namespace = make(KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let signing = make(KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let encryption = make(KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
    let here = config(&workplace, &[MANUAL, "\n", MULTI_REGION]);
    let script = format!("{}{REGISTER}{INITIALIZE}", ids(&namespace.arn, &signing.arn, &encryption.arn));
    let finished = workplace.run(&here, &script);
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    replicate(&workplace, [&*namespace.id, &signing.id, &encryption.id]).await;

    let there = config(&workplace, &[MANUAL, "\n", MULTI_REGION, AWAY]);
    let finished = workplace.run(&there, SIGN);
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    let (daemon, _) = workplace.daemon(&there, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_region_is_out_the_node_signs_in_the_next_and_goes_back() {
    let workplace = Workplace::new(SIX);
    let both = config(&workplace, &[MULTI_REGION, FAILOVER]);
    let (daemon, _) = workplace.daemon(&both, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let keys = ids_of(&workplace, &both);
    replicate(&workplace, keys[..2].iter().map(String::as_str)).await;
    // The third has no replica yet, and the doctor says how to make one.
    let finished = workplace.finish(&["doctor", "-c", both.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stdout);
    let missing: Vec<_> = finished
        .stdout
        .lines()
        .filter(|line| line.starts_with("warn") && line.contains("replica:"))
        .collect();
    assert_eq!(missing.len(), 1, "{}", finished.stdout);
    assert!(missing[0].contains("replicate-key") && missing[0].contains(&keys[2]), "{}", missing[0]);
    replicate(&workplace, [keys[2].as_str()]).await;

    let (mut daemon, line) = workplace.daemon(&both, "listening: participant participant1 admin-api");
    let address = line.rsplit(' ').next().unwrap().to_owned();
    daemon.wait_for("ready: participant participant1", SOON).unwrap();
    set_faults(&workplace, r#"[{"region": "us-east-1", "kind": "reset_before"}]"#);
    daemon.wait_for("requests go to eu-west-1", SOON).unwrap();
    let script = workplace.write("sign.canton", SIGN);
    let finished = workplace.finish(&["run", script.to_str().unwrap(), "--remote", &address]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    set_faults(&workplace, "[]");
    daemon.wait_for("us-east-1 of the KMS answers again", SOON).unwrap();
    let log = daemon.terminate(SOON).unwrap().stderr;
    assert!(!log.contains("not ready"), "the node was ready all the time: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_one_region_are_refused_where_others_are_to_be_used() {
    let workplace = Workplace::new(SIX);
    let single = crate::support::make_key(
        &workplace.client("operator"),
        KeySpec::EccNistP256,
        KeyUsageType::SignVerify,
    )
    .await;
    let both = config(&workplace, &[MANUAL, "\n", MULTI_REGION, FAILOVER]);
    let register =
        format!("participant1.keys.secret.register_kms_signing_key(\"{}\", name = \"x\")", single.id);
    let finished = workplace.run(&both, &register);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stdout);
    for text in ["KMS_KEY_NOT_MULTI_REGION", &single.id, "failover-regions"] {
        assert!(finished.stderr.contains(text), "no {text} in {}", finished.stderr);
    }
    assert!(workplace.keys(&both).is_empty(), "nothing half-stored");

    // Registered before the other Regions were configured, it keeps the node from starting.
    let one = config(&workplace, &[MANUAL]);
    assert_eq!(workplace.run(&one, &register).status.code(), Some(0));
    let both = config(&workplace, &[MANUAL, "\n", MULTI_REGION, FAILOVER]);
    let finished = workplace.finish(&["daemon", "-c", both.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    for text in ["cannot be used in another Region", &single.id, "remove failover-regions"] {
        assert!(finished.stderr.contains(text), "no {text} in {}", finished.stderr);
    }
    let finished = workplace.finish(&["doctor", "-c", both.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stdout);
    assert!(finished.stdout.contains("is no multi-Region key"), "{}", finished.stdout);
}
