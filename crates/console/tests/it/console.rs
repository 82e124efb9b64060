//! The interactive side: values are shown, names stay, help and completion.

use crate::fake::console;

#[test]
fn values_are_shown_and_names_stay() {
    let mut setup = console();
    let shown = setup.lines(&[
        "val key = participant1.keys.secret.generate_signing_key(name = \"a\")",
        "key",
        "key.fingerprint",
        "key.purpose -> 1",
        "participant1",
        "participant1.keys.secret.list",
        "\"text\"",
        "nonsense",
        "x = [1, 2]",
        "x",
        "participant1.health.status",
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn names_complete_without_asking_the_node() {
    let setup = console();
    assert_eq!(setup.session.complete("participant1.keys.se"), (18, vec!["secret".to_owned()]));
    assert_eq!(
        setup.session.complete("val x = participant1.keys.secret.register_kms_s").1,
        ["register_kms_signing_key"]
    );
    assert_eq!(
        setup.session.complete("TopologyChangeOp.").1,
        ["Add", "AddRemove", "Positive", "Remove", "Replace"]
    );
    assert!(setup.session.complete("part").1.contains(&"participants".to_owned()));
    assert_eq!(setup.session.complete("participant1.id.").1, Vec::<String>::new());
    assert_eq!(setup.session.complete("é(nothing.").1, Vec::<String>::new());
    assert!(setup.asked().is_empty());
}

#[test]
fn help_shows_signatures() {
    let mut setup = console();
    let shown = setup.lines(&[
        "help(participant1.keys.secret.register_kms_signing_key)",
        "participant1.topology.synchronisation.help()",
        "help(ParticipantId)",
        "help()",
    ]);
    insta::assert_snapshot!(shown);
}
