//! The policy that `cantle iam-policy` prints is the least one: with it everything succeeds, without any one of its
//! actions something fails, and no other key can be used.

use std::path::{Path, PathBuf};

use aws_sdk_kms::{
    Client,
    error::ProvideErrorMetadata,
    primitives::Blob,
    types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec, Tag},
};
use serde_json::{Value, json};

use crate::{
    pregenerated::{INITIALIZE, MANUAL, REGISTER, ids, make_keys},
    support::{ACCOUNT, SIX, SOON, Workplace, make_key},
};

/// What the policy for a configuration says, and the notes beside it.
fn policy(workplace: &Workplace, config: &Path, more: &[&str]) -> (Value, String) {
    let mut arguments = vec!["iam-policy", "-c", config.to_str().unwrap(), "--account", ACCOUNT];
    arguments.extend(more);
    let finished = workplace.finish(&arguments);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    (serde_json::from_str(&finished.stdout).unwrap(), finished.stderr)
}

/// A member that is one text or a list of them.
fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect())
}

/// All actions of a policy, each once, in order.
fn actions(policy: &Value) -> Vec<String> {
    let statements = policy["Statement"].as_array().unwrap();
    let mut actions: Vec<_> = statements.iter().flat_map(|statement| texts(&statement["Action"])).collect();
    actions.sort();
    actions.dedup();
    actions
}

/// The policy without one action.
fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    let statements = policy["Statement"].as_array_mut().unwrap();
    for statement in statements.iter_mut() {
        let others: Vec<_> =
            texts(&statement["Action"]).into_iter().filter(|other| other != action).collect();
        statement["Action"] = json!(others);
    }
    statements.retain(|statement| statement["Action"] != json!([]));
    policy
}

/// That a request was refused for want of permission.
fn assert_denied<T: std::fmt::Debug, E>(what: &str, answer: Result<T, E>)
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let error = answer.expect_err(what);
    assert_eq!(error.code(), Some("AccessDeniedException"), "{what}: {error:?}");
}

