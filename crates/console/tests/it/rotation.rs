//! Rotation on nodes that have a topology of their own, and on those that have not.

use cantle_console::NodeKind;

use crate::fake::network;
use crate::manual::{FOUNDED, distributed};

#[test]
fn the_domain_manager_may_be_named_first_last_or_between() {
    for order in [
        "manager, k, \"kms2\", \"n\"",
        "k, \"kms2\", manager, \"n\"",
        "k, \"kms2\", \"n\", manager",
        "k, \"kms2\", name = \"n\", domainManagerRef = manager",
    ] {
        let mut setup = distributed();
        setup.run(FOUNDED).unwrap();
        setup.run("manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))").unwrap();
        setup.forget();
        setup
            .run(&format!("val k = sequencer1.keys.secret.list().head.publicKey.fingerprint\nval new = sequencer1.keys.secret.rotate_kms_node_key({order})\nassert(new.fingerprint == \"1220kms2\")"))
            .unwrap();
        let asked = setup.asked();
        let changes: Vec<&String> =
            asked.iter().filter(|line| line.contains("AuthorizeOwnerToKeyMapping")).collect();
        assert_eq!(changes.len(), 2, "{asked:#?}");
        assert!(
            changes[0].starts_with("manager: ")
                && changes[0].contains("change: Add")
                && changes[0].contains("1220kms2")
        );
        assert!(
            changes[1].contains("change: Remove") && changes[1].contains("1220sequencer1new0"),
            "{changes:?}"
        );
        assert!(asked.iter().any(
            |line| line.starts_with("sequencer1: RegisterKmsSigningKey") && line.contains("name: \"n\"")
        ));
        assert!(asked.iter().any(|line| line.starts_with("manager: ImportPublicKey")));
    }
}

#[test]
fn without_the_domain_manager_the_error_asks_for_it() {
    let mut setup = distributed();
    let error = setup.run("mediator1.keys.secret.rotate_node_keys()").unwrap_err();
    assert!(
        error.cause.contains("`domainManagerRef` is missing: this node's topology is managed by another one"),
        "{error}"
    );
    let error = setup.run("mediator1.keys.secret.rotate_node_keys(participant1)").unwrap_err();
    assert!(error.cause.contains("must name nodes among the domains and domain managers"), "{error}");
}

#[test]
fn a_key_that_three_members_share_is_replaced_for_all_of_them() {
    let mut setup = network(&[(NodeKind::Domain, "mydomain")]);
    setup.run(include_str!("../../../../docs/samples/scripts/domain-manual-init.canton")).unwrap();
    setup.forget();
    setup.run("mydomain.keys.secret.rotate_node_keys()").unwrap();
    let asked = setup.asked();
    let made = asked.iter().filter(|line| line.contains("GenerateSigningKey")).count();
    let change =
        |change: &str| asked.iter().filter(|line| line.contains(&format!("change: {change}"))).count();
    assert_eq!((made, change("Add"), change("Remove")), (1, 3, 3), "{asked:#?}");
}

#[test]
fn a_namespace_key_is_not_rotated() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    let error = setup.run("manager.keys.secret.rotate_node_key(ns)").unwrap_err();
    assert!(error.cause.contains("A namespace key is not rotated"), "{error}");
    assert!(error.cause.contains("1220managernew1 (manager-topology-manager-signing)"), "{error}");
}

#[test]
fn what_one_key_authorized_is_renewed_by_another_that_may() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    let error = setup.run("val other = manager.keys.secret.generate_signing_key(\"other\").fingerprint\nmanager.topology.all.renew(ns, other)").unwrap_err();
    assert!(error.cause.contains("may not act for the namespace"), "{error}");
    setup.run("manager.topology.namespace_delegations.authorize(TopologyChangeOp.Add, ns, other)").unwrap();
    setup.forget();
    setup.run("manager.topology.all.renew(ns, other)").unwrap();
    let asked: Vec<String> =
        setup.asked().into_iter().filter(|line| line.starts_with("manager: Authorize")).collect();
    // The root certificate and what lets the other key act stay as they are.
    insta::assert_snapshot!(asked.join("\n"));
    setup.run("val third = manager.keys.secret.generate_signing_key(\"third\").fingerprint\nmanager.topology.namespace_delegations.authorize(TopologyChangeOp.Add, ns, third, signedBy = Some(ns))").unwrap();
    let error = setup.run("manager.topology.all.renew(ns, other)").unwrap_err();
    assert!(error.cause.contains("takes a root delegation of its own"), "{error}");
}
