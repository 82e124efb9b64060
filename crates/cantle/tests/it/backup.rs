//! Backups of running nodes, and the way back beside a domain and a KMS that went on.

use std::{fs, os::unix::fs::PermissionsExt};

use cantle_testkit::{Finished, Process};

use crate::http::ask;
use crate::support::{SIX, SOON, Workplace, free_port};

const LISTING: &[&str] = &["kms:ListKeys", "kms:ListResourceTags"];

/// A domain and two participants, each with its keys in the KMS.
fn site(workplace: &Workplace) -> (std::path::PathBuf, std::path::PathBuf) {
    let kms = format!(
        "crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, endpoint-override = \"{}\" }} }}",
        workplace.endpoint
    );
    let [participant1, participant2] = [free_port(), free_port()];
    let nodes = workplace.write(
        "nodes.conf",
        &format!(
            "canton.domains.mydomain {{ {kms}, init.domain-parameters.protocol-version = 7 }}
             canton.participants.participant1 {{ {kms}, admin-api.port = {participant1} }}
             canton.participants.participant2 {{ {kms}, admin-api.port = {participant2} }}"
        ),
    );
    let remote = workplace.write(
        "remote.conf",
        &format!(
            "canton.remote-participants.participant1.admin-api.port = {participant1}
             canton.remote-participants.participant2.admin-api.port = {participant2}"
        ),
    );
    (nodes, remote)
}

fn start(workplace: &Workplace, nodes: &std::path::Path) -> Process {
    let mut command = workplace.cantle();
    command.arg("daemon").arg("-c").arg(nodes);
    let mut daemon = Process::spawn(&mut command).unwrap();
    for _ in 0..3 {
        daemon.wait_for("ready: ", SOON).unwrap();
    }
    daemon
}

fn ok(finished: Finished) -> String {
    assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
    finished.stdout
}

const PINGS: &str = "
participant1.domains.reconnect_all()
participant2.domains.reconnect_all()
participant1.health.ping(participant2)
participant2.health.ping(participant1)
";

#[test]
fn a_participant_is_restored_beside_a_domain_and_a_kms_that_went_on() {
    let workplace = Workplace::new(&[SIX, LISTING].concat());
    let (nodes, remote) = site(&workplace);
    ok(workplace.run(
        &nodes,
        "participant1.domains.connect_local(mydomain)
         participant2.domains.connect_local(mydomain)
         participant1.health.ping(participant2)",
    ));
    let daemon = start(&workplace, &nodes);
    ok(workplace.run(&remote, PINGS));
    let nodes_file = nodes.to_str().unwrap();
    let backup = ["backup", "-c", nodes_file, "--node", "participant1", "--out", "participant1.backup"];
    let made = ok(workplace.finish(&backup));
    assert!(made.contains("3 keys are in the KMS"), "{made}");
    let mode = fs::metadata(workplace.path("participant1.backup")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = workplace.finish(&backup);
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("BACKUP_EXISTS"), "{}", again.stderr);

    // What comes after it.
    ok(workplace.run(&remote, PINGS));
    ok(workplace.run(&remote, "participant1.keys.secret.generate_signing_key(\"later\")"));
    let restore = ["restore", "-c", nodes_file, "--node", "participant1", "participant1.backup"];
    let replace = [&restore[..], &["--replace"]].concat();
    let running = workplace.finish(&replace);
    assert_eq!(running.status.code(), Some(1));
    assert!(
        running.stderr.contains("BACKUP_DATABASE") && running.stderr.contains("in use"),
        "{}",
        running.stderr
    );
    daemon.terminate(SOON).unwrap();
    let occupied = workplace.finish(&restore);
    assert!(
        occupied.stderr.contains("BACKUP_EXISTS") && occupied.stderr.contains("--replace"),
        "{}",
        occupied.stderr
    );

    let restored = ok(workplace.finish(&replace));
    assert!(restored.contains("is not in the backup"), "{restored}");
    assert_eq!(restored.matches("KMS key").count(), 1, "the later key alone: {restored}");
    let kept = fs::read_dir(workplace.path("cantle-data")).unwrap();
    let kept =
        kept.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".db.before-"));
    assert!(kept.count() >= 1);

    let daemon = start(&workplace, &nodes);
    ok(workplace.run(&remote, PINGS));
    let stopped = daemon.terminate(SOON).unwrap();
    assert!(!stopped.stderr.contains("forked"), "{}", stopped.stderr);
}

