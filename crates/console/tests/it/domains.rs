//! A participant's domains: connecting, changing, and what goes wrong.

use cantle_console::{Locality, NodeKind, NodeRef, Session, SessionOptions};

use crate::fake::{Setup, network};

fn pair() -> Setup {
    network(&[(NodeKind::Domain, "mydomain"), (NodeKind::Participant, "participant1")])
}

#[test]
fn a_domain_is_registered_before_it_is_connected_to_and_automatic_only_after() {
    let mut setup = pair();
    setup.run("participant1.domains.connect_local(mydomain)").unwrap();
    insta::assert_snapshot!(setup.asked().join("\n"));
    setup.forget();
    setup.run("participant1.domains.connect_local(mydomain)").unwrap();
    let asked = setup.asked();
    assert!(asked.iter().all(|line| !line.contains("RegisterDomain")), "{asked:?}");
}

#[test]
fn a_manual_connection_is_only_registered() {
    let mut setup = pair();
    setup
        .run("participant1.domains.connect_local(mydomain, manualConnect = true, alias = Some(\"d\"))")
        .unwrap();
    assert_eq!(setup.asked().len(), 1);
    let printed = setup.run("println(participant1.domains.config(\"d\").get.manualConnect, participant1.domains.list_connected().isEmpty)");
    assert_eq!(printed.unwrap(), "true true\n");
}

#[test]
fn an_agreement_has_to_be_accepted_first() {
    let mut setup = pair();
    setup.set_agreement("v1", "You shall be nice.");
    let error = setup.run("participant1.domains.connect_local(mydomain)").unwrap_err();
    assert!(error.cause.contains("accept_agreement(\"mydomain\", \"v1\")"), "{error}");
    setup.run("val (agreement, accepted) = participant1.domains.get_agreement(\"mydomain\").get\nassert(!accepted && agreement.text == \"You shall be nice.\")").unwrap();
    setup
        .run("participant1.domains.accept_agreement(\"mydomain\", \"v1\")\nparticipant1.domains.connect_local(mydomain)")
        .unwrap();
    setup.run("assert(participant1.domains.get_agreement(\"mydomain\").get._2)").unwrap();
}

#[test]
fn a_domain_that_cannot_be_reached_stays_registered() {
    let mut setup = pair();
    setup.close_domains();
    let error = setup.run("participant1.domains.connect(\"d\", \"http://127.0.0.1:5018\")").unwrap_err();
    assert!(error.cause.contains("could not be connected to"), "{error}");
    let printed = setup
        .run("println(participant1.domains.is_registered(\"d\"), participant1.domains.reconnect(\"d\"))");
    assert_eq!(printed.unwrap(), "true false\n");
}

#[test]
fn domains_are_known_by_their_names_ids_and_nodes() {
    let mut setup = pair();
    setup
        .run(
            r#"
mydomain.topology.init_id("mydomain", "1220dd")
participant1.topology.init_id("participant1", "1220ns")
participants.all.domains.connect_local(mydomain)
assert(participant1.domains.is_connected(mydomain) && participant1.domains.is_connected("mydomain"))
assert(participant1.domains.is_connected(mydomain.id) && participant1.domains.id_of("mydomain") == mydomain.id)
assert(!participant1.domains.active("mydomain"))
mydomain.participants.set_state(participant1, ParticipantPermission.Submission)
for side in [RequestSide.From, RequestSide.To]:
    participant1.topology.participant_domain_states.authorize(TopologyChangeOp.Add, mydomain.id, participant1.id, side)
assert(participant1.domains.active("mydomain") && participant1.domains.active(mydomain))
participant1.domains.disconnect_all()
assert(participant1.domains.list_connected().isEmpty && !participant1.domains.is_connected("mydomain"))
assert(participant1.domains.reconnect_local(mydomain))
participant1.domains.disconnect_local(mydomain)
"#,
        )
        .unwrap();
}

#[test]
fn several_sequencers_may_be_trusted_together() {
    let mut setup = network(&[
        (NodeKind::Sequencer, "sequencer1"),
        (NodeKind::Sequencer, "sequencer2"),
        (NodeKind::Participant, "participant1"),
    ]);
    for several in ["Seq", "Map"] {
        setup.forget();
        setup.run(&format!("participant1.domains.connect_local_bft({several}(\"a\" -> sequencer1, \"b\" -> sequencer2), alias = \"d\", sequencerTrustThreshold = 2)")).unwrap();
        let asked = setup.asked();
        assert!(
            asked.iter().any(|asked| asked.contains("alias: \"a\"")
                && asked.contains("alias: \"b\"")
                && asked.contains("sequencer_trust_threshold: 2")),
            "{several}: {asked:?}"
        );
    }
    let error = setup.run("participant1.health.ping({\"a\": 1})").unwrap_err();
    assert!(error.cause.contains("health.ping"), "{error}");
    let error = setup
        .run("participant1.domains.connect_local_bft(Seq(\"a\" -> sequencer1), sequencerTrustThreshold = 2)");
    assert!(error.unwrap_err().cause.contains("the trust threshold is 2"));
}

