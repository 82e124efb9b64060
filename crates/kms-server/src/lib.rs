//! AWS KMS on loopback, for development and tests: AWS clients cannot tell it from AWS.
//!
//! [`Server`] speaks AWS's JSON 1.1 protocol with signatures checked, IAM policies, key policies and grants enforced,
//! several accounts and Regions in one process, in memory or in a file that survives `kill -9`. STS's `AssumeRole`
//! and `GetCallerIdentity` answer on the same port, and an admin endpoint (`/_cantle/`) reads and sets faults, counts
//! and the clock. It shares no code with the client side, so that mistakes cannot cancel out.
//!
//! It is no HSM: secrets are in memory and in its state file as they are.
//!
//! ```no_run
//! # async fn start() -> Result<(), cantle_kms_server::StartError> {
//! use cantle_kms_server::{Server, ServerOptions};
//!
//! let server = Server::start(ServerOptions::default()).await?;
//! let endpoint = server.endpoint(); // for an AWS client with the access key `test`, secret `test`
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod audit;
mod auth;
mod call;
mod counts;
mod error;
mod faults;
mod http;
mod iam;
mod keys;
mod limits;
mod model;
mod ops;
mod server;
mod service;
mod state;
mod sts;

pub use auth::credentials::{Caller, Credentials, CredentialsError, Role};
pub use counts::RequestCounts;
pub use faults::{Fault, FaultKind, FaultsError};
pub use iam::policy::{PolicyDocument, PolicyError};
pub use limits::RateLimits;
pub use server::{Authentication, Latency, Server, ServerOptions, StartError};
pub use state::log::StateError;
