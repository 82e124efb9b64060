//! How nodes are, kind by kind.

use cantle_console::NodeKind;

use crate::fake::network;

#[test]
fn every_kind_says_how_it_is() {
    let mut setup = network(&[
        (NodeKind::Participant, "participant1"),
        (NodeKind::Domain, "mydomain"),
        (NodeKind::DomainManager, "manager"),
        (NodeKind::Sequencer, "sequencer1"),
        (NodeKind::Mediator, "mediator1"),
    ]);
    let before =
        setup.run("println(participant1.health.status)\nprintln(mediator1.health.status())").unwrap();
    assert_eq!(before.matches("not initialized").count(), 2, "{before}");
    setup
        .run(
            r#"
participant1.topology.init_id("participant1", "1220ns")
mydomain.topology.init_id("mydomain", "1220dd")
manager.topology.init_id("manager", "1220mm")
manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))
for node in [sequencer1, mediator1]:
    node.topology.init_id("manager", "1220mm")
"#,
        )
        .unwrap();
    insta::assert_snapshot!(setup.lines(&["health.status"]));
    setup
        .run(
            r#"
val status = participant1.health.status
assert(status.isActive && status.isInitialized && status.connectedDomains.head._1 == DomainId("mydomain::1220dd"))
assert(status.supportedProtocolVersions == Seq(5, 7) && status.components.last.state == "Degraded")
assert(sequencer1.health.status.admin.acceptsAdminChanges && sequencer1.health.status.connectedMediators.size == 1)
assert(mydomain.health.status.sequencer.isActive && mydomain.health.status.protocolVersion == 7)
assert(status.successOption.nonEmpty && status.trySuccess.uid == status.uid)
assert(participant1.adminParty == PartyId(participant1.id.uid))
participant1.health.set_log_level(Level.DEBUG)
assert(participant1.is_initialized && participant1.is_running && participant1.health.active())
"#,
        )
        .unwrap();
    let asked = setup.asked();
    let level = "participant1: SetLogLevel SetLogLevelRequest { level: \"DEBUG\" }";
    assert!(asked.iter().any(|asked| asked == level), "{asked:?}");
}

#[test]
fn a_configuration_is_asked_by_its_names() {
    let mut setup = network(&[(NodeKind::Domain, "mydomain"), (NodeKind::Participant, "participant1")]);
    let printed = setup
        .run("println(mydomain.config.publicApi.port, mydomain.config.publicApi.address, mydomain.config.publicApi.tls.isEmpty)\nprintln(mydomain.config.init.domainParameters.initialProtocolVersion, participant1.config.adminApi.port)")
        .unwrap();
    assert_eq!(printed, "5018 0.0.0.0 true\n7 5002\n");
    assert!(setup.run("participant1.config.publicApi").is_err());
}
