//! The console against nodes in this process.

mod completion;
mod console;
mod domains;
mod everywhere;
mod fake;
mod language;
mod manual;
mod participant;
mod rotation;
mod service;
mod setup;
mod status;
mod table;
