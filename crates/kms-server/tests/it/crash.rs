//! `kill -9` at any moment: what was answered is there when the server comes back.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use cantle_kms_server::{Server, ServerOptions};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::client::{Client, base64};

const STATE_FILE: &str = "CANTLE_KMS_SERVER_CRASH_TEST";
const ROUNDS: usize = 24;
const CALLERS: usize = 6;

/// The server of the test below, in a process of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test that starts it"]
async fn child_serves_until_it_is_killed() {
    let mut options = ServerOptions::default();
    options.data = Some(std::env::var_os(STATE_FILE).expect("it is started by another test").into());
    let server = Server::start(options).await.unwrap();
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\nlistening {}", server.address()).unwrap();
    stdout.flush().unwrap();
    std::future::pending::<()>().await;
}

/// Kills the server when it is dropped, as when a test fails.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        // It may be dead already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn spawn(state: &Path) -> (Victim, Client) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child_serves_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(STATE_FILE, state)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Victim(child);
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let address = lines
        .map(|line| line.unwrap())
        .find_map(|line| line.strip_prefix("listening ").map(|address| address.parse().unwrap()))
        .expect("the server starts again after whatever was left of its file");
    let client = Client {
        address,
        access_key: "test".into(),
        secret: "test".into(),
        token: None,
        region: "us-east-1".into(),
    };
    (child, client)
}

/// What the server has promised about a key.
#[derive(Debug, Clone, Default)]
struct Promised {
    public: Value,
    /// Empty: no such answer came.
    alias: String,
    tag: Option<u64>,
    description: String,
    disabled: bool,
}

type Promises = Arc<Mutex<BTreeMap<String, Promised>>>;

/// Makes keys and changes them until the server is gone, and keeps what was answered.
async fn work(client: Client, promises: Promises, answered: Arc<Notify>, name: String) {
    for number in 0_u64.. {
        let request = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
        let Some(made) = asked(&client, "CreateKey", request).await else { return };
        let id = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
        let promise = |change: &dyn Fn(&mut Promised)| {
            change(promises.lock().unwrap().entry(id.clone()).or_default());
            answered.notify_one();
        };
        promise(&|_| {});
        let Some(public) = asked(&client, "GetPublicKey", json!({"KeyId": id})).await else { return };
        promise(&|known| known.public = public["PublicKey"].clone());
        let alias = format!("alias/{name}-{number}");
        let request = json!({"AliasName": alias, "TargetKeyId": id});
        let Some(_) = asked(&client, "CreateAlias", request).await else { return };
        promise(&|known| known.alias.clone_from(&alias));
        let tags = json!([{"TagKey": "n", "TagValue": number.to_string()}]);
        let Some(_) = asked(&client, "TagResource", json!({"KeyId": id, "Tags": tags})).await else { return };
        promise(&|known| known.tag = Some(number));
        let request = json!({"KeyId": id, "Description": name});
        let Some(_) = asked(&client, "UpdateKeyDescription", request).await else { return };
        promise(&|known| known.description.clone_from(&name));
        let Some(_) = asked(&client, "DisableKey", json!({"KeyId": id})).await else { return };
        promise(&|known| known.disabled = true);
    }
}

/// The answer, or nothing when the server is gone.
async fn asked(client: &Client, operation: &str, body: Value) -> Option<Value> {
    let answer = crate::client::exchange(client.address, &client.kms_request(operation, &body)).await.ok()?;
    assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
    Some(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

async fn check(client: &Client, id: &str, promised: &Promised) {
    let known = client.ok("DescribeKey", json!({"KeyId": id})).await["KeyMetadata"].clone();
    if !promised.public.is_null() {
        let public = client.ok("GetPublicKey", json!({"KeyId": id})).await;
        assert_eq!(public["PublicKey"], promised.public, "{id}");
    }
    if !promised.alias.is_empty() {
        let named = client.ok("DescribeKey", json!({"KeyId": promised.alias})).await;
        assert_eq!(named["KeyMetadata"]["KeyId"], id);
    }
    if let Some(tag) = promised.tag {
        let tags = client.ok("ListResourceTags", json!({"KeyId": id})).await;
        assert_eq!(tags["Tags"], json!([{"TagKey": "n", "TagValue": tag.to_string()}]), "{id}");
    }
    if !promised.description.is_empty() {
        assert_eq!(known["Description"], promised.description, "{id}");
    }
    if promised.disabled {
        assert_eq!(known["KeyState"], "Disabled", "{id}");
    }
    // A key whose change was not answered may be changed or not, but it is whole.
    client.ok("EnableKey", json!({"KeyId": id})).await;
    let sign = json!({"KeyId": id, "Message": base64("m"), "SigningAlgorithm": "ECDSA_SHA_256"});
    let signature = client.ok("Sign", sign.clone()).await["Signature"].clone();
    let mut verify = sign;
    verify["Signature"] = signature;
    assert_eq!(client.ok("Verify", verify).await["SignatureValid"], true, "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut total = 0;
    for round in 0..ROUNDS {
        let (mut victim, client) = spawn(&state);
        let promises = Promises::default();
        let answered = Arc::new(Notify::new());
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let name = format!("{round}-{caller}");
                tokio::spawn(work(client.clone(), Arc::clone(&promises), Arc::clone(&answered), name))
            })
            .collect();
        // Each round ends after another number of answers, with other requests under way.
        for _ in 0..=(round * 7) % 40 {
            answered.notified().await;
        }
        victim.0.kill().unwrap();
        victim.0.wait().unwrap();
        for caller in callers {
            caller.await.unwrap();
        }
        let promises = promises.lock().unwrap().clone();
        let (_victim, client) = spawn(&state);
        for (id, promised) in &promises {
            check(&client, id, promised).await;
        }
        total += promises.len();
    }
    assert!(total >= ROUNDS, "only {total} keys were made");
}
