//! Keys that the operator made beforehand: registered by the manual's lines, each wrong key refused with what to do.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};

use crate::support::{ACCOUNT, FOUR, MadeKey, SOON, Workplace, count_keys, make_key};

pub(crate) const MANUAL: &str = "canton.participants.participant1.init.auto-init = false";

/// The manual's lines, as they stand.
pub(crate) const REGISTER: &str = r#"
participant.keys.secret
  .register_kms_signing_key(namespaceKmsKeyId, name = participant.name + "-namespace") ->
  participant.keys.secret
    .register_kms_signing_key(signingKmsKeyId, name = participant.name + "-signing") ->
  participant.keys.secret
    .register_kms_encryption_key(encryptionKmsKeyId, name = participant.name + "-encryption")
"#;

/// The manual initialization of a participant.
pub(crate) const INITIALIZE: &str = r#"
val identityKey = participant.keys.secret.list(filterName = participant.name + "-namespace").head.publicKey
val signingKey = participant.keys.secret.list(filterName = participant.name + "-signing").head.publicKey
val encryptionKey = participant.keys.secret.list(filterName = participant.name + "-encryption").head.publicKey
val namespace = identityKey.fingerprint // the identity
participant.topology.namespace_delegations.authorize(
  TopologyChangeOp.Add,
  namespace,
  identityKey.fingerprint,
  isRootDelegation = true,
)
participant.topology.init_id("participant1", identityKey.fingerprint)
participant.health.wait_for_identity()
Seq(encryptionKey, signingKey).foreach { key =>
  participant.topology.owner_to_key_mappings.authorize(
    TopologyChangeOp.Add,
    participant.id,
    key.fingerprint,
    key.purpose,
  )
}
assert(participant.health.initialized())
"#;

pub(crate) struct Keys {
    pub(crate) namespace: MadeKey,
    pub(crate) signing: MadeKey,
    pub(crate) encryption: MadeKey,
}