#[test]
fn what_is_no_backup_of_the_node_is_refused_and_changes_nothing() {
    let workplace = Workplace::new(SIX);
    let nodes = workplace.write(
        "nodes.conf",
        "canton.participants.participant1.init.auto-init = false
         canton.participants.participant2.init.auto-init = false
         canton.participants.forgetful { init.auto-init = false, storage.type = memory }
         canton.participants.elsewhere.storage { type = postgres, config.dataSourceClass = \"org.postgresql.ds.PGSimpleDataSource\", config.properties { databaseName = ledger, serverName = localhost, user = u, password = p } }
         canton.domains.mydomain.init.domain-parameters.protocol-version = 7",
    );
    let local = workplace.write(
        "local.conf",
        "canton.participants.participant1.init.auto-init = false\ncanton.domains.mydomain.init.domain-parameters.protocol-version = 7",
    );
    ok(workplace.run(&local, "participant1.keys.secret.generate_signing_key(\"mine\")"));
    let nodes = nodes.to_str().unwrap();
    let made =
        ok(workplace.finish(&["backup", "-c", nodes, "--node", "participant1", "--out", "one.backup"]));
    assert!(made.contains("1 private keys are in it, in clear"), "{made}");
    let database = workplace.path("cantle-data").join("participant1.db");
    let before = fs::read(&database).unwrap();

    let whole = fs::read(workplace.path("one.backup")).unwrap();
    let mut altered = whole.clone();
    for byte in altered.iter_mut().skip(whole.len() / 2).take(4096) {
        *byte ^= 0x5a;
    }
    let cases: [(&[u8], &str); 4] = [
        (b"", "BACKUP_DAMAGED"),
        (b"not a database at all", "BACKUP_DAMAGED"),
        (&whole[..whole.len() / 2], "BACKUP_DAMAGED"),
        (&altered, "BACKUP_DAMAGED"),
    ];
    for (bytes, code) in cases {
        fs::write(workplace.path("bad.backup"), bytes).unwrap();
        let refused =
            workplace.finish(&["restore", "-c", nodes, "--node", "participant1", "bad.backup", "--replace"]);
        assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
        assert!(refused.stderr.contains(code), "{}", refused.stderr);
    }
    let other = workplace.finish(&["restore", "-c", nodes, "--node", "participant2", "one.backup"]);
    assert!(other.stderr.contains("belongs to participant participant1"), "{}", other.stderr);
    assert!(!workplace.path("cantle-data").join("participant2.db").exists());
    for (node, code) in
        [("nobody", "BACKUP_UNKNOWN_NODE"), ("forgetful", "BACKUP_MEMORY"), ("elsewhere", "pg_dump")]
    {
        let refused = workplace.finish(&["backup", "-c", nodes, "--node", node, "--out", "no.backup"]);
        assert!(refused.stderr.contains(code), "{}", refused.stderr);
    }
    let domain = ["restore", "-c", nodes, "--node", "mydomain", "one.backup", "--replace"];
    assert!(workplace.finish(&domain).stderr.contains("BACKUP_SEQUENCER"));
    assert!(!workplace.path("no.backup").exists());

    assert_eq!(fs::read(&database).unwrap(), before);
    let left: Vec<_> = fs::read_dir(workplace.path("cantle-data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let strange = |name: &&std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.contains("restoring") || name.contains("before")
    };
    assert_eq!(left.iter().filter(strange).count(), 0, "{left:?}");
    let restore = ["restore", "--json", "-c", nodes, "--node", "participant1", "one.backup", "--replace"];
    let restored: serde_json::Value = serde_json::from_str(&ok(workplace.finish(&restore))).unwrap();
    assert_eq!(restored["node"], "participant participant1");
    assert!(workplace.path(restored["aside"].as_str().unwrap()).is_file(), "{restored}");
    assert_eq!(restored["kms_keys_not_in_backup"], serde_json::json!([]));
    let listed = ok(workplace.finish(&["keys", "-c", local.to_str().unwrap()]));
    assert!(listed.contains("mine"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_domain_is_restored_to_one_time_and_a_key_that_is_gone_is_named() {
    let workplace = Workplace::new(SIX);
    let (nodes, remote) = site(&workplace);
    ok(workplace.run(
        &nodes,
        "participant1.domains.connect_local(mydomain)\nparticipant2.domains.connect_local(mydomain)\n\
         participant1.health.ping(participant2)\n",
    ));
    let daemon = start(&workplace, &nodes);
    let many = "participant1.domains.reconnect_all()\nparticipant2.domains.reconnect_all()\n\
                def pings():\n    for number in range(20):\n        participant1.health.ping(participant2)\n        \
                participant2.health.ping(participant1)\n        print(\"round\", number)\n\npings()\n";
    let mut command = workplace.cantle();
    command.arg("run").arg(workplace.write("pings.canton", many)).arg("-c").arg(&remote);
    let mut pings = Process::spawn(&mut command).unwrap();
    pings.wait_for("round 0", SOON).unwrap();
    // The domain last: its members may lag behind it, and it not behind them.
    let nodes_file = nodes.to_str().unwrap();
    let all = ["participant1", "participant2", "mydomain"];
    for node in all {
        let file = format!("{node}.backup");
        ok(workplace.finish(&["backup", "-c", nodes_file, "--node", node, "--out", &file]));
    }
    ok(pings.finish(SOON).unwrap());
    ok(workplace.run(&remote, PINGS));
    daemon.terminate(SOON).unwrap();

    let restore = |node: &str, more: &[&str]| {
        let file = format!("{node}.backup");
        let arguments = ["restore", "-c", nodes_file, "--node", node, &file, "--replace"];
        workplace.finish(&[&arguments[..], more].concat())
    };
    let refused = restore("mydomain", &[]);
    assert!(refused.stderr.contains("BACKUP_SEQUENCER"), "{}", refused.stderr);
    for node in all {
        ok(restore(node, &["--whole-domain"]));
    }
    let daemon = start(&workplace, &nodes);
    ok(workplace.run(&remote, PINGS));
    let stopped = daemon.terminate(SOON).unwrap();
    assert!(!stopped.stderr.contains("forked"), "{}", stopped.stderr);

    // The KMS went on in a way that nothing makes good.
    let keys = workplace.keys(&nodes);
    let lost = keys.iter().find(|key| key["name"] == "participant2-signing").unwrap();
    let lost = lost["kms_key_id"].as_str().unwrap();
    let operator = workplace.client("operator");
    operator.schedule_key_deletion().key_id(lost).pending_window_in_days(7).send().await.unwrap();
    let authority = workplace.endpoint.trim_start_matches("http://").trim_end_matches('/');
    let advance = "{\"advance_seconds\": 691200}";
    assert_eq!(ask(authority, "POST", "/_cantle/clock", &[], advance).status, 200);
    ok(restore("participant2", &[]));
    let mut command = workplace.cantle();
    command.arg("daemon").arg("-c").arg(&nodes);
    let mut daemon = Process::spawn(&mut command).unwrap();
    daemon.wait_for("not ready: participant participant2", SOON).unwrap();
    let stopped = daemon.terminate(SOON).unwrap();
    assert!(
        stopped.stderr.lines().any(|line| line.contains("ERROR") && line.contains(lost)),
        "{}",
        stopped.stderr
    );
}
