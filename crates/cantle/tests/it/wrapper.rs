//! Wrapper keys end to end: a jce node whose private keys are encrypted by a KMS, its console commands, and its files.

use std::{fs, path::Path};

use aws_sdk_kms::types::{KeySpec, KeyUsageType};

use crate::support::{SOON, Workplace, count_keys, make_key};

/// What a wrapper key needs, made by the node.
const WRAPPER: &[&str] =
    &["kms:CreateKey", "kms:TagResource", "kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"];

fn config(workplace: &Workplace, name: &str, encryption: &str) -> std::path::PathBuf {
    let text = format!(
        r#"canton.participants.participant1.crypto {{
          signing.default = ec-dsa-p-256
          kms {{ type = aws, region = us-east-1, audit-logging = true, endpoint-override = "{}" }}
          private-key-store.encryption {{ type = kms, {encryption} }}
        }}"#,
        workplace.endpoint
    );
    workplace.write(name, &text)
}

/// The middle of each private key, exported by the console.
fn secrets(workplace: &Workplace, config: &Path) -> Vec<Vec<u8>> {
    let script = "for key in participant1.keys.secret.list():\n    \
         participant1.keys.secret.download_to(key.id, \"key-\" + key.id)\n";
    let finished = workplace.run(config, script);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    let mut secrets = Vec::new();
    for entry in fs::read_dir(workplace.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("key-")) {
            let bytes = fs::read(&path).unwrap();
            // ECPrivateKey of RFC 5915: version 1, then the private number.
            let start = bytes.windows(5).position(|part| part == [2, 1, 1, 4, 32]).unwrap() + 5;
            secrets.push(bytes[start..start + 32].to_vec());
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(secrets.len(), 3);
    secrets
}

/// The files below the folder that hold one of the secrets.
fn holding(folder: &Path, secrets: &[Vec<u8>]) -> Vec<String> {
    let mut holding = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding.extend(self::holding(&path, secrets));
        } else {
            let bytes = fs::read(&path).unwrap();
            let is_in = |secret: &Vec<u8>| bytes.windows(secret.len()).any(|part| part == secret.as_slice());
            if secrets.iter().any(is_in) {
                holding.push(path.display().to_string());
            }
        }
    }
    holding
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_nodes_private_keys_are_encrypted_and_found_in_no_file() {
    let workplace = Workplace::new(WRAPPER);
    let clear = workplace
        .write("clear.conf", "canton.participants.participant1.crypto.signing.default = ec-dsa-p-256");
    let (daemon, first) = workplace.daemon(&clear, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let before = workplace.keys(&clear);
    let secrets = secrets(&workplace, &clear);
    assert!(!holding(workplace.folder.path(), &secrets).is_empty(), "the search finds what is in clear");

    let wrapped = config(&workplace, "wrapped.conf", "");
    let mut command = workplace.cantle();
    command.args(["daemon", "--log-level", "trace", "--log-file-name", "node.log", "-c"]).arg(&wrapped);
    let mut daemon = cantle_testkit::Process::spawn(&mut command).unwrap();
    let second = daemon.wait_for("ready: participant participant1", SOON).unwrap();
    assert_eq!(first, second, "the identity is the same");
    assert_eq!(holding(workplace.folder.path(), &secrets), Vec::<String>::new(), "while it runs");
    daemon.terminate(SOON).unwrap();
    assert_eq!(holding(workplace.folder.path(), &secrets), Vec::<String>::new(), "when it has stopped");
    assert_eq!(workplace.keys(&wrapped), before);
    assert_eq!(count_keys(&workplace.client("operator")).await, 1);

    let refused = workplace.finish(&["daemon", "-c", clear.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("reverted = true"), "{}", refused.stderr);

    let reverted = config(&workplace, "reverted.conf", "reverted = true");
    let (daemon, third) = workplace.daemon(&reverted, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let (daemon, fourth) = workplace.daemon(&clear, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!((&third, &fourth), (&first, &first));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_rotates_the_wrapper_key_and_names_it() {
    let workplace = Workplace::new(WRAPPER);
    let operator = workplace.client("operator");
    let other = make_key(&operator, KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await;
    operator.create_alias().alias_name("alias/wrapper").target_key_id(&other.id).send().await.unwrap();
    let signing = make_key(&operator, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let config = config(&workplace, "wrapped.conf", "");
    let script = format!(
        r#"
val secret = participant1.keys.secret
val first = secret.get_wrapper_key_id()
assert(first != "")
secret.rotate_wrapper_key("alias/wrapper")
assert(secret.get_wrapper_key_id() == "{other}")
assert(secret.list().head.wrapperKeyId == "{other}")
secret.rotate_wrapper_key()
assert(secret.get_wrapper_key_id() != "{other}")
assert(secret.get_wrapper_key_id() != first)
secret.rotate_wrapper_key(newWrapperKeyId = "{arn}")
assert(secret.get_wrapper_key_id() == "{arn}")
secret.generate_signing_key("later")
participant1.topology.owner_to_key_mappings.authorize(
  TopologyChangeOp.Add, participant1.id, secret.list(filterName = "later").head.id, KeyPurpose.Signing)
"#,
        other = other.id,
        arn = other.arn
    );
    let finished = workplace.run(&config, &script);
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    for (key, code) in [
        (other.id.as_str(), "WRAPPER_KEY_ALREADY_IN_USE"),
        ("alias/none", "WRAPPER_KEY_NOT_EXIST"),
        (signing.id.as_str(), "WRAPPER_KEY_KIND"),
        ("not a key", "KMS_KEY_ID"),
    ] {
        let script = format!("participant1.keys.secret.rotate_wrapper_key(\"{key}\")");
        let finished = workplace.run(&config, &script);
        assert_eq!(finished.status.code(), Some(1), "{key}");
        assert!(finished.stderr.contains(code), "{key}: {}", finished.stderr);
    }
    // The key of the first start, the one that a rotation made, and the operator's two.
    assert_eq!(count_keys(&operator).await, 4);
}

#[test]
fn a_missing_permission_stops_the_start_and_changes_nothing() {
    for (lacking, action) in [
        (&["kms:CreateKey", "kms:TagResource", "kms:DescribeKey", "kms:Decrypt"][..], "kms:Encrypt"),
        (&["kms:CreateKey", "kms:TagResource", "kms:DescribeKey", "kms:Encrypt"][..], "kms:Decrypt"),
        (&["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"][..], "kms:CreateKey"),
    ] {
        let workplace = Workplace::new(lacking);
        let config = config(&workplace, "wrapped.conf", "");
        let finished = workplace.finish(&["daemon", "-c", config.to_str().unwrap()]);
        assert_eq!(finished.status.code(), Some(1), "{action}: {}", finished.stderr);
        assert!(finished.stderr.contains(action), "{action}: {}", finished.stderr);
        let without = workplace.write("clear.conf", "canton.participants.participant1 {}");
        assert!(workplace.keys(&without).is_empty(), "{action}: no key is stored in clear");
    }
}
