//! No secret in anything that a process says: logs at their most talkative, audit log, errors, metrics, dumps, answers of
//! commands. Secrets are planted, or read from where they belong, and looked for in every form that they could take.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read, Write},
    net::TcpStream,
};

use cantle_proto::crypto::v0::{CryptoKeyPair, crypto_key_pair::Pair};
use prost::Message;
use serde_json::json;

use crate::support::{ACCOUNT, SIX, SOON, Workplace};
use crate::tls::certificates;

const AWS_SECRET: &str = "Planted+AwsSecretKey/0123456789abcdefXYZ";
const AWS_TOKEN: &str = "PlantedSessionToken//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==";
const DATABASE_PASSWORD: &str = "Planted-database-password-4711";
const STORE_PASSWORD: &str = "Planted-trust-store-password-4712";

/// A secret, and all the forms in which it could be printed.
struct Needle {
    what: String,
    forms: Vec<Vec<u8>>,
}

impl Needle {
    fn text(what: &str, secret: &str) -> Self {
        Self::bytes(what, secret.as_bytes())
    }

    /// As it is; in hexadecimal; in base64 wherever it begins; as numbers in a list.
    fn bytes(what: &str, secret: &[u8]) -> Self {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        for offset in 0..3 {
            let whole = &secret[offset..];
            let text = base64(&whole[..whole.len() / 3 * 3]);
            forms.push(text.replace('+', "-").replace('/', "_").into_bytes());
            forms.push(text.into_bytes());
        }
        let numbers: Vec<_> = secret.iter().map(u8::to_string).collect();
        forms.push(numbers.join(", ").into_bytes());
        Self { what: what.to_owned(), forms }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        self.forms.iter().any(|form| text.windows(form.len()).any(|window| window == form))
    }
}

/// Base64 of whole groups of three bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks_exact(3) {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(LETTERS[(bits >> shift & 63) as usize]));
        }
    }
    text
}

/// Everything that was said, by where.
#[derive(Default)]
struct Said(BTreeMap<String, Vec<u8>>);

impl Said {
    fn add(&mut self, place: &str, content: impl Into<Vec<u8>>) {
        assert!(self.0.insert(place.to_owned(), content.into()).is_none(), "{place} twice");
    }

    /// Places and secrets that are in them.
    fn leaks(&self, needles: &[Needle]) -> Vec<String> {
        let leaks = self.0.iter().flat_map(|(place, content)| {
            let found = needles.iter().filter(|needle| needle.is_in(content));
            found.map(move |needle| format!("{} in {place}", needle.what))
        });
        leaks.collect()
    }
}

#[test]
fn what_is_looked_for_would_be_found_in_every_form() {
    let secret = b"sixteen bytes of secret";
    let needle = Needle::bytes("it", secret);
    let inside =
        |before: &str, form: String, after: &str| needle.is_in(format!("{before}{form}{after}").as_bytes());
    let text = String::from_utf8(secret.to_vec()).unwrap();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(inside("password=", text, ";") && inside("", hex.to_uppercase(), "") && inside("0x", hex, " "));
    assert!(inside("Key(", format!("{secret:?}"), ")"));
    for padding in ["", "a", "ab"] {
        let whole = [padding.as_bytes(), secret, b"abc"].concat();
        let whole = &whole[..whole.len() / 3 * 3];
        assert!(inside("", base64(whole), ""), "begins after {} bytes", padding.len());
    }
    assert!(!needle.is_in(b"nothing of it"));
    assert_eq!(base64(b"Man"), "TWFu");
}

/// The private part of a key pair in a file of `keys.secret.download_to`, as needles; nothing of its public part.
fn private_key(what: &str, file: &[u8]) -> Vec<Needle> {
    let (data, _) = cantle_proto::versioned::unwrap(file).unwrap();
    let (public, private) = match CryptoKeyPair::decode(data.as_slice()).unwrap().pair.unwrap() {
        Pair::SigningKeyPair(pair) => {
            (pair.public_key.unwrap().public_key, pair.private_key.unwrap().private_key)
        }
        Pair::EncryptionKeyPair(pair) => {
            (pair.public_key.unwrap().public_key, pair.private_key.unwrap().private_key)
        }
    };
    let is_public =
        |part: &[u8]| public.windows(8).any(|window| part.windows(8).any(|bytes| bytes == window));
    let parts = private.chunks_exact(16).filter(|part| !is_public(part));
    let needles: Vec<_> = parts.map(|part| Needle::bytes(what, part)).collect();
    assert!(!needles.is_empty(), "{what} has something secret");
    needles
}

