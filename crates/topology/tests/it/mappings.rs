//! Every kind of mapping: on the wire at both protocol versions, whom it concerns and who must sign.

use cantle_crypto::Signature;
use cantle_proto::protocol::v0;
use cantle_proto::versioned;
use cantle_topology::{
    CatchUpParameters, DomainParametersChange, DynamicDomainParameters, IsRootDelegation, MappingCode,
    MediatorDomainState, Packages, ParticipantPermission, ParticipantState, PartyToParticipant, RequestSide,
    RequiredAuthorization, SignedLegalIdentityClaim, TopologyMapping, TopologyTransaction, TrustLevel,
    required_authorizations,
};
use cantle_types::{DomainId, ParticipantId, PartyId, ProtocolVersion};
use prost::Message;

use crate::support::{delegation, identifier_delegation, key, namespace, owner_to_key, participant, uid};

fn claim() -> TopologyMapping {
    let claim = v0::LegalIdentityClaim {
        unique_identifier: uid("p", 1).to_string(),
        evidence: Some(v0::legal_identity_claim::Evidence::X509Cert(b"a certificate".to_vec())),
    };
    let signature = Signature::new(vec![1, 2, 3], key(5).fingerprint().clone());
    let claim = SignedLegalIdentityClaim::from_parts(versioned::wrap(&claim.encode_to_vec(), 0), signature);
    TopologyMapping::SignedLegalIdentityClaim(claim.unwrap())
}

fn packages() -> Packages {
    let package_ids = vec!["main".parse().unwrap(), "a b-c_D9".parse().unwrap()];
    Packages { participant: ParticipantId::new(uid("p", 1)), package_ids }
}

/// One of each kind, with the identifiers whose signature it needs.
pub(crate) fn every_kind() -> Vec<(TopologyMapping, Vec<&'static str>)> {
    let domain = DomainId::new(uid("d", 2));
    let own = ParticipantId::new(uid("p", 1));
    let party = PartyToParticipant::new(
        RequestSide::To,
        PartyId::new(uid("alice", 3)),
        own.clone(),
        ParticipantPermission::Confirmation,
    );
    let (permission, vip) = (ParticipantPermission::Submission, TrustLevel::Vip);
    let state = ParticipantState::new(RequestSide::Both, domain.clone(), own, permission, vip);
    let mediator =
        MediatorDomainState { side: RequestSide::From, domain: domain.clone(), mediator: uid("m", 1) };
    let parameters = DynamicDomainParameters::defaults(ProtocolVersion::V7);
    vec![
        (TopologyMapping::ParticipantState(state.unwrap()), vec!["d", "p"]),
        (delegation(1, 2, IsRootDelegation::No), vec![]),
        (identifier_delegation("p", 1, 2), vec![]),
        (owner_to_key(participant("p", 1), 2), vec!["p"]),
        (TopologyMapping::PartyToParticipant(party.unwrap()), vec!["p"]),
        (claim(), vec!["p"]),
        (TopologyMapping::VettedPackages(packages()), vec!["p"]),
        (TopologyMapping::DomainParametersChange(DomainParametersChange { domain, parameters }), vec!["d"]),
        (TopologyMapping::MediatorDomainState(mediator), vec!["d"]),
        (TopologyMapping::CheckOnlyPackages(packages()), vec!["p"]),
    ]
}

pub(crate) fn transaction(mapping: TopologyMapping, version: ProtocolVersion) -> TopologyTransaction {
    match mapping {
        TopologyMapping::DomainParametersChange(change) => TopologyTransaction::replace(change, version),
        mapping => TopologyTransaction::add(mapping, version),
    }
    .unwrap()
}

#[test]
fn every_kind_is_read_back_at_protocol_version_7() {
    for (mapping, _) in every_kind() {
        let written = transaction(mapping.clone(), ProtocolVersion::V7);
        let read = TopologyTransaction::from_bytes(written.bytes()).unwrap();
        assert_eq!(read.mapping(), &mapping);
        assert_eq!((read.op(), read.element_id()), (written.op(), written.element_id()));
        assert_eq!(read.unique_path(), written.unique_path());
    }
}

#[test]
fn every_kind_but_one_is_read_back_at_protocol_version_5() {
    let kinds = every_kind().into_iter().map(|(mapping, _)| mapping);
    for mapping in kinds.filter(|mapping| mapping.code() != MappingCode::CheckOnlyPackages) {
        let written = transaction(mapping.clone(), ProtocolVersion::V5);
        let read = TopologyTransaction::from_bytes(written.bytes()).unwrap();
        assert_eq!(read.mapping(), written.mapping());
        if mapping.code() != MappingCode::DomainParametersChange {
            assert_eq!(read.mapping(), &mapping);
        }
    }
}

