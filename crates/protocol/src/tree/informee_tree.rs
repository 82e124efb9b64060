//! The tree of a transaction as the mediator sees it: who is concerned by each view, and nothing of what it does.
//!
//! Invariants: the metadata of submitter and participants and the participant data of all views are blinded; the common
//! data of every view can be seen.

use cantle_crypto::Hash;
use cantle_proto::protocol::v1;
use cantle_types::ProtocolVersion;

use super::common_data::ViewCommonData;
use super::metadata::CommonMetadata;
use super::transaction_tree::GenTransactionTree;
use crate::error::ParseError;
use crate::view_position::ViewPosition;
use crate::wire::field;

const MESSAGE: &str = "FullInformeeTree";

/// A transaction as the mediator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullInformeeTree(GenTransactionTree);

impl FullInformeeTree {
    pub(super) fn new(tree: GenTransactionTree) -> Result<Self, ParseError> {
        let rule = |rule| Err(ParseError::Rule { message: MESSAGE, rule });
        if !tree.submitter_metadata().is_blinded() || !tree.participant_metadata().is_blinded() {
            return rule("the metadata of submitter and participants are blinded");
        }
        if tree.root_views().has_blinded() {
            return rule("no view is blinded");
        }
        if tree.root_views().is_empty() {
            return rule("there is a view");
        }
        for (_, view) in tree.views() {
            if view.common_data().is_blinded() || view.subviews().has_blinded() {
                return rule("no view is blinded");
            }
            if !view.participant_data().is_blinded() {
                return rule("the participant data of views are blinded");
            }
        }
        Ok(Self(tree))
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &GenTransactionTree {
        &self.0
    }

    /// The root hash of the transaction.
    #[must_use]
    pub fn root_hash(&self) -> Hash {
        self.0.root_hash()
    }

    /// What all may know.
    #[must_use]
    pub fn common_metadata(&self) -> &CommonMetadata {
        self.0.common_metadata()
    }

    /// Every view's position and common data, each before those below it.
    #[must_use]
    pub fn views(&self) -> Vec<(ViewPosition, &ViewCommonData)> {
        let views = self.0.views().into_iter();
        views.filter_map(|(position, view)| Some((position, view.common_data().unblinded()?))).collect()
    }
}

/// What a submitter sends to the mediator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InformeeMessage {
    tree: FullInformeeTree,
    version: ProtocolVersion,
}

impl InformeeMessage {
    /// The message with this tree.
    #[must_use]
    pub fn new(tree: FullInformeeTree, version: ProtocolVersion) -> Self {
        Self { tree, version }
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &FullInformeeTree {
        &self.tree
    }

    /// The root hash of the transaction.
    #[must_use]
    pub fn root_hash(&self) -> Hash {
        self.tree.root_hash()
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v1::InformeeMessage {
        v1::InformeeMessage {
            full_informee_tree: Some(v1::FullInformeeTree { tree: Some(self.tree.0.to_proto()) }),
            protocol_version: self.version.number(),
        }
    }

    /// Reads the message as one of this protocol version.
    ///
    /// # Errors
    /// When it is not one, or shows too much or too little.
    pub fn from_proto(message: v1::InformeeMessage, version: ProtocolVersion) -> Result<Self, ParseError> {
        if message.protocol_version != version.number() {
            return Err(field("InformeeMessage", "protocol_version").number(message.protocol_version));
        }
        let tree = field("InformeeMessage", "full_informee_tree").required(message.full_informee_tree)?;
        let tree = field(MESSAGE, "tree").required(tree.tree)?;
        let tree = FullInformeeTree::new(GenTransactionTree::from_proto(tree, version)?)?;
        Ok(Self { tree, version })
    }
}
