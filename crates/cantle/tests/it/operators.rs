//! What an operator of a domain does while it runs: whose agreement there is, who is let out, what is under way.

use crate::support::{SIX, Workplace};

const NODES: &str = r#"
canton {
  domains.mydomain {
    storage.type = memory
    init.domain-parameters.protocol-version = 7
    service-agreement = "agreement.txt"
  }
  participants.participant1.storage.type = memory
  participants.participant2.storage.type = memory
}
"#;

#[test]
fn a_service_agreement_is_shown_accepted_and_listed() {
    let workplace = Workplace::new(SIX);
    std::fs::write(workplace.path("agreement.txt"), "Be kind.").unwrap();
    let config = workplace.write("nodes.conf", NODES);
    // Nobody connects without accepting it.
    let refused = workplace.run(&config, "participant1.domains.connect_local(mydomain)");
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
    assert!(refused.stdout.contains("Be kind."), "{}", refused.stdout);
    assert!(refused.stderr.contains("domains.accept_agreement"), "{}", refused.stderr);

    let accepted = workplace.run(
        &config,
        r#"
assert(mydomain.service.list_accepted_agreements().isEmpty)
participant1.domains.connect_local(mydomain, manualConnect = true)
val (agreement, before) = participant1.domains.get_agreement("mydomain").get
assert(agreement.text == "Be kind." && !before)
participant1.domains.accept_agreement("mydomain", agreement.id)
val (again, after) = participant1.domains.get_agreement("mydomain").get
assert(after)
participant1.domains.reconnect("mydomain")
participant1.health.ping(participant1)
val acceptances = mydomain.service.list_accepted_agreements()
assert(acceptances.size == 1)
assert(acceptances.head.agreementId == agreement.id)
assert(acceptances.head.participantId == participant1.id)
"#,
    );
    assert!(accepted.status.success(), "{}", accepted.stderr);
}

#[test]
fn a_participant_is_disabled_for_good_and_the_others_go_on() {
    let workplace = Workplace::new(SIX);
    let config = workplace.write("nodes.conf", &NODES.replace("service-agreement = \"agreement.txt\"", ""));
    let script = r#"
participants.all.domains.connect_local(mydomain)
participant1.health.ping(participant2)
val snapshot = mydomain.sequencer.snapshot(mydomain.sequencer.pruning.status().lowerBound)
println(snapshot)
mydomain.sequencer.disable_member(participant1.id)
assert(mydomain.sequencer.pruning.status().members.filter(m => !m.isEnabled).map(_.member) == Seq(participant1.id))
assert(participant2.health.maybe_ping(participant1, timeout = 1.seconds).isEmpty)
participant2.health.ping(participant2)
"#;
    let finished = workplace.run(&config, script);
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(finished.stdout.starts_with("SequencerSnapshot("), "{}", finished.stdout);
}

#[test]
fn a_change_of_the_domains_parameters_counts_when_the_command_returns() {
    let workplace = Workplace::new(SIX);
    let config = workplace.write("nodes.conf", &NODES.replace("service-agreement = \"agreement.txt\"", ""));
    let script = r#"
participant1.domains.connect_local(mydomain)
mydomain.service.set_max_rate_per_participant(0)
assert(participant1.health.maybe_ping(participant1, timeout = 1.seconds).isEmpty)
mydomain.service.set_max_rate_per_participant(10000)
assert(participant1.health.maybe_ping(participant1).nonEmpty)
val alice = participant1.parties.enable("Alice")
assert(mydomain.parties.list("Alice").map(_.party) == Seq(alice))
"#;
    let finished = workplace.run(&config, script);
    assert!(finished.status.success(), "{}", finished.stderr);
}
