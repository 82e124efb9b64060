//! Transactions that Canton 2.10's code wrote on chosen inputs, byte for byte.

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPublicKey, PublicKey, Signature, SigningKeyScheme,
    SigningPublicKey,
};
use cantle_topology::{
    DomainParametersChange, DynamicDomainParameters, MappingError, NamespaceDelegation, OwnerToKeyMapping,
    Packages, ParticipantPermission, PartyToParticipant, RequestSide, SignedTopologyTransaction,
    TopologyChangeOp, TopologyMapping, TopologyTransaction,
};
use cantle_types::{
    DomainId, Member, MemberCode, ParticipantId, ProtocolVersion, TopologyElementId, UniqueIdentifier,
};
use serde_json::Value;

struct Vectors(Value);

impl Vectors {
    fn load() -> Self {
        Self(serde_json::from_str(include_str!("../fixtures/canton-2.10-vectors.json")).unwrap())
    }

    fn input(&self, name: &str) -> &str {
        self.0["inputs"][name].as_str().unwrap()
    }

    fn canton(&self, name: &str) -> &str {
        self.0["canton"][name].as_str().unwrap()
    }

    fn p256(&self) -> SigningPublicKey {
        let bytes = hex::decode(self.input("p256_spki")).unwrap();
        SigningPublicKey::new(CryptoKeyFormat::Der, bytes, SigningKeyScheme::EcDsaP256).unwrap()
    }

    fn p384(&self) -> SigningPublicKey {
        let bytes = hex::decode(self.input("p384_spki")).unwrap();
        SigningPublicKey::new(CryptoKeyFormat::Der, bytes, SigningKeyScheme::EcDsaP384).unwrap()
    }

    fn rsa(&self) -> EncryptionPublicKey {
        let bytes = hex::decode(self.input("rsa_spki_rfc7517_A1")).unwrap();
        EncryptionPublicKey::new(CryptoKeyFormat::Der, bytes, EncryptionKeyScheme::Rsa2048OaepSha256).unwrap()
    }

    fn participant(&self) -> UniqueIdentifier {
        self.input("participant_uid").parse().unwrap()
    }

    fn element_id(&self) -> TopologyElementId {
        self.input("element_id").parse().unwrap()
    }

    fn owner_to_key(&self, key: PublicKey) -> TopologyMapping {
        let owner = Member::new(MemberCode::Participant, self.participant());
        TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key })
    }

    fn transaction(&self, op: TopologyChangeOp, mapping: TopologyMapping) -> TopologyTransaction {
        TopologyTransaction::new(op, self.element_id(), mapping, ProtocolVersion::V5).unwrap()
    }

    fn assert_written(&self, transaction: &TopologyTransaction, name: &str, hash: Option<&str>) {
        assert_eq!(hex::encode(transaction.bytes()), self.canton(name), "{name}");
        if let Some(hash) = hash {
            assert_eq!(transaction.hash().to_hex(), self.canton(hash), "{hash}");
        }
        let read = TopologyTransaction::from_bytes(transaction.bytes()).unwrap();
        assert_eq!(read.mapping(), transaction.mapping(), "{name}");
        assert_eq!((read.op(), read.element_id()), (transaction.op(), transaction.element_id()), "{name}");
    }
}

#[test]
fn root_certificate_is_canton_s() {
    let vectors = Vectors::load();
    let mapping = TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(vectors.p256()));
    let added = vectors.transaction(TopologyChangeOp::Add, mapping);
    vectors.assert_written(&added, "NSD tx pv5", Some("NSD hashToSign pv5"));
    let removed = added.reverse().unwrap();
    vectors.assert_written(&removed, "NSD Remove pv5", Some("NSD Remove hashToSign pv5"));
}

