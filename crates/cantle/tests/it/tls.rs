//! TLS on the admin API by Canton's keys: the process's own console, remote consoles, and strangers.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{SIX, SOON, Workplace};

/// Makes an authority in the workplace, and certificates of it: `root.crt`, and `NAME.crt` with `NAME.pem`.
pub(crate) fn certificates(workplace: &Workplace, prefix: &str, names: &[(&str, &[&str])]) {
    let write = |name: String, text: String| fs::write(workplace.path(&name), text).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    write(format!("{prefix}root.crt"), params.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(params, key);
    for (name, hosts) in names {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(hosts).unwrap().signed_by(&key, &issuer).unwrap();
        write(format!("{prefix}{name}.crt"), certificate.pem());
        write(format!("{prefix}{name}.pem"), key.serialize_pem());
    }
}

/// Canton's own sample of mutual TLS, with a free port.
fn server(workplace: &Workplace, port: u16) -> PathBuf {
    workplace.write(
        "server.conf",
        &format!(
            r#"canton.participants.participant1.admin-api {{
              address = localhost
              port = {port}
              tls {{
                cert-chain-file = "admin-api.crt"
                private-key-file = "admin-api.pem"
                trust-collection-file = "root.crt"
                client-auth {{
                  type = require
                  admin-client {{ cert-chain-file = "admin-client.crt", private-key-file = "admin-client.pem" }}
                }}
                minimum-server-protocol-version = "TLSv1.3"
                ciphers = ["TLS_AES_256_GCM_SHA384"]
              }}
            }}"#
        ),
    )
}

fn remote(workplace: &Workplace, name: &str, port: u16, tls: &str) -> PathBuf {
    workplace.write(
        &format!("{name}.conf"),
        &format!("canton.remote-participants.far.admin-api {{ address = localhost, port = {port}, {tls} }}"),
    )
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn mutual_tls_lets_in_whom_the_authority_knows_and_nobody_else() {
    let workplace = Workplace::new(SIX);
    certificates(&workplace, "", &[("admin-api", &["localhost"]), ("admin-client", &[])]);
    certificates(&workplace, "other-", &[("client", &[])]);
    let port = free_port();
    let config = server(&workplace, port);

    let own = workplace.run(&config, "print(participant1.id)");
    assert!(own.status.success(), "the process's own console: {}", own.stderr);
    assert!(own.stdout.contains("participant1::"), "{}", own.stdout);

    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    let status = workplace.finish(&["status", "-c", config.to_str().unwrap()]);
    assert!(status.status.success() && status.stdout.contains("participant1::"), "{}", status.stderr);

    let known = r#"tls {
        trust-collection-file = "root.crt"
        client-cert { cert-chain-file = "admin-client.crt", private-key-file = "admin-client.pem" }
    }"#;
    let known = remote(&workplace, "known", port, known);
    let script = workplace.run(&known, "print(far.id)");
    assert!(script.status.success() && script.stdout.contains("participant1::"), "{}", script.stderr);
    let status = workplace.finish(&["status", "-c", known.to_str().unwrap()]);
    assert!(status.status.success(), "{}", status.stderr);

    let unknown = r#"tls {
        trust-collection-file = "root.crt"
        client-cert { cert-chain-file = "other-client.crt", private-key-file = "other-client.pem" }
    }"#;
    let without = r#"tls.trust-collection-file = "root.crt""#;
    let untrusting = r#"tls {
        trust-collection-file = "other-root.crt"
        client-cert { cert-chain-file = "admin-client.crt", private-key-file = "admin-client.pem" }
    }"#;
    for (name, tls) in [
        ("unknown", unknown),
        ("without", without),
        ("untrusting", untrusting),
        ("plain", "tls.enabled = false"),
    ] {
        let config = remote(&workplace, name, port, tls);
        let refused = workplace.finish(&["status", "-c", config.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(1), "{name}: {}", refused.stdout);
    }
    daemon.terminate(SOON).unwrap();
}

#[test]
fn certificates_that_cannot_be_used_stop_the_start_with_the_file() {
    let workplace = Workplace::new(SIX);
    certificates(&workplace, "", &[("admin-api", &["localhost"]), ("other", &["localhost"])]);
    for (key, text) in
        [("other.pem", "other.pem is not that of"), ("root.crt", "root.crt holds no private key")]
    {
        let config = workplace.write(
            "bad.conf",
            &format!(
                r#"canton.participants.participant1.admin-api.tls {{
                  cert-chain-file = "admin-api.crt", private-key-file = "{key}"
                }}"#
            ),
        );
        let finished = workplace.finish(&["daemon", "-c", config.to_str().unwrap()]);
        assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains(text), "no {text} in {}", finished.stderr);
    }
}

#[test]
fn an_admin_api_without_tls_says_so_with_the_remedy() {
    let workplace = Workplace::new(SIX);
    let config =
        workplace.write("open.conf", "canton.participants.participant1.admin-api.address = \"0.0.0.0\"");
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    let finished = daemon.terminate(SOON).unwrap();
    let warned = finished.stderr.lines().any(|line| line.contains("WARN") && line.contains("admin-api.tls"));
    assert!(warned, "{}", finished.stderr);
}
