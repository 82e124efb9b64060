//! The command line: exit statuses, what goes where, and the demo.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::support::{SIX, SOON, Workplace, free_port};

#[test]
fn check_accepts_the_documented_configuration_and_makes_nothing() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let finished = workplace.finish(&["check", "-c", config.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    assert!(!workplace.path("cantle-data").exists());
}

#[test]
fn check_names_every_fault_with_its_place_and_exits_with_2() {
    let workplace = Workplace::new(SIX);
    let config = workplace.write(
        "bad.conf",
        "canton.participants.participant1.crypto {\n  provider = kms\n  kms { type = aws, regoin = us-east-1 }\n}\ncanton.participants.p2.crypto.provider = soft\n",
    );
    let finished = workplace.finish(&["check", "-c", config.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(2), "{}", finished.stderr);
    for text in ["bad.conf", "regoin", "region", "soft", "participant1"] {
        assert!(finished.stderr.contains(text), "no {text:?} in {}", finished.stderr);
    }
}

#[test]
fn check_resolved_prints_sorted_json_without_secrets() {
    let workplace = Workplace::new(SIX);
    let config =
        workplace.write("any.conf", "b = ${a} \"x\"\na = 1\nstorage.config.properties.password = hush\n");
    let config = config.to_str().unwrap();
    let finished = workplace.finish(&["check", "--resolved", "-c", config]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    assert!(!finished.stdout.contains("hush"), "{}", finished.stdout);
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(value["b"], "1 x");
    assert!(finished.stdout.find("\"a\"") < finished.stdout.find("\"b\""));
    let shown = workplace.finish(&["check", "--resolved", "--show-secrets", "-c", config]);
    assert!(shown.stdout.contains("hush"));
    let broken = workplace.write("broken.conf", "a = {\n b = 1\n");
    let finished = workplace.finish(&["check", "--resolved", "-c", broken.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(2));
    assert!(finished.stderr.contains("broken.conf:"), "{}", finished.stderr);
}

#[test]
fn kms_server_exits_with_2_when_a_file_it_is_given_is_wrong() {
    let workplace = Workplace::new(SIX);
    let wrong = workplace.write("wrong.json", r#"[{"kind": "earthquake"}]"#);
    let wrong = wrong.to_str().unwrap();
    for option in ["--faults", "--credentials"] {
        for file in [wrong, "missing.json"] {
            let finished = workplace.finish(&["kms-server", "--address", "127.0.0.1:0", option, file]);
            assert_eq!(finished.status.code(), Some(2), "{option} {file}: {}", finished.stderr);
            assert!(finished.stderr.contains(file), "{option} {file}: {}", finished.stderr);
        }
    }
    let finished = workplace.finish(&["kms-server", "--address", "127.0.0.1:0", "--account", "12"]);
    assert_eq!(finished.status.code(), Some(2), "{}", finished.stderr);
}

#[test]
fn every_sample_of_the_documentation_is_valid() {
    let workplace = Workplace::new(SIX);
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples");
    let mut checked = 0;
    for entry in std::fs::read_dir(samples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            let finished = workplace.finish(&["check", "-c", path.to_str().unwrap()]);
            assert_eq!(finished.status.code(), Some(0), "{}: {}", path.display(), finished.stderr);
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} samples");
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let workplace = Workplace::new(SIX);
    assert_eq!(workplace.finish(&["daemon", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(workplace.finish(&["daemon", "-c", "no-such-file.conf"]).status.code(), Some(2));
    assert_eq!(workplace.finish(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_failing_script_shows_line_and_caret_and_exits_with_1() {
    let workplace = Workplace::new(SIX);
    let config = workplace.write("jce.conf", "canton.participants.participant1 {}");
    let finished =
        workplace.run(&config, "val x = 1\nparticipant1.keys.secret.regster_kms_signing_key(\"a\")\n");
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stdout);
    assert!(finished.stderr.contains("script.canton:2"), "{}", finished.stderr);
    assert!(finished.stderr.contains("regster_kms_signing_key"), "{}", finished.stderr);
    assert!(finished.stderr.contains('^'), "{}", finished.stderr);
}

#[test]
fn the_demo_runs_a_sync_domain_shows_all_keys_and_ends_with_demo_ok() {
    let workplace = Workplace::new(SIX);
    let finished = workplace.finish(&["demo"]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout.lines().last(), Some("demo ok"));
    for text in [
        "manager-namespace",
        "manager-topology-manager-signing",
        "sequencer1-signing",
        "mediator1-signing",
        "participant1-namespace",
        "participant1-signing",
        "participant2-encryption",
        "arn:aws:kms:",
        "participant1 pinged participant2 in ",
    ] {
        assert!(finished.stdout.contains(text), "no {text:?} in {}", finished.stdout);
    }
}

#[test]
fn the_demo_as_json_is_one_document() {
    let workplace = Workplace::new(SIX);
    let finished = workplace.finish(&["demo", "--json"]);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    let nodes = value["nodes"].as_array().unwrap();
    let keys_of = |name: &str| {
        let node = nodes.iter().find(|node| node["name"] == name).unwrap();
        node["keys"].as_array().unwrap().len()
    };
    let counts = ["manager", "sequencer1", "mediator1", "participant1", "participant2"].map(keys_of);
    assert_eq!(counts, [2, 1, 1, 3, 3]);
    assert_eq!(value["kms_requests"]["CreateKey"], 10);
    assert!(value["kms_requests"]["Decrypt"].as_u64().unwrap() > 0, "views are decrypted by the KMS");
    assert!(value["ping_ms"].is_u64());
    assert!(value["usd"].as_f64().unwrap() > 0.0);
}

#[test]
fn remote_configurations_are_generated_and_can_be_read() {
    let workplace = Workplace::new(SIX);
    let config =
        workplace.config("canton.participants.participant1.admin-api { address = \"0.0.0.0\", port = 5012 }");
    let finished = workplace.finish(&["generate", "remote-config", "-c", config.to_str().unwrap()]);
    assert!(finished.status.success(), "{}", finished.stderr);
    assert_eq!(finished.stdout.trim(), "./remote-participant1.conf");
    let checked = workplace.finish(&["check", "-c", "remote-participant1.conf"]);
    assert!(checked.status.success(), "{}", checked.stderr);
    let missing = workplace.config("");
    let finished = workplace.finish(&["generate", "remote-config", "-c", missing.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(2));
    assert!(finished.stderr.contains("admin-api.port is not set"), "{}", finished.stderr);
}

/// A command whose reader has gone after the first line.
fn first_line(command: &mut Command, of: impl FnOnce(&mut Child) -> Box<dyn Read>) -> (Child, String) {
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(of(&mut child)).read_line(&mut line).unwrap();
    (child, line)
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let workplace = Workplace::new(SIX);
    let port = free_port();
    let config = workplace.config(&format!("canton.participants.participant1.admin-api.port = {port}"));
    let config = config.to_str().unwrap();

    let mut daemon = workplace.cantle();
    daemon.args(["daemon", "-c", config]).stderr(Stdio::piped());
    let (mut daemon, _) = first_line(&mut daemon, |child| Box::new(child.stderr.take().unwrap()));
    let until = Instant::now() + SOON;
    let status = loop {
        let status = workplace.finish(&["status", "-c", config]);
        if status.status.success() && status.stdout.contains("participant1::") {
            break status;
        }
        assert!(Instant::now() < until, "{}{}", status.stdout, status.stderr);
    };
    assert!(daemon.try_wait().unwrap().is_none(), "{}", status.stdout);
    daemon.kill().unwrap();
    daemon.wait().unwrap();

    let mut check = workplace.cantle();
    check.args(["keys", "-c", config]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (check, line) = first_line(&mut check, |child| Box::new(child.stdout.take().unwrap()));
    assert!(!line.is_empty());
    let check = check.wait_with_output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut check = workplace.cantle();
    check.args(["iam-policy", "-c", config.to_str().unwrap()]).stdout(full).stderr(Stdio::piped());
    let check = check.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(check.status.code(), Some(1));
    let told = String::from_utf8_lossy(&check.stderr);
    assert!(told.contains("error: the result could not be written"), "{told}");
}
