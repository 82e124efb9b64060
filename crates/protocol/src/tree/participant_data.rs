//! The part of a view that only its participants see: contracts and the action.
//!
//! Invariant: the wrapped bytes are made once, or kept as they came; they are what is hashed. Content that is not
//! Cantle's own is carried, not understood.

use std::fmt;

use bytes::Bytes;
use cantle_crypto::HashPurpose;
use cantle_proto::protocol::v5;
use cantle_types::ProtocolVersion;

use super::content::{LANGUAGE, ViewContent, language};
use super::leaf::{LeafBytes, leaf};
use super::salt::Salt;
use crate::error::ParseError;
use crate::wire::{decode_shared, unwrap_shared, wrap};

const MESSAGE: &str = "ViewParticipantData";

/// The part of a view that only its participants see. It prints its hash alone.
#[derive(Clone)]
pub struct ViewParticipantData {
    content: Option<ViewContent>,
    pub(super) leaf: LeafBytes,
}

leaf!(ViewParticipantData);

impl ViewParticipantData {
    /// The participant data of a view of Cantle's own.
    ///
    /// # Errors
    /// When the content contradicts itself, or the ids of created contracts do not follow from the salt.
    pub fn new(salt: &Salt, content: ViewContent, version: ProtocolVersion) -> Result<Self, ParseError> {
        content.check(salt)?;
        let bytes: Bytes = wrap(&content.to_proto(salt), proto_version(version)).into();
        let leaf = LeafBytes::new(HashPurpose::ViewParticipantData, salt, bytes);
        Ok(Self { content: Some(content), leaf })
    }

    pub(super) fn from_bytes(bytes: Bytes, version: ProtocolVersion) -> Result<Self, ParseError> {
        let data = unwrap_shared(MESSAGE, bytes.clone(), proto_version(version))?;
        let message: v5::ViewParticipantData = decode_shared(MESSAGE, data)?;
        let salt = Salt::from_proto(MESSAGE, message.salt.as_ref())?;
        let leaf = LeafBytes::new(HashPurpose::ViewParticipantData, &salt, bytes);
        let ours = language(message.action_description.as_ref()) == LANGUAGE;
        let content = if ours { Some(ViewContent::from_proto(message, &salt)?) } else { None };
        Ok(Self { content, leaf })
    }

    /// What the view does; nothing when that is said in a language that is not Cantle's own.
    #[must_use]
    pub fn content(&self) -> Option<&ViewContent> {
        self.content.as_ref()
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.leaf.bytes
    }
}

impl fmt::Debug for ViewParticipantData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in views concerns their informees, and not whoever reads logs.
        f.debug_struct("ViewParticipantData").field("hash", &self.leaf.hash).finish_non_exhaustive()
    }
}

/// The version of the message at a protocol version.
fn proto_version(version: ProtocolVersion) -> i32 {
    match version {
        ProtocolVersion::V5 => 3,
        ProtocolVersion::V7 => 5,
    }
}

#[cfg(test)]
mod tests {
    use cantle_proto::protocol::v0::action_description::CreateActionDescription;
    use cantle_proto::protocol::v4::action_description::{Description, FetchActionDescription};
    use cantle_proto::protocol::{v1, v2, v4};

    use super::*;

    fn salt() -> Salt {
        Salt::from_bytes([9; 32])
    }

    /// A view that creates a contract with a key, as a Daml engine says it.
    fn daml(version: &str) -> v5::ViewParticipantData {
        let key = v1::GlobalKey { template_id: vec![1], key: vec![2], package_name: String::new() };
        let metadata = v1::Metadata { key: Some(key.clone()), ..v1::Metadata::default() };
        let contract = v2::SerializableContract {
            contract_id: "00ab".to_owned(),
            raw_contract_instance: vec![3],
            metadata: Some(metadata),
            ..v2::SerializableContract::default()
        };
        let create = CreateActionDescription {
            contract_id: "00ab".to_owned(),
            node_seed: vec![4; 32],
            version: version.to_owned(),
        };
        v5::ViewParticipantData {
            salt: Some(salt().to_proto()),
            created_core: vec![v2::CreatedContract {
                contract: Some(contract),
                ..v2::CreatedContract::default()
            }],
            resolved_keys: vec![v1::ResolvedKey { key: Some(key), resolution: None }],
            action_description: Some(v4::ActionDescription {
                description: Some(Description::Create(create)),
            }),
            ..v5::ViewParticipantData::default()
        }
    }

    #[test]
    fn what_a_daml_engine_says_is_carried_as_it_came() {
        for version in ProtocolVersion::ALL {
            let mut bytes = wrap(&daml("17"), proto_version(version));
            // A field that nobody knows.
            bytes.extend([0x98, 0x06, 1]);
            let data = ViewParticipantData::from_bytes(bytes.clone().into(), version).unwrap();
            assert_eq!(data.content(), None);
            assert_eq!(data.bytes(), bytes);
            assert_eq!(data.leaf, LeafBytes::new(HashPurpose::ViewParticipantData, &salt(), bytes.into()));
        }
    }

    #[test]
    fn our_language_with_keys_is_refused() {
        let bytes = wrap(&daml(LANGUAGE), proto_version(ProtocolVersion::V7));
        let error = ViewParticipantData::from_bytes(bytes.into(), ProtocolVersion::V7).unwrap_err();
        assert!(matches!(error, ParseError::Unsupported { .. }));
    }

    #[test]
    fn our_language_without_the_contract_is_refused() {
        let fetch = FetchActionDescription {
            input_contract_id: "00ab".to_owned(),
            version: LANGUAGE.to_owned(),
            ..FetchActionDescription::default()
        };
        let message = v5::ViewParticipantData {
            salt: Some(salt().to_proto()),
            action_description: Some(v4::ActionDescription { description: Some(Description::Fetch(fetch)) }),
            ..v5::ViewParticipantData::default()
        };
        let bytes = wrap(&message, proto_version(ProtocolVersion::V5));
        let error = ViewParticipantData::from_bytes(bytes.into(), ProtocolVersion::V5).unwrap_err();
        assert!(matches!(error, ParseError::Rule { .. }));
    }

    #[test]
    fn the_content_is_not_printed() {
        let bytes = wrap(&daml("17"), proto_version(ProtocolVersion::V7));
        let data = ViewParticipantData::from_bytes(bytes.into(), ProtocolVersion::V7).unwrap();
        assert!(format!("{data:?}").starts_with("ViewParticipantData { hash: Hash(1220"));
    }
}
