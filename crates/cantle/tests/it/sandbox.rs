//! The sandbox without a browser: what its page is told, whom it refuses, and that it leaves nothing behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use cantle_testkit::{Finished, Process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::{Answer, Events, ask, get},
    support::{SOON, cantle},
};

/// A sandbox that is up, with its own folder for temporary files.
pub(crate) struct Sandbox {
    pub(crate) folder: TempDir,
    pub(crate) process: Process,
    /// What `--json` prints.
    pub(crate) printed: Value,
    /// `127.0.0.1:PORT` of the page.
    pub(crate) page: String,
}

impl Sandbox {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::spawn(&mut in_folder(folder.path(), &["sandbox", "--json"])).unwrap();
        let printed: Value = serde_json::from_str(&process.wait_for("{\"page\"", SOON).unwrap()).unwrap();
        let page = printed["page"].as_str().unwrap();
        let page = page.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { folder, process, printed, page }
    }

    fn state(&self) -> Value {
        let answer = get(&self.page, "/state.json");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn ping(&self, headers: &[(&str, &str)], from: &str, to: &str) -> Answer {
        ask(&self.page, "POST", "/ping", headers, &json!({"from": from, "to": to}).to_string())
    }
}

/// `cantle` whose temporary files are in `folder`.
fn in_folder(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = cantle(folder);
    command.env("TMPDIR", folder).args(arguments);
    command
}

/// The folders that a playground made and did not remove.
fn left_behind(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("cantle-"))
        .collect()
}

fn interrupt(process: Process) -> Finished {
    let sent = Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
    process.finish(std::time::Duration::from_secs(10)).unwrap()
}

/// The counts of all operations but the nodes' own looks at their keys, which go on all the time.
fn counts(state: &Value) -> BTreeMap<String, u64> {
    let totals = state["totals"].as_array().unwrap().iter();
    let counts = totals
        .map(|total| (total["operation"].as_str().unwrap().to_owned(), total["count"].as_u64().unwrap()));
    counts.filter(|(operation, _)| operation != "DescribeKey").collect()
}

#[test]
fn the_page_is_told_nodes_keys_connections_and_what_happens() {
    let sandbox = Sandbox::start();
    let state = sandbox.state();
    let nodes = state["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 5, "{state}");
    for (node, printed) in nodes.iter().zip(sandbox.printed["nodes"].as_array().unwrap()) {
        assert_eq!((&node["state"], &node["healthy"]), (&json!("ready"), &json!(true)), "{node}");
        for same in ["kind", "name", "uid", "admin_api", "public_api"] {
            assert_eq!(node[same], printed[same], "{same} of {node}");
        }
    }
    let keys = state["keys"].as_array().unwrap();
    let purposes: BTreeSet<_> = keys
        .iter()
        .map(|key| format!("{} {}", key["node"].as_str().unwrap(), key["purpose"].as_str().unwrap()))
        .collect();
    let expected = [
        "manager namespace",
        "manager signing",
        "mediator1 signing",
        "participant1 encryption",
        "participant1 namespace",
        "participant1 signing",
        "participant2 encryption",
        "participant2 namespace",
        "participant2 signing",
        "sequencer1 signing",
    ];
    assert_eq!((keys.len(), purposes), (10, expected.map(str::to_owned).into()));
    for key in keys {
        assert_eq!(key["state"], "Enabled", "{key}");
        assert!(key["kms_key_arn"].as_str().unwrap().starts_with("arn:aws:kms:us-east-1:111122223333:key/"));
        assert!(key["fingerprint"].as_str().unwrap().starts_with("1220"), "{key}");
    }
    let connected: Vec<_> =
        state["connections"].as_array().unwrap().iter().map(|one| &one["participant"]).collect();
    assert_eq!(connected, ["participant1", "participant2"]);
    assert_eq!(counts(&state)["CreateKey"], 10);
    let requests = state["requests"].as_array().unwrap();
    for request in requests.iter().filter(|request| request["operation"] != "DescribeKey") {
        assert!(request["node"].is_string() && request["key"].is_string(), "of the start, too: {request}");
    }
    let totals = state["totals"].as_array().unwrap();
    for (operation, usd) in [("CreateKey", 0.03), ("Decrypt", 0.03), ("Sign", 0.15)] {
        for total in totals.iter().filter(|total| total["operation"] == operation) {
            let count = f64::from(u32::try_from(total["count"].as_u64().unwrap()).unwrap());
            let priced = total["usd"].as_f64().unwrap();
            assert!((priced - count * usd / 10_000.0).abs() < 1e-9, "{total}");
        }
    }
    // Nodes sign without being looked at: what the last transaction has left to be told.
    let asked = |state: &Value| {
        let mut counts = counts(state);
        counts.remove("Sign");
        counts
    };
    assert_eq!(asked(&sandbox.state()), asked(&state), "looking asks the KMS nothing");

    let mut events = Events::open(&sandbox.page, "/events");
    let snapshot = events.wait_for("snapshot", |_| true);
    assert_eq!((&snapshot["nodes"], &snapshot["pings"]), (&state["nodes"], &json!([])));
    let origin = format!("http://{}", sandbox.page);
    let headers =
        [("Host", sandbox.page.as_str()), ("Origin", origin.as_str()), ("Content-Type", "application/json")];
    let answer = sandbox.ping(&headers, "participant1", "participant2");
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("success")), "{answer:?}");
    let signed = events.wait_for("request", |request| request["operation"] == "Sign");
    assert_eq!(signed["outcome"], "Success", "{signed}");
    assert!(signed["key"].as_str().unwrap().starts_with(signed["node"].as_str().unwrap()), "{signed}");
    let ping = events.wait_for("ping", |ping| ping["state"] == "success");
    assert_eq!((&ping["from"], &ping["to"]), (&json!("participant1"), &json!(["participant2"])));
    assert!(ping["ms"].is_u64(), "{ping}");
    events.wait_for("state", |now| {
        let used = |key: &Value| key["purpose"] == "encryption" && key["last_operation"] == "Decrypt";
        now["keys"].as_array().unwrap().iter().any(used)
    });
    let after = counts(&sandbox.state());
    assert!(after["Sign"] > counts(&state)["Sign"] && after["Decrypt"] > 0, "{after:?}");

    // From a console elsewhere, with the configuration that was printed.
    let script = sandbox.folder.path().join("ping.canton");
    fs::write(&script, "participant2.health.ping(participant1)\n").unwrap();
    let config = sandbox.folder.path().join("printed.conf");
    fs::write(&config, sandbox.printed["remote_config"].as_str().unwrap()).unwrap();
    let run = ["run", script.to_str().unwrap(), "-c", config.to_str().unwrap()];
    let finished = Process::spawn(&mut in_folder(sandbox.folder.path(), &run)).unwrap().finish(SOON).unwrap();
    assert!(finished.status.success(), "{}", finished.stderr);
    let ping = events.wait_for("ping", |ping| ping["state"] == "success");
    assert_eq!((&ping["from"], &ping["to"]), (&json!("participant2"), &json!(["participant1"])));

    let finished = interrupt(sandbox.process);
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    events.wait_for("stopped", |_| true);
    assert_eq!(left_behind(sandbox.folder.path()), [""; 0]);
}