#[test]
fn a_ping_takes_its_time_or_fails() {
    let mut setup = pair();
    let printed = setup
        .run("println(participant1.health.ping(\"participant2::1220aa\", timeout = 5.seconds, id = \"x\"))\nprintln(participant1.health.maybe_ping(\"participant2::1220aa\").nonEmpty, participant1.health.maybe_ping(\"nobody::1220aa\").isEmpty)")
        .unwrap();
    assert_eq!(printed, "413 milliseconds\ntrue true\n");
    assert!(setup.asked()[0].contains("timeout_milliseconds: 5000"), "{:?}", setup.asked());
    let error = setup.run("participant1.health.ping(\"nobody::1220aa\")").unwrap_err();
    assert!(error.cause.contains("unable to ping nobody::1220aa within 20 s"), "{error}");
    setup.forget();
    setup
        .run("participant1.testing.bong(Set(\"participant2::1220aa\", \"participant3::1220bb\"), validators = Set(\"participant4::1220cc\"), levels = 1)\nassert(participant1.testing.maybe_bong(Set(\"nobody::1220aa\")).isEmpty)")
        .unwrap();
    let asked = setup.asked();
    for text in [
        r#"target_parties: ["participant2::1220aa", "participant3::1220bb"], validators: ["participant4::1220cc"]"#,
        "levels: 1, grace_period_milliseconds: 1000",
    ] {
        assert!(asked[0].contains(text), "{asked:?}");
    }
    let error = setup.run("participant1.testing.bong(Set(3))").unwrap_err();
    assert!(error.cause.contains("targets"), "{error}");
}

#[test]
fn wrong_connections_are_refused_before_a_node_is_asked() {
    let mut setup = pair();
    let mut shown = String::new();
    for script in [
        "participant1.domains.connect(\"d\")",
        "participant1.domains.connect(\"d\", \"localhost:5018\")",
        "participant1.domains.connect_local(participant1)",
        "participant1.domains.connect_multi(\"d\", Seq(\"http://a:1\", \"https://b:1\"))",
        "participant1.domains.register(\"d\")",
        "DomainConnectionConfig(\"d\", \"http://a:1\", priority = \"high\")",
        "DomainConnectionConfig(manualConnect = true, \"d\", \"http://a:1\")",
        "participant1.domains.modify(\"d\", 3)",
        "GrpcSequencerConnection.tryCreate(\"http://a:1\").addEndpoints(3)",
        "com.digitalasset.canton.sequencing.GrpcSequencerConection.tryCreate(\"http://a:1\")",
    ] {
        let error = setup.run(script).unwrap_err();
        shown.push_str(&format!("{script}\n=>\n{}\n----\n", error.cause));
    }
    insta::assert_snapshot!(shown);
    assert!(setup.asked().iter().all(|line| line.contains("ListConfigured")), "{:?}", setup.asked());
}

#[test]
fn a_connection_cannot_change_its_name() {
    let mut setup = pair();
    setup.run("participant1.domains.connect_local(mydomain)").unwrap();
    let error =
        setup.run("participant1.domains.modify(\"mydomain\", _.copy(domain = \"other\"))").unwrap_err();
    assert!(error.cause.contains("that cannot be changed"), "{error}");
    let error = setup.run("participant1.domains.modify(\"mydomain\", _.copy(prioity = 3))").unwrap_err();
    assert!(error.cause.contains("did you mean `priority`?"), "{error}");
}

#[test]
fn parties_are_listed_and_hosted() {
    let mut setup = pair();
    let printed = setup
        .run(
            r#"
participant1.topology.init_id("participant1", "1220ns")
println(participant1.parties.list("Alice").flatMap(_.participants.map(_.participant)).contains(participant1.id))
println(participant1.parties.hosted().head.party, participant1.parties.find("alice"))
val alice = participant1.parties.enable("Alice", displayName = "Alice", waitForDomain = DomainChoice.All)
println(alice)
participant1.parties.disable(alice)
"#,
        )
        .unwrap();
    assert_eq!(printed, "true\nalice::1220ns alice::1220ns\nAlice::1220ns\n");
    let asked = setup.asked();
    let hosting: Vec<&String> =
        asked.iter().filter(|line| line.contains("AuthorizePartyToParticipant")).collect();
    assert_eq!(hosting.len(), 2);
    assert!(hosting[0].contains("change: Add") && hosting[1].contains("change: Remove"), "{hosting:?}");
}

#[test]
fn a_sequencers_address_comes_from_its_status_when_its_configuration_has_none() {
    let mut setup = network(&[(NodeKind::Domain, "mydomain")]);
    setup.run("mydomain.topology.init_id(\"mydomain\", \"1220dd\")").unwrap();
    let address = setup.address(0);
    let node = NodeRef::at(NodeKind::Domain, "far", Locality::Local, &address).unwrap();
    let options = SessionOptions::new(vec![node], setup.runtime.handle().clone());
    let mut session = Session::new(options).unwrap();
    let mut output = Vec::new();
    session.run_script("s", "println(far.sequencerConnection)", &mut output).unwrap();
    assert_eq!(
        String::from_utf8(output).unwrap(),
        "GrpcSequencerConnection(endpoints = http://127.0.0.1:5018, transportSecurity = false)\n"
    );
}