fn page(address: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// A workplace whose node has the planted credentials.
fn workplace() -> Workplace {
    let mut workplace = Workplace::new(SIX);
    workplace.stop_kms();
    let callers = json!([{
        "access_key_id": "AKIAPLANTED",
        "secret_access_key": AWS_SECRET,
        "session_token": AWS_TOKEN,
        "account": ACCOUNT,
        "principal_arn": format!("arn:aws:iam::{ACCOUNT}:user/node"),
        "policies": [{
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": SIX, "Resource": "*"}],
        }],
    }]);
    workplace.write("callers.json", &callers.to_string());
    workplace.start_kms();
    workplace
}

fn cantle(workplace: &Workplace, arguments: &[&str]) -> std::process::Command {
    let mut command = workplace.cantle();
    command
        .env("AWS_ACCESS_KEY_ID", "AKIAPLANTED")
        .env("AWS_SECRET_ACCESS_KEY", AWS_SECRET)
        .env("AWS_SESSION_TOKEN", AWS_TOKEN)
        .args(arguments);
    command
}

#[test]
fn a_full_run_at_the_most_talkative_level_says_no_secret() {
    let workplace = workplace();
    let mut said = Said::default();
    certificates(&workplace, "", &[("server", &["localhost"])]);
    let key = rcgen::KeyPair::from_pem(&fs::read_to_string(workplace.path("server.pem")).unwrap()).unwrap();
    let config = workplace.config(&format!(
        r#"canton.monitoring {{
          metrics.reporters = [{{ type = prometheus, port = 0 }}]
          logging {{ log-config-on-startup = true }}
        }}
        canton.participants.participant1.admin-api {{
          address = localhost
          tls {{ cert-chain-file = "server.crt", private-key-file = "server.pem", trust-collection-file = "root.crt" }}
        }}
        canton.participants.participant2.admin-api.address = localhost
        canton.remote-participants.far {{ admin-api.port = 1, token = "{STORE_PASSWORD}" }}
        "#
    ));
    let config = config.to_str().unwrap();
    let script = workplace.write(
        "talk.canton",
        r#"
        val signing = participant2.keys.secret.generate_signing_key("extra")
        val encryption = participant2.keys.secret.generate_encryption_key("extra-encryption")
        participant2.keys.secret.download_to(signing.fingerprint, "signing.pair")
        participant2.keys.secret.download_to(encryption.fingerprint, "encryption.pair")
        val namespace = participant2.keys.secret.list(filterName = "participant2-namespace").head.publicKey
        participant2.keys.secret.download_to(namespace.fingerprint, "namespace.pair")
        participant2.keys.secret.upload("signing.pair", name = Some("again"))
        participant1.keys.secret.generate_signing_key("in the KMS")
        print(participant1.keys.secret.list())
        print(participant2.keys.secret.list())
        participant1.health.dump(outputFile = Some("dump.zip"))
        "#,
    );
    let talkative = [
        "--log-level",
        "trace",
        "--log-file-name",
        "all.log",
        "--kms-log-file-name",
        "audit.log",
        "-c",
        config,
    ];
    let arguments = [&["daemon", "--bootstrap", script.to_str().unwrap()], talkative.as_slice()].concat();
    let mut daemon = cantle_testkit::Process::spawn(&mut cantle(&workplace, &arguments)).unwrap();
    let line = daemon.wait_for(" prometheus ", SOON).unwrap();
    let metrics = line.rsplit(' ').next().unwrap().to_owned();
    let dump = workplace.path("dump.zip");
    let began = std::time::Instant::now();
    // The archive is written last of all.
    while zip::ZipArchive::new(Cursor::new(fs::read(&dump).unwrap_or_default())).is_err() {
        assert!(began.elapsed() < SOON, "the bootstrap script comes to its end");
        std::thread::yield_now();
    }
    said.add("metrics", page(&metrics, "/metrics"));
    let keys =
        cantle_testkit::Process::spawn(&mut cantle(&workplace, &["keys", "--json", "-c", config])).unwrap();
    let keys = keys.finish(SOON).unwrap();
    assert!(keys.status.success(), "{}", keys.stderr);
    said.add("keys", keys.stdout + &keys.stderr);
    let stopped = daemon.terminate(SOON).unwrap();
    said.add("stdout", stopped.stdout);
    said.add("stderr", stopped.stderr);
    said.add("log", fs::read(workplace.path("all.log")).unwrap());
    said.add("audit log", fs::read(workplace.path("audit.log")).unwrap());
    let mut archive = zip::ZipArchive::new(Cursor::new(fs::read(&dump).unwrap())).unwrap();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let name = file.name().unwrap().into_owned();
        said.add(&format!("dump {name}"), content);
    }
    errors(&workplace, &mut said);

    let mut needles = vec![
        Needle::text("the AWS secret key", AWS_SECRET),
        Needle::text("the AWS session token", AWS_TOKEN),
        Needle::text("the database password", DATABASE_PASSWORD),
        Needle::text("the token of a remote node", STORE_PASSWORD),
    ];
    // In PKCS #8 the scalar of a P-256 key stands here.
    needles.push(Needle::bytes("the TLS private key", &key.serialize_der()[36..68]));
    let mut pairs = 0;
    for file in fs::read_dir(workplace.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pair") {
            pairs += 1;
            needles
                .extend(private_key(&path.file_name().unwrap().to_string_lossy(), &fs::read(&path).unwrap()));
        }
    }
    assert_eq!(pairs, 3);

    // What was said is really all of it: each place says what it is there for.
    let says = |place: &str, text: &str| Needle::text(text, text).is_in(&said.0[place]);
    assert!(says("log", "TRACE") || says("log", "DEBUG"), "the log is talkative");
    assert!(
        says("log", "canton")
            && says("audit log", "CreateKeyRequest")
            && says("metrics", "cantle_kms_requests_total")
    );
    assert!(says("dump configuration.json", "[REDACTED]") && says("errors of the database", "participant3"));
    assert_eq!(said.leaks(&needles), Vec::<String>::new());

    // And it would be seen if it were there.
    for needle in &needles {
        for form in &needle.forms {
            let mut with_leak = Said::default();
            with_leak.add("log", [said.0["log"].as_slice(), form, b"\n"].concat());
            assert_eq!(with_leak.leaks(std::slice::from_ref(needle)).len(), 1, "{}", needle.what);
        }
    }
}

