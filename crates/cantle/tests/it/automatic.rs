//! A new participant makes its keys in the KMS at its first start, and nothing at its second.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};

use crate::support::{SIX, SOON, Workplace, count_keys};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_participant_makes_three_keys_and_its_identity_once() {
    let workplace = Workplace::new(SIX);
    let config =
        workplace.config("canton.participants.participant1.crypto.kms.custom-tags { environment = test }");

    let (daemon, first) = workplace.daemon(&config, "ready: participant participant1");
    let uid = first.rsplit(' ').next().unwrap().to_owned();
    let finished = daemon.terminate(SOON).unwrap();
    assert!(finished.status.success(), "{}", finished.stderr);

    let client = workplace.client("operator");
    assert_eq!(count_keys(&client).await, 3);
    let keys = workplace.keys(&config);
    let names: Vec<_> = keys.iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["participant1-namespace", "participant1-signing", "participant1-encryption"]);
    assert_eq!(uid, format!("participant1::{}", keys[0]["fingerprint"].as_str().unwrap()));

    for key in &keys {
        let id = key["kms_key_id"].as_str().unwrap();
        let described = client.describe_key().key_id(id).send().await.unwrap();
        let metadata = described.key_metadata().unwrap();
        assert_eq!(metadata.description(), key["name"].as_str(), "described by its name");
        assert_eq!(metadata.multi_region(), Some(false));
        let (spec, usage) = match key["purpose"].as_str().unwrap() {
            "encryption" => (KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt),
            _ => (KeySpec::EccNistP256, KeyUsageType::SignVerify),
        };
        assert_eq!((metadata.key_spec(), metadata.key_usage()), (Some(&spec), Some(&usage)));
        assert_eq!(key["state"], "Enabled");
        let tags = client.list_resource_tags().key_id(id).send().await.unwrap();
        let tag = |name: &str| {
            tags.tags().iter().find(|tag| tag.tag_key() == name).map(|tag| tag.tag_value().to_owned())
        };
        assert_eq!(tag("CreatedBy").as_deref(), Some("Cantle"));
        assert_eq!(tag("environment").as_deref(), Some("test"));
        assert!(
            tags.tags().iter().any(|tag| tag.tag_value().contains("participant1")),
            "tagged with its node"
        );
        assert!(
            tags.tags().iter().any(|tag| tag.tag_value() == key["purpose"].as_str().unwrap()),
            "tagged with its purpose"
        );
    }

    let (daemon, second) = workplace.daemon(&config, "ready: participant participant1");
    assert_eq!(second.rsplit(' ').next().unwrap(), uid, "the same identity after a restart");
    let audit = daemon.terminate(SOON).unwrap().stderr;
    assert!(audit.contains("RetrieveMetadataRequest("), "the keys are checked at start:\n{audit}");
    for other in ["CreateKeyRequest", "SignRequest", "GetPublicKeyRequest", "DecryptRequest"] {
        assert!(!audit.contains(other), "{other} at a restart:\n{audit}");
    }
    assert_eq!(count_keys(&client).await, 3, "nothing is made at a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn schemes_and_multi_region_follow_the_configuration() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config(
        "canton.participants.participant1.crypto {
           signing.default = ec-dsa-p-384
           kms.multi-region-key = true
         }",
    );
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let client = workplace.client("operator");
    let keys = workplace.keys(&config);
    assert_eq!(keys.len(), 3);
    for key in keys {
        let id = key["kms_key_id"].as_str().unwrap();
        assert!(id.contains("mrk-"), "{id} is no multi-Region key");
        let described = client.describe_key().key_id(id).send().await.unwrap();
        let metadata = described.key_metadata().unwrap();
        assert_eq!(metadata.multi_region(), Some(true));
        if key["purpose"] != "encryption" {
            assert_eq!(metadata.key_spec(), Some(&KeySpec::EccNistP384));
        }
    }
}

#[test]
fn without_permission_to_create_keys_the_error_names_action_and_remedy() {
    let workplace = Workplace::new(crate::support::FOUR);
    let config = workplace.config("");
    let finished = workplace.finish(&["daemon", "-c", config.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("kms:CreateKey"), "{}", finished.stderr);
}

#[test]
fn the_audit_log_has_a_line_a_request_and_no_payload() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let audit_file = workplace.path("audit/kms.log");
    let mut command = workplace.cantle();
    command.arg("daemon").arg("-c").arg(&config).arg("--kms-log-file-name").arg(&audit_file);
    let mut daemon = cantle_testkit::Process::spawn(&mut command).unwrap();
    daemon.wait_for("ready: participant participant1", SOON).unwrap();
    let finished = daemon.terminate(SOON).unwrap();
    assert!(!finished.stderr.contains("SignRequest"), "audit lines belong in their own file");

    let audit = std::fs::read_to_string(audit_file).unwrap();
    let count = |text: &str| audit.lines().filter(|line| line.contains(text)).count();
    assert_eq!(count("Sending request ["), count("Received response ["), "{audit}");
    assert_eq!((count("CreateKeyRequest("), count("CreateKeyResponse(")), (3, 3), "{audit}");
    assert_eq!(
        (count("- SignRequest(") + count(": SignRequest("), count("SignResponse(")),
        (3, 3),
        "{audit}"
    );
    assert_eq!(count("[Aws-Id: "), count("Received response ["), "{audit}");
    assert!(audit.contains("** Sign message text placeholder **"), "{audit}");
    assert!(audit.contains(&format!("to {}", workplace.endpoint)), "{audit}");
}
