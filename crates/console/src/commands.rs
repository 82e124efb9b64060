//! The commands of nodes, by family.

mod configuration;
mod domain_time;
mod domains;
mod everywhere;
mod health;
mod identity;
mod initialization;
mod keys_public;
mod keys_secret;
mod mediator;
mod parties;
mod ping;
mod renew;
mod rotation;
mod sequencer_administration;
mod sequencer_connection;
mod service;
mod setup;
mod status;
mod topology_authorize;
mod topology_list;
mod topology_other;
mod topology_parameters;

pub(crate) use everywhere::top_level;
pub(crate) use sequencer_connection::of_node as sequencer_connection_of;

use crate::command::Spec;

/// All commands.
pub(crate) const ALL: &[&[Spec]] = &[
    identity::COMMANDS,
    configuration::COMMANDS,
    keys_secret::COMMANDS,
    rotation::COMMANDS,
    keys_public::COMMANDS,
    topology_other::COMMANDS,
    topology_authorize::COMMANDS,
    topology_list::COMMANDS,
    setup::COMMANDS,
    initialization::COMMANDS,
    sequencer_administration::COMMANDS,
    mediator::COMMANDS,
    sequencer_connection::COMMANDS,
    service::COMMANDS,
    domains::COMMANDS,
    parties::COMMANDS,
    ping::COMMANDS,
    health::COMMANDS,
    domain_time::COMMANDS,
];

/// The largest answer read.
const MAX_ANSWER: usize = 64 << 20;
