//! Founding a distributed domain, and adding to it.

use cantle_console::NodeKind;

use crate::fake::network;
use crate::manual::{FOUNDED, distributed, methods};

#[test]
fn a_domain_is_bootstrapped_in_one_command_and_may_be_again() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    setup.forget();
    setup.run("manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))").unwrap();
    let first = methods(&setup);
    // The first two are asked side by side.
    assert!(
        first.contains(&"sequencer1: InitV1".to_owned())
            && first.contains(&"mediator1: GenerateSigningKey".to_owned())
    );
    let end = [
        "manager: ImportPublicKey",
        "manager: AuthorizeOwnerToKeyMapping",
        "manager: AuthorizeMediatorDomainState",
        "manager: ListAll",
        "sequencer1: Bootstrap",
        "mediator1: Initialize",
        "manager: Init",
    ];
    assert_eq!(first[first.len() - end.len()..], end);
    let asked = setup.asked();
    let initialize = asked.iter().find(|line| line.starts_with("mediator1: Initialize")).unwrap();
    assert!(initialize.contains("http://127.0.0.1:5018"), "{initialize}");
    setup.forget();
    setup.run("manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))").unwrap();
    let again = methods(&setup);
    assert!(!again.contains(&"sequencer1: InitV1".to_owned()), "{again:?}");
    assert!(!again.contains(&"mediator1: Initialize".to_owned()), "{again:?}");
    setup.run("assert(sequencer1.health.initialized() && mediator1.health.initialized() && manager.is_initialized)").unwrap();
}

#[test]
fn further_mediators_get_identifiers_of_their_own_and_may_go() {
    let mut setup = network(&[
        (NodeKind::DomainManager, "manager"),
        (NodeKind::Sequencer, "sequencer1"),
        (NodeKind::Mediator, "mediator1"),
        (NodeKind::Mediator, "mediator2"),
        (NodeKind::Mediator, "mediator3"),
    ]);
    setup.run(FOUNDED).unwrap();
    setup.run("manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1, mediator2))").unwrap();
    setup.forget();
    setup.run("manager.setup.onboard_mediator(mediator3, Seq(sequencer1))").unwrap();
    let asked = setup.asked();
    let initialize = asked.iter().find(|line| line.starts_with("mediator3: Initialize")).unwrap();
    assert!(
        initialize.contains("mediator3::1220managernew0") && initialize.contains("Some("),
        "{initialize}"
    );
    let error = setup.run("manager.setup.onboard_mediator(mediator3, Seq(sequencer1))").unwrap_err();
    assert!(error.cause.contains("mediator3 is initialized already"), "{error}");

    setup.run("for name in [\"mediator2\", \"mediator3\"]:\n    manager.setup.offboard_mediator(MediatorId(name, manager.id.namespace))\n").unwrap();
    let error = setup.run("manager.setup.offboard_mediator(MediatorId(manager.id))").unwrap_err();
    assert!(error.cause.contains("last mediator"), "{error}");
    setup.run("manager.setup.offboard_mediator(MediatorId(manager.id), force = true)\nmanager.setup.authorize_mediator(MediatorId(manager.id))").unwrap();
}

#[test]
fn what_is_missing_is_said_before_anything_is_asked() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    setup.forget();
    let mut shown = String::new();
    for script in [
        "manager.setup.bootstrap_domain(Seq(), Seq(mediator1))",
        "manager.setup.bootstrap_domain(Seq(mediator1), Seq(sequencer1))",
        "manager.setup.helper.authorizeKey(\"key\", \"name\", SequencerId(manager.id))",
        "sequencer1.initialization.initialize_from_beginning(manager.id, 7)",
        "sequencer1.initialization.bootstrap_topology(1)",
        "mediator1.mediator.initialize(manager.id, MediatorId(manager.id), 7, sequencer1)",
        "sequencer1.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))",
        "participant1.mediator.initialize",
        "mediator1.domains.connect_local(sequencer1)",
        "manager.sequencer_connection.modify(_.addEndpoints(\"http://a:1\"))",
    ] {
        let error = setup.run(script).unwrap_err();
        shown.push_str(&format!("{script}\n=>\n{}\n----\n", error.cause));
    }
    insta::assert_snapshot!(shown);
    assert!(methods(&setup).is_empty(), "{:?}", methods(&setup));
}

#[test]
fn a_key_is_awaited_in_the_domain() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    setup
        .run("manager.setup.helper.waitForKeyAuthorizationToBeSequenced(DomainTopologyManagerId(uid), own)")
        .unwrap();
    assert!(
        setup.asked().last().unwrap().contains("filter_store: \"manager::1220managernew0\""),
        "{:?}",
        setup.asked().last()
    );
}

