//! From HOCON text to a validated configuration of Canton nodes; one file per section.
//!
//! [`Config::load`] reads the files, moves former keys to their present places, checks every key against the tables
//! of Canton 2.10's keys, and decodes what Cantle uses. It finds **all** faults of a configuration at once, each
//! with file, line, column, key path and what to do. [`LoadOptions::resolve`] with [`resolved_json`] is the part that
//! works for any HOCON document.
//!
//! ```no_run
//! use cantle_config::{Config, LoadOptions};
//!
//! let loaded = Config::load(&LoadOptions::new(["node.conf"]))?;
//! for ignored in &loaded.config.ignored {
//!     println!("{ignored}");
//! }
//! # Ok::<(), cantle_config::ConfigErrors>(())
//! ```
//!
//! What this is not: it opens no connection and no database, and makes no key. Of files it reads the configuration
//! and checks that certificates are there.
//!
//! Invariant: a [`Config`] that exists has passed every check; secrets in it never print.

mod check;
mod config;
mod cursor;
#[cfg(test)]
mod exhaustive;
mod fault;
mod load;
mod read;
mod redact;
mod schema;
mod sections;
mod suggest;
mod units;
mod validate;

pub use config::{Config, Gap, IgnoredKey, Warning};
pub use fault::{ConfigErrors, Fault, Problem};
pub use load::{LoadOptions, Loaded};
pub use redact::{Secrets, resolved_json};
pub use sections::auth::{AccessLevel, AuthService, AuthorizedUser, TokenVerifier};
pub use sections::crypto::{CryptoConfig, CryptoProvider, SchemeConfig, WrapperKeyConfig};
pub use sections::domain_parameters::{DomainParametersConfig, DomainTopologyConfig};
pub use sections::features::Features;
pub use sections::init::{AutoInit, InitConfig, NodeIdentifier};
pub use sections::kms::{
    AssumeRole, KmsConfig, KmsCredentials, LimitsConfig, QuotasConfig, RetryConfig, SslVerification,
};
pub use sections::monitoring::{
    HealthCheck, HealthConfig, LoggingConfig, MonitoringConfig, PrometheusConfig,
};
pub use sections::node::{
    DomainConfig, DomainManagerConfig, MediatorConfig, NodeConfig, NodeKind, ParticipantConfig,
    SequencerConfig,
};
pub use sections::parameters::{ConsoleConfig, ConsoleTimeouts, Parameters, RetentionDefaults};
pub use sections::postgres::{PostgresConfig, SslMode};
pub use sections::remote::{ClientConfig, RemoteNodeConfig};
pub use sections::scheme::{EncryptionScheme, HashAlgorithm, KeyFormat, SigningScheme, SymmetricScheme};
pub use sections::sequencer_client::{KeepAliveClient, SequencerClientConfig, TimeTrackerConfig};
pub use sections::server::{AdminApiConfig, GrpcHealthServerConfig, KeepAliveServer, PublicApiConfig};
pub use sections::storage::{StorageBackend, StorageConfig, StorageParameters};
pub use sections::tls::{CertificateFiles, ClientAuth, TlsClientConfig, TlsServerConfig, TlsVersion};
