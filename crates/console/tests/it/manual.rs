//! The procedures of the manual, as the sample scripts have them: what they ask of the nodes.

use cantle_console::NodeKind;

use crate::fake::{Setup, network};

/// A sample script.
macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../../docs/samples/scripts/", $name))
    };
}

pub(crate) fn distributed() -> Setup {
    network(&[
        (NodeKind::DomainManager, "manager"),
        (NodeKind::Sequencer, "sequencer1"),
        (NodeKind::Mediator, "mediator1"),
        (NodeKind::Participant, "participant1"),
    ])
}

/// A manager with its identity and its domain's rules, as automatic initialization leaves it.
pub(crate) const FOUNDED: &str = r#"
val ns = manager.keys.secret.generate_signing_key("manager-namespace").fingerprint
val uid = manager.topology.init_id("manager", ns)
manager.topology.namespace_delegations.authorize(TopologyChangeOp.Add, ns, ns, isRootDelegation = true)
manager.topology.domain_parameters_changes.authorize(DomainId(uid), DynamicDomainParameters.defaultValues(7), 7)
val own = manager.keys.secret.generate_signing_key("manager-topology-manager-signing")
manager.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, DomainTopologyManagerId(uid), own.fingerprint, own.purpose)
"#;

/// What was asked, without the details.
pub(crate) fn methods(setup: &Setup) -> Vec<String> {
    let asked = setup.asked();
    asked.iter().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn an_embedded_domain_is_founded_by_hand() {
    let mut setup = network(&[(NodeKind::Domain, "mydomain")]);
    setup.run(sample!("domain-manual-init.canton")).unwrap();
    insta::assert_snapshot!(setup.asked().join("\n"));
}

#[test]
fn a_distributed_domain_is_founded_by_hand_from_one_console() {
    let mut setup = distributed();
    setup.run(sample!("distributed-domain-manual-init.canton")).unwrap();
    insta::assert_snapshot!(setup.asked().join("\n"));
}

#[test]
fn a_distributed_domain_is_founded_from_separate_consoles() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    setup.forget();
    let folder = tempfile::tempdir().unwrap();
    let script = sample!("distributed-domain-separate-consoles.canton")
        .replace("domain-files", &folder.path().display().to_string());
    setup.run(&script).unwrap();
    assert_eq!(
        methods(&setup),
        [
            "sequencer1: GenerateSigningKey",
            "sequencer1: InitV1",
            "manager: ImportPublicKey",
            "manager: AuthorizeOwnerToKeyMapping",
            "mediator1: GenerateSigningKey",
            "manager: ImportPublicKey",
            "manager: AuthorizeOwnerToKeyMapping",
            "manager: AuthorizeMediatorDomainState",
            "manager: ListAll",
            "sequencer1: Bootstrap",
            "mediator1: Initialize",
            "manager: Init",
        ]
    );
    assert!(setup.asked().iter().any(|line| line == "sequencer1: Bootstrap \"6 transactions\""));
}

#[test]
fn a_participant_is_connected_in_every_way() {
    let mut setup = network(&[
        (NodeKind::DomainManager, "manager"),
        (NodeKind::Sequencer, "sequencer1"),
        (NodeKind::Sequencer, "sequencer2"),
        (NodeKind::Mediator, "mediator1"),
        (NodeKind::Participant, "participant1"),
    ]);
    setup.run(FOUNDED).unwrap();
    setup.run("participant1.topology.init_id(\"participant1\", \"1220ns\")").unwrap();
    setup.forget();
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("root-ca.crt");
    std::fs::write(&certificate, "PEM").unwrap();
    let script = sample!("connect.canton").replace("root-ca.crt", &certificate.display().to_string());
    let printed = setup.run(&script).unwrap();
    insta::assert_snapshot!(printed);
    insta::assert_snapshot!(setup.asked().join("\n"));
}

#[test]
fn a_permissioned_domain_lets_in_who_is_named() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    setup.run("participant1.topology.init_id(\"participant1\", \"1220ns\")").unwrap();
    setup.run(sample!("permissioned-domain.canton")).unwrap();
}

#[test]
fn all_keys_are_rotated() {
    let mut setup = distributed();
    setup.run(FOUNDED).unwrap();
    setup.run("manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))").unwrap();
    setup
        .run(
            r#"
val ns = participant1.keys.secret.generate_signing_key("participant1-namespace").fingerprint
participant1.topology.namespace_delegations.authorize(TopologyChangeOp.Add, ns, ns, isRootDelegation = true)
participant1.topology.init_id("participant1", ns)
val sign = participant1.keys.secret.generate_signing_key("participant1-signing")
val encrypt = participant1.keys.secret.generate_encryption_key("participant1-encryption")
for key in [sign, encrypt]:
    participant1.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, participant1.id, key.fingerprint, key.purpose)
"#,
        )
        .unwrap();
    setup.forget();
    setup.run(sample!("rotate-keys.canton")).unwrap();
    let asked = setup.asked();
    let names: Vec<&str> = asked.iter().filter_map(|line| line.split("name: \"").nth(1)).collect();
    for base in [
        "participant1-signing",
        "participant1-encryption",
        "manager-topology-manager-signing",
        "sequencer1-signing",
        "mediator1-signing",
    ] {
        let rotated = format!("{base}-rotated-");
        assert!(names.iter().any(|name| name.starts_with(&rotated)), "{base}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.starts_with("participant1-namespace-rotated")), "{names:?}");
    // The namespace's transactions were signed anew by the other key, and withdrawn from the root.
    let renewed = |change: &str, key: &str| {
        asked.iter().filter(|line| line.contains(&format!("change: {change}, signed_by: \"{key}\""))).count()
    };
    assert!(renewed("Add", "1220participant1new5") > 0, "{asked:#?}");
    assert!(renewed("Remove", "1220participant1new0") > 0, "{asked:#?}");
}
