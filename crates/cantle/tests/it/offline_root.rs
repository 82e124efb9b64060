//! A namespace key that no node has: in another account, or in a file on a machine without a network. What it signs is
//! prepared from files, said in words, signed elsewhere, assembled and loaded.

use std::{fs, path::Path};

use aws_sdk_kms::{
    primitives::Blob,
    types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec},
};
use cantle_testkit::{Finished, Process};

use crate::pregenerated::MANUAL;
use crate::support::{FOUR, MadeKey, SOON, Workplace, make_key};

/// A node with an intermediate key in its KMS. The root key is elsewhere.
struct Site {
    workplace: Workplace,
    intermediate: MadeKey,
}

impl Site {
    async fn new() -> Self {
        let workplace = Workplace::new(FOUR);
        let client = workplace.client("operator");
        let intermediate = make_key(&client, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
        let signing = make_key(&client, KeySpec::EccNistP256, KeyUsageType::SignVerify).await;
        let encryption = make_key(&client, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await;
        let site = Self { workplace, intermediate };
        site.script(&format!(
            r#"
val key = participant1.keys.secret.register_kms_signing_key("{}", name = "participant1-namespace")
participant1.keys.secret.register_kms_signing_key("{}", name = "participant1-signing")
participant1.keys.secret.register_kms_encryption_key("{}", name = "participant1-encryption")
participant1.keys.public.download_to(key.fingerprint, "intermediate.pub")
"#,
            site.intermediate.id, signing.id, encryption.id
        ));
        site
    }

    fn script(&self, script: &str) {
        let finished = self.workplace.run(&self.workplace.config(MANUAL), script);
        assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
    }

    /// `cantle topology`, with the credentials of a caller.
    fn topology_as(&self, caller: &str, arguments: &str) -> Finished {
        let mut command = self.workplace.cantle();
        command.env("AWS_ACCESS_KEY_ID", format!("AKIA{}", caller.to_uppercase()));
        command.env("AWS_SECRET_ACCESS_KEY", format!("secret-of-{caller}"));
        command.arg("topology").args(arguments.split_whitespace());
        Process::spawn(&mut command).unwrap().finish(SOON).unwrap()
    }

    fn topology(&self, arguments: &str) -> String {
        let finished = self.topology_as("node", arguments);
        assert!(finished.status.success(), "{arguments}: {}{}", finished.stdout, finished.stderr);
        finished.stdout
    }

    fn refused(&self, arguments: &str, code: &str) -> String {
        let finished = self.topology_as("node", arguments);
        assert_eq!(finished.status.code(), Some(1), "{arguments}: {}{}", finished.stdout, finished.stderr);
        assert!(finished.stderr.starts_with(&format!("error: {code}")), "{arguments}: {}", finished.stderr);
        finished.stderr
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.workplace.path(name)
    }

    /// Loads what was assembled, gives the node its identity, and expects it to be ready with it.
    fn becomes_ready(&self, namespace: &str) {
        self.script(&format!(
            r#"
Seq("root.signed", "delegation.signed").foreach {{ file =>
  participant1.topology.load_transaction(utils.read_byte_string_from_file(file))
}}
participant1.topology.init_id("participant1", "{namespace}")
participant1.health.wait_for_identity()
Seq("-encryption", "-signing").foreach {{ suffix =>
  val key = participant1.keys.secret.list(filterName = participant1.name + suffix).head.publicKey
  participant1.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, participant1.id, key.fingerprint, key.purpose)
}}
assert(participant1.health.initialized())
"#
        ));
        let config = self.workplace.config(MANUAL);
        let (daemon, line) = self.workplace.daemon(&config, "ready: participant participant1");
        assert!(line.ends_with(&format!("participant1::{namespace}")), "{line}");
        daemon.terminate(SOON).unwrap();
    }
}

/// The fingerprint after a word of what was printed.
fn fingerprint_after(text: &str, word: &str) -> String {
    let (_, after) = text.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {text}"));
    after.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_key_in_another_account_signs_by_files() {
    let site = Site::new().await;
    let other = site.workplace.client("other");
    let root = make_key(&other, KeySpec::EccNistP384, KeyUsageType::SignVerify).await;
    let public = other.get_public_key().key_id(&root.id).send().await.unwrap();
    fs::write(site.path("root.der"), public.public_key().unwrap()).unwrap();
    site.workplace.with_kms("other.conf", "", ["participants.root"]);

    let prepared = site.topology("prepare namespace-delegation --key root.der --out root.prepared");
    let namespace = fingerprint_after(&prepared, "root certificate of namespace ").replace(':', "");
    let prepared = site.topology(&format!(
        "prepare namespace-delegation --namespace {namespace} --key intermediate.pub --root-delegation --message-out delegation.message --out delegation.prepared"
    ));
    assert!(
        prepared.contains(&format!("may sign for namespace {namespace} in every way, delegations")),
        "{prepared}"
    );

    // In the account of the root key.
    let sign = format!(
        "sign root.prepared --kms-key {} --node root -c other.conf --out root.signature --key-out root.pub",
        root.arn
    );
    let unconfirmed = site.topology_as("other", &sign);
    assert_eq!(unconfirmed.status.code(), Some(2), "{}", unconfirmed.stderr);
    assert!(unconfirmed.stdout.contains(&format!("root certificate of namespace {namespace}")));
    assert!(!site.path("root.signature").exists());
    let foreign = site.topology_as("node", &format!("{sign} --yes"));
    assert_eq!(foreign.status.code(), Some(1));
    assert!(
        foreign.stderr.starts_with("error: OFFLINE_KMS") && foreign.stderr.contains(&root.arn),
        "{}",
        foreign.stderr
    );
    let signed = site.topology_as("other", &format!("{sign} --yes"));
    assert!(signed.status.success(), "{}", signed.stderr);
    site.topology("assemble root.prepared --signature root.signature --key root.pub --out root.signed");
    // Or with AWS's own tool.
    let message = fs::read(site.path("delegation.message")).unwrap();
    let answer = other
        .sign()
        .key_id(&root.id)
        .message(Blob::new(message))
        .message_type(MessageType::Raw)
        .signing_algorithm(SigningAlgorithmSpec::EcdsaSha384)
        .send();
    fs::write(site.path("delegation.der"), answer.await.unwrap().signature().unwrap()).unwrap();
    let assembled = site.topology(
        "assemble delegation.prepared --signature delegation.der --key root.der --out delegation.signed",
    );
    assert!(assembled.contains(&format!("signed by {namespace}")), "{assembled}");

    site.becomes_ready(&namespace);
    assert_eq!(site.workplace.requests(&root.arn, "Sign"), 2, "by nobody but its owner");
    assert!(site.workplace.requests(&site.intermediate.arn, "Sign") >= 2, "the keys of the member");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_key_in_a_file_signs_without_a_network_and_mistakes_are_named() {
    let site = Site::new().await;
    let jce = site.workplace.write("root.conf", "canton.participants.root.init.auto-init = false");
    let made = site.workplace.run(
        &jce,
        r#"
Seq("root", "another").foreach { name =>
  val key = root.keys.secret.generate_signing_key(name = name)
  root.keys.secret.download_to(key.fingerprint, name + ".key")
  root.keys.public.download_to(key.fingerprint, name + ".pub")
}
"#,
    );
    assert!(made.status.success(), "{}", made.stderr);

    let prepared = site.topology("prepare namespace-delegation --key root.pub --out root.prepared");
    let namespace = fingerprint_after(&prepared, "root certificate of namespace ").replace(':', "");
    site.topology(&format!(
        "prepare namespace-delegation --namespace {namespace} --key intermediate.pub --out delegation.prepared"
    ));
    for step in ["root", "delegation"] {
        site.topology(&format!("sign {step}.prepared --key-file root.key --out {step}.signature --yes"));
        site.topology(&format!(
            "assemble {step}.prepared --signature {step}.signature --key root.pub --out {step}.signed"
        ));
    }

    let again = "assemble root.prepared --signature root.signature --key root.pub --out root.signed";
    assert!(site.refused(again, "OFFLINE_FILE").contains("is there already"));
    site.refused(
        "assemble delegation.prepared --signature root.signature --key root.pub --out no",
        "OFFLINE_SIGNATURE",
    );
    site.refused(
        "assemble root.prepared --signature root.signature --key another.pub --out no",
        "OFFLINE_SIGNATURE",
    );
    let other =
        site.topology("sign root.prepared --key-file another.key --out another.signature --yes --key-out a");
    assert!(other.contains("it is not the namespace's own"), "{other}");
    assert_eq!(fs::read(site.path("a")).unwrap(), fs::read(site.path("another.pub")).unwrap());
    let missing =
        format!("sign root.prepared --key-file another.key --fingerprint {namespace} --out no --yes");
    assert!(site.refused(&missing, "OFFLINE_WRONG_KEY").contains(&namespace));
    site.refused("sign root.prepared --key-file root.pub --out no --yes", "OFFLINE_KEY_FILE");
    site.refused("prepare namespace-delegation --key root.key --out no", "OFFLINE_KEY_FILE");
    site.refused("show nowhere", "OFFLINE_FILE");
    // What cannot be written is known before anything is asked of a key.
    for taken in
        ["--out root.signature", "--out nowhere/no", "--out no --key-out root.pub", "--out root.pub/no"]
    {
        site.refused(&format!("sign root.prepared --key-file nowhere {taken} --yes"), "OFFLINE_FILE");
    }
    site.refused(
        "prepare namespace-delegation --key root.pub --out no --message-out root.pub",
        "OFFLINE_FILE",
    );
    hostile(&site, "root.prepared", "show FILE", "OFFLINE_TRANSACTION");
    hostile(&site, "root.pub", "prepare namespace-delegation --key FILE --out no", "OFFLINE_KEY_FILE");
    let assemble = "assemble root.prepared --signature FILE --key root.pub --out no";
    hostile(&site, "root.signature", assemble, "OFFLINE_SIGNATURE");
    let assemble = "assemble FILE --signature root.signature --key root.pub --out no";
    hostile(&site, "root.prepared", assemble, "OFFLINE_TRANSACTION");
    hostile(&site, "root.signed", "prepare removal --of FILE --out no", "OFFLINE_TRANSACTION");
    hostile(&site, "root.signed", "prepare conversion --of FILE --out no", "OFFLINE_TRANSACTION");
    hostile(&site, "root.key", "sign root.prepared --key-file FILE --out no --yes", "OFFLINE_KEY_FILE");
    assert!(!site.path("no").exists());

    site.becomes_ready(&namespace);

    // What was delegated is taken back by the root alone, at another protocol version too.
    let removal =
        site.topology("prepare removal --of delegation.signed --protocol-version 5 --out removal.prepared");
    assert!(
        removal.starts_with("Takes back: a namespace delegation") && removal.contains("protocol version 5")
    );
}

/// A file, cut off and with other bytes in it, is refused and nothing more.
fn hostile(site: &Site, file: &str, command: &str, code: &str) {
    let whole = fs::read(site.path(file)).unwrap();
    let mut altered = whole.clone();
    altered[1] ^= 0xff;
    let cases: [&[u8]; 5] = [b"", &whole[..whole.len() / 2], &altered, &[0x30; 100], &[0xff; 1000]];
    for bytes in cases {
        fs::write(site.path("hostile"), bytes).unwrap();
        site.refused(&command.replace("FILE", "hostile"), code);
    }
    let long = site.path("hostile");
    fs::File::create(Path::new(&long)).unwrap().set_len(1 << 30).unwrap();
    site.refused(&command.replace("FILE", "hostile"), "OFFLINE_FILE");
}
