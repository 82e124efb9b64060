//! The part of a view that only its participants see: contracts and the action.
//!
//! Invariant: the wrapped bytes are made once, or kept as they came; they are what is hashed. Content that is not
//! Cantle's own is carried, not understood.

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

/// The part of a view that only its participants see.
#[derive(Debug, Clone)]
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

/// The version of the message at a protocol version.
fn proto_version(version: ProtocolVersion) -> i32 {
    match version {
        ProtocolVersion::V5 => 3,
        ProtocolVersion::V7 => 5,
    }
}
