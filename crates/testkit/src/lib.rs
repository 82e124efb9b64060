//! Processes, database servers and requests for tests. Never a dependency of what is shipped.

mod postgres;
mod process;
mod raw;
mod requests;

pub use postgres::{POSTGRES_PASSWORD, POSTGRES_USER, PostgresCluster, write_private};
pub use process::{Finished, Process, ProcessError};
pub use raw::{call, methods};
pub use requests::{Random, Schema};
