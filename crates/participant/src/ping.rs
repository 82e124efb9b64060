//! The ping: three transactions over contracts of Cantle's own, `Ping` and `Pong`.
//!
//! The initiator creates a `Ping` that the responders see; one of them exercises `Respond`, which archives it and creates
//! a `Pong` of both; the initiator exercises `Ack`, which archives that. What the views say is Cantle's own, since there is
//! no Daml engine; that they are confirmed, and by whom, is Canton's.
//! Source: Canton 2.10's `PingService`.

mod contract;
mod model;

pub(crate) use contract::{ContractState, LIFETIME, PingContract};
pub(crate) use model::{Command, ModelError, check_view, parties};