#[test]
fn a_sequencer_gives_its_state_and_disables_members() {
    let mut setup = distributed();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot.bin").display().to_string();
    let printed = setup
        .run(&format!(
            r#"
val snapshot = sequencer1.sequencer.snapshot(sequencer1.pruning.status().lowerBound)
snapshot.writeToFile({path:?})
assert(SequencerSnapshot.tryReadFromFile({path:?}) == snapshot)
println(snapshot)
sequencer1.sequencer.disable_member(ParticipantId.tryFromProtoPrimitive("PAR::p::1220dd"))
"#
        ))
        .unwrap();
    assert_eq!(printed, "SequencerSnapshot(lastTs = \"2023-11-14T22:13:20Z\", members = 1)\n");
    let asked = setup.asked();
    assert!(
        asked.last().unwrap().contains("DisableMemberRequest { member: \"PAR::p::1220dd\" }"),
        "{asked:?}"
    );
    let error = setup.run("sequencer1.sequencer.snapshot(\"2030-01-01T00:00:00Z\")").unwrap_err();
    assert!(error.cause.contains("sequencer1 gave no snapshot: it is too early"), "{error}");
    let error = setup.run("sequencer1.sequencer.disable_member(\"p::1220dd\")").unwrap_err();
    assert!(error.cause.contains("member"), "{error}");
}

#[test]
fn a_sequencer_tells_its_members() {
    let mut setup = distributed();
    let printed = setup.run("val status = sequencer1.pruning.status()\nprintln(status.members.map(_.member).head, status.lowerBound)").unwrap();
    assert_eq!(printed, "MED::mydomain::1220dd 2023-11-14T22:13:20Z\n");
    let printed = setup.run("println(sequencer1.sequencer.pruning.status() == status)").unwrap();
    assert_eq!(printed, "true\n");
    let printed = setup.run("println(manager.testing.fetch_domain_time(), participant1.testing.await_domain_time(\"2024-01-01T00:00:00Z\", \"mydomain::1220dd\"))").unwrap();
    assert_eq!(printed, "2023-11-14T22:13:20.000001Z None\n");
}

/// A domain with two sequencers, and one that is to come.
fn several() -> crate::fake::Setup {
    network(&[
        (NodeKind::DomainManager, "manager"),
        (NodeKind::Sequencer, "sequencer1"),
        (NodeKind::Sequencer, "sequencer2"),
        (NodeKind::Sequencer, "sequencer3"),
        (NodeKind::Mediator, "mediator1"),
    ])
}

#[test]
fn several_sequencers_without_a_common_database_are_refused_before_anything_is_done() {
    let mut setup = several();
    let script = "manager.setup.bootstrap_domain(Seq(sequencer1, sequencer2), Seq(mediator1))";
    let error = setup.run(script).unwrap_err();
    assert!(error.cause.contains("sequencer1 has a database of its own"), "{error}");
    setup.share("one", &["sequencer1"]);
    let error = setup.run(script).unwrap_err();
    assert!(error.cause.contains("sequencer2 has a database of its own"), "{error}");
    setup.share("other", &["sequencer2"]);
    let error = setup.run(script).unwrap_err();
    assert!(error.cause.contains("share no database with each other"), "{error}");
    let error = setup.run("manager.setup.onboard_new_sequencer(sequencer1, sequencer3)").unwrap_err();
    assert!(error.cause.contains("sequencer3 has a database of its own"), "{error}");
    assert!(methods(&setup).iter().all(|method| method.ends_with("Status")), "{:?}", methods(&setup));
}

#[test]
fn sequencers_that_share_a_database_found_a_domain_together_and_take_in_another() {
    let mut setup = several();
    setup.share("one", &["sequencer1", "sequencer2", "sequencer3"]);
    setup.run(FOUNDED).unwrap();
    setup.run("manager.setup.bootstrap_domain(Seq(sequencer1, sequencer2), Seq(mediator1))").unwrap();
    let asked = setup.asked();
    for (node, times) in [("sequencer1", 1), ("sequencer2", 0)] {
        let founded = asked.iter().filter(|line| line.starts_with(&format!("{node}: Bootstrap"))).count();
        assert_eq!(founded, times, "{node}");
    }
    for node in ["sequencer1", "sequencer2"] {
        assert!(asked.iter().any(|line| line.starts_with(&format!("{node}: InitV1"))), "{asked:#?}");
    }
    setup.forget();
    setup.run("manager.setup.onboard_new_sequencer(sequencer1, sequencer3)").unwrap();
    let asked = setup.asked();
    let at = |what: &str| asked.iter().position(|line| line.starts_with(what));
    let order = [
        at("sequencer3: GenerateSigningKey"),
        at("manager: AuthorizeOwnerToKeyMapping"),
        at("sequencer1: Snapshot"),
        at("sequencer3: InitV1"),
    ];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?} {asked:#?}");
    assert!(asked.iter().any(|line| line.starts_with("sequencer3: InitV1") && line.ends_with("true)")));
    let error = setup.run("manager.setup.onboard_new_sequencer(sequencer1, sequencer3)").unwrap_err();
    assert!(error.cause.contains("sequencer3 is initialized already"), "{error}");
}
