//! Tokens on the admin API by Canton's keys: the process's own console, consoles elsewhere, and strangers.

use std::path::PathBuf;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{SIX, SOON, Workplace, free_port};

/// A token of an operator's identity provider that shares a secret with the node.
fn token(payload: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&payload.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"shared"), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn remote(workplace: &Workplace, port: u16, token: Option<&str>) -> PathBuf {
    let token = token.map(|token| format!("token = \"{token}\"")).unwrap_or_default();
    workplace.write(
        "remote.conf",
        &format!("canton.remote-participants.far {{ admin-api.port = {port}, {token} }}"),
    )
}

#[test]
fn the_admin_api_asks_for_tokens_and_the_own_console_has_one() {
    let workplace = Workplace::new(SIX);
    let port = free_port();
    let server = workplace.config(&format!(
        r#"canton.participants.participant1.admin-api {{
          port = {port}
          auth-services = [{{ type = unsafe-jwt-hmac-256, secret = "shared", target-scope = admin, privileged = true }}]
          admin-token = "opens-everything"
        }}"#
    ));
    let own = workplace.run(&server, "print(participant1.id)");
    assert!(own.status.success() && own.stdout.contains("participant1::"), "{}", own.stderr);

    let (daemon, _) = workplace.daemon(&server, "ready: participant participant1");
    let status = workplace.finish(&["status", "-c", server.to_str().unwrap()]);
    assert!(status.status.success() && status.stdout.contains("participant1::"), "{}", status.stderr);

    let good = token(&json!({"sub": "operator", "scope": "admin"}));
    for token in ["opens-everything", &good] {
        let known = remote(&workplace, port, Some(token));
        let script = workplace.run(&known, "print(far.id)");
        assert!(script.status.success() && script.stdout.contains("participant1::"), "{}", script.stderr);
        let status = workplace.finish(&["status", "-c", known.to_str().unwrap()]);
        assert!(status.status.success(), "{}", status.stderr);
    }

    let file = workplace.write("token", &format!("{good}\n"));
    let (at, file) = (format!("127.0.0.1:{port}"), file.to_str().unwrap());
    for arguments in [["status", "--remote", &at], ["keys", "--remote", &at]] {
        let refused = workplace.finish(&arguments);
        assert!(refused.stderr.contains("UNAUTHENTICATED"), "{}", refused.stderr);
        let told = workplace.finish(&[&arguments[..], &["--token-file", file]].concat());
        assert!(told.status.success() && told.stdout.contains("participant1"), "{}", told.stderr);
    }
    let script = workplace.write("far.canton", "print(participant1.id)");
    let script = workplace.finish(&["run", script.to_str().unwrap(), "--remote", &at, "--token-file", file]);
    assert!(script.status.success() && script.stdout.contains("participant1::"), "{}", script.stderr);
    let nowhere = workplace.finish(&["status", "--remote", &at, "--token-file", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", nowhere.stderr);
    assert!(nowhere.stderr.contains("the token file nowhere"), "{}", nowhere.stderr);

    let expired = token(&json!({"sub": "operator", "scope": "admin", "exp": 1_000_000_000}));
    let other = token(&json!({"sub": "operator", "scope": "reader"}));
    for token in [None, Some("opens-something"), Some(expired.as_str()), Some(&other)] {
        let stranger = remote(&workplace, port, token);
        let script = workplace.run(&stranger, "far.keys.secret.generate_signing_key(name = \"mine\")");
        assert_eq!(script.status.code(), Some(1), "{}", script.stdout);
        assert!(script.stderr.contains("UNAUTHENTICATED"), "{}", script.stderr);
    }
    let logged = daemon.terminate(SOON).unwrap().stderr;
    assert!(logged.contains("a token was not accepted: it has expired"), "{logged}");
    for secret in ["opens-something", &good, "opens-everything"] {
        assert!(!logged.contains(secret), "{logged}");
    }
    assert_eq!(workplace.keys(&server).len(), 3, "nobody made a key");
}
