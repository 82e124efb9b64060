//! The tab key: names, arguments, and never a question to a node.

use cantle_console::NodeKind;

use crate::fake::network;

#[test]
fn properties_that_ask_are_not_run_by_completion() {
    let mut setup = network(&[(NodeKind::DomainManager, "manager"), (NodeKind::Sequencer, "sequencer1")]);
    setup.lines(&["c = GrpcSequencerConnection.tryCreate(\"http://a:1\")"]);
    for line in [
        "manager.service.get_static_domain_parameters.",
        "sequencer1.sequencerConnection.add",
        "manager.id.",
        "manager.config.",
    ] {
        assert_eq!(setup.session.complete(line).1, Vec::<String>::new(), "{line}");
    }
    assert!(setup.asked().is_empty());
    assert_eq!(setup.session.complete("c.add").1, ["addEndpoints"]);
    assert_eq!(setup.session.complete("manager.setup.b").1, ["bootstrap_domain"]);
    assert_eq!(setup.session.complete("sequencer1.setup.").1, Vec::<String>::new());
    assert_eq!(
        setup.session.complete("com.digitalasset.canton.sequencing.GrpcSeq").1,
        ["GrpcSequencerConnection"]
    );
    assert_eq!(setup.session.complete("DomainC").1, ["DomainChoice", "DomainConnectionConfig"]);
}

#[test]
fn arguments_are_completed_by_name() {
    let setup = network(&[(NodeKind::Participant, "participant1")]);
    let names = |line: &str| setup.session.complete(line).1;
    assert_eq!(names("participant1.domains.connect_local(man"), ["manualConnect = "]);
    assert_eq!(names("participant1.domains.connect_local(mydomain, pri"), ["priority = "]);
    assert_eq!(names("val x = DomainConnectionConfig(\"d\", f(1), pri"), ["priority = "]);
    assert!(names("participant1.domains.connect_local(").contains(&"alias = ".to_owned()));
    assert_eq!(names("nothing(pri"), names("pri"));
    assert!(setup.asked().is_empty());
}
