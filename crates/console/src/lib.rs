//! The scripting console: Starlark with the manual's notation, over the nodes' admin API only.
//!
//! A script is Starlark; the Scala of Canton's manual is accepted where it means the same. Nodes are names, commands are their
//! attributes with Canton's names, argument names, order and defaults. Not here: nodes themselves, configuration, the command line.
//! Invariant: a failing line ends the script and is shown with the caret under the user's own text.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/console.html>.

mod command;
mod commands;
mod error;
mod failure;
mod node;
mod notation;
mod repl;
mod session;
mod value;

pub use command::{CommandInfo, commands};
pub use error::{ScriptError, SessionError};
pub use node::{ApiSettings, Locality, NodeKind, NodeRef, NodeSettings};
pub use repl::{ReplError, ReplOptions, repl};
pub use session::{CancelHandle, Session, SessionOptions};
