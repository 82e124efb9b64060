//! `cantle doctor` finds what would keep a node from working before the node does, and changes nothing.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use cantle_testkit::Finished;
use serde_json::{Value, json};

use crate::{
    pregenerated::MANUAL,
    support::{ACCOUNT, SIX, SOON, Workplace, count_keys, make_key},
};

fn doctor(workplace: &Workplace, config: &std::path::Path, more: &[&str]) -> Finished {
    let mut arguments = vec!["doctor", "-c", config.to_str().unwrap()];
    arguments.extend(more);
    workplace.finish(&arguments)
}

/// The findings of `--json`, whose exit status has to fit them.
fn findings(finished: &Finished) -> Vec<Value> {
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let status = if document["worst"] == "fail" { 1 } else { 0 };
    assert_eq!(finished.status.code(), Some(status), "{}", finished.stderr);
    document["findings"].as_array().unwrap().clone()
}

fn results(findings: &[Value], check: &str) -> Vec<String> {
    let of = findings.iter().filter(|finding| finding["check"] == check);
    of.map(|finding| finding["result"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_it_makes_a_trial_key_only_when_asked() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("canton.participants.p2 {}");
    let operator = workplace.client("operator");
    let found = findings(&doctor(&workplace, &config, &["--json"]));
    for (check, result) in [
        ("endpoint", "ok"),
        ("credentials", "ok"),
        ("clock", "ok"),
        ("database", "ok"),
        ("create-key", "warn"),
    ] {
        assert_eq!(results(&found, check), [result], "{check} in {found:?}");
    }
    assert_eq!(results(&found, "provider"), ["ok"], "the node with its own store");
    assert_eq!(count_keys(&operator).await, 0, "asking makes no key");
    assert!(!workplace.path("cantle-data").exists(), "nor a database");

    let created = findings(&doctor(&workplace, &config, &["--json", "--create"]));
    assert_eq!(results(&created, "create-key"), ["ok"], "{created:?}");
    let finding = created.iter().find(|finding| finding["check"] == "create-key").unwrap();
    let listed = operator.list_keys().send().await.unwrap();
    let arn = listed.keys()[0].key_arn().unwrap();
    assert_eq!((listed.keys().len(), &finding["kms_key_id"]), (1, &json!(arn)));
    let remedy = finding["remedy"].as_str().unwrap();
    assert!(remedy.contains("schedule-key-deletion") && remedy.contains(arn), "{remedy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_in_order_are_said_to_be_while_the_node_runs_and_when_not() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    let running = doctor(&workplace, &config, &[]);
    daemon.terminate(SOON).unwrap();
    let stopped = doctor(&workplace, &config, &[]);
    for finished in [running, stopped] {
        assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
        for name in ["participant1-namespace", "participant1-signing", "participant1-encryption"] {
            let line = finished.stdout.lines().find(|line| line.contains(name));
            assert!(line.is_some_and(|line| line.starts_with("ok ")), "{}", finished.stdout);
        }
        assert!(!finished.stdout.contains("create-key"), "no key is to be made: {}", finished.stdout);
    }
    let listed = workplace.client("operator").list_keys().send().await.unwrap();
    assert_eq!(listed.keys().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_in_trouble_is_named_with_what_to_do() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let keys = workplace.keys(&config);
    let id = |index: usize| keys[index]["kms_key_id"].as_str().unwrap();
    let operator = workplace.client("operator");
    operator.disable_key().key_id(id(0)).send().await.unwrap();
    operator.schedule_key_deletion().key_id(id(1)).send().await.unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:user/node")}, "Action": "kms:Decrypt", "Resource": "*"},
    ]});
    operator.put_key_policy().key_id(id(2)).policy(policy.to_string()).send().await.unwrap();

    let found = findings(&doctor(&workplace, &config, &["--json"]));
    for (index, check, remedy) in [
        (0, "key-state", "aws kms enable-key"),
        (1, "key-state", "aws kms cancel-key-deletion"),
        (2, "permission", "kms:Decrypt"),
    ] {
        let about: Vec<_> = found.iter().filter(|finding| finding["kms_key_id"] == id(index)).collect();
        assert_eq!(about.len(), 1, "{about:?}");
        assert_eq!((about[0]["result"].as_str(), about[0]["check"].as_str()), (Some("fail"), Some(check)));
        assert!(about[0]["remedy"].as_str().unwrap().contains(remedy), "{:?}", about[0]);
    }
    let finished = doctor(&workplace, &config, &[]);
    assert_eq!(finished.stdout.lines().filter(|line| line.starts_with("fail")).count(), 3);
    assert!(finished.stderr.contains("3 of "), "{}", finished.stderr);
}

#[test]
fn a_kms_that_does_not_answer_or_does_not_know_the_caller_is_told() {
    let mut workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let mut command = workplace.cantle();
    command.env("AWS_SECRET_ACCESS_KEY", "wrong").args(["doctor", "--json", "-c"]).arg(&config);
    let finished = cantle_testkit::Process::spawn(&mut command).unwrap().finish(SOON).unwrap();
    let found = findings(&finished);
    assert_eq!(
        (results(&found, "credentials"), results(&found, "endpoint")),
        (vec!["fail".into()], vec!["ok".into()])
    );
    let mut command = workplace.cantle();
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.args(["doctor", "-c"]).arg(&config);
    let finished = cantle_testkit::Process::spawn(&mut command).unwrap().finish(SOON).unwrap();
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stdout.contains("AWS_ACCESS_KEY_ID"), "{}", finished.stdout);

    workplace.stop_kms();
    let found = findings(&doctor(&workplace, &config, &["--json"]));
    assert_eq!(results(&found, "endpoint"), ["fail"], "{found:?}");
    assert_eq!(results(&found, "create-key"), ["warn"], "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_permission_to_make_keys_fails_on_trial_and_wrong_configurations_exit_with_2() {
    let workplace = Workplace::new(crate::support::FOUR);
    let config = workplace.config("");
    let found = findings(&doctor(&workplace, &config, &["--json", "--create"]));
    assert_eq!(results(&found, "create-key"), ["fail"]);
    // One whose keys are registered makes none.
    let registered = workplace.config(MANUAL);
    let found = findings(&doctor(&workplace, &registered, &["--json", "--create"]));
    assert_eq!(
        (results(&found, "create-key"), results(&found, "database")),
        (vec![], vec!["warn".to_owned()])
    );
    let operator = workplace.client("operator");
    make_key(&operator, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
    assert_eq!(count_keys(&operator).await, 1);

    let wrong = workplace.write("wrong.conf", "canton.participants.participant1.crypto.provider = soft");
    assert_eq!(doctor(&workplace, &wrong, &[]).status.code(), Some(2));
    assert_eq!(workplace.finish(&["doctor"]).status.code(), Some(2));
}
