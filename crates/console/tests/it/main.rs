//! The console against a node that records what it is asked.

mod console;
mod fake;
mod language;
mod participant;
