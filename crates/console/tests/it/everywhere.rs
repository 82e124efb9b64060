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

#[test]
fn durations_are_read_as_scala_reads_them() {
    let mut setup = network(&[(NodeKind::Participant, "participant1")]);
    setup
        .run(
            "assert(Duration(\"2 minutes\").toSeconds == 120)\nassert(Duration(\"2 minutes\").toMinutes == 2)\n\
             assert(Duration(500, \"millis\").toMillis == 500)\nassert(Duration.ofSeconds(3).toMillis == 3000)",
        )
        .unwrap();
    for wrong in ["Duration(\"soon\")", "Duration(5)", "Duration()", "Duration(1, 2)"] {
        let error = setup.run(wrong).unwrap_err();
        assert!(error.cause.contains("such as Duration(\"2 minutes\")"), "{wrong}: {error}");
    }
}

#[test]
fn the_time_that_commands_may_take_can_be_changed() {
    let mut setup = network(&[(NodeKind::Participant, "participant1")]);
    setup
        .run(
            "import com.digitalasset.canton.config.NonNegativeDuration\n\
             console.set_command_timeout(NonNegativeDuration.ofSeconds(Duration(\"2 minutes\").toSeconds))\n\
             assert(console.command_timeout().toSeconds == 120)\nconsole.set_command_timeout(90.seconds)\n\
             assert(console.command_timeout().toSeconds == 90)",
        )
        .unwrap();
    let error = setup.run("console.set_command_timeout(0.seconds)").unwrap_err();
    assert!(error.cause.contains("longer than nothing"), "{error}");
}

#[test]
fn domain_managers_have_canton_s_name_too_and_scripts_can_log() {
    let mut setup = network(&[(NodeKind::DomainManager, "manager")]);
    setup
        .run(
            "val found = domainManagers.local.head\nassert(found.name == domain_managers.all.head.name)\n\
             logger.debug(\"begins\")\nlogger.info(s\"found ${found.name}\")\nlogger.warn(found.name)\nlogger.error(5)",
        )
        .unwrap();
    assert!(setup.run("logger.info()").unwrap_err().cause.contains("a message is missing"));
}
