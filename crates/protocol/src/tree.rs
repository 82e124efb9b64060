//! View trees: what a confirmation request is about, of which everybody sees its part, and whose root hash all agree on.
//!
//! A transaction is a Merkle tree of metadata and views. Whoever must not see a part gets its hash instead (the part is
//! *blinded*): the mediator an informee tree without contents, a participant one light tree for each view that it is
//! an informee of. Every tree of one transaction has the same root hash.
//! Source: <https://docs.daml.com/canton/architecture/overview.html>

mod blindable;
mod common_data;
mod content;
mod full_view;
mod informee_tree;
mod leaf;
mod light_tree;
mod merkle_seq;
mod metadata;
mod participant_data;
mod salt;
mod transaction_tree;
mod view;

pub use blindable::{Blindable, MerkleNode};
pub use common_data::{ConfirmationPolicy, Quorum, ViewCommonData, ViewConfirmationParameters};
pub use content::{Contract, ContractId, CreatedContract, InputContract, ViewAction, ViewContent};
pub use full_view::{FullView, Reconstruction, reconstruct};
pub use informee_tree::{FullInformeeTree, InformeeMessage};
pub use light_tree::LightTransactionViewTree;
pub use merkle_seq::MerkleSeq;
pub use metadata::{CommonMetadata, DeduplicationPeriod, ParticipantMetadata, SubmitterMetadata};
pub use participant_data::ViewParticipantData;
pub use salt::{Salt, SaltSeed};
pub use transaction_tree::GenTransactionTree;
pub use view::ViewNode;