pub(crate) async fn make_keys(workplace: &Workplace, caller: &str) -> Keys {
    let client = workplace.client(caller);
    Keys {
        namespace: make_key(&client, KeySpec::EccNistP256, KeyUsageType::SignVerify).await,
        signing: make_key(&client, KeySpec::EccNistP384, KeyUsageType::SignVerify).await,
        encryption: make_key(&client, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await,
    }
}

pub(crate) fn ids(namespace: &str, signing: &str, encryption: &str) -> String {
    format!(
        "val participant = participant1\nval namespaceKmsKeyId = \"{namespace}\"\nval signingKmsKeyId = \"{signing}\"\nval encryptionKmsKeyId = \"{encryption}\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_procedure_initializes_a_participant_with_four_permissions() {
    let workplace = Workplace::new(FOUR);
    let keys = make_keys(&workplace, "operator").await;
    let config = workplace.config(MANUAL);
    // By id, by ARN and by alias.
    let client = workplace.client("operator");
    client
        .create_alias()
        .alias_name("alias/participant1-encryption")
        .target_key_id(&keys.encryption.id)
        .send()
        .await
        .unwrap();
    let script = format!(
        "{}{REGISTER}{INITIALIZE}",
        ids(&keys.namespace.id, &keys.signing.arn, "alias/participant1-encryption")
    );
    let finished = workplace.run(&config, &script);
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);

    let (daemon, line) = workplace.daemon(&config, "ready: participant participant1");
    let listed = workplace.keys(&config);
    assert_eq!(listed.len(), 3);
    assert!(
        line.ends_with(&format!("participant1::{}", listed[0]["fingerprint"].as_str().unwrap())),
        "{line}"
    );
    for (listed, made) in listed.iter().zip([&keys.namespace, &keys.signing, &keys.encryption]) {
        assert!(listed["kms_key_id"].as_str().unwrap().ends_with(&made.id), "{listed}");
        assert_eq!(listed["kms_key_arn"], made.arn.as_str());
    }
    daemon.terminate(SOON).unwrap();
    assert_eq!(count_keys(&client).await, 3, "no key was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_account_are_registered_by_arn_only() {
    let workplace = Workplace::new(FOUR);
    let keys = make_keys(&workplace, "other").await;
    let other = workplace.client("other");
    for key in [&keys.namespace, &keys.signing, &keys.encryption] {
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:user/node")}, "Action": FOUR, "Resource": "*"},
        ]});
        other.put_key_policy().key_id(&key.id).policy(policy.to_string()).send().await.unwrap();
    }
    let config = workplace.config(MANUAL);
    let by_id = workplace.run(
        &config,
        &format!("{}{REGISTER}", ids(&keys.namespace.id, &keys.signing.arn, &keys.encryption.arn)),
    );
    assert_eq!(by_id.status.code(), Some(1));
    assert!(by_id.stderr.contains(&keys.namespace.id) && by_id.stderr.contains("ARN"), "{}", by_id.stderr);
    assert!(workplace.keys(&config).is_empty(), "nothing half-stored");

    let by_arn = workplace.run(
        &config,
        &format!(
            "{}{REGISTER}{INITIALIZE}",
            ids(&keys.namespace.arn, &keys.signing.arn, &keys.encryption.arn)
        ),
    );
    assert_eq!(by_arn.status.code(), Some(0), "{}", by_arn.stderr);
    assert_eq!(workplace.keys(&config).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unusable_key_is_refused_with_key_rule_and_remedy() {
    let workplace = Workplace::new(FOUR);
    let client = workplace.client("operator");
    let keys = make_keys(&workplace, "operator").await;
    let disabled = make_key(&client, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    client.disable_key().key_id(&disabled.id).send().await.unwrap();
    let pending = make_key(&client, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    client.schedule_key_deletion().key_id(&pending.id).send().await.unwrap();
    let wrong_spec = make_key(&client, KeySpec::EccNistP521, KeyUsageType::SignVerify).await;
    let large = make_key(&client, KeySpec::Rsa4096, KeyUsageType::EncryptDecrypt).await;
    let denied = make_key(&client, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:user/node")}, "Action": "kms:Sign", "Resource": "*"},
    ]});
    client.put_key_policy().key_id(&denied.id).policy(policy.to_string()).send().await.unwrap();
    let missing = "1234abcd-12ab-34cd-56ef-1234567890ab";

    let config = workplace.config(MANUAL);
    let cases: &[(&str, &str, &[&str])] = &[
        ("signing", &keys.encryption.id, &["SIGN_VERIFY"]),
        ("encryption", &keys.namespace.id, &["ENCRYPT_DECRYPT"]),
        ("signing", &disabled.id, &["isabled", "nable"]),
        ("signing", &pending.id, &["deletion", "ancel"]),
        ("signing", &wrong_spec.id, &["ECC_NIST_P521", "ECC_NIST_P256"]),
        ("encryption", &large.id, &["RSA_4096", "RSA_2048"]),
        ("signing", &denied.id, &["kms:Sign"]),
        ("signing", missing, &["not"]),
        ("signing", "alias/no-such-alias", &["alias/no-such-alias"]),
        ("signing", "not a key", &["not a key"]),
    ];
    for (purpose, key, texts) in cases {
        let script = format!("participant1.keys.secret.register_kms_{purpose}_key(\"{key}\", name = \"x\")");
        let finished = workplace.run(&config, &script);
        assert_eq!(finished.status.code(), Some(1), "{key}: {}", finished.stdout);
        assert!(finished.stderr.contains(key), "{key} is not named: {}", finished.stderr);
        for text in *texts {
            assert!(finished.stderr.contains(text), "{key}: no {text:?} in {}", finished.stderr);
        }
        assert!(workplace.keys(&config).is_empty(), "{key}: something is half-stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_kms_key_under_another_name_of_it_is_one_key() {
    let workplace = Workplace::new(FOUR);
    let key = make_key(&workplace.client("operator"), KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let config = workplace.config(MANUAL);
    let script = format!(
        "val a = participant1.keys.secret.register_kms_signing_key(\"{}\", name = \"one\")\n\
         val b = participant1.keys.secret.register_kms_signing_key(\"{}\", name = \"one\")\n\
         assert(a.fingerprint == b.fingerprint)\n",
        key.id, key.arn
    );
    let finished = workplace.run(&config, &script);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    assert_eq!(workplace.keys(&config).len(), 1);
}

#[test]
fn a_node_without_automatic_initialization_serves_its_admin_api_and_waits() {
    let workplace = Workplace::new(crate::support::SIX);
    let config = workplace.config(MANUAL);
    let (mut daemon, line) = workplace.daemon(&config, "listening: participant participant1 admin-api");
    let address = line.rsplit(' ').next().unwrap().to_owned();
    daemon.wait_for("waiting: participant participant1", SOON).unwrap();
    // A remote console makes the keys and the identity; then the node is ready.
    let script = workplace.write(
        "remote.canton",
        &format!(
            "val participant = participant1\n\
             val identityKey = participant.keys.secret.generate_signing_key(name = participant.name + \"-namespace\")\n\
             val signingKey = participant.keys.secret.generate_signing_key(name = participant.name + \"-signing\")\n\
             val encryptionKey = participant.keys.secret.generate_encryption_key(name = participant.name + \"-encryption\")\n\
             {INITIALIZE}"
        ),
    );
    let finished = workplace.finish(&["run", script.to_str().unwrap(), "--remote", &address]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    daemon.wait_for("ready: participant participant1 participant1::1220", SOON).unwrap();
    assert!(daemon.terminate(SOON).unwrap().status.success());
}
