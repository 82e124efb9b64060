//! What the server remembers: keys and aliases by account and Region, in memory and, if asked, in a file.
//!
//! Every change goes through [`store::Store::write`]: one at a time, checked against the current state, appended to
//! the log as one frame, then applied. A request is answered only when what it saw and did is on the disk.

pub(crate) mod change;
pub(crate) mod key;
pub(crate) mod log;
pub(crate) mod store;

#[cfg(test)]
mod tests;
