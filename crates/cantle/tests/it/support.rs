//! A KMS, nodes and scripts as processes, and an AWS client to prepare keys as an operator would.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Region},
    types::{KeySpec, KeyUsageType},
};
use cantle_testkit::{Finished, Process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before the test fails; nothing waits for it when all is well.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The account of the operator and the node, and another one.
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const OTHER_ACCOUNT: &str = "444455556666";

/// The actions that suffice, as the manual lists them.
pub(crate) const SIX: &[&str] =
    &["kms:CreateKey", "kms:TagResource", "kms:Decrypt", "kms:Sign", "kms:DescribeKey", "kms:GetPublicKey"];
/// Those that suffice when all keys exist already.
pub(crate) const FOUR: &[&str] = &["kms:Decrypt", "kms:Sign", "kms:DescribeKey", "kms:GetPublicKey"];

/// A folder, a running KMS, and the callers that it knows: `node`, `operator` (everything) and `other` (everything,
/// in another account).
#[derive(Debug)]
pub(crate) struct Workplace {
    pub(crate) folder: TempDir,
    kms: Option<Process>,
    pub(crate) endpoint: String,
}

impl Workplace {
    /// Starts a KMS whose caller `node` is allowed `actions`.
    pub(crate) fn new(actions: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut workplace = Self { folder, kms: None, endpoint: "http://127.0.0.1:0".to_owned() };
        workplace.write_callers(&allowing(actions));
        workplace.start_kms();
        workplace
    }

    /// Gives the caller `node` another policy.
    pub(crate) fn allow(&mut self, policy: &Value) {
        self.stop_kms();
        self.write_callers(policy);
        self.start_kms();
    }

    fn write_callers(&self, of_node: &Value) {
        let caller = |name: &str, account: &str, policy: &Value| {
            json!({
                "access_key_id": format!("AKIA{}", name.to_uppercase()),
                "secret_access_key": format!("secret-of-{name}"),
                "account": account,
                "principal_arn": format!("arn:aws:iam::{account}:user/{name}"),
                "policies": [policy],
            })
        };
        let callers = json!([
            caller("node", ACCOUNT, of_node),
            caller("operator", ACCOUNT, &allowing(&["kms:*"])),
            caller("other", OTHER_ACCOUNT, &allowing(&["kms:*"])),
        ]);
        self.write("callers.json", &callers.to_string());
    }

    /// Starts the KMS, with the keys that it had, at the port that it had.
    pub(crate) fn start_kms(&mut self) {
        let mut command = self.cantle();
        command.args(["kms-server", "--account", ACCOUNT, "--address"]);
        command.arg(self.endpoint.trim_start_matches("http://").trim_end_matches('/'));
        command.arg("--credentials").arg(self.path("callers.json"));
        command.arg("--data").arg(self.path("kms.data"));
        let mut kms = Process::spawn(&mut command).unwrap();
        let line = kms.wait_for("ready: kms-server", SOON).unwrap();
        self.endpoint = line.rsplit(' ').next().unwrap().to_owned();
        self.kms = Some(kms);
    }

    /// Takes the KMS away.
    pub(crate) fn stop_kms(&mut self) {
        drop(self.kms.take());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `cantle` in this folder.
    pub(crate) fn cantle(&self) -> Command {
        cantle(self.folder.path())
    }

    /// The configuration of the manual for `participant1`, at this KMS, with `more` behind it.
    pub(crate) fn config(&self, more: &str) -> PathBuf {
        let text = format!(
            r#"
            canton.participants.participant1.crypto.provider = kms
            canton.participants.participant1.crypto.kms {{
              type = aws
              region = us-east-1
              multi-region-key = false # optional, default is false
              audit-logging = true # optional, default is false
              endpoint-override = "{}"
            }}
            {more}
            "#,
            self.endpoint
        );
        self.write("participant1.conf", &text)
    }

    /// A configuration with the keys of some nodes (`participants.participant1`) in this KMS.
    pub(crate) fn with_kms<'a>(
        &self,
        name: &str,
        text: &str,
        nodes: impl IntoIterator<Item = &'a str>,
    ) -> PathBuf {
        let endpoint = &self.endpoint;
        let kms = nodes.into_iter().map(|node| {
            format!(
                "canton.{node}.crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, endpoint-override = \"{endpoint}\" }} }}\n"
            )
        });
        self.write(name, &(format!("{text}\n") + &kms.collect::<String>()))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts a daemon and waits for `line`.
    pub(crate) fn daemon(&self, config: &Path, line: &str) -> (Process, String) {
        let mut command = self.cantle();
        command.arg("daemon").arg("-c").arg(config);
        let mut daemon = Process::spawn(&mut command).unwrap();
        let line = daemon.wait_for(line, SOON).unwrap();
        (daemon, line)
    }

    /// Runs `cantle` with `arguments` to its end.
    pub(crate) fn finish(&self, arguments: &[&str]) -> Finished {
        let mut command = self.cantle();
        command.args(arguments);
        Process::spawn(&mut command).unwrap().finish(SOON).unwrap()
    }

    /// Runs a script with the nodes of `config` to its end.
    pub(crate) fn run(&self, config: &Path, script: &str) -> Finished {
        let script = self.write("script.canton", script);
        self.finish(&["run", script.to_str().unwrap(), "-c", config.to_str().unwrap()])
    }

    /// What `cantle keys --json` prints.
    pub(crate) fn keys(&self, config: &Path) -> Vec<Value> {
        let finished = self.finish(&["keys", "--json", "-c", config.to_str().unwrap()]);
        assert!(finished.status.success(), "{}", finished.stderr);
        serde_json::from_str::<Vec<Value>>(&finished.stdout).unwrap()
    }

    /// How often the KMS did an operation with a key, as its admin endpoint counts.
    pub(crate) fn requests(&self, key_arn: &str, operation: &str) -> u64 {
        let address = self.endpoint.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(stream, "GET /_cantle/counts HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let counts: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        counts["keys"][key_arn][operation].as_u64().unwrap_or(0)
    }

    /// An AWS client for one of the callers.
    pub(crate) fn client(&self, caller: &str) -> Client {
        let credentials = Credentials::new(
            format!("AKIA{}", caller.to_uppercase()),
            format!("secret-of-{caller}"),
            None,
            None,
            "test",
        );
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .credentials_provider(credentials)
            .build();
        Client::from_conf(config)
    }
}

/// A policy of these actions on everything.
fn allowing(actions: &[&str]) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
    })
}

/// `cantle`, with the node's credentials, a folder's data and no colours.
pub(crate) fn cantle(folder: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("cantle"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("AWS_ACCESS_KEY_ID", "AKIANODE")
        .env("AWS_SECRET_ACCESS_KEY", "secret-of-node")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .current_dir(folder)
        .arg("--no-tty");
    command
}

/// A key made by an operator.
pub(crate) struct MadeKey {
    pub(crate) id: String,
    pub(crate) arn: String,
}

/// Makes a key as an operator does.
pub(crate) async fn make_key(client: &Client, spec: KeySpec, usage: KeyUsageType) -> MadeKey {
    let answer = client.create_key().key_spec(spec).key_usage(usage).send().await.unwrap();
    let metadata = answer.key_metadata().unwrap();
    MadeKey { id: metadata.key_id().to_owned(), arn: metadata.arn().unwrap().to_owned() }
}

/// The keys of the KMS, all of them.
pub(crate) async fn count_keys(client: &Client) -> usize {
    client.list_keys().limit(1000).send().await.unwrap().keys().len()
}

/// A port that nobody listens on now, for what has to know it beforehand.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