/// That none of the operations of a node is allowed on a key.
async fn assert_untouchable(node: &Client, signing: &str, encryption: &str) {
    for key in [signing, encryption] {
        assert_denied("DescribeKey", node.describe_key().key_id(key).send().await);
        assert_denied("GetPublicKey", node.get_public_key().key_id(key).send().await);
        let tag = Tag::builder().tag_key("environment").tag_value("test").build().unwrap();
        assert_denied("TagResource", node.tag_resource().key_id(key).tags(tag).send().await);
        assert_denied("ScheduleKeyDeletion", node.schedule_key_deletion().key_id(key).send().await);
        assert_denied("DisableKey", node.disable_key().key_id(key).send().await);
    }
    let sign = node.sign().key_id(signing).message(Blob::new(b"x".to_vec())).message_type(MessageType::Raw);
    assert_denied("Sign", sign.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await);
    let decrypt = node.decrypt().key_id(encryption).ciphertext_blob(Blob::new(vec![1; 256]));
    let algorithm = aws_sdk_kms::types::EncryptionAlgorithmSpec::RsaesOaepSha256;
    assert_denied("Decrypt", decrypt.encryption_algorithm(algorithm).send().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_node_makes_need_six_actions_on_nothing_else() {
    let mut workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let (least, _) = policy(&workplace, &config, &[]);
    let mut six = SIX.to_vec();
    six.sort_unstable();
    assert_eq!(actions(&least), six);

    workplace.allow(&least);
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    assert!(daemon.terminate(SOON).unwrap().status.success());
    let doctor = ["doctor", "-c", config.to_str().unwrap()];
    let finished = workplace.finish(&doctor);
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);

    let operator = workplace.client("operator");
    let node = workplace.client("node");
    let signing = make_key(&operator, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let encryption = make_key(&operator, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
    // A key of another node has other tags.
    for (name, value) in [("CreatedBy", "Cantle"), ("CantleNode", "participant2")] {
        let tag = Tag::builder().tag_key(name).tag_value(value).build().unwrap();
        operator.tag_resource().key_id(&signing.id).tags(tag).send().await.unwrap();
    }
    assert_untouchable(&node, &signing.arn, &encryption.arn).await;
    // Nor are keys made of another kind or without the tags that tell whose they are.
    let tags = || {
        ["CreatedBy=Cantle", "CantleNode=participant1"].map(|tag| {
            let (key, value) = tag.split_once('=').unwrap();
            Tag::builder().tag_key(key).tag_value(value).build().unwrap()
        })
    };
    let create = |spec, usage| node.create_key().key_spec(spec).key_usage(usage);
    let p256 = || create(KeySpec::EccNistP256, KeyUsageType::SignVerify);
    assert_denied("CreateKey without tags", p256().send().await);
    assert_denied(
        "CreateKey, multi-Region",
        p256().set_tags(Some(tags().into())).multi_region(true).send().await,
    );
    let other = create(KeySpec::Rsa4096, KeyUsageType::EncryptDecrypt).set_tags(Some(tags().into()));
    assert_denied("CreateKey of another spec", other.send().await);
    let foreign = Tag::builder().tag_key("owner").tag_value("me").build().unwrap();
    let foreign = p256().set_tags(Some(tags().into())).tags(foreign);
    assert_denied("CreateKey with another tag", foreign.send().await);
    p256().set_tags(Some(tags().into())).send().await.expect("as the node makes its keys");

    for action in SIX {
        workplace.allow(&without(&least, action));
        let folder = format!("without-{}", &action[4..]);
        let daemon = ["daemon", "-c", config.to_str().unwrap(), "--data-dir", &folder];
        let finished = workplace.finish(&daemon);
        assert_eq!(finished.status.code(), Some(1), "{action}: {}", finished.stderr);
        assert!(finished.stderr.contains(action), "{action}: {}", finished.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_operator_registers_need_four_actions_and_are_named() {
    let mut workplace = Workplace::new(SIX);
    let keys = make_keys(&workplace, "operator").await;
    let config = workplace.config(MANUAL);
    let (unknown, notes) = policy(&workplace, &config, &[]);
    assert_eq!(actions(&unknown), ["kms:Decrypt", "kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"]);
    assert!(notes.contains("are not known before they are registered"), "{notes}");

    let arns = [&keys.namespace.arn, &keys.signing.arn, &keys.encryption.arn];
    let named: Vec<&str> = arns.iter().flat_map(|arn| ["--key", arn]).collect();
    let (least, _) = policy(&workplace, &config, &named);
    assert_eq!(actions(&least), actions(&unknown));
    let operator = workplace.client("operator");
    let signing = make_key(&operator, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let encryption = make_key(&operator, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
    let register = format!("{}{REGISTER}", ids(&keys.namespace.id, &keys.signing.id, &keys.encryption.id));
    for action in actions(&least) {
        workplace.allow(&without(&least, &action));
        let finished = workplace.run(&config, &register);
        assert_eq!(finished.status.code(), Some(1), "{action}: {}", finished.stdout);
        assert!(finished.stderr.contains(&action), "{action}: {}", finished.stderr);
    }
    workplace.allow(&least);
    assert_untouchable(&workplace.client("node"), &signing.arn, &encryption.arn).await;
    let finished = workplace.run(&config, &format!("{register}{INITIALIZE}"));
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);

    // Once they are registered the node's own store names them, each for what it is for.
    let (known, notes) = policy(&workplace, &config, &[]);
    assert!(!notes.contains("not known"), "{notes}");
    let resources = |action: &str| {
        let statements = known["Statement"].as_array().unwrap();
        let allowing =
            statements.iter().find(|statement| texts(&statement["Action"]).contains(&action.to_owned()));
        let mut resources = texts(&allowing.unwrap()["Resource"]);
        resources.sort();
        resources
    };
    let sorted = |mut arns: Vec<&String>| {
        arns.sort();
        arns.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(resources("kms:DescribeKey"), sorted(arns.to_vec()));
    assert_eq!(resources("kms:Sign"), sorted(vec![&keys.namespace.arn, &keys.signing.arn]));
    assert_eq!(resources("kms:Decrypt"), sorted(vec![&keys.encryption.arn]));
    workplace.allow(&known);
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let finished = workplace.finish(&["doctor", "-c", config.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stdout);
    assert!(!finished.stdout.contains("warn"), "{}", finished.stdout);
}

/// The nodes of a distributed domain and two participants at a KMS.
fn domain(workplace: &Workplace, name: &str, more: &str) -> PathBuf {
    let nodes = [
        "domain-managers.manager",
        "sequencers.sequencer1",
        "mediators.mediator1",
        "participants.participant1",
        "participants.participant2",
    ];
    let parameters = "canton.domain-managers.manager.init.domain-parameters.protocol-version = 7";
    workplace.with_kms(name, &format!("{parameters}\n{more}"), nodes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_sync_domain_works_with_its_printed_policy() {
    let mut workplace = Workplace::new(SIX);
    let config = domain(&workplace, "domain.conf", "");
    let (least, _) = policy(&workplace, &config, &[]);
    workplace.allow(&least);
    let finished = workplace.run(
        &config,
        "manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))\n\
         manager.health.wait_for_initialized()\n\
         mediator1.health.wait_for_initialized()\n\
         participant1.domains.connect_local(sequencer1)\n\
         participant2.domains.connect_local(sequencer1)\n\
         participant1.health.ping(participant2)\n",
    );
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    assert!(!finished.stderr.contains("AccessDenied"), "{}", finished.stderr);
}

#[test]
fn sequencers_and_mediators_follow_the_nodes_that_can_say_whether_they_make_keys() {
    let workplace = Workplace::new(SIX);
    let making = domain(&workplace, "making.conf", "");
    assert!(actions(&policy(&workplace, &making, &[]).0).contains(&"kms:CreateKey".to_owned()));
    let (policy_, _) = policy(&workplace, &making, &["--pre-generated"]);
    assert!(!actions(&policy_).contains(&"kms:CreateKey".to_owned()));
    let registered = "canton.domain-managers.manager.init.auto-init = false\n\
                      canton.participants.participant1.init.auto-init = false\n\
                      canton.participants.participant2.init.auto-init = false\n";
    let registered = domain(&workplace, "registered.conf", registered);
    let (policy_, notes) = policy(&workplace, &registered, &[]);
    assert_eq!(actions(&policy_), ["kms:Decrypt", "kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"]);
    assert!(notes.contains("sequencer1 makes no key"), "{notes}");
    let mixed = "canton.domain-managers.manager.init.auto-init = false\n";
    let mixed = domain(&workplace, "mixed.conf", mixed);
    assert!(actions(&policy(&workplace, &mixed, &[]).0).contains(&"kms:TagResource".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciling_adds_listing_and_the_tags_of_own_keys_alone() {
    let mut workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let (plain, _) = policy(&workplace, &config, &[]);
    let (reconciling, _) = policy(&workplace, &config, &["--reconcile"]);
    let added: Vec<_> =
        actions(&reconciling).into_iter().filter(|action| !actions(&plain).contains(action)).collect();
    assert_eq!(added, ["kms:ListKeys", "kms:ListResourceTags"]);
    workplace.allow(&reconciling);
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let other = make_key(&workplace.client("operator"), KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    let node = workplace.client("node");
    let listed = node.list_keys().send().await.unwrap();
    let mut readable = 0;
    for key in listed.keys() {
        let tags = node.list_resource_tags().key_id(key.key_id().unwrap()).send().await;
        if key.key_id() == Some(&*other.id) {
            assert_denied("ListResourceTags", tags);
        } else {
            assert!(tags.unwrap().tags().iter().any(|tag| tag.tag_key() == "CantleCreation"));
            readable += 1;
        }
    }
    assert_eq!(readable, 3);
}

#[test]
fn the_policy_is_written_for_terraform_and_roles_and_wrong_flags_are_refused() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("canton.participants.p2 {}");
    let config = config.to_str().unwrap();
    let role = "arn:aws:iam::111122223333:role/ledger/node";
    let finished = workplace.finish(&["iam-policy", "-c", config, "--format", "terraform", "--role", role]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    for text in [
        "data \"aws_iam_policy_document\" \"cantle\" {",
        "role   = \"node\"",
        "\"arn:aws:kms:us-east-1:111122223333:key/*\"",
        "variable = \"aws:RequestTag/CantleNode\"",
    ] {
        assert!(finished.stdout.contains(text), "no {text} in {}", finished.stdout);
    }
    assert!(
        finished.stderr.contains("participant p2 keeps its keys in its own store"),
        "{}",
        finished.stderr
    );
    for wrong in [
        &["iam-policy"][..],
        &["iam-policy", "-c", config, "--account", "12"],
        &["iam-policy", "-c", config, "--key", "alias/x"],
        &["iam-policy", "-c", config, "--key", "no key"],
        &["iam-policy", "-c", config, "--json", "--format", "terraform"],
        &["iam-policy", "-c", "missing.conf"],
    ] {
        let finished = workplace.finish(wrong);
        assert_eq!(finished.status.code(), Some(2), "{wrong:?}: {}", finished.stdout);
        assert_eq!(finished.stdout, "", "{wrong:?}");
    }
}

#[test]
fn multi_region_keys_assumed_roles_and_other_partitions_are_in_the_policy() {
    let workplace = Workplace::new(SIX);
    let config = workplace.write(
        "gov.conf",
        "canton.participants.participant1.crypto {
           provider = kms
           signing.allowed = [ec-dsa-p-384], signing.default = ec-dsa-p-384
           kms {
             type = aws, region = us-gov-west-1, multi-region-key = true
             custom-tags { environment = test }
             credentials.assume-role.role-arn = \"arn:aws-us-gov:iam::111122223333:role/node\"
           }
         }",
    );
    let finished = workplace.finish(&["iam-policy", "-c", config.to_str().unwrap()]);
    let policy: Value = serde_json::from_str(&finished.stdout).unwrap();
    let statement = |sid: &str| {
        let statements = policy["Statement"].as_array().unwrap();
        statements.iter().find(|statement| statement["Sid"] == sid).unwrap()
    };
    let make = statement("MakeSigningKeys");
    assert_eq!(make["Condition"]["Bool"]["kms:MultiRegion"], "true");
    assert_eq!(make["Condition"]["StringEquals"]["kms:KeySpec"], "ECC_NIST_P384");
    let names = texts(&statement("TagNewKeys")["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"]);
    assert!(names.contains(&"environment".to_owned()), "{names:?}");
    assert_eq!(statement("ReadOwnKeys")["Resource"], "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/*");
    assert_eq!(statement("ReplicateKeys")["Action"], "iam:CreateServiceLinkedRole");
    assert!(finished.stderr.contains("sts:AssumeRole"), "{}", finished.stderr);
    let element = "canton.participants.participant1.crypto.kms.failover-regions.0=us-gov-east-1";
    let finished = workplace.finish(&["iam-policy", "-c", config.to_str().unwrap(), "-C", element]);
    let policy: Value = serde_json::from_str(&finished.stdout).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    for statement in statements.iter().filter(|statement| statement["Sid"] == "SignWithOwnKeys") {
        let regions = ["us-gov-west-1", "us-gov-east-1"];
        let both = regions.map(|region| format!("arn:aws-us-gov:kms:{region}:111122223333:key/*"));
        assert_eq!(texts(&statement["Resource"]), both);
    }
    assert!(finished.stderr.contains("replicas have tags of their own"), "{}", finished.stderr);
    let other = ["iam-policy", "-c", config.to_str().unwrap(), "--role", "another"];
    let finished = workplace.finish(&other);
    let policy: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(policy["Statement"], json!([]));
    assert!(finished.stderr.contains("is left out"), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapper_key_needs_its_own_actions_and_no_signatures() {
    let mut workplace = Workplace::new(SIX);
    let text = format!(
        r#"canton.participants.participant1.crypto {{
          signing.default = ec-dsa-p-256
          kms {{ type = aws, region = us-east-1, endpoint-override = "{}" }}
          private-key-store.encryption {{ type = kms }}
        }}"#,
        workplace.endpoint
    );
    let config = workplace.write("wrapped.conf", &text);
    let (least, _) = policy(&workplace, &config, &[]);
    let needed = ["kms:CreateKey", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:TagResource"];
    assert_eq!(actions(&least), needed);
    for action in needed {
        workplace.allow(&without(&least, action));
        let folder = format!("without-{}", &action[4..]);
        let daemon = ["daemon", "-c", config.to_str().unwrap(), "--data-dir", &folder];
        let finished = workplace.finish(&daemon);
        assert_eq!(finished.status.code(), Some(1), "{action}: {}", finished.stderr);
        assert!(finished.stderr.contains(action), "{action}: {}", finished.stderr);
    }
    workplace.allow(&least);
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    assert!(daemon.terminate(SOON).unwrap().status.success());

    let doctor = ["doctor", "-c", config.to_str().unwrap()];
    let finished = workplace.finish(&doctor);
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("wrapper key"), "{}", finished.stdout);
    // Those of the tries are nobody's; the last one is the node's.
    let operator = workplace.client("operator");
    for key in operator.list_keys().send().await.unwrap().keys() {
        operator.disable_key().key_id(key.key_id().unwrap()).send().await.unwrap();
    }
    let finished = workplace.finish(&doctor);
    assert_eq!(finished.status.code(), Some(1), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("Disabled"), "{}", finished.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_needs_two_actions_more_and_none_of_them_in_vain() {
    let mut workplace = Workplace::new(SIX);
    let jce = workplace.write("jce.conf", "canton.participants.participant1 {}");
    let (daemon, ready) = workplace.daemon(&jce, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let config = workplace.config("");
    let (plain, _) = policy(&workplace, &config, &[]);
    let (least, _) = policy(&workplace, &config, &["--migration"]);
    let added: Vec<_> =
        actions(&least).into_iter().filter(|action| !actions(&plain).contains(action)).collect();
    assert_eq!(added, ["kms:GetParametersForImport", "kms:ImportKeyMaterial"]);
    let migrate = |workplace: &Workplace, folder: &str| {
        let mut command = workplace.cantle();
        command.args(["migrate", "to-kms", "--yes", "--node", "participant1", "--data-dir", folder]);
        command.arg("--export").arg(format!("{folder}.age")).arg("-c").arg(&config);
        command.env("CANTLE_EXPORT_PASSPHRASE", "correct horse battery staple");
        cantle_testkit::Process::spawn(&mut command).unwrap().finish(SOON).unwrap()
    };
    for action in actions(&least) {
        workplace.allow(&without(&least, &action));
        let folder = format!("without-{}", &action[4..]);
        std::fs::create_dir(workplace.path(&folder)).unwrap();
        std::fs::copy(
            workplace.path("cantle-data/participant1.db"),
            workplace.path(&format!("{folder}/participant1.db")),
        )
        .unwrap();
        let finished = migrate(&workplace, &folder);
        assert_eq!(finished.status.code(), Some(1), "{action}: {}", finished.stdout);
        assert!(finished.stderr.contains(&action), "{action}: {}", finished.stderr);
        let doctor = ["doctor", "--migration", "--create", "-c", config.to_str().unwrap()];
        let finished = workplace.finish(&doctor);
        // Decrypt is for the key that is rotated, which the trial is not like.
        let expected = if action == "kms:Decrypt" { 0 } else { 1 };
        assert_eq!(finished.status.code(), Some(expected), "{action}: {}", finished.stdout);
    }
    workplace.allow(&least);
    let doctor = ["doctor", "--migration", "-c", config.to_str().unwrap()];
    let finished = workplace.finish(&doctor);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stdout);
    assert!(finished.stdout.contains("2 private keys in it can be imported"), "{}", finished.stdout);
    assert!(finished.stdout.contains("cantle iam-policy --migration"), "{}", finished.stdout);
    let moved = migrate(&workplace, "cantle-data");
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);
    let (daemon, line) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_moved_with_a_wrapper_key_may_decrypt_what_it_has_kept() {
    let mut workplace = Workplace::new(&[SIX, &["kms:Encrypt"]].concat());
    let kms =
        format!("kms {{ type = aws, region = us-east-1, endpoint-override = \"{}\" }}", workplace.endpoint);
    let wrapped = format!(
        "canton.participants.participant1.crypto {{ {kms}, private-key-store.encryption.type = kms }}"
    );
    let wrapped = workplace.write("wrapped.conf", &wrapped);
    let (daemon, ready) = workplace.daemon(&wrapped, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let config = workplace.config("");
    let (migration, _) = policy(&workplace, &config, &["--migration"]);
    workplace.allow(&migration);
    let mut command = workplace.cantle();
    command.args(["migrate", "to-kms", "--yes", "--node", "participant1", "--export", "keys.age", "-c"]);
    command.arg(&config).env("CANTLE_EXPORT_PASSPHRASE", "correct horse battery staple");
    let moved = cantle_testkit::Process::spawn(&mut command).unwrap().finish(SOON).unwrap();
    assert_eq!(moved.status.code(), Some(0), "{}", moved.stderr);

    let (least, _) = policy(&workplace, &config, &[]);
    let of_kept = |statement: &Value| statement["Sid"] == "DecryptStoredKeys";
    let statements = least["Statement"].as_array().unwrap();
    let kept = statements.iter().find(|statement| of_kept(statement)).expect("it has kept a key");
    assert_eq!(texts(&kept["Action"]), ["kms:Decrypt"]);
    assert!(texts(&kept["Resource"]).iter().all(|arn| !arn.ends_with("key/*")), "{kept}");

    let doctor = |workplace: &Workplace| workplace.finish(&["doctor", "-c", config.to_str().unwrap()]);
    workplace.allow(&least);
    let finished = doctor(&workplace);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stdout);
    assert!(finished.stdout.contains("can be decrypted with the wrapper key"), "{}", finished.stdout);
    let (daemon, line) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(line, ready);

    let mut less = least.clone();
    less["Statement"].as_array_mut().unwrap().retain(|statement| !of_kept(statement));
    workplace.allow(&less);
    let finished = doctor(&workplace);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stdout);
    assert!(finished.stdout.contains("kms:Decrypt"), "{}", finished.stdout);
}
