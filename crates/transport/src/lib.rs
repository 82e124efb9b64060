//! What carries gRPC between nodes and consoles: listeners and connections, TLS on both sides, keep-alive, limits and measurements.
//!
//! TLS is rustls with aws-lc; versions and cipher suites can be narrowed, as Canton's keys ask for, and never widened
//! beyond what rustls offers: TLS 1.2 and 1.3 with forward secrecy. Certificates and keys are PEM files, read once.
//!
//! What this is not: it knows no service and no configuration. Its callers translate theirs.
//!
//! Invariant: a connection that a [`Listener`] with TLS hands out has shown what its [`ClientAuth`] asks for; the
//! number of connections and of handshakes under way is bounded.

mod bearer;
mod client_tls;
mod connect;
mod error;
mod exactly;
mod fetch;
mod listed;
mod listener;
mod metered;
mod pem;
mod server;
mod server_tls;

pub use bearer::{AuthorizedChannel, Bearer};
pub use client_tls::{ClientTls, ClientTlsOptions, Trust};
pub use connect::{ClientKeepAlive, channel, connect, endpoint};
pub use error::TlsError;
pub use fetch::{FetchError, fetch};
pub use listener::{Connection, Incoming, Listener};
pub use metered::{Metered, MeteredBody, MeteredCall, MeteredLayer};
pub use pem::{CertificateFiles, read_certificate};
pub use server::{ServerKeepAlive, ServerSettings, server};
pub use server_tls::{ClientAuth, MinimumVersion, ServerTls, ServerTlsOptions};
