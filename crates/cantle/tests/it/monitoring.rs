//! What an operator's monitoring sees of a process: metrics, health, ports, dumps.

use std::{
    io::{Cursor, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use cantle_testkit::Process;

use crate::support::{SIX, SOON, Workplace};

/// Within this time an outage of the KMS, and its end, have to be seen.
const LIMIT: Duration = Duration::from_secs(10);

/// The ports of the services that a process has said to listen on.
struct Listening {
    prometheus: u16,
    health: u16,
    grpc_health: u16,
}

const MONITORED: &str = "
    canton.monitoring {
      metrics { report-jvm-metrics = yes, reporters = [{ type = prometheus, port = 0 }] }
      health { server { address = localhost, port = 0 }, check { type = is-active, node = participant1 } }
    }
    canton.participants.participant1.monitoring.grpc-health-server { address = localhost, port = 0 }
";

fn start(workplace: &Workplace) -> (Process, Listening) {
    let config = workplace.config(MONITORED);
    let mut command = workplace.cantle();
    command.arg("daemon").arg("-c").arg(config);
    let mut daemon = Process::spawn(&mut command).unwrap();
    let mut port = |service: &str| {
        let line = daemon.wait_for(&format!(" {service} "), SOON).unwrap();
        line.rsplit(':').next().unwrap().parse().unwrap()
    };
    let listening = Listening {
        grpc_health: port("grpc-health-server"),
        prometheus: port("prometheus"),
        health: port("health"),
    };
    daemon.wait_for("ready: participant participant1", SOON).unwrap();
    (daemon, listening)
}

/// Status and body of a page.
fn page(port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The value of a series.
fn series(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let line = text.lines().find(|line| {
        line.starts_with(&format!("{name}{{")) && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn an_outage_of_the_kms_and_its_end_are_seen_within_ten_seconds() {
    let mut workplace = Workplace::new(SIX);
    let (mut daemon, listening) = start(&workplace);
    assert_eq!(page(listening.health, "/health"), (200, "healthy".to_owned()));
    TcpStream::connect(("127.0.0.1", listening.grpc_health)).unwrap();

    let (status, text) = page(listening.prometheus, "/metrics");
    assert_eq!(status, 200);
    let node = r#"node="participant1""#;
    let answered = |operation: &str| {
        let operation = format!("operation=\"{operation}\"");
        series(&text, "cantle_kms_requests_total", &[node, &operation, r#"outcome="answered""#])
    };
    assert_eq!(answered("CreateKey"), Some(3.0), "{text}");
    assert_eq!(answered("Sign"), Some(3.0), "{text}");
    assert_eq!(series(&text, "cantle_node_initialized", &[node]), Some(1.0), "{text}");
    assert_eq!(series(&text, "cantle_node_serving", &[node]), Some(1.0), "{text}");
    assert!(series(&text, "cantle_db_operations_total", &[node, r#"outcome="ok""#]).is_some(), "{text}");
    assert!(text.contains("cantle_kms_request_duration_seconds_bucket{"), "{text}");
    assert!(text.contains("# HELP cantle_kms_requests_total"), "{text}");

    let began = Instant::now();
    workplace.stop_kms();
    daemon.wait_for("not ready: participant participant1", SOON).unwrap();
    assert!(began.elapsed() < LIMIT, "the outage was seen after {:?}", began.elapsed());
    let (status, trouble) = page(listening.health, "/health");
    assert_eq!(status, 500);
    assert!(trouble.contains("participant1-"), "{trouble}");
    workplace.start_kms();
    let began = Instant::now();
    daemon.wait_for("ready: participant participant1", SOON).unwrap();
    assert!(began.elapsed() < LIMIT, "the end of the outage was seen after {:?}", began.elapsed());
    assert_eq!(page(listening.health, "/health").0, 200);
    let (_, text) = page(listening.prometheus, "/metrics");
    assert!(
        series(&text, "cantle_kms_retries_total", &[node, r#"operation="DescribeKey""#]).is_some(),
        "{text}"
    );
    daemon.terminate(SOON).unwrap();
}

#[test]
fn a_dump_has_what_support_needs_and_no_secret() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config(
        "canton.participants.participant1.crypto.kms.custom-tags.environment = test
         canton.remote-participants.far { admin-api.port = 1, token = planted-secret }
         canton.parameters.ports-file = ports.json",
    );
    let script = "
        participant1.health.set_log_level('DEBUG')
        participant1.health.dump(outputFile = Some('dump.zip'))
        print(len(participant1.health.last_errors()))
    ";
    let finished = workplace.run(&config, script);
    assert!(finished.status.success(), "{}", finished.stderr);
    let bytes = std::fs::read(workplace.path("dump.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = String::new();
    for name in
        ["version.txt", "status.txt", "last-errors.txt", "configuration.json", "log.txt", "metrics.txt"]
    {
        let mut text = String::new();
        archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        all += &format!("== {name}\n{text}");
    }
    for text in
        ["cantle 0.", "participant1::", "crypto-provider", "custom-tags", "cantle_kms_requests_total", "INFO"]
    {
        assert!(all.contains(text), "no {text} in {all}");
    }
    for secret in ["planted-secret", "secret-of-node", "AKIANODE"] {
        assert!(!all.contains(secret) && !finished.stderr.contains(secret), "{secret} in {all}");
    }
    let ports = std::fs::read_to_string(workplace.path("ports.json")).unwrap();
    assert!(ports.contains("\"participant1\"") && ports.contains("\"adminApi\": "), "{ports}");
}

#[test]
fn monitoring_that_cannot_be_served_stops_the_start() {
    let workplace = Workplace::new(SIX);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = workplace.write(
        "taken.conf",
        &format!(
            "canton.participants.participant1 {{}}
             canton.monitoring.metrics.reporters = [{{ type = prometheus, address = \"127.0.0.1\", port = {port} }}]"
        ),
    );
    let finished = workplace.finish(&["daemon", "-c", config.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("monitoring.metrics"), "{}", finished.stderr);
}
