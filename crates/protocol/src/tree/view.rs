//! A view: its common data, its participant data, and the views below it.

use bytes::Bytes;
use cantle_crypto::Hash;
use cantle_proto::protocol::v1;
use cantle_types::ProtocolVersion;

use super::blindable::{Blindable, Budget, MerkleNode, inner_hash};
use super::common_data::ViewCommonData;
use super::merkle_seq::MerkleSeq;
use super::participant_data::ViewParticipantData;
use crate::error::ParseError;
use crate::view_position::ViewPosition;
use crate::wire::{decode_shared, field, unwrap_shared, wrap};

const MESSAGE: &str = "ViewNode";
/// The version of the message at protocol versions 5 and 7.
const VERSION: i32 = 1;

/// A view, any part of which may be blinded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewNode {
    common_data: Blindable<ViewCommonData>,
    participant_data: Blindable<ViewParticipantData>,
    subviews: MerkleSeq<ViewNode>,
    hash: Hash,
}

impl ViewNode {
    /// The view with these parts.
    #[must_use]
    pub fn new(
        common_data: ViewCommonData,
        participant_data: ViewParticipantData,
        subviews: MerkleSeq<ViewNode>,
    ) -> Self {
        Self::from_parts(Blindable::Unblinded(common_data), Blindable::Unblinded(participant_data), subviews)
    }

    pub(super) fn from_parts(
        common_data: Blindable<ViewCommonData>,
        participant_data: Blindable<ViewParticipantData>,
        subviews: MerkleSeq<ViewNode>,
    ) -> Self {
        let data = [common_data.hash(), participant_data.hash()];
        let children: Vec<_> = data.into_iter().chain(subviews.hash()).collect();
        let hash = inner_hash(children.into_iter());
        Self { common_data, participant_data, subviews, hash }
    }

    /// The part that the mediator sees too.
    #[must_use]
    pub fn common_data(&self) -> &Blindable<ViewCommonData> {
        &self.common_data
    }

    /// The part that only participants see.
    #[must_use]
    pub fn participant_data(&self) -> &Blindable<ViewParticipantData> {
        &self.participant_data
    }

    /// The views below.
    #[must_use]
    pub fn subviews(&self) -> &MerkleSeq<ViewNode> {
        &self.subviews
    }

    /// The hash of the view, the same however much of it is blinded.
    #[must_use]
    pub fn view_hash(&self) -> Hash {
        self.hash
    }

    /// Whether nothing of the view and the views below is blinded.
    #[must_use]
    pub fn is_fully_unblinded(&self) -> bool {
        !self.common_data.is_blinded()
            && !self.participant_data.is_blinded()
            && !self.subviews.has_blinded()
            && self.subviews.unblinded().iter().all(|(_, view)| view.is_fully_unblinded())
    }

    /// The view with other views below; the hash stays if theirs does.
    pub(super) fn with_subviews(&self, subviews: MerkleSeq<ViewNode>) -> Self {
        Self::from_parts(self.common_data.clone(), self.participant_data.clone(), subviews)
    }

    /// The view as the mediator sees it: without what only participants see.
    pub(super) fn for_mediator(&self) -> Self {
        let subviews = self.subviews.map(&Self::for_mediator);
        Self::from_parts(self.common_data.clone(), self.participant_data.blind(), subviews)
    }

    /// Adds the view and those below that can be seen, parents first.
    pub(super) fn collect<'a>(
        &'a self,
        position: ViewPosition,
        found: &mut Vec<(ViewPosition, &'a ViewNode)>,
    ) {
        found.push((position.clone(), self));
        for (index, view) in self.subviews.unblinded() {
            view.collect(position.child(index), found);
        }
    }

    pub(super) fn from_bytes(
        bytes: Bytes,
        budget: &mut Budget,
        version: ProtocolVersion,
    ) -> Result<Self, ParseError> {
        budget.descend(MESSAGE, |budget| {
            let message: v1::ViewNode = decode_shared(MESSAGE, unwrap_shared(MESSAGE, bytes, VERSION)?)?;
            let common =
                Blindable::from_proto(MESSAGE, "view_common_data", message.view_common_data, |bytes| {
                    ViewCommonData::from_bytes(bytes, version)
                })?;
            let participant = Blindable::from_proto(
                MESSAGE,
                "view_participant_data",
                message.view_participant_data,
                |bytes| ViewParticipantData::from_bytes(bytes, version),
            )?;
            let subviews = field(MESSAGE, "subviews").required(message.subviews)?;
            let read = |bytes, budget: &mut Budget| Self::from_bytes(bytes, budget, version);
            let subviews = MerkleSeq::from_proto(subviews, budget, &read)?;
            Ok(Self::from_parts(common, participant, subviews))
        })
    }
}

impl MerkleNode for ViewNode {
    fn hash(&self) -> Hash {
        self.hash
    }

    fn bytes(&self) -> Bytes {
        let message = v1::ViewNode {
            view_common_data: Some(self.common_data.to_proto()),
            view_participant_data: Some(self.participant_data.to_proto()),
            subviews: Some(self.subviews.to_proto()),
        };
        wrap(&message, VERSION).into()
    }

    fn collect_hashes(&self, hashes: &mut Vec<Hash>) {
        hashes.push(self.hash);
        self.common_data.collect_hashes(hashes);
        self.participant_data.collect_hashes(hashes);
        self.subviews.collect_hashes(hashes);
    }
}
