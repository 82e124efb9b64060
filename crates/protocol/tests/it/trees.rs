//! View trees: blinding, light trees, reconstruction, and what must not pass for a tree.

use std::collections::HashSet;

use cantle_protocol::{
    ContractId, Direction, FullInformeeTree, InformeeMessage, LightTransactionViewTree, MerkleSeqIndex,
    ParseError, ProtocolMessage, Salt, ViewAction, ViewParticipantData, ViewPosition, reconstruct,
};
use cantle_types::ProtocolVersion;
use proptest::prelude::*;

use crate::support::{Shape, create, exercise, parties, shapes, transaction};

fn light_tree(bytes: &[u8], version: ProtocolVersion) -> Result<LightTransactionViewTree, ParseError> {
    LightTransactionViewTree::from_bytes(bytes.to_vec(), version)
}

fn informee_tree(tree: FullInformeeTree, version: ProtocolVersion) -> InformeeMessage {
    let message = ProtocolMessage::Informee(Box::new(InformeeMessage::new(tree, version)));
    let bytes = message.to_bytes(version).unwrap();
    match ProtocolMessage::from_bytes(bytes, version).unwrap() {
        ProtocolMessage::Informee(read) => {
            assert_eq!(ProtocolMessage::Informee(read.clone()), message);
            *read
        }
        other => panic!("not the message that was written: {other:?}"),
    }
}

#[test]
fn positions_are_those_of_the_views() {
    let shape = Shape(vec![Shape::leaf(), Shape::leaf(), Shape::leaf()]);
    let tree = transaction(&[shape, Shape::leaf()], ProtocolVersion::V7);
    let positions: Vec<_> = tree.views().into_iter().map(|(position, _)| position).collect();
    let first = ViewPosition::root(MerkleSeqIndex::new(vec![Direction::Left]));
    let mut expected = vec![first.clone()];
    expected.extend(MerkleSeqIndex::all(3).into_iter().map(|index| first.child(index)));
    expected.push(ViewPosition::root(MerkleSeqIndex::new(vec![Direction::Right])));
    assert_eq!(positions, expected);
}

#[test]
fn the_submitter_is_shown_with_root_views_only() {
    let tree = transaction(&[Shape(vec![Shape::leaf()])], ProtocolVersion::V5);
    let light = tree.light_trees().unwrap();
    assert_eq!(light.len(), 2);
    assert!(light[0].submitter_metadata().is_some());
    assert_eq!(light[0].subview_hashes(), [light[1].view_hash()]);
    assert!(light[1].submitter_metadata().is_none());
    assert!(light[1].subview_hashes().is_empty());
    // The view above the second is shown as the way to it, no more.
    let way = light[1].tree().views();
    assert_eq!(way.len(), 2);
    assert!(way[0].1.common_data().is_blinded() && way[0].1.participant_data().is_blinded());
}

#[test]
fn a_tree_that_was_blinded_is_not_a_whole_transaction() {
    let tree = transaction(&[Shape::leaf(), Shape::leaf()], ProtocolVersion::V5);
    let light = &tree.light_trees().unwrap()[0];
    assert!(light.tree().informee_tree().is_err());
    let mediator_s = tree.informee_tree().unwrap();
    assert!(mediator_s.tree().light_trees().is_err());
    assert!(mediator_s.tree().informee_tree().is_ok());
}

#[test]
fn a_light_tree_of_one_version_is_none_of_the_other() {
    let tree = transaction(&[Shape::leaf()], ProtocolVersion::V5);
    let bytes = tree.light_trees().unwrap()[0].to_bytes();
    assert!(light_tree(&bytes, ProtocolVersion::V5).is_ok());
    assert!(matches!(light_tree(&bytes, ProtocolVersion::V7), Err(ParseError::Version { .. })));
}

#[test]
fn the_same_view_twice_is_refused() {
    let tree = transaction(&[Shape::leaf()], ProtocolVersion::V7);
    let (_, view) = tree.views().remove(0);
    let (submitter, participants) = (tree.submitter_metadata(), tree.participant_metadata());
    let twice = cantle_protocol::GenTransactionTree::new(
        submitter.unblinded().unwrap().clone(),
        tree.common_metadata().clone(),
        participants.unblinded().unwrap().clone(),
        vec![view.clone(), view.clone()],
    );
    assert!(matches!(twice, Err(ParseError::Rule { rule: "no hash occurs twice in a tree", .. })));
}

#[test]
fn views_without_those_below_stay_incomplete() {
    let tree = transaction(&[Shape(vec![Shape::leaf(), Shape::leaf()])], ProtocolVersion::V7);
    let mut light = tree.light_trees().unwrap();
    light.remove(2);
    light.push(light[1].clone());
    let (parent, child) = (light[0].view_hash(), light[1].view_hash());
    let result = reconstruct(light);
    assert_eq!(result.views.len(), 1);
    assert_eq!(result.views[0].light().view_hash(), child);
    assert_eq!(result.incomplete, [parent]);
    assert_eq!(result.duplicates, [child]);
}

