//! Keys, parties and transactions to make requests of.

use std::collections::BTreeSet;

use cantle_protocol::{
    CommonMetadata, ConfirmationPolicy, Contract, ContractId, CreatedContract, DeduplicationPeriod,
    GenTransactionTree, InputContract, MerkleSeq, ParticipantMetadata, Salt, SaltSeed, SubmitterMetadata,
    ViewAction, ViewCommonData, ViewConfirmationParameters, ViewContent, ViewNode, ViewParticipantData,
};
use cantle_types::{CantonTimestamp, DomainId, Member, MemberCode, ParticipantId, PartyId, ProtocolVersion};
use proptest::prelude::*;
use uuid::Uuid;

pub(crate) fn domain() -> DomainId {
    "domain::ns".parse().unwrap()
}

pub(crate) fn mediator() -> Member {
    Member::new(MemberCode::Mediator, domain().uid().clone())
}

pub(crate) fn participant(name: &str) -> ParticipantId {
    ParticipantId::new(format!("{name}::ns").parse().unwrap())
}

pub(crate) fn party(name: &str) -> PartyId {
    format!("{name}::ns").parse().unwrap()
}

pub(crate) fn parties(names: &[&str]) -> BTreeSet<PartyId> {
    names.iter().map(|name| party(name)).collect()
}

pub(crate) fn time(micros: i64) -> CantonTimestamp {
    CantonTimestamp::from_micros(micros).unwrap()
}

/// A shape of nested views: each list, the views directly below.
#[derive(Debug, Clone)]
pub(crate) struct Shape(pub(crate) Vec<Shape>);

impl Shape {
    pub(crate) fn leaf() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn count(&self) -> usize {
        1 + self.0.iter().map(Self::count).sum::<usize>()
    }
}

/// Root views of any shape.
pub(crate) fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let shape = Just(Shape::leaf())
        .prop_recursive(3, 12, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Shape));
    prop::collection::vec(shape, 1..6)
}

pub(crate) fn contract(id: ContractId) -> Contract {
    Contract {
        id,
        instance: b"an instance".to_vec(),
        signatories: parties(&["a"]),
        observers: parties(&["b"]),
        created_at: time(1_700_000_000_000_000),
    }
}

/// A view that creates one contract.
pub(crate) fn create(salt: &Salt) -> ViewContent {
    let contract_id = ContractId::created(salt, 0);
    let created = CreatedContract { contract: contract(contract_id.clone()), consumed_in_core: false };
    ViewContent { inputs: Vec::new(), created: vec![created], action: ViewAction::Create { contract_id } }
}

/// A view that uses up one contract.
pub(crate) fn exercise(contract_id: ContractId) -> ViewContent {
    let input = InputContract { contract: contract(contract_id.clone()), consumed: true };
    let action = ViewAction::Exercise {
        contract_id,
        choice: "Respond".to_owned(),
        argument: vec![1, 2],
        actors: parties(&["b"]),
    };
    ViewContent { inputs: vec![input], created: Vec::new(), action }
}

fn view(shape: &Shape, salts: &mut SaltSeed, version: ProtocolVersion) -> ViewNode {
    let parameters = ViewConfirmationParameters::signatory(&parties(&["a"]), &parties(&["b"])).unwrap();
    let common = ViewCommonData::new(&salts.next_salt(), parameters, version).unwrap();
    let salt = salts.next_salt();
    let participant = ViewParticipantData::new(&salt, create(&salt), version).unwrap();
    let below = shape.0.iter().map(|shape| view(shape, salts, version)).collect();
    ViewNode::new(common, participant, MerkleSeq::new(below))
}

/// A transaction with root views of these shapes.
pub(crate) fn transaction(shapes: &[Shape], version: ProtocolVersion) -> GenTransactionTree {
    let mut salts = SaltSeed::random().unwrap();
    let submitter = SubmitterMetadata::new(
        &salts.next_salt(),
        parties(&["a"]),
        "application".to_owned(),
        "command".to_owned(),
        participant("p"),
        Some("submission".to_owned()),
        DeduplicationPeriod::Offset(vec![1, 2, 3]),
        time(2),
    );
    let policy = ConfirmationPolicy::Signatory;
    let common = CommonMetadata::new(&salts.next_salt(), policy, domain(), Uuid::new_v4(), mediator());
    let participants = ParticipantMetadata::new(&salts.next_salt(), time(1), time(0), None);
    let views = shapes.iter().map(|shape| view(shape, &mut salts, version)).collect();
    GenTransactionTree::new(submitter.unwrap(), common.unwrap(), participants.unwrap(), views).unwrap()
}
