//! The commands of nodes, by family; and reading their arguments.

mod argument;
mod health;
mod identity;
mod keys_public;
mod keys_secret;
mod rotation;
mod topology_authorize;
mod topology_list;
mod topology_other;
mod topology_parameters;

use crate::command::Spec;

/// All commands.
pub(crate) const ALL: &[&[Spec]] = &[
    identity::COMMANDS,
    keys_secret::COMMANDS,
    rotation::COMMANDS,
    keys_public::COMMANDS,
    topology_other::COMMANDS,
    topology_authorize::COMMANDS,
    topology_list::COMMANDS,
    health::COMMANDS,
];

/// The largest answer read.
const MAX_ANSWER: usize = 64 << 20;