/// Commands that fail, with secrets in their configuration.
fn errors(workplace: &Workplace, said: &mut Said) {
    let database = format!(
        r#"canton.participants.participant3.storage {{
          type = postgres
          config.properties {{
            serverName = 127.0.0.1, portNumber = 1, databaseName = d, user = u, password = "{DATABASE_PASSWORD}"
          }}
        }}"#
    );
    let database = workplace.write("database.conf", &database);
    let fault = workplace.write(
        "fault.conf",
        &format!(
            "canton.participants.participant3.storage {{ type = postgres, config.url = \
             \"jdbc:postgresql://127.0.0.1:port/d?user=u&password={DATABASE_PASSWORD}\" }}"
        ),
    );
    let nodes = ["daemon", "--log-level", "trace"];
    let runs: [(&str, Vec<&str>, Option<i32>); 3] = [
        ("errors of the database", [&nodes[..], &["-c", database.to_str().unwrap()]].concat(), Some(1)),
        ("errors of a configuration", vec!["check", "-c", fault.to_str().unwrap()], Some(2)),
        ("resolved", vec!["check", "--resolved", "-c", database.to_str().unwrap()], Some(0)),
    ];
    for (place, arguments, status) in runs {
        let run = cantle_testkit::Process::spawn(&mut cantle(workplace, &arguments)).unwrap();
        let finished = run.finish(SOON).unwrap();
        assert_eq!(finished.status.code(), status, "{place}: {}", finished.stderr);
        said.add(place, finished.stdout + &finished.stderr);
    }
    // Credentials that AWS does not know.
    let config = workplace.config("");
    let mut command = cantle(workplace, &["daemon", "--data-dir", "refused", "-c", config.to_str().unwrap()]);
    command.env("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN");
    let refused = cantle_testkit::Process::spawn(&mut command).unwrap().finish(SOON).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    said.add("errors of credentials", refused.stdout + &refused.stderr);
}
