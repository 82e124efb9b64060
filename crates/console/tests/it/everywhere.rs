//! What is about all nodes.

use cantle_console::NodeKind;

use crate::fake::{console, network};

#[test]
fn a_condition_is_asked_until_it_holds() {
    let mut setup = console();
    setup
        .run(
            r#"
val asked = []
def later():
    asked.append(1)
    return len(asked) > 2
utils.retry_until_true(later)
assert(asked.size == 3)
utils.retry_until_true(10.seconds) { participant1.health.running() }
utils.retry_until_true { !participant1.health.initialized }
utils.retry_until_true(lambda: True)
utils.synchronize_topology()
utils.synchronize_topology(Some(1.seconds))
"#,
        )
        .unwrap();
    let error = setup.run("utils.retry_until_true(0.seconds, lambda: False)").unwrap_err();
    assert!(error.cause.contains("was not true within 0 s"), "{error}");
    let error = setup.run("utils.retry_until_true(True)").unwrap_err();
    assert!(error.cause.contains("must be a function"), "{error}");
    let error = setup.run("utils.retry_until_true(lambda: 3)").unwrap_err();
    assert!(error.cause.contains("must give true or false"), "{error}");
    let error = setup.run("utils.retry_until_true(lambda: participant1.keys.secret.lits())").unwrap_err();
    assert!(error.cause.contains("did you mean `list`?"), "{error}");
}

#[test]
fn every_node_is_dumped_to_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = network(&[(NodeKind::Domain, "mydomain"), (NodeKind::Participant, "participant1")]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let script = format!(
        "mydomain.health.dump({:?})\nparticipant1.health.dump({:?}, chunkSize = 10)",
        path("a.zip"),
        path("b.zip")
    );
    setup.run(&script).unwrap();
    assert_eq!(std::fs::read(folder.path().join("a.zip")).unwrap(), b"PKdump");
    assert_eq!(std::fs::read(folder.path().join("b.zip")).unwrap(), b"PKdump");
}

#[test]
fn bytes_are_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = network(&[(NodeKind::Participant, "participant1")]);
    let script = format!(
        r#"
val path = {:?}
val key = participant1.keys.secret.generate_signing_key("k")
val bytes = participant1.keys.public.download(key.fingerprint)
utils.write_to_file(bytes, path)
assert(utils.read_byte_string_from_file(path) == bytes)
assert(BinaryFileUtil.tryReadByteStringFromFile(path) == bytes)
"#,
        folder.path().join("key.bin").display().to_string()
    );
    setup.run(&script).unwrap();
    let error = setup.run("utils.write_to_file(\"path\", \"path\")").unwrap_err();
    assert!(error.cause.contains("takes bytes and a file name"), "{error}");
}

#[test]
fn help_is_there_for_names_nodes_and_commands() {
    let mut setup = network(&[(NodeKind::Sequencer, "sequencer1"), (NodeKind::Participant, "participant1")]);
    let shown = setup.lines(&[
        "help(\"keys.secret.rotate_node_key\")",
        "help(\"bootstrap_domain\")",
        "help(sequencer1.initialization)",
        "help(3)",
        "participant1.domains.help(\"reconnect\")",
        "sequencer1.initialization.help",
        "participant1.domains.help(\"recnnect\")",
        "help(\"nothing.like.it\")",
    ]);
    insta::assert_snapshot!(shown);
    let node = setup.lines(&["help(\"sequencer1\")"]);
    assert!(node.starts_with("sequencer1 (sequencer)\n  name\n"), "{node}");
    assert!(node.contains("\n  sequencer.disable_member(member: Member)\n"), "{node}");
    assert!(!node.contains("domains.reconnect"), "{node}");
}
