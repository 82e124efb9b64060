//! KMS keys whose creation was interrupted, and KMS keys whose end an operator wants: as the commands show them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Instant,
};

use aws_sdk_kms::types::KeyState;
use cantle_testkit::Process;
use serde_json::Value;

use crate::support::{SIX, SOON, Workplace, count_keys};

const METRICS: &str = "canton.monitoring.metrics.reporters = [{ type = prometheus, port = 0 }]";
const LOST_ANSWER: &str = r#"[{"operation": "CreateKey", "count": 1, "kind": "reset_after"}]"#;

/// Status and body of a request.
fn http(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

impl Workplace {
    fn faults(&self, faults: &str) {
        let address = self.endpoint.trim_start_matches("http://").trim_end_matches('/');
        let (status, text) = http(address, "PUT", "/_cantle/faults", faults);
        assert!((200..300).contains(&status), "{status} {text}");
    }

    fn orphans(&self, place: &[&str]) -> Vec<Value> {
        let finished = self.finish(&[&["keys", "--orphans", "--json"], place].concat());
        assert!(finished.status.success(), "{}", finished.stderr);
        serde_json::from_str(&finished.stdout).unwrap()
    }
}

/// Starts a daemon; where its admin API and its metrics answer, once it is ready.
fn start(workplace: &Workplace, config: &str) -> (Process, String, String) {
    let mut command = workplace.cantle();
    command.args(["daemon", "-c", config]);
    let mut daemon = Process::spawn(&mut command).unwrap();
    let mut address = |service: &str| {
        let line = daemon.wait_for(&format!(" {service} "), SOON).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let (admin, metrics) = (address("admin-api"), address("prometheus"));
    daemon.wait_for("ready: participant participant1", SOON).unwrap();
    (daemon, admin, metrics)
}

fn gauge(metrics: &str) -> Option<String> {
    let (_, text) = http(metrics, "GET", "/metrics", "");
    let line =
        text.lines().find(|line| line.starts_with("cantle_kms_possible_orphans{node=\"participant1\"}"))?;
    Some(line.rsplit(' ').next()?.to_owned())
}

fn wait_for_gauge(metrics: &str, value: &str) {
    let began = Instant::now();
    while gauge(metrics).as_deref() != Some(value) {
        assert!(began.elapsed() < SOON, "the gauge is {:?}, not {value}", gauge(metrics));
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_possible_orphan_is_named_by_log_command_and_metric_until_it_is_forgotten() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config(METRICS);
    let config = config.to_str().unwrap();
    workplace.faults(LOST_ANSWER);
    let failed = workplace.finish(&["daemon", "-c", config]);
    assert_eq!(failed.status.code(), Some(1), "{}", failed.stderr);
    let orphans = workplace.orphans(&["-c", config]);
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert_eq!(orphans[0]["state"], "unfinished");
    let id = orphans[0]["id"].as_str().unwrap();
    assert!(failed.stderr.contains(&format!("it has the tag CantleCreation={id}")), "{}", failed.stderr);

    let (daemon, admin, metrics) = start(&workplace, config);
    for place in [["-c", config], ["--remote", &admin]] {
        let orphans = workplace.orphans(&place);
        assert_eq!(orphans.len(), 1, "{orphans:?}");
        let orphan = &orphans[0];
        assert_eq!(orphan["tag"], format!("CantleCreation={id}"));
        assert_eq!((&orphan["node"], &orphan["state"]), (&"participant1".into(), &"lost".into()));
        assert!(orphan["started_at"].as_str().unwrap().starts_with("20") && orphan["kms_key_id"].is_null());
        let text = workplace.finish(&[&["keys", "--orphans"], place.as_slice()].concat()).stdout;
        assert!(text.contains(&format!("CantleCreation={id}")), "{text}");
    }
    wait_for_gauge(&metrics, "1");
    assert_eq!(count_keys(&workplace.client("operator")).await, 4, "three and the orphan");

    let refused = workplace.finish(&["keys", "--orphans", "--forget", id, "-c", config]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("--remote"), "{}", refused.stderr);
    let unknown = workplace.finish(&["keys", "--orphans", "--forget", "0123", "--remote", &admin]);
    assert_eq!(unknown.status.code(), Some(1), "{}", unknown.stderr);
    let forgotten = workplace.finish(&["keys", "--orphans", "--forget", id, "--remote", &admin]);
    assert!(forgotten.status.success(), "{}", forgotten.stderr);
    assert!(workplace.orphans(&["--remote", &admin]).is_empty());
    wait_for_gauge(&metrics, "0");
    assert_eq!(count_keys(&workplace.client("operator")).await, 4, "the KMS is left alone");
    let stopped = daemon.terminate(SOON).unwrap();
    let named = |line: &&str| line.contains("WARN") && line.contains(&format!("CantleCreation={id}"));
    assert!(stopped.stderr.lines().any(|line| named(&line)), "{}", stopped.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_nodes_orphan_is_forgotten_in_its_database() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let config = config.to_str().unwrap();
    workplace.faults(LOST_ANSWER);
    workplace.finish(&["daemon", "-c", config]);
    let id = workplace.orphans(&["-c", config])[0]["id"].as_str().unwrap().to_owned();
    let forgotten = workplace.finish(&["keys", "--orphans", "--forget", &id, "-c", config]);
    assert!(forgotten.status.success(), "{}", forgotten.stderr);
    assert!(workplace.orphans(&["-c", config]).is_empty());
    let text = workplace.finish(&["keys", "--orphans", "-c", config]).stdout;
    assert!(text.contains("no KMS key is left without an owner"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_permission_to_list_a_lost_answer_loses_no_key() {
    let workplace = Workplace::new(&[SIX, &["kms:ListKeys", "kms:ListResourceTags"]].concat());
    let config = workplace.config("");
    workplace.faults(r#"[{"operation": "CreateKey", "count": 3, "kind": "reset_after"}]"#);
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    assert_eq!(workplace.keys(&config).len(), 3);
    assert!(workplace.orphans(&["-c", config.to_str().unwrap()]).is_empty());
    assert_eq!(count_keys(&workplace.client("operator")).await, 3);
    daemon.terminate(SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_node_made_and_does_not_use_is_scheduled_and_taken_back() {
    let ends = ["kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:EnableKey"];
    let workplace = Workplace::new(&[SIX, &ends].concat());
    let path = workplace.config(METRICS);
    let config = path.to_str().unwrap();
    let made =
        workplace.run(&path, "print(participant1.keys.secret.generate_signing_key('spare').fingerprint)");
    assert!(made.status.success(), "{}", made.stderr);
    let (mut daemon, admin, _) = start(&workplace, config);
    let keys = workplace.keys(&path);
    let key = |name: &str| keys.iter().find(|key| key["name"] == name).unwrap().clone();
    let state_in_kms = async |key: &Value| {
        let client = workplace.client("operator");
        let described =
            client.describe_key().key_id(key["kms_key_id"].as_str().unwrap()).send().await.unwrap();
        described.key_metadata().unwrap().key_state().unwrap().clone()
    };
    let schedule = |key: &Value, days: &str| {
        let fingerprint = key["fingerprint"].as_str().unwrap();
        workplace.finish(&[
            "keys",
            "--json",
            "--schedule-deletion",
            fingerprint,
            "--pending-window-days",
            days,
            "--remote",
            &admin,
        ])
    };
    let spare = key("spare");

    let used = schedule(&key("participant1-signing"), "7");
    assert_eq!(used.status.code(), Some(1));
    assert!(used.stderr.contains("KEY_IN_USE"), "{}", used.stderr);
    assert_eq!(schedule(&spare, "6").status.code(), Some(2), "AWS waits for 7 days at least");
    assert_eq!(state_in_kms(&spare).await, KeyState::Enabled);

    let scheduled = schedule(&spare, "7");
    assert!(scheduled.status.success(), "{}", scheduled.stderr);
    let answer: Value = serde_json::from_str(&scheduled.stdout).unwrap();
    assert_eq!(answer["kms_key_id"], spare["kms_key_id"]);
    assert!(answer["deletes_at"].as_str().unwrap().starts_with("20"), "{answer}");
    assert_eq!(state_in_kms(&spare).await, KeyState::PendingDeletion);
    let listed = workplace.keys(&path);
    let shown = listed.iter().find(|key| key["name"] == "spare").expect("its rows are kept");
    assert_eq!(shown["state"], "PendingDeletion");

    let fingerprint = spare["fingerprint"].as_str().unwrap();
    let back = workplace.finish(&["keys", "--cancel-deletion", fingerprint, "--remote", &admin]);
    assert!(back.status.success(), "{}", back.stderr);
    assert_eq!(state_in_kms(&spare).await, KeyState::Enabled);
    let again = workplace.finish(&["keys", "--cancel-deletion", fingerprint, "--remote", &admin]);
    assert!(again.stderr.contains("KEY_DELETION_NOT_SCHEDULED"), "{}", again.stderr);
    daemon.write_line("").ok();
    let stopped = daemon.terminate(SOON).unwrap();
    assert!(!stopped.stderr.contains("not ready"), "the node was well all the time: {}", stopped.stderr);
}