#[test]
fn signed_root_certificate_is_canton_s() {
    let vectors = Vectors::load();
    let key = vectors.p256();
    let mapping = TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(key.clone()));
    let transaction = vectors.transaction(TopologyChangeOp::Add, mapping);
    let signature = hex::decode(vectors.input("dummy_signature")).unwrap();
    let signature = Signature::new(signature, key.fingerprint().clone());
    let signed = SignedTopologyTransaction::assemble(transaction, key, signature);
    assert_eq!(hex::encode(signed.bytes()), vectors.canton("Signed NSD pv5"));
    assert_eq!(SignedTopologyTransaction::from_bytes(signed.bytes()).unwrap(), signed);
    assert!(signed.verify().is_err());
}

#[test]
fn owner_to_key_mappings_are_canton_s() {
    let vectors = Vectors::load();
    let signing = vectors.owner_to_key(PublicKey::Signing(vectors.p384()));
    let signing = vectors.transaction(TopologyChangeOp::Add, signing);
    vectors.assert_written(&signing, "OKM tx pv5", Some("OKM hashToSign pv5"));
    let encryption = vectors.owner_to_key(PublicKey::Encryption(vectors.rsa()));
    let encryption = vectors.transaction(TopologyChangeOp::Add, encryption);
    vectors.assert_written(&encryption, "OKM rsa pv5", Some("OKM rsa hashToSign pv5"));
}

#[test]
fn parties_are_canton_s() {
    let vectors = Vectors::load();
    for (name, side, permission) in [
        ("PTP pv5", RequestSide::Both, ParticipantPermission::Submission),
        ("PTP From Observation pv5", RequestSide::From, ParticipantPermission::Observation),
    ] {
        let bytes = hex::decode(vectors.canton(name)).unwrap();
        let read = TopologyTransaction::from_bytes(&bytes).unwrap();
        let TopologyMapping::PartyToParticipant(party) = read.mapping() else { panic!("{name}") };
        assert_eq!((party.side(), party.permission()), (side, permission));
        let participant = ParticipantId::new(vectors.participant());
        let mapping = PartyToParticipant::new(side, party.party().clone(), participant, permission).unwrap();
        let written =
            vectors.transaction(TopologyChangeOp::Add, TopologyMapping::PartyToParticipant(mapping));
        vectors.assert_written(&written, name, None);
    }
}

#[test]
fn default_domain_parameters_are_canton_s() {
    let vectors = Vectors::load();
    let domain: DomainId = vectors.input("domain_uid").parse().unwrap();
    let parameters = DynamicDomainParameters::defaults(ProtocolVersion::V5);
    let change = DomainParametersChange { domain: domain.clone(), parameters };
    let transaction = TopologyTransaction::replace(change, ProtocolVersion::V5).unwrap();
    assert_eq!(transaction.element_id().as_str(), domain.as_str());
    vectors.assert_written(
        &transaction,
        "DomainParametersChange default values tx pv5",
        Some("DPC hashToSign pv5"),
    );
}

#[test]
fn check_only_packages_need_protocol_version_7() {
    let vectors = Vectors::load();
    let packages = Packages::from_fields(vectors.input("participant_uid"), &["main".to_owned()]).unwrap();
    let mapping = TopologyMapping::CheckOnlyPackages(packages);
    let error = TopologyTransaction::add(mapping.clone(), ProtocolVersion::V5).unwrap_err();
    assert!(matches!(error, MappingError::NotInProtocolVersion { version: ProtocolVersion::V5, .. }));
    let transaction = TopologyTransaction::add(mapping, ProtocolVersion::V7).unwrap();
    assert_eq!(TopologyTransaction::from_bytes(transaction.bytes()).unwrap(), transaction);
    assert!(transaction.at_version(ProtocolVersion::V5).is_err());
}

#[test]
fn protocol_version_7_is_version_3_in_the_wrapper() {
    let vectors = Vectors::load();
    let mapping = TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(vectors.p256()));
    let older = vectors.transaction(TopologyChangeOp::Add, mapping);
    let newer = older.at_version(ProtocolVersion::V7).unwrap();
    let (shared, version) = older.bytes().split_at(older.bytes().len() - 1);
    assert_eq!(version, [1]);
    assert_eq!(newer.bytes(), [shared, &[3]].concat());
    assert_eq!(newer.element_id(), older.element_id());
    assert_ne!(newer.hash(), older.hash());
}
