//! Processes and free addresses for tests. Never a dependency of what is shipped.

mod process;

pub use process::{Finished, Process, ProcessError};
