//! Nodes as the console knows them: a kind, a name, and the address of an admin API.
//!
//! Every call has a deadline and can be cancelled; a node that does not answer is an error, never a hang.

mod call;
mod settings;

use std::fmt;

pub(crate) use call::{Caller, Node, Pending};
pub(crate) use cantle_transport::AuthorizedChannel as Channel;
use cantle_transport::{Bearer, ClientTls};
pub use settings::{ApiSettings, NodeSettings};
use tonic::transport::Endpoint;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeKind {
    /// A participant.
    Participant,
    /// A domain with everything in one node.
    Domain,
    /// The manager of a distributed domain.
    DomainManager,
    /// A sequencer.
    Sequencer,
    /// A mediator.
    Mediator,
}

impl NodeKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Participant, Self::Domain, Self::DomainManager, Self::Sequencer, Self::Mediator];

    /// Its name in scripts: `participant`, `domain_manager`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Domain => "domain",
            Self::DomainManager => "domain_manager",
            Self::Sequencer => "sequencer",
            Self::Mediator => "mediator",
        }
    }

    /// With its article: `a domain manager`.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Participant => "a participant",
            Self::Domain => "a domain",
            Self::DomainManager => "a domain manager",
            Self::Sequencer => "a sequencer",
            Self::Mediator => "a mediator",
        }
    }

    /// Several of them: `domain managers`.
    pub(crate) fn described_plural(self) -> &'static str {
        match self {
            Self::DomainManager => "domain managers",
            other => other.plural(),
        }
    }

    /// The name of the collection of its nodes: `participants`.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Participant => "participants",
            Self::Domain => "domains",
            Self::DomainManager => "domain_managers",
            Self::Sequencer => "sequencers",
            Self::Mediator => "mediators",
        }
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locality {
    /// In this process.
    Local,
    /// In another one.
    Remote,
}

/// A configured node.
#[derive(Debug, Clone)]
pub struct NodeRef {
    /// What it is.
    pub kind: NodeKind,
    /// Its name in the configuration; scripts write dashes as underscores.
    pub name: String,
    /// Where it runs.
    pub locality: Locality,
    /// Its admin API.
    pub admin: Endpoint,
    /// How it is reached where it speaks TLS.
    pub tls: Option<ClientTls>,
    /// The token that its admin API asks for.
    pub bearer: Bearer,
    /// What its configuration says that scripts may ask for.
    pub settings: NodeSettings,
}

impl NodeRef {
    /// A node whose admin API listens at `address` (`host:port`) without TLS.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn at(
        kind: NodeKind,
        name: impl Into<String>,
        locality: Locality,
        address: &str,
    ) -> Result<Self, tonic::transport::Error> {
        let admin = Endpoint::from_shared(format!("http://{address}"))?;
        Ok(Self::new(kind, name, locality, admin, None))
    }

    /// A node at an endpoint, with TLS if it is given.
    #[must_use]
    pub fn new(
        kind: NodeKind,
        name: impl Into<String>,
        locality: Locality,
        admin: Endpoint,
        tls: Option<ClientTls>,
    ) -> Self {
        Self {
            kind,
            name: name.into(),
            locality,
            admin,
            tls,
            bearer: Bearer::default(),
            settings: NodeSettings::default(),
        }
    }

    /// The same with what its configuration says.
    #[must_use]
    pub fn with_settings(self, settings: NodeSettings) -> Self {
        Self { settings, ..self }
    }

    /// The same with the token that its admin API asks for.
    #[must_use]
    pub fn with_bearer(self, bearer: Bearer) -> Self {
        Self { bearer, ..self }
    }

    /// Its name in scripts.
    #[must_use]
    pub fn script_name(&self) -> String {
        let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
        let name: String = self.name.chars().map(plain).collect();
        if name.starts_with(|character: char| character.is_ascii_digit()) { format!("_{name}") } else { name }
    }
}
