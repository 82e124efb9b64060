//! What topology transactions say, as scripts see it.

use cantle_proto::crypto::v0 as crypto;
use cantle_proto::protocol::v0 as wire;
use cantle_types::{MemberCode, UniqueIdentifier};
use prost::Message;

use super::{Data, Record, enum_constant, ids, namespace, public_key};

/// What `make` makes of the identifier that the text is, else the text.
fn of_uid(text: &str, make: impl Fn(&UniqueIdentifier) -> Data) -> Data {
    text.parse().map_or_else(|_| Data::text(text), |uid| make(&uid))
}

/// An identifier if the text is one, else the text.
pub(crate) fn uid_text(text: &str) -> Data {
    of_uid(text, super::uid_data)
}

pub(crate) fn domain(text: &str) -> Data {
    of_uid(text, ids::domain_id)
}

pub(crate) fn participant(text: &str) -> Data {
    of_uid(text, ids::participant_id)
}

pub(crate) fn party(text: &str) -> Data {
    of_uid(text, ids::party_id)
}

fn signing_key(key: Option<crypto::SigningPublicKey>) -> Data {
    key.map_or(Data::None, |key| public_key(crypto::public_key::Key::SigningPublicKey(key)))
}

pub(crate) fn operation(operation: i32) -> Data {
    let operation = match wire::TopologyChangeOp::try_from(operation) {
        Ok(wire::TopologyChangeOp::Remove) => "Remove",
        Ok(wire::TopologyChangeOp::Replace) => "Replace",
        _ => "Add",
    };
    enum_constant("TopologyChangeOp", operation)
}

fn side(side: i32) -> Data {
    let side = match wire::RequestSide::try_from(side) {
        Ok(wire::RequestSide::Both) => "Both",
        Ok(wire::RequestSide::From) => "From",
        _ => "To",
    };
    enum_constant("RequestSide", side)
}

pub(crate) fn permission(permission: i32) -> Data {
    let permission = match wire::ParticipantPermission::try_from(permission) {
        Ok(wire::ParticipantPermission::Submission) => "Submission",
        Ok(wire::ParticipantPermission::Confirmation) => "Confirmation",
        Ok(wire::ParticipantPermission::Observation) => "Observation",
        _ => "Disabled",
    };
    enum_constant("ParticipantPermission", permission)
}

pub(crate) fn namespace_delegation(item: wire::NamespaceDelegation) -> Data {
    Data::object(Record::new(
        "NamespaceDelegation",
        vec![
            ("namespace", namespace(&item.namespace)),
            ("target", signing_key(item.target_key)),
            ("isRootDelegation", Data::Bool(item.is_root_delegation)),
        ],
    ))
}

pub(crate) fn identifier_delegation(item: wire::IdentifierDelegation) -> Data {
    let fields =
        vec![("identifier", uid_text(&item.unique_identifier)), ("target", signing_key(item.target_key))];
    Data::object(Record::new("IdentifierDelegation", fields))
}

pub(crate) fn owner_to_key_mapping(item: wire::OwnerToKeyMapping) -> Data {
    let owner = ids::member_data(&item.key_owner);
    let key = item.public_key.and_then(|key| key.key).map_or(Data::None, public_key);
    Data::object(Record::new("OwnerToKeyMapping", vec![("owner", owner), ("key", key)]))
}

pub(crate) fn party_to_participant(item: wire::PartyToParticipant) -> Data {
    let fields = vec![
        ("side", side(item.side)),
        ("party", party(&item.party)),
        ("participant", ids::member_data(&item.participant)),
        ("permission", permission(item.permission)),
    ];
    Data::object(Record::new("PartyToParticipant", fields))
}

pub(crate) fn participant_state(item: wire::ParticipantState) -> Data {
    let trust = if item.trust_level == wire::TrustLevel::Vip as i32 { "Vip" } else { "Ordinary" };
    let fields = vec![
        ("side", side(item.side)),
        ("domain", domain(&item.domain)),
        ("participant", participant(&item.participant)),
        ("permission", permission(item.permission)),
        ("trustLevel", enum_constant("TrustLevel", trust)),
    ];
    Data::object(Record::new("ParticipantState", fields))
}

pub(crate) fn mediator_domain_state(item: wire::MediatorDomainState) -> Data {
    let fields = vec![
        ("side", side(item.side)),
        ("domain", domain(&item.domain)),
        ("mediator", of_uid(&item.mediator, |uid| ids::member_id("MediatorId", MemberCode::Mediator, uid))),
    ];
    Data::object(Record::new("MediatorDomainState", fields))
}

fn packages(kind: &'static str, participant: &str, package_ids: Vec<String>) -> Data {
    let ids = package_ids.into_iter().map(Data::text).collect();
    let fields = vec![("participant", self::participant(participant)), ("packageIds", Data::list(ids))];
    Data::object(Record::new(kind, fields))
}

pub(crate) fn vetted_packages(item: wire::VettedPackages) -> Data {
    packages("VettedPackages", &item.participant, item.package_ids)
}

pub(crate) fn check_only_packages(item: wire::CheckOnlyPackages) -> Data {
    packages("CheckOnlyPackages", &item.participant, item.package_ids)
}

/// The claim inside is read as far as it can be: who it is about, and the certificate.
pub(crate) fn signed_legal_identity_claim(item: wire::SignedLegalIdentityClaim) -> Data {
    let inner = cantle_proto::versioned::unwrap(&item.claim).ok();
    let inner = inner.and_then(|(bytes, _)| wire::LegalIdentityClaim::decode(bytes.as_slice()).ok());
    let (uid, certificate) = match inner {
        Some(wire::LegalIdentityClaim { unique_identifier, evidence }) => {
            let pem = evidence.map(|wire::legal_identity_claim::Evidence::X509Cert(pem)| Data::bytes(pem));
            (uid_text(&unique_identifier), pem.unwrap_or(Data::None))
        }
        None => (Data::None, Data::None),
    };
    let signed_by = item.signature.map_or(Data::None, |signature| super::fingerprint(&signature.signed_by));
    let fields = vec![("uid", uid), ("certificate", certificate), ("signedBy", signed_by)];
    Data::object(Record::new("SignedLegalIdentityClaim", fields))
}
