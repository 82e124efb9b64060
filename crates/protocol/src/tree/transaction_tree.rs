//! The tree of a whole transaction: metadata and root views.
//!
//! Invariants: the common metadata can always be seen; no hash occurs twice.

use cantle_crypto::Hash;
use cantle_proto::protocol::v1;
use cantle_types::ProtocolVersion;

use super::blindable::{Blindable, Budget, MerkleNode, check_unique, inner_hash};
use super::informee_tree::FullInformeeTree;
use super::light_tree::LightTransactionViewTree;
use super::merkle_seq::MerkleSeq;
use super::metadata::{CommonMetadata, ParticipantMetadata, SubmitterMetadata};
use super::view::ViewNode;
use crate::error::ParseError;
use crate::view_position::ViewPosition;
use crate::wire::field;

const MESSAGE: &str = "GenTransactionTree";

/// The tree of a transaction, parts of which may be blinded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenTransactionTree {
    submitter_metadata: Blindable<SubmitterMetadata>,
    common_metadata: CommonMetadata,
    participant_metadata: Blindable<ParticipantMetadata>,
    root_views: MerkleSeq<ViewNode>,
    root_hash: Hash,
}

impl GenTransactionTree {
    /// The tree of a transaction.
    ///
    /// # Errors
    /// When a hash occurs twice, which salts prevent.
    pub fn new(
        submitter_metadata: SubmitterMetadata,
        common_metadata: CommonMetadata,
        participant_metadata: ParticipantMetadata,
        root_views: Vec<ViewNode>,
    ) -> Result<Self, ParseError> {
        let tree = Self::from_parts(
            Blindable::Unblinded(submitter_metadata),
            common_metadata,
            Blindable::Unblinded(participant_metadata),
            MerkleSeq::new(root_views),
        );
        tree.check_unique()?;
        Ok(tree)
    }

    pub(super) fn from_parts(
        submitter_metadata: Blindable<SubmitterMetadata>,
        common_metadata: CommonMetadata,
        participant_metadata: Blindable<ParticipantMetadata>,
        root_views: MerkleSeq<ViewNode>,
    ) -> Self {
        let metadata = [submitter_metadata.hash(), common_metadata.hash(), participant_metadata.hash()];
        let children: Vec<_> = metadata.into_iter().chain(root_views.hash()).collect();
        let root_hash = inner_hash(children.into_iter());
        Self { submitter_metadata, common_metadata, participant_metadata, root_views, root_hash }
    }

    fn check_unique(&self) -> Result<(), ParseError> {
        let mut hashes = vec![self.root_hash, self.common_metadata.hash()];
        self.submitter_metadata.collect_hashes(&mut hashes);
        self.participant_metadata.collect_hashes(&mut hashes);
        self.root_views.collect_hashes(&mut hashes);
        check_unique(MESSAGE, &hashes)
    }

    /// Who submits.
    #[must_use]
    pub fn submitter_metadata(&self) -> &Blindable<SubmitterMetadata> {
        &self.submitter_metadata
    }

    /// What all may know.
    #[must_use]
    pub fn common_metadata(&self) -> &CommonMetadata {
        &self.common_metadata
    }

    /// What all participants may know.
    #[must_use]
    pub fn participant_metadata(&self) -> &Blindable<ParticipantMetadata> {
        &self.participant_metadata
    }

    /// The views that are not below others.
    #[must_use]
    pub fn root_views(&self) -> &MerkleSeq<ViewNode> {
        &self.root_views
    }

    /// The root hash: the id of the transaction, the same for everybody. The submitting participant signs it bare.
    #[must_use]
    pub fn root_hash(&self) -> Hash {
        self.root_hash
    }

    /// The views that can be seen, each before those below it, with their positions.
    #[must_use]
    pub fn views(&self) -> Vec<(ViewPosition, &ViewNode)> {
        let mut found = Vec::new();
        for (index, view) in self.root_views.unblinded() {
            view.collect(ViewPosition::root(index), &mut found);
        }
        found
    }

    /// What the mediator gets.
    ///
    /// # Errors
    /// When a view is blinded, so that the tree is not a whole transaction.
    pub fn informee_tree(&self) -> Result<FullInformeeTree, ParseError> {
        let tree = Self::from_parts(
            self.submitter_metadata.blind(),
            self.common_metadata.clone(),
            self.participant_metadata.blind(),
            self.root_views.map(&ViewNode::for_mediator),
        );
        FullInformeeTree::new(tree)
    }

    /// What the informees of each view get, one light tree a view, each before those of the views below it.
    ///
    /// # Errors
    /// When something is blinded, so that the tree is not a whole transaction.
    pub fn light_trees(&self) -> Result<Vec<LightTransactionViewTree>, ParseError> {
        let positions = self.views().into_iter().map(|(position, _)| position);
        positions.map(|position| LightTransactionViewTree::of(self, &position)).collect()
    }

    pub(super) fn to_proto(&self) -> v1::GenTransactionTree {
        let common = Blindable::Unblinded(self.common_metadata.clone());
        v1::GenTransactionTree {
            submitter_metadata: Some(self.submitter_metadata.to_proto()),
            common_metadata: Some(common.to_proto()),
            participant_metadata: Some(self.participant_metadata.to_proto()),
            root_views: Some(self.root_views.to_proto()),
        }
    }

    pub(super) fn from_proto(
        message: v1::GenTransactionTree,
        version: ProtocolVersion,
    ) -> Result<Self, ParseError> {
        let submitter = Blindable::from_proto(
            MESSAGE,
            "submitter_metadata",
            message.submitter_metadata,
            SubmitterMetadata::from_bytes,
        )?;
        let common = Blindable::from_proto(
            MESSAGE,
            "common_metadata",
            message.common_metadata,
            CommonMetadata::from_bytes,
        )?;
        let participant = Blindable::from_proto(
            MESSAGE,
            "participant_metadata",
            message.participant_metadata,
            ParticipantMetadata::from_bytes,
        )?;
        let Blindable::Unblinded(common) = common else {
            return Err(ParseError::Rule { message: MESSAGE, rule: "the common metadata can be seen" });
        };
        let root_views = field(MESSAGE, "root_views").required(message.root_views)?;
        let read = |bytes, budget: &mut Budget| ViewNode::from_bytes(bytes, budget, version);
        let root_views = MerkleSeq::from_proto(root_views, &mut Budget::new(), &read)?;
        let tree = Self::from_parts(submitter, common, participant, root_views);
        tree.check_unique()?;
        Ok(tree)
    }
}
