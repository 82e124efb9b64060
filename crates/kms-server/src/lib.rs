//! AWS KMS on loopback, for development and tests: AWS clients cannot tell it from AWS.
//!
//! [`Server`] speaks AWS's JSON 1.1 protocol with signatures checked, IAM policies, key policies and grants enforced,
//! several accounts and Regions in one process, in memory or in a file that survives `kill -9`. STS's `AssumeRole`
//! and `GetCallerIdentity` answer on the same port, and an admin endpoint (`/_cantle/`) reads and sets faults, counts
//! and the clock. It shares no code with the client side, so that mistakes cannot cancel out.
//!
//! # Callers
//! [`Credentials`] in code, or from a file ([`Credentials::from_file`]): JSON, or AWS's own shared credentials file, so
//! that one file serves both sides. A caller without policies may do everything in its account. Each account that a
//! caller belongs to, and each Region that a signature names, is played without further ado; a key of another account
//! is named by its ARN and needs that key's policy or a grant.
//!
//! # For tests
//! Latency ([`Latency`]: `50ms`, `20ms..80ms`, `p50=10ms,p99=80ms`), AWS's quotas ([`RateLimits`]), faults ([`Fault`]),
//! new keys that are unknown for a while ([`ServerOptions::replication_delay`]), a clock that can be moved
//! ([`Server::advance_clock`]) and request counts ([`Server::request_counts`]); whoever runs the server in its own process may also see requests
//! as they are answered ([`Observer`]) and keys as they are ([`KeyView`]). The same over HTTP, from this machine
//! only: `GET /_cantle/health`; `GET`, `DELETE /_cantle/counts`; `GET`, `PUT`, `DELETE /_cantle/faults` (a JSON list of
//! [`Fault`]); `POST /_cantle/clock` (`{"advance_seconds": 86400}`).
//!
//! # What it does not do
//! Custom key stores, ML-KEM (`Encapsulate`, `Decapsulate`), `GetKeyLastUsage`, SM2, Nitro recipients, AWS's own
//! `alias/aws/…` keys, resource control and service control policies, permission boundaries: answered with
//! `UnsupportedOperationException` where there is an operation to answer. Transient states (`Creating`, `Updating`) are
//! over before the next request. Sessions of STS end with the process.
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
mod watch;

pub use auth::credentials::{Caller, Credentials, CredentialsError, Role};
pub use counts::RequestCounts;
pub use faults::{Fault, FaultKind, FaultsError};
pub use iam::policy::{PolicyDocument, PolicyError};
pub use limits::RateLimits;
pub use server::{Authentication, ConnectionReset, Latency, Server, ServerOptions, StartError};
pub use state::log::StateError;
pub use watch::{KeyFacts, KeyView, ObservedRequest, Observer};
