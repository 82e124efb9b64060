//! What the types do beyond accepting a text.

use std::collections::BTreeSet;
use std::time::Duration;

use cantle_types::{
    Clock, DomainAlias, DomainId, DomainManagerId, Fingerprint, Identifier, IdentifierError, KeyName,
    KeyPurpose, ManualClock, MediatorId, Member, MemberCode, Namespace, NodeName, ParticipantId, PartyId,
    ProtocolVersion, SequencerId, SystemClock, TopologyElementId, UniqueIdentifier,
};
use jiff::Timestamp;

const FINGERPRINT: &str = "1220b76d8e8e9e619c1f9ee7abf15fed35e53afa35c1b5b38269cc5dea87e3cc38ce";

fn uid() -> UniqueIdentifier {
    format!("participant1::{FINGERPRINT}").parse().unwrap()
}

#[test]
fn fingerprint_is_shortened_for_people() {
    let fingerprint: Fingerprint = FINGERPRINT.parse().unwrap();
    assert_eq!(fingerprint.short(), "1220b76d8e8e...");
    assert_eq!("default".parse::<Fingerprint>().unwrap().short(), "default");
    assert_eq!("123456789012".parse::<Fingerprint>().unwrap().short(), "123456789012");
}

#[test]
fn unique_identifier_is_the_same_built_and_parsed() {
    let namespace = Namespace::new(FINGERPRINT.parse().unwrap());
    let built = UniqueIdentifier::new("participant1".parse().unwrap(), namespace.clone());
    assert_eq!(built, uid());
    assert_eq!(built.namespace(), &namespace);
    assert_eq!(built.namespace().fingerprint().as_str(), FINGERPRINT);
}

#[test]
fn identifier_refuses_a_last_colon_that_would_join_the_separator() {
    assert_eq!("a:".parse::<Identifier>(), Err(IdentifierError::TrailingColon { what: "identifier" }));
}

#[test]
fn longest_parts_make_the_longest_unique_identifier() {
    let identifier: Identifier = "x".repeat(185).parse().unwrap();
    let uid = UniqueIdentifier::new(identifier, Namespace::new("y".repeat(68).parse().unwrap()));
    assert_eq!(uid.as_str().len(), 255);
    assert_eq!(uid.as_str().parse::<UniqueIdentifier>().unwrap(), uid);
}

#[test]
fn errors_name_the_place_and_the_rule() {
    let error = "a.b::c".parse::<UniqueIdentifier>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the identifier has '.' at position 1, allowed are ASCII letters, digits, `:`, `-`, `_` and space"
    );
    let error = "a::".parse::<UniqueIdentifier>().unwrap_err();
    assert_eq!(error.to_string(), "the namespace is empty, it needs at least one character");
    let error = "x".repeat(250).parse::<UniqueIdentifier>().unwrap_err();
    assert!(error.to_string().len() < 160, "{error}");
}

#[test]
fn participant_is_written_as_a_member_and_a_domain_bare() {
    let participant = ParticipantId::new(uid());
    assert_eq!(participant.to_string(), format!("PAR::{}", uid()));
    assert_eq!(participant.member().code(), MemberCode::Participant);
    assert_eq!(participant.to_string().parse::<ParticipantId>().unwrap(), participant);
    assert_eq!(DomainId::new(uid()).to_string(), uid().to_string());
    assert_eq!(PartyId::from(uid()).uid(), &uid());
}

#[test]
fn the_members_of_a_domain_have_their_codes() {
    assert_eq!(MediatorId::new(uid()).to_string(), format!("MED::{}", uid()));
    assert_eq!(SequencerId::new(uid()).to_string(), format!("SEQ::{}", uid()));
    assert_eq!(DomainManagerId::new(uid()).to_string(), format!("DOM::{}", uid()));
    let member = Member::from(MediatorId::new(uid()));
    assert_eq!(MediatorId::try_from(member.clone()).unwrap().member(), &member);
    assert!(SequencerId::try_from(member).is_err());
    assert_eq!(ParticipantId::new(uid()).admin_party(), PartyId::new(uid()));
}

#[test]
fn participant_is_not_read_from_another_member() {
    assert_eq!(
        "MED::a::c".parse::<ParticipantId>(),
        Err(IdentifierError::WrongMemberCode { expected: "PAR", found: "MED" })
    );
    assert!(uid().as_str().parse::<ParticipantId>().is_err());
}

#[test]
fn every_member_code_round_trips() {
    for code in MemberCode::ALL {
        assert_eq!(code.code().parse(), Ok(code));
        let member = Member::new(code, uid());
        assert_eq!(member.as_str().parse::<Member>().unwrap(), member);
        assert_eq!((member.code(), member.uid()), (code, &uid()));
    }
}

#[test]
fn key_name_counts_as_the_jvm_does() {
    assert!(KeyName::none().is_empty());
    // Two UTF-16 units each.
    assert!("😀".repeat(150).parse::<KeyName>().is_ok());
    assert!("😀".repeat(151).parse::<KeyName>().is_err());
    assert!("ä".repeat(300).parse::<KeyName>().is_ok());
}

#[test]
fn random_element_ids_are_alphanumeric_and_differ() {
    let ids: BTreeSet<_> = (0..100).map(|_| TopologyElementId::random()).collect();
    assert_eq!(ids.len(), 100);
    for id in &ids {
        assert_eq!(id.as_str().len(), 32);
        assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    }
}

#[test]
fn node_names_are_identifiers() {
    assert!("participant-1_a".parse::<NodeName>().is_ok());
    for bad in ["", "a b", "a.b", "a:b", "ä"] {
        assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
    }
}

#[test]
fn domain_aliases_are_any_short_text() {
    assert!("my domain: ä".parse::<DomainAlias>().is_ok());
    assert!("a".repeat(255).parse::<DomainAlias>().is_ok());
    for bad in [String::new(), "a".repeat(256)] {
        assert!(bad.parse::<DomainAlias>().is_err(), "{bad:?}");
    }
}

#[test]
fn protocol_versions_are_five_and_seven() {
    for version in ProtocolVersion::ALL {
        assert_eq!(ProtocolVersion::try_from(version.number()), Ok(version));
        assert_eq!(version.to_string().parse(), Ok(version));
    }
    for deleted in [0, 2, 3, 4, 6, i32::MAX, -1] {
        assert!(ProtocolVersion::try_from(deleted).is_err(), "{deleted}");
    }
    assert!(ProtocolVersion::V5 < ProtocolVersion::V7);
}

#[test]
fn key_purposes_round_trip() {
    for purpose in [KeyPurpose::Signing, KeyPurpose::Encryption] {
        assert_eq!(purpose.as_str().parse(), Ok(purpose));
    }
    assert!("sign".parse::<KeyPurpose>().is_err());
}

#[test]
fn manual_clock_moves_only_when_told() {
    let start = Timestamp::from_second(1_700_000_000).unwrap();
    let clock = ManualClock::new(start);
    assert_eq!(clock.now(), start);
    clock.advance(Duration::from_millis(1500));
    assert_eq!(clock.now().as_millisecond(), start.as_millisecond() + 1500);
    clock.set(start);
    assert_eq!(clock.now(), start);
    clock.advance(Duration::MAX);
    assert_eq!(clock.now(), Timestamp::MAX);
}

#[test]
fn system_clock_is_after_this_was_written() {
    assert!(SystemClock.now() > Timestamp::from_second(1_700_000_000).unwrap());
}
