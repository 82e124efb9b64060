//! The participant's commands: what they ask of the node, and what they give.

use cantle_console::{Locality, NodeKind};

use crate::fake::{console, console_with};

/// The manual's lines, with key ids before them.
const REGISTER: &str = r#"
val namespaceKmsKeyId = "ns"
val signingKmsKeyId = "sig"
val encryptionKmsKeyId = "enc"
participant.keys.secret
  .register_kms_signing_key(namespaceKmsKeyId, name = participant.name + "-namespace") ->
  participant.keys.secret
    .register_kms_signing_key(signingKmsKeyId, name = participant.name + "-signing") ->
  participant.keys.secret
    .register_kms_encryption_key(encryptionKmsKeyId, name = participant.name + "-encryption")
"#;

#[test]
fn the_manuals_lines_register_the_three_keys_in_order() {
    let mut setup = console();
    setup.run(REGISTER).unwrap();
    assert_eq!(
        setup.asked(),
        [
            r#"RegisterKmsSigningKey RegisterKmsSigningKeyRequest { kms_key_id: "ns", name: "participant1-namespace" }"#,
            r#"RegisterKmsSigningKey RegisterKmsSigningKeyRequest { kms_key_id: "sig", name: "participant1-signing" }"#,
            r#"RegisterKmsEncryptionKey RegisterKmsEncryptionKeyRequest { kms_key_id: "enc", name: "participant1-encryption" }"#,
        ]
    );
}

#[test]
fn the_manual_initialization_of_a_participant_asks_exactly_this() {
    let mut setup = console();
    let script = format!(
        "{REGISTER}{}",
        r#"
val secretKeys = participant.keys.secret.list()
val identityKey = secretKeys.find(_.name.exists(_.unwrap == "participant1-namespace")).get.publicKey
val signingKey = participant.keys.secret.list(filterName = participant.name + "-signing").head.publicKey
val encryptionKey = participant.keys.secret.list("", participant.name + "-encryption").head.publicKey

// The root certificate of the namespace comes before the identity on participants.
val namespace = identityKey.fingerprint
participant.topology.namespace_delegations.authorize(
  ops = TopologyChangeOp.Add,
  namespace = namespace,
  authorizedKey = namespace,
  isRootDelegation = true,
)
participant.topology.init_id(identifier = Identifier.tryCreate(participant.name), fingerprint = namespace)
participant.health.wait_for_identity()

// Assign the keys to the participant.
Seq(encryptionKey, signingKey).foreach { key =>
  participant.topology.owner_to_key_mappings.authorize(
    TopologyChangeOp.Add,
    participant.id,
    key.fingerprint,
    key.purpose,
    synchronize = Some(10.seconds),
  )
}
participant.health.wait_for_initialized
println(s"${participant.id} ${participant.uid.namespace.fingerprint} initialized: ${participant.health.initialized}")
"#
    );
    let printed = setup.run(&script).unwrap();
    assert_eq!(printed, "PAR::participant1::1220ns 1220ns initialized: true\n");
    insta::assert_snapshot!(setup.asked().join("\n"));
}

#[test]
fn the_same_in_starlark_asks_the_same() {
    let mut scala = console();
    let mut starlark = console();
    scala
        .run("val k = participant1.keys.secret.generate_signing_key(\"n\", Some(SigningKeyScheme.EcDsaP384))\nparticipant1.topology.init_id(\"p\", k.fingerprint)\nSeq(k).foreach(x => participant1.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, participant1.id, x.fingerprint, x.purpose))")
        .unwrap();
    starlark
        .run("k = participant1.keys.secret.generate_signing_key(scheme = SigningKeyScheme.EcDsaP384, name = \"n\")\nparticipant1.topology.init_id(\"p\", k.fingerprint)\nfor x in [k]:\n    participant1.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, participant1.id, x.fingerprint, x.purpose)\n")
        .unwrap();
    assert_eq!(scala.asked(), starlark.asked());
    assert_eq!(scala.asked().len(), 3);
}

#[test]
fn a_refusal_of_the_node_ends_the_script_at_its_line() {
    let mut setup = console();
    let error = setup
        .run("val a = 1\nparticipant1.keys.secret\n  .register_kms_signing_key(\n    \"missing\",\n    name = \"x\")\nprint(\"never\")")
        .unwrap_err();
    insta::assert_snapshot!(error.to_string());
}

#[test]
fn a_property_that_fails_shows_why() {
    let mut setup = console();
    insta::assert_snapshot!(setup.run("x = participant1.id").unwrap_err().to_string());
}

