//! A domain's parameters: read, changed, kept from harm.

use crate::manual::{FOUNDED, distributed};

#[test]
fn parameters_are_read_by_their_names() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    let printed = setup
        .run(
            r#"
println(manager.service.get_static_domain_parameters)
println(manager.service.get_dynamic_domain_parameters)
println(manager.service.get_reconciliation_interval, manager.service.get_max_rate_per_participant, manager.service.get_max_request_size)
"#,
        )
        .unwrap();
    insta::assert_snapshot!(printed);
}

#[test]
fn one_parameter_changes_and_the_others_stay() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    setup
        .run(
            r#"
val before = manager.service.get_dynamic_domain_parameters
manager.service.set_max_request_size(20000000)
manager.service.set_reconciliation_interval(30.minutes)
manager.service.set_mediator_deduplication_timeout(Duration.ofSeconds(300))
manager.service.update_dynamic_parameters(x => x.copy(topologyChangeDelay = 0.millis))
val after = manager.service.get_dynamic_domain_parameters
assert(after == before.copy(maxRequestSize = 20000000, reconciliationInterval = 30.minutes, mediatorDeduplicationTimeout = 5.minutes, topologyChangeDelay = Duration.Zero))
manager.service.set_dynamic_domain_parameters(before)
assert(manager.service.get_dynamic_domain_parameters == before)
"#,
        )
        .unwrap();
}

#[test]
fn a_parameter_that_would_do_harm_needs_force() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    let error = setup.run("manager.service.set_max_request_size(100)").unwrap_err();
    assert!(error.cause.contains("write `force = true`"), "{error}");
    setup.run("manager.service.set_max_request_size(100, force = true)").unwrap();
    let error = setup
        .run("manager.service.update_dynamic_domain_parameters(_.update(maxRequestSize = \"big\"))")
        .unwrap_err();
    assert!(error.cause.contains("maxRequestSize"), "{error}");
    let error = setup.run("manager.service.update_dynamic_domain_parameters(x => 3)").unwrap_err();
    assert!(error.cause.contains("must be dynamic domain parameters"), "{error}");
}

#[test]
fn a_longer_tolerance_needs_a_longer_memory_of_the_mediator() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    let error = setup.run("manager.service.set_ledger_time_record_time_tolerance(61.seconds)").unwrap_err();
    assert!(error.cause.contains("set_mediator_deduplication_timeout"), "{error}");
    setup.run("manager.service.set_ledger_time_record_time_tolerance(60.seconds)").unwrap();
    setup.run("manager.service.set_ledger_time_record_time_tolerance(90.seconds, force = true)").unwrap();
    setup.run("assert(manager.service.get_dynamic_domain_parameters.ledgerTimeRecordTimeTolerance == 90.seconds)").unwrap();
}