#[test]
fn a_change_at_another_version_is_the_same_change_in_other_bytes() {
    let versions = [(ProtocolVersion::V5, ProtocolVersion::V7), (ProtocolVersion::V7, ProtocolVersion::V5)];
    for (mapping, _) in every_kind() {
        for (from, to) in versions {
            if mapping.check_version(from).is_err() || mapping.check_version(to).is_err() {
                continue;
            }
            let original = transaction(mapping.clone(), from);
            let removal = if mapping.is_governance() { None } else { Some(original.reverse().unwrap()) };
            for original in [Some(original), removal].into_iter().flatten() {
                let converted = original.at_version(to).unwrap();
                assert_eq!((converted.op(), converted.version()), (original.op(), to));
                assert_eq!(converted.element_id(), original.element_id());
                assert_eq!(converted.unique_path(), original.unique_path());
                assert_ne!(converted.hash(), original.hash());
                assert_eq!(original.at_version(from).unwrap(), original);
                if !mapping.is_governance() {
                    assert_eq!(converted.mapping(), original.mapping());
                    assert_eq!(converted.at_version(from).unwrap(), original);
                }
            }
        }
    }
    let only_newer =
        every_kind().into_iter().find(|(mapping, _)| mapping.check_version(versions[0].0).is_err());
    let only_newer = transaction(only_newer.unwrap().0, ProtocolVersion::V7);
    assert!(only_newer.at_version(ProtocolVersion::V5).is_err());
}

#[test]
fn catch_up_parameters_are_lost_before_protocol_version_6() {
    let parameters = DynamicDomainParameters::defaults(ProtocolVersion::V7);
    assert_eq!(parameters.catch_up, Some(CatchUpParameters { interval_skip: 5, trigger: 2 }));
    let change = DomainParametersChange { domain: DomainId::new(uid("d", 2)), parameters };
    let older = TopologyTransaction::replace(change, ProtocolVersion::V5).unwrap();
    let TopologyMapping::DomainParametersChange(change) = older.mapping() else { panic!("parameters") };
    assert_eq!(change.parameters, DynamicDomainParameters::defaults(ProtocolVersion::V5));
}

#[test]
fn every_kind_names_whose_signature_it_needs() {
    let codes: Vec<_> = every_kind().iter().map(|(mapping, _)| mapping.code()).collect();
    assert_eq!(codes, MappingCode::ALL);
    for (mapping, expected) in every_kind() {
        match required_authorizations(&mapping) {
            RequiredAuthorization::Namespace { namespace: required, root } => {
                assert_eq!(required, namespace(1));
                assert_eq!(root, mapping.code() == MappingCode::NamespaceDelegation);
                assert!(expected.is_empty());
            }
            RequiredAuthorization::Uids(uids) => {
                let uids: Vec<_> = uids.iter().map(|uid| uid.identifier().as_str()).collect();
                assert_eq!(uids, expected, "{}", mapping.code());
            }
        }
    }
}

#[test]
fn two_kinds_are_for_one_domain_only() {
    let restricted = every_kind().into_iter().filter(|(mapping, _)| mapping.restricted_to_domain().is_some());
    let codes: Vec<_> = restricted.map(|(mapping, _)| mapping.code()).collect();
    assert_eq!(codes, [MappingCode::ParticipantState, MappingCode::MediatorDomainState]);
}

#[test]
fn package_ids_are_short_and_plain() {
    for text in ["", &"x".repeat(65), "a.b", "ä"] {
        assert!(Packages::from_fields(uid("p", 1).as_str(), &[text.to_owned()]).is_err(), "{text:?}");
    }
    assert!(Packages::from_fields(uid("p", 1).as_str(), &["x".repeat(64)]).is_ok());
}

#[test]
fn a_claim_without_evidence_is_refused() {
    let TopologyMapping::SignedLegalIdentityClaim(claim) = claim() else { panic!("a claim") };
    assert_eq!(claim.certificate(), b"a certificate");
    assert_eq!(
        claim.hash(),
        cantle_crypto::digest(cantle_crypto::HashPurpose::LegalIdentityClaim, claim.claim())
    );
    let empty = v0::LegalIdentityClaim { unique_identifier: uid("p", 1).to_string(), evidence: None };
    let bytes = empty.encode_to_vec();
    for bytes in [versioned::wrap(&bytes, 0), versioned::wrap(&bytes, 1), bytes] {
        assert!(SignedLegalIdentityClaim::from_parts(bytes, claim.signature().clone()).is_err());
    }
}
