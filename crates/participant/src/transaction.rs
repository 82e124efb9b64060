//! The participant's side of the confirmation protocol on one domain.
//!
//! Submissions are built and sent by whoever makes them, side by side. What the domain delivers is worked through by one
//! task, in its order: requests are decrypted beside each other, but validated one after the other, since each may use what
//! the one before it made. Invariants: nothing is approved that was not validated against the contracts that this
//! participant knows; contracts change only by a verdict of the mediator that the request named; what is open comes again
//! after a restart.
//! Source: Canton 2.10's transaction processor.

mod build;
mod contracts;
mod inbox;
mod pending;
mod request;
mod respond;
mod validate;
mod worker;

pub(crate) use build::{BuildError, Builder};
pub(crate) use contracts::Contracts;
pub(crate) use inbox::TransactionHandler;
pub(crate) use pending::{Submissions, Submitted};
pub(crate) use request::Opener;
pub(crate) use worker::{Event, Progress, Worker, active};