#[test]
fn a_node_that_does_not_answer_is_an_error_with_its_code() {
    let mut setup = console();
    let mut session = {
        let node =
            cantle_console::NodeRef::at(NodeKind::Participant, "gone", Locality::Remote, "127.0.0.1:1")
                .unwrap();
        cantle_console::Session::new(cantle_console::SessionOptions::new(
            vec![node],
            setup.runtime.handle().clone(),
        ))
        .unwrap()
    };
    let error = session.run_script("s", "gone.keys.secret.list()", &mut Vec::new()).unwrap_err();
    assert!(error.cause.starts_with("gone: keys.secret.list failed: UNAVAILABLE: "), "{error}");
    assert!(setup.run("assert(participant.health.running())").is_ok());
}

#[test]
fn keys_are_written_to_and_read_from_files() {
    let mut setup = console();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.bin").display().to_string();
    let script = format!(
        "val file = \"{path}\"\nval key = participant1.keys.secret.generate_signing_key(name = \"a\")\nkey.writeToFile(file)\nval read = SigningPublicKey.tryReadFromFile(file)\nassert(read == key)\nparticipant1.keys.public.upload(file, Some(\"b\"))\nparticipant1.keys.public.download_to(key.fingerprint, file)\nassert(participant1.keys.public.download(key.fingerprint) == key.toByteString)"
    );
    setup.run(&script).unwrap();
    let import = setup.asked().into_iter().find(|line| line.starts_with("ImportPublicKey")).unwrap();
    assert!(import.ends_with("name: \"b\" }"), "{import}");
}

#[test]
fn a_key_is_rotated_to_a_kms_key() {
    let mut setup = console();
    setup.run(REGISTER).unwrap();
    setup
        .run("participant.topology.init_id(\"p\", \"1220ns\")\nparticipant.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, participant.id, \"1220sig\", KeyPurpose.Signing)\nval key = participant.keys.secret.rotate_kms_node_key(\"1220sig\", \"sig2\", \"next\")\nassert(key.fingerprint == \"1220sig2\")")
        .unwrap();
    let asked = setup.asked();
    insta::assert_snapshot!(asked[asked.len() - 5..].join("\n"));
}

#[test]
fn deleting_a_key_asks_for_force() {
    let mut setup = console();
    let error = setup.run("participant1.keys.secret.delete(\"1220ns\")").unwrap_err();
    assert!(error.cause.contains("`force` must be true"), "{error}");
    assert!(setup.asked().is_empty());
    setup.run("participant1.keys.secret.delete(\"1220ns\", force = true)").unwrap();
    assert_eq!(setup.asked(), [r#"DeleteKeyPair DeleteKeyPairRequest { fingerprint: "1220ns" }"#]);
}

#[test]
fn lists_give_what_canton_gives() {
    let mut setup = console();
    setup.run(REGISTER).unwrap();
    setup.run("participant.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, \"PAR::p::1220ns\", \"1220sig\", KeyPurpose.Signing)").unwrap();
    let printed = setup
        .run("for key in participant.keys.secret.list():\n    print(key.name, key.id, key.purpose, key.publicKey.scheme, key.wrapperKeyId)\nval m = participant.topology.owner_to_key_mappings.list(filterStore = \"Authorized\", filterKeyPurpose = Some(KeyPurpose.Signing)).head\nprintln(m.item.owner + \" \" + m.key + \" \" + m.context.validFrom + \" \" + m.context.signedBy)\nprintln(participant.health.status)")
        .unwrap();
    insta::assert_snapshot!(printed);
}

#[test]
fn time_queries_reach_the_node() {
    let mut setup = console();
    setup
        .run("participant1.topology.namespace_delegations.list(\"Authorized\", false, TimeQuery.Snapshot(\"2024-01-01T00:00:00Z\"), Some(TopologyChangeOp.Remove), \"ns\", \"sk\")\nparticipant1.topology.namespace_delegations.list()")
        .unwrap();
    insta::assert_snapshot!(setup.asked().join("\n"));
}

#[test]
fn a_dump_is_written_to_its_file() {
    let mut setup = console();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.zip");
    let printed =
        setup.run(&format!("print(participant1.health.dump({:?}))", path.display().to_string())).unwrap();
    assert_eq!(printed.trim(), path.display().to_string());
    assert_eq!(std::fs::read(path).unwrap(), b"PKdump");
}

#[test]
fn only_nodes_with_topology_have_its_commands() {
    let mut setup = console_with(&[(NodeKind::Sequencer, "sequencer1", Locality::Remote)]);
    let error = setup.run("sequencer1.topology.namespace_delegations.authorize").unwrap_err();
    assert!(error.cause.contains("is there for participants, domains and domain managers only"), "{error}");
    setup.run("assert(sequencer.keys.secret.list().isEmpty)").unwrap();
}
