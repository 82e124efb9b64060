//! Processes and database servers for tests. Never a dependency of what is shipped.

mod postgres;
mod process;

pub use postgres::{POSTGRES_PASSWORD, POSTGRES_USER, PostgresCluster, write_private};
pub use process::{Finished, Process, ProcessError};
