//! The mediator role: it concludes what becomes of the confirmation requests of a domain.
//!
//! [`MediatorState`] is the protocol, without IO: requests and answers go in, verdicts come out. [`MediatorNode`] is the
//! role of a node: it follows the domain's events, verifies signatures, signs verdicts and sends them.
//!
//! Invariants: one verdict a request, the same whatever the mediator lived through; an answer counts only if its author may
//! give it for every party that it names; nothing that a member sends stops the mediator.
//! Source: <https://docs.daml.com/canton/architecture/overview.html>

mod alarm;
mod conclusion;
mod inbox;
mod node;
mod request;
mod running;
mod state;
mod view;

pub use alarm::Alarm;
pub use conclusion::{Conclusion, ResultContent};
pub use inbox::{Answer, Inbox, Request};
pub use node::{MediatorError, MediatorNode, MediatorOptions, MediatorSetup};
pub use running::RunError;
pub use state::{Effect, MediatorState};
