//! The tree of a transaction as it is sent to the informees of one view.
//!
//! It shows the view itself and the way to it; the views below are hashes, which the receiver fills in with the light
//! trees that it gets of those.
//! Invariants: exactly one view can be seen; the metadata of the submitter can be seen just when the view is a root view;
//! the hashes of the views below are those that the tree says.

use bytes::Bytes;
use cantle_crypto::Hash;
use cantle_proto::protocol::v1;
use cantle_types::ProtocolVersion;

use super::blindable::Blindable;
use super::common_data::ViewCommonData;
use super::merkle_seq::MerkleSeq;
use super::metadata::{CommonMetadata, ParticipantMetadata, SubmitterMetadata};
use super::participant_data::ViewParticipantData;
use super::transaction_tree::GenTransactionTree;
use super::view::ViewNode;
use crate::error::ParseError;
use crate::view_position::{MerkleSeqIndex, ViewPosition};
use crate::wire::{decode_shared, field, unwrap_shared, wrap};

const MESSAGE: &str = "LightTransactionViewTree";
/// The version of the message at protocol versions 5 and 7.
const VERSION: i32 = 1;

/// A transaction as the informees of one view see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightTransactionViewTree {
    tree: GenTransactionTree,
    subview_hashes: Vec<Hash>,
    position: ViewPosition,
    view: ViewNode,
    common_data: ViewCommonData,
    participant_data: ViewParticipantData,
    participant_metadata: ParticipantMetadata,
}

impl LightTransactionViewTree {
    /// The light tree of the view at `position`.
    ///
    /// # Errors
    /// When there is no such view, or it cannot be seen.
    pub(super) fn of(tree: &GenTransactionTree, position: &ViewPosition) -> Result<Self, ParseError> {
        let unseen = || ParseError::Rule { message: MESSAGE, rule: "the view is there and not blinded" };
        let mut subview_hashes = Vec::new();
        let root_views =
            only(tree.root_views(), position.indices(), &mut subview_hashes).ok_or_else(unseen)?;
        let submitter = if position.is_root() {
            tree.submitter_metadata().clone()
        } else {
            tree.submitter_metadata().blind()
        };
        let light = GenTransactionTree::from_parts(
            submitter,
            tree.common_metadata().clone(),
            tree.participant_metadata().clone(),
            root_views,
        );
        Self::new(light, subview_hashes)
    }

    fn new(tree: GenTransactionTree, subview_hashes: Vec<Hash>) -> Result<Self, ParseError> {
        let rule = |rule| ParseError::Rule { message: MESSAGE, rule };
        let seen = tree.views().into_iter().filter_map(|(position, view)| {
            let shows_something = !view.common_data().is_blinded() || !view.participant_data().is_blinded();
            shows_something.then(|| (position, view.clone()))
        });
        let seen: Vec<_> = seen.collect();
        let [(position, view)] = <[_; 1]>::try_from(seen).map_err(|_| rule("it shows exactly one view"))?;
        let (Blindable::Unblinded(common_data), Blindable::Unblinded(participant_data)) =
            (view.common_data().clone(), view.participant_data().clone())
        else {
            return Err(rule("it shows the common and the participant data of its view"));
        };
        if !view.subviews().unblinded().is_empty() {
            return Err(rule("it does not show the views below"));
        }
        let hashes = subview_hashes.iter().copied().map(Blindable::Blinded).collect();
        if MerkleSeq::<ViewNode>::from_blindable(hashes).hash() != view.subviews().hash() {
            return Err(rule("the hashes of the views below are those of the tree"));
        }
        if tree.submitter_metadata().is_blinded() == position.is_root() {
            return Err(rule("it shows the metadata of the submitter just when its view is a root view"));
        }
        let Blindable::Unblinded(participant_metadata) = tree.participant_metadata().clone() else {
            return Err(rule("it shows the metadata of participants"));
        };
        Ok(Self { tree, subview_hashes, position, view, common_data, participant_data, participant_metadata })
    }

    /// The root hash of the transaction.
    #[must_use]
    pub fn root_hash(&self) -> Hash {
        self.tree.root_hash()
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &GenTransactionTree {
        &self.tree
    }

    /// The hash of the view.
    #[must_use]
    pub fn view_hash(&self) -> Hash {
        self.view.view_hash()
    }

    /// Where the view stands.
    #[must_use]
    pub fn position(&self) -> &ViewPosition {
        &self.position
    }

    /// The view, the views below it blinded.
    #[must_use]
    pub fn view(&self) -> &ViewNode {
        &self.view
    }

    /// Who is concerned, and who must confirm.
    #[must_use]
    pub fn common_data(&self) -> &ViewCommonData {
        &self.common_data
    }

    /// What the view does.
    #[must_use]
    pub fn participant_data(&self) -> &ViewParticipantData {
        &self.participant_data
    }

    /// The hashes of the views directly below, in their order.
    #[must_use]
    pub fn subview_hashes(&self) -> &[Hash] {
        &self.subview_hashes
    }

    /// Who submits; only of root views.
    #[must_use]
    pub fn submitter_metadata(&self) -> Option<&SubmitterMetadata> {
        self.tree.submitter_metadata().unblinded()
    }

    /// What all may know.
    #[must_use]
    pub fn common_metadata(&self) -> &CommonMetadata {
        self.tree.common_metadata()
    }

    /// What all participants may know.
    #[must_use]
    pub fn participant_metadata(&self) -> &ParticipantMetadata {
        &self.participant_metadata
    }

    /// The wrapped bytes, which are compressed and encrypted.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let message = v1::LightTransactionViewTree {
            tree: Some(self.tree.to_proto()),
            subview_hashes: self.subview_hashes.iter().map(|hash| hash.evidence().to_vec()).collect(),
        };
        wrap(&message, VERSION)
    }

    /// Reads wrapped bytes of this protocol version.
    ///
    /// # Errors
    /// When they are not a light tree, or one that shows too much or too little.
    pub fn from_bytes(bytes: impl Into<Bytes>, version: ProtocolVersion) -> Result<Self, ParseError> {
        let data = unwrap_shared(MESSAGE, bytes.into(), VERSION)?;
        let message: v1::LightTransactionViewTree = decode_shared(MESSAGE, data)?;
        let hashes = message.subview_hashes.iter().map(|hash| field(MESSAGE, "subview_hashes").hash(hash));
        let hashes = hashes.collect::<Result<_, _>>()?;
        let tree = field(MESSAGE, "tree").required(message.tree)?;
        Self::new(GenTransactionTree::from_proto(tree, version)?, hashes)
    }
}

/// Only the view at the end of `indices`, whose first is its own place and whose last that of its root view.
///
/// Of the views on the way only the way is left; the hashes of the views below are put into `subview_hashes`.
fn only(
    views: &MerkleSeq<ViewNode>,
    indices: &[MerkleSeqIndex],
    subview_hashes: &mut Vec<Hash>,
) -> Option<MerkleSeq<ViewNode>> {
    let (index, below) = indices.split_last()?;
    views.only(index, &mut |view| {
        if below.is_empty() {
            let subviews = view.subviews();
            if subviews.has_blinded() {
                return None;
            }
            *subview_hashes = subviews.unblinded().iter().map(|(_, view)| view.view_hash()).collect();
            return Some(view.with_subviews(subviews.blind()));
        }
        let subviews = only(view.subviews(), below, subview_hashes)?;
        Some(ViewNode::from_parts(view.common_data().blind(), view.participant_data().blind(), subviews))
    })
}
