//! Topology transactions, who may sign what, and the state that follows. No IO.
//!
//! A topology transaction adds or takes back one mapping: a delegation of a namespace, a key of a member, a party
//! hosted by a participant. Everything here is a value: keys are found, transactions are signed and stored by
//! others. Invariants: received bytes are kept as they came and are what is hashed; a mapping that exists keeps its
//! rules; nothing counts as authorized without a chain of delegations to the namespace's root certificate.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

mod change;
mod check;
mod error;
mod graph;
mod mapping;
mod parameters;
mod path;
mod registration;
mod required;
mod signed;
mod snapshot;
mod state;
mod timeline;
mod transaction;
mod view;
mod wire;

pub use change::{ParticipantPermission, RequestSide, TopologyChangeOp, TrustLevel};
pub use check::{Accepted, ChangeOptions, Force, Replace};
pub use error::{ErrorClass, MappingError, ParseError, TopologyError};
pub use graph::{AuthorizationGraph, DelegationLevel};
pub use mapping::{
    IdentifierDelegation, IsRootDelegation, MediatorDomainState, NamespaceDelegation, OwnerToKeyMapping,
    PackageId, Packages, ParticipantState, PartyToParticipant, SignedLegalIdentityClaim, TopologyMapping,
};
pub use parameters::{CatchUpParameters, DomainParametersChange, DynamicDomainParameters};
pub use path::{MappingCode, Subject, UniquePath};
pub use registration::joining_transactions;
pub use required::{RequiredAuthorization, required_authorizations};
pub use signed::SignedTopologyTransaction;
pub use snapshot::{StoredTransaction, TopologySnapshot};
pub use state::{ActiveTransaction, TopologyState};
pub use timeline::{DEFAULT_HORIZON, Fed, Outcome, TimelineError, TopologyTimeline};
pub use transaction::TopologyTransaction;
pub use view::{ParticipantAttributes, PartyHosting, TopologyView};
