//! TLS on the admin API by Canton's keys: the process's own console, remote consoles, and strangers.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{SIX, SOON, Workplace, free_port};

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

/// A distributed domain and a participant with TLS on every API, and mutual TLS on the admin APIs.
fn everything_with_tls(workplace: &Workplace) -> (PathBuf, u16) {
    let public = free_port();
    let mut text = format!(
        r#"
        mutual {{
          address = localhost
          tls {{
            cert-chain-file = "admin-api.crt"
            private-key-file = "admin-api.pem"
            trust-collection-file = "root.crt"
            client-auth {{
              type = require
              admin-client {{ cert-chain-file = "admin-client.crt", private-key-file = "admin-client.pem" }}
            }}
          }}
        }}
        kms {{
          provider = kms
          kms {{ type = aws, region = us-east-1, endpoint-override = "{}" }}
        }}
        canton.domain-managers.manager.init.domain-parameters.protocol-version = 7
        canton.sequencers.sequencer1.public-api {{
          address = localhost
          port = {public}
          tls {{ cert-chain-file = "public-api.crt", private-key-file = "public-api.pem" }}
        }}
        "#,
        workplace.endpoint
    );
    for (section, node) in [
        ("domain-managers", "manager"),
        ("sequencers", "sequencer1"),
        ("mediators", "mediator1"),
        ("participants", "participant1"),
    ] {
        text += &format!("canton.{section}.{node} {{ admin-api = ${{mutual}}, crypto = ${{kms}} }}\n");
        text += &format!("canton.{section}.{node}.admin-api.port = {}\n", free_port());
    }
    (workplace.write("tls.conf", &text), public)
}

#[test]
fn a_domain_with_tls_is_founded_connected_to_and_pinged_over_tls() {
    let workplace = Workplace::new(SIX);
    let localhost: &[&str] = &["localhost"];
    certificates(
        &workplace,
        "",
        &[("public-api", localhost), ("admin-api", localhost), ("admin-client", &[])],
    );
    certificates(&workplace, "other-", &[]);
    let (config, port) = everything_with_tls(&workplace);
    let (mut daemon, _) = workplace.daemon(&config, "waiting: mediator mediator1");
    // A console elsewhere, with the configuration that `generate` writes.
    let generated = workplace.finish(&["generate", "remote-config", "-c", config.to_str().unwrap()]);
    assert!(generated.status.success(), "{}", generated.stderr);
    let nodes = ["manager", "sequencer1", "mediator1", "participant1"];
    let remote: String =
        nodes.iter().map(|node| format!("include required(file(\"remote-{node}.conf\"))\n")).collect();
    let remote = workplace.write("remote.conf", &remote);

    let founded = workplace.run(
        &remote,
        "manager.health.wait_for_identity()\n\
         participant1.health.wait_for_initialized()\n\
         manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))\n",
    );
    assert!(founded.status.success(), "{}", founded.stderr);
    daemon.wait_for("ready: mediator mediator1", SOON).unwrap();

    let url = format!("https://localhost:{port}");
    let connect = |alias: &str, certificates: &str| {
        format!("participant1.domains.connect(\"{alias}\", connection = \"{url}\"{certificates})\n")
    };
    for (alias, certificates, text) in [
        ("unknown", "", "UnknownIssuer"),
        ("other", ", certificatesPath = \"other-root.crt\"", "invalid peer certificate"),
        ("nowhere", ", certificatesPath = \"nowhere.crt\"", "nowhere.crt"),
    ] {
        let refused = workplace.run(&remote, &connect(alias, certificates));
        assert_eq!(refused.status.code(), Some(1), "{certificates}: {}", refused.stdout);
        assert!(refused.stderr.contains(text), "{certificates}: no {text} in {}", refused.stderr);
    }
    let plain = format!("participant1.domains.connect(\"plain\", connection = \"http://localhost:{port}\")");
    let refused = workplace.run(&remote, &plain);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);

    let script = format!(
        "{}participant1.health.ping(participant1)\n\
         participant1.domains.disconnect(\"mydomain\")\n\
         participant1.domains.connect_local(sequencer1)\n\
         participant1.health.ping(participant1)\n",
        connect("mydomain", ", certificatesPath = \"root.crt\"")
    );
    let connected = workplace.run(&remote, &script);
    assert!(connected.status.success(), "{}", connected.stderr);
    daemon.terminate(SOON).unwrap();
}
