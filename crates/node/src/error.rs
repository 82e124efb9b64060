//! Why a node did not start, or stopped.

use std::sync::Arc;

use cantle_admin_api::{ListKeysError, ServeError};
use cantle_config::ConfigErrors;
use cantle_identity::ReadError;
use cantle_kms_aws::ConnectError;
use cantle_participant::InitializeError;
use cantle_store::{NodeIdentity, OpenError, StoreError};
use cantle_transport::TlsError;
use cantle_vault::{SchemesError, VaultError, WrapperKeyError};
use thiserror::Error;

/// A node that did not start. Its text names the node; what to do is in the cause's text.
#[derive(Clone, Debug, Error)]
#[error("{node} {}", step.text())]
pub struct StartError {
    /// The node.
    pub node: NodeIdentity,
    /// What did not succeed.
    #[source]
    pub step: Arc<StartStep>,
}

impl StartError {
    pub(crate) fn new(node: &NodeIdentity, step: impl Into<StartStep>) -> Self {
        Self { node: node.clone(), step: Arc::new(step.into()) }
    }
}

/// The steps of a node's start, each with what can go wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartStep {
    /// Opening its database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A database that it was to share with other sequencers is a node's own.
    #[error(
        "sequencer.high-availability.enabled = true means a database that the sequencers of a domain share; name one \
         that is empty or theirs, or write `no` if this sequencer is the domain's only one"
    )]
    NotShared {
        /// Whose it is.
        #[source]
        source: OpenError,
    },
    /// The schema for what is the node's alone, in the database that it shares.
    #[error(
        "the schema {schema} for the node's own tables cannot be made in the database that it shares; let the user \
         create it (GRANT CREATE ON DATABASE), create it, or name the shared database under sequencer.storage and \
         another one under storage"
    )]
    NodeSchema {
        /// Its name.
        schema: String,
        /// What the server said.
        #[source]
        source: OpenError,
    },
    /// There is no randomness to be had.
    #[error(transparent)]
    Randomness(cantle_crypto::RandomnessError),
    /// Reading its database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Setting up its KMS client.
    #[error(transparent)]
    Kms(#[from] ConnectError),
    /// Its configured schemes.
    #[error(transparent)]
    Schemes(#[from] SchemesError),
    /// Opening its keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Encrypting the private keys in its database, or decrypting them.
    #[error(transparent)]
    Wrapper(Box<WrapperKeyError>),
    /// Keys that cannot be used in the Regions to fail over to.
    #[error(
        "with crypto.kms.failover-regions every key has to be a multi-Region key, and these are not: {}; remove \
         failover-regions, or replace the keys by replicated multi-Region keys first",
        keys.join(", ")
    )]
    NotMultiRegion {
        /// Name and KMS key of each.
        keys: Vec<String>,
    },
    /// Reading its topology and identity.
    #[error(transparent)]
    Topology(#[from] ReadError),
    /// Listing its keys.
    #[error(transparent)]
    Keys(Box<ListKeysError>),
    /// Making its identity.
    #[error(transparent)]
    Initialize(Box<InitializeError>),
    /// Founding its domain.
    #[error(transparent)]
    Found(Box<cantle_domain_manager::InitializeError>),
    /// Its admin API.
    #[error(transparent)]
    AdminApi(#[from] ServeError),
    /// What its tokens are checked with.
    #[error(transparent)]
    Authorization(#[from] cantle_admin_api::AuthorizationSetupError),
    /// Its public API.
    #[error(transparent)]
    PublicApi(#[from] cantle_sequencer::PublicServerError),
    /// The file of its service agreement.
    #[error("the service agreement {} cannot be read", path.display())]
    Agreement {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An address that is none.
    #[error(
        "{address} is no address of this machine; write an IP address or a host name under admin-api.address"
    )]
    Address {
        /// The configured address.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Its certificates.
    #[error(transparent)]
    Tls(Box<TlsError>),
    /// Its health server.
    #[error(
        "the health server cannot listen on {address}; choose another one under monitoring.grpc-health-server"
    )]
    HealthServer {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The description of its health server.
    #[error("the descriptions of the services cannot be read")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The monitoring of the process.
    #[error(transparent)]
    Monitoring(#[from] MonitoringError),
    /// What its configuration asks for and this version does not have.
    #[error(transparent)]
    NotYet(#[from] ConfigErrors),
}

impl From<WrapperKeyError> for StartStep {
    fn from(error: WrapperKeyError) -> Self {
        Self::Wrapper(Box::new(error))
    }
}

impl From<ListKeysError> for StartStep {
    fn from(error: ListKeysError) -> Self {
        Self::Keys(Box::new(error))
    }
}

impl From<InitializeError> for StartStep {
    fn from(error: InitializeError) -> Self {
        Self::Initialize(Box::new(error))
    }
}

impl From<cantle_domain_manager::InitializeError> for StartStep {
    fn from(error: cantle_domain_manager::InitializeError) -> Self {
        Self::Found(Box::new(error))
    }
}

impl From<TlsError> for StartStep {
    fn from(error: TlsError) -> Self {
        Self::Tls(Box::new(error))
    }
}

impl StartStep {
    fn text(&self) -> &'static str {
        match self {
            Self::Open(_)
            | Self::Store(_)
            | Self::NotShared { .. }
            | Self::NodeSchema { .. }
            | Self::Randomness(_) => "could not open its database",
            Self::Kms(_) => "could not set up its KMS client",
            Self::Schemes(_) => "has a configuration of schemes that cannot be",
            Self::Vault(_) | Self::Wrapper(_) | Self::Keys(_) => "could not open its keys",
            Self::NotMultiRegion { .. } => "has keys that cannot be used in another Region",
            Self::Topology(_) => "could not read its topology",
            Self::Initialize(_) | Self::Found(_) => "could not be initialized",
            Self::PublicApi(_) | Self::Agreement { .. } => "could not serve its public API",
            Self::AdminApi(_) | Self::Address { .. } => "could not serve its admin API",
            Self::Authorization(_) => "could not set up the authorization of its admin API",
            Self::Tls(_) => "could not set up TLS",
            Self::HealthServer { .. } | Self::Reflection(_) => "could not serve its health",
            Self::Monitoring(_) => "is there, but the process could not serve its monitoring",
            Self::NotYet(_) => "cannot be started by this version",
        }
    }
}

/// Monitoring that cannot be served.
#[derive(Debug, Error)]
#[error("{key} cannot be served at {address}")]
pub struct MonitoringError {
    /// The key of the configuration.
    pub key: &'static str,
    /// What it says: an address, or the name of a node.
    pub address: String,
    /// What was wrong.
    #[source]
    pub source: std::io::Error,
}
