//! No text makes a parser panic, and what is accepted is written back unchanged.

use cantle_types::{
    DomainId, DomainManagerId, Fingerprint, Identifier, KeyName, MediatorId, Member, Namespace, NodeName,
    ParticipantId, PartyId, SequencerId, TopologyElementId, UniqueIdentifier,
};
use proptest::prelude::*;

/// Texts near the syntax, so that many are accepted, and wholly arbitrary ones.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9:\\-_ ]{0,300}",
        "(PAR|MED|xx|)(::)?[a-c: ]{0,6}:{0,4}[a-c: ]{0,6}",
        any::<String>()
    ]
}

proptest! {
    #[test]
    fn accepted_texts_are_kept(text in text()) {
        macro_rules! kept {
            ($($kind:ty),*) => { $(
                if let Ok(value) = text.parse::<$kind>() {
                    prop_assert_eq!(value.as_str(), text.as_str());
                    prop_assert_eq!(value.to_string(), text.as_str());
                }
            )* };
        }
        kept!(Fingerprint, Namespace, Identifier, UniqueIdentifier, Member, DomainId, PartyId, ParticipantId);
        kept!(MediatorId, SequencerId, DomainManagerId);
        kept!(KeyName, TopologyElementId, NodeName);
    }

    #[test]
    fn parts_of_a_unique_identifier_survive_its_text(identifier in "[a-c:\\-_ ]{1,6}", namespace in "[a-c:]{1,6}") {
        let parts = (identifier.parse::<Identifier>(), namespace.parse::<Namespace>());
        if let (Ok(identifier), Ok(namespace)) = parts {
            let uid = UniqueIdentifier::new(identifier, namespace);
            let again: UniqueIdentifier = uid.as_str().parse().unwrap();
            prop_assert_eq!(again.identifier(), uid.identifier());
            prop_assert_eq!(again.namespace(), uid.namespace());
        }
    }
}