#[test]
fn the_page_refuses_foreign_hosts_and_origins_and_says_why() {
    let sandbox = Sandbox::start();
    let page = sandbox.page.as_str();
    let origin = format!("http://{page}");
    let port = page.rsplit(':').next().unwrap();
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", "127.0.0.1:1"] {
        for path in ["/", "/state.json", "/events", "/nothing"] {
            let answer = ask(page, "GET", path, &[("Host", host)], "");
            assert_eq!(answer.status, 403, "{host} {path}: {answer:?}");
            assert!(answer.body.contains(&origin), "{answer:?}");
        }
    }
    let localhost = format!("localhost:{port}");
    assert_eq!(ask(page, "GET", "/", &[("Host", &localhost)], "").status, 200);
    let fetched = |path: &str, site: &str, mode: &str| {
        ask(page, "GET", path, &[("Host", page), ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode)], "")
            .status
    };
    assert_eq!(fetched("/events", "cross-site", "cors"), 403);
    assert_eq!(fetched("/sandbox.js", "same-site", "no-cors"), 403);
    assert_eq!(fetched("/state.json", "same-origin", "cors"), 200);
    assert_eq!(fetched("/", "cross-site", "navigate"), 200, "a link");

    let json = ("Content-Type", "application/json");
    let foreign: &[&[(&str, &str)]] = &[
        &[("Host", page), json],
        &[("Host", page), json, ("Origin", "null")],
        &[("Host", page), json, ("Origin", "http://evil.example")],
        &[("Host", page), json, ("Origin", &format!("https://{page}"))],
        &[("Host", &localhost), json, ("Origin", &origin)],
        &[("Host", "evil.example"), json, ("Origin", "http://evil.example")],
    ];
    for headers in foreign {
        let answer = sandbox.ping(headers, "participant1", "participant2");
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
    }
    let own = [("Host", page), ("Origin", &origin)];
    let typed = [("Host", page), ("Origin", &origin), json];
    assert_eq!(sandbox.ping(&own, "participant1", "participant2").status, 415);
    let unknown = sandbox.ping(&typed, "participant1", "manager");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("participant1 and participant2"), "{unknown:?}");
    for (body, status) in [("{}", 400), ("[", 400), (&*"x".repeat(5000), 413)] {
        assert_eq!(ask(page, "POST", "/ping", &typed, body).status, status, "{body}");
    }
    assert_eq!(ask(page, "DELETE", "/ping", &typed, "").status, 405);
    assert_eq!(get(page, "/nothing").status, 404);
    assert_eq!(sandbox.state()["pings"], json!([]), "nothing of this was a ping");

    let index = get(page, "/");
    for header in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(index.head.contains(header), "no {header} in {}", index.head);
    }
    let told = get(page, "/state.json");
    assert!(!told.body.to_lowercase().contains("secret"), "{}", told.body);
    let finished = sandbox.process.terminate(SOON).unwrap();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
}

#[test]
fn an_interrupt_while_it_starts_ends_it_and_removes_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["demo", "sandbox"] {
        let mut process = Process::spawn(&mut in_folder(folder.path(), &[command])).unwrap();
        process.wait_for("AWS KMS on loopback answers at http://127.0.0.1:", SOON).unwrap();
        assert_eq!(left_behind(folder.path()).len(), 1);
        let finished = interrupt(process);
        assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
        assert!(!finished.stdout.contains("demo ok"), "{}", finished.stdout);
        assert_eq!(left_behind(folder.path()), [""; 0], "{}", finished.stderr);
    }
}

#[test]
fn a_port_that_is_taken_is_said_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = in_folder(folder.path(), &["sandbox", "--port", &port]);
    let finished = Process::spawn(&mut command).unwrap().finish(SOON).unwrap();
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stderr.contains(&format!("127.0.0.1:{port}; leave --port out")), "{}", finished.stderr);
    assert_eq!(left_behind(folder.path()), [""; 0]);
}