#[test]
fn nested_too_deep_is_refused() {
    let deep = |depth| (0..depth).fold(Shape::leaf(), |below, _| Shape(vec![below]));
    let fits = transaction(&[deep(20)], ProtocolVersion::V7);
    for light in fits.light_trees().unwrap() {
        assert_eq!(light_tree(&light.to_bytes(), ProtocolVersion::V7).unwrap(), light);
    }
    let too_deep = transaction(&[deep(60)], ProtocolVersion::V7);
    let last = too_deep.light_trees().unwrap().pop().unwrap();
    assert!(matches!(light_tree(&last.to_bytes(), ProtocolVersion::V7), Err(ParseError::Rule { .. })));
}

#[test]
fn what_a_view_does_is_read_back() {
    for version in ProtocolVersion::ALL {
        let tree = transaction(&[Shape::leaf()], version);
        let light = light_tree(&tree.light_trees().unwrap()[0].to_bytes(), version).unwrap();
        let content = light.participant_data().content().unwrap();
        assert_eq!(content.created.len(), 1);
        assert!(matches!(content.action, ViewAction::Create { .. }));
    }
}

#[test]
fn content_that_contradicts_itself_is_refused() {
    let salt = Salt::from_bytes([1; 32]);
    let other = Salt::from_bytes([2; 32]);
    let new = |content| ViewParticipantData::new(&salt, content, ProtocolVersion::V7);
    assert!(new(create(&salt)).is_ok());
    // The id of a created contract follows from the salt, and no other contract can have it.
    assert!(new(create(&other)).is_err());
    let id = ContractId::created(&other, 0);
    assert!(new(exercise(id.clone())).is_ok());
    let mut unused = exercise(id.clone());
    unused.inputs.clear();
    assert!(new(unused).is_err());
    let mut twice = exercise(id.clone());
    twice.inputs.push(twice.inputs[0].clone());
    assert!(new(twice).is_err());
    let mut nobody = exercise(id.clone());
    nobody.inputs[0].contract.signatories.clear();
    assert!(new(nobody).is_err());
    let mut both = exercise(id);
    both.inputs[0].contract.observers = parties(&["a"]);
    assert!(new(both).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn blinding_keeps_the_root_hash(shapes in shapes(), newer: bool) {
        let version = if newer { ProtocolVersion::V7 } else { ProtocolVersion::V5 };
        let tree = transaction(&shapes, version);
        let count: usize = shapes.iter().map(Shape::count).sum();
        prop_assert_eq!(tree.views().len(), count);

        let mediator_s = informee_tree(tree.informee_tree().unwrap(), version);
        prop_assert_eq!(mediator_s.root_hash(), tree.root_hash());
        let positions: Vec<_> = tree.views().into_iter().map(|(position, _)| position).collect();
        let seen: Vec<_> = mediator_s.tree().views().into_iter().map(|(position, _)| position).collect();
        prop_assert_eq!(&seen, &positions);

        let light = tree.light_trees().unwrap();
        prop_assert_eq!(light.len(), count);
        for (tree_of_view, (position, view)) in light.iter().zip(tree.views()) {
            prop_assert_eq!(tree_of_view.root_hash(), tree.root_hash());
            prop_assert_eq!(tree_of_view.position(), &position);
            prop_assert_eq!(tree_of_view.view_hash(), view.view_hash());
            prop_assert_eq!(&light_tree(&tree_of_view.to_bytes(), version).unwrap(), tree_of_view);
            prop_assert_eq!(&ViewPosition::from_proto(&position.to_proto()).unwrap(), &position);
        }
    }

    #[test]
    fn whole_views_are_put_together_from_light_trees(shapes in shapes(), rotation in 0_usize..20) {
        let tree = transaction(&shapes, ProtocolVersion::V7);
        let mut light = tree.light_trees().unwrap();
        let middle = rotation % light.len();
        light.rotate_left(middle);
        let result = reconstruct(light);
        prop_assert!(result.incomplete.is_empty() && result.duplicates.is_empty());
        let originals = tree.views();
        prop_assert_eq!(result.views.len(), originals.len());
        for full in &result.views {
            let original = originals.iter().find(|(position, _)| position == full.position()).unwrap();
            prop_assert_eq!(full.view(), original.1);
            prop_assert!(full.view().is_fully_unblinded());
        }
        let mut seen = HashSet::new();
        for full in &result.views {
            let parent = full.position().parent();
            prop_assert!(parent.is_none_or(|parent| seen.contains(&parent)));
            seen.insert(full.position().clone());
        }
    }
}
