//! `canton`: the whole of a configuration.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/static_conf.html>

use std::fmt;

use cantle_hocon::{Origin, Path, Value};
use cantle_types::NodeName;
use indexmap::IndexMap;

use crate::check;
use crate::cursor::{Cursor, Sink};
use crate::fault::{ConfigErrors, Fault, Problem};
use crate::schema::{Kind, Section, used};
use crate::sections::features::{self, FEATURES, Features};
use crate::sections::monitoring::{self, MONITORING, MonitoringConfig};
use crate::sections::node::{
    self, DOMAIN, DOMAIN_MANAGER, DomainConfig, DomainManagerConfig, MEDIATOR, MediatorConfig, NodeConfig,
    PARTICIPANT, ParticipantConfig, SEQUENCER_NODE, SequencerConfig,
};
use crate::sections::parameters::{self, PARAMETERS, Parameters};
use crate::sections::remote::{
    self, REMOTE_MEMBER, REMOTE_PARTICIPANT, REMOTE_WITH_PUBLIC_API, RemoteNodeConfig,
};
use crate::validate;

/// `canton`
pub(crate) static ROOT: Section = Section::new(&[
    used("participants", Kind::Map(&Kind::Section(&PARTICIPANT))),
    used("domains", Kind::Map(&Kind::Section(&DOMAIN))),
    used("domain-managers", Kind::Map(&Kind::Section(&DOMAIN_MANAGER))),
    used("sequencers", Kind::Map(&Kind::Section(&SEQUENCER_NODE))),
    used("mediators", Kind::Map(&Kind::Section(&MEDIATOR))),
    used("remote-participants", Kind::Map(&Kind::Section(&REMOTE_PARTICIPANT))),
    used("remote-domains", Kind::Map(&Kind::Section(&REMOTE_WITH_PUBLIC_API))),
    used("remote-domain-managers", Kind::Map(&Kind::Section(&REMOTE_MEMBER))),
    used("remote-sequencers", Kind::Map(&Kind::Section(&REMOTE_WITH_PUBLIC_API))),
    used("remote-mediators", Kind::Map(&Kind::Section(&REMOTE_MEMBER))),
    used("monitoring", Kind::Section(&MONITORING)),
    used("parameters", Kind::Section(&PARAMETERS)),
    used("features", Kind::Section(&FEATURES)),
]);

/// The keys of [`ROOT`] that hold nodes.
pub(crate) const NODES: [&str; 10] = [
    "participants",
    "domains",
    "domain-managers",
    "sequencers",
    "mediators",
    "remote-participants",
    "remote-domains",
    "remote-domain-managers",
    "remote-sequencers",
    "remote-mediators",
];

/// A validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The participants of this process.
    pub participants: IndexMap<NodeName, ParticipantConfig>,
    /// The sync domains of this process.
    pub domains: IndexMap<NodeName, DomainConfig>,
    /// The domain managers of this process.
    pub domain_managers: IndexMap<NodeName, DomainManagerConfig>,
    /// The sequencers of this process.
    pub sequencers: IndexMap<NodeName, SequencerConfig>,
    /// The mediators of this process.
    pub mediators: IndexMap<NodeName, MediatorConfig>,
    /// Participants of other processes.
    pub remote_participants: IndexMap<NodeName, RemoteNodeConfig>,
    /// Sync domains of other processes.
    pub remote_domains: IndexMap<NodeName, RemoteNodeConfig>,
    /// Domain managers of other processes.
    pub remote_domain_managers: IndexMap<NodeName, RemoteNodeConfig>,
    /// Sequencers of other processes.
    pub remote_sequencers: IndexMap<NodeName, RemoteNodeConfig>,
    /// Mediators of other processes.
    pub remote_mediators: IndexMap<NodeName, RemoteNodeConfig>,
    /// Metrics, health and what is logged.
    pub monitoring: MonitoringConfig,
    /// Parameters of the whole process.
    pub parameters: Parameters,
    /// Groups of commands.
    pub features: Features,
    /// Keys that are set, known, and used by nothing here; to be named once.
    pub ignored: Vec<IgnoredKey>,
    /// What is allowed and deserves a second look.
    pub warnings: Vec<Warning>,
    /// What is right and this version cannot do yet; see [`Config::startable`].
    pub gaps: Vec<Gap>,
}

/// A key that is set and used by nothing here. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredKey {
    /// Where it was written.
    pub origin: Origin,
    /// The key.
    pub path: Path,
    /// Why it is not used.
    pub reason: &'static str,
}

/// Something that is allowed and deserves a second look. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it was written.
    pub origin: Origin,
    /// The key.
    pub path: Path,
    /// What to look at, and what to do.
    pub text: String,
}

/// Something that is right and that this version cannot do yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where it was written.
    pub origin: Origin,
    /// The key.
    pub path: Path,
    /// What cannot be done.
    pub what: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
}

impl fmt::Display for IgnoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ignored: {}", self.origin, self.path, self.reason)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.path, self.text)
    }
}

impl Config {
    /// Whether nodes can be started from it by this version: nobody is left to think that, say, TLS is on.
    ///
    /// # Errors
    /// One [`Problem::NotYet`] for each gap.
    pub fn startable(&self) -> Result<(), ConfigErrors> {
        let faults = self.gaps.iter().map(|gap| Fault {
            origin: gap.origin.clone(),
            path: Some(gap.path.clone()),
            problem: Problem::NotYet { what: gap.what.to_owned(), remedy: gap.remedy.to_owned() },
            excerpt: None,
        });
        ConfigErrors::from_faults(faults.collect()).map_or(Ok(()), Err)
    }

    /// All nodes of this process: participants, domains, domain managers, sequencers, mediators.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeConfig> {
        let participants = self.participants.values().map(|config| &config.node);
        let domains = self.domains.values().map(|config| &config.node);
        let managers = self.domain_managers.values().map(|config| &config.node);
        let sequencers = self.sequencers.values().map(|config| &config.node);
        let mediators = self.mediators.values().map(|config| &config.node);
        participants.chain(domains).chain(managers).chain(sequencers).chain(mediators)
    }

    /// All nodes of other processes, in the same order.
    pub fn remote_nodes(&self) -> impl Iterator<Item = &RemoteNodeConfig> {
        let kinds = [
            &self.remote_participants,
            &self.remote_domains,
            &self.remote_domain_managers,
            &self.remote_sequencers,
            &self.remote_mediators,
        ];
        kinds.into_iter().flat_map(IndexMap::values)
    }

    /// Whether no node is configured, of this process or of others.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes().next().is_none() && self.remote_nodes().next().is_none()
    }

    /// Decodes the value of `canton`.
    pub(crate) fn decode(value: Value) -> Result<Self, ConfigErrors> {
        let sink = Sink::default();
        let path = Path::key("canton");
        let kind = Kind::Section(&ROOT);
        let value = check::modernize(value, &kind, &path, &sink);
        check::check(&value, &kind, &path, &sink);
        let mut config = decode(&Cursor::new(&value, path, &sink));
        let (faults, ignored, warnings, gaps) = sink.into_parts();
        match ConfigErrors::from_faults(faults) {
            Some(errors) => Err(errors),
            None => {
                config.ignored = ignored;
                config.warnings = warnings;
                config.gaps = gaps;
                Ok(config)
            }
        }
    }
}

pub(crate) fn decode(canton: &Cursor<'_>) -> Config {
    let parameters = parameters::parameters(&canton.at("parameters"));
    let names = validate::names(canton);
    let non_standard = parameters.non_standard_config;
    let config = Config {
        participants: each(canton, "participants", &names, |name, node| {
            Some(node::participant(name, node, non_standard))
        }),
        domains: each(canton, "domains", &names, |name, node| node::domain(name, node, non_standard)),
        domain_managers: each(canton, "domain-managers", &names, |name, node| {
            node::domain_manager(name, node, non_standard)
        }),
        sequencers: each(canton, "sequencers", &names, |name, node| {
            Some(node::sequencer(name, node, non_standard))
        }),
        mediators: each(canton, "mediators", &names, |name, node| {
            Some(node::mediator(name, node, non_standard))
        }),
        remote_participants: each(canton, "remote-participants", &names, remote::remote),
        remote_domains: each(canton, "remote-domains", &names, remote::remote),
        remote_domain_managers: each(canton, "remote-domain-managers", &names, remote::remote),
        remote_sequencers: each(canton, "remote-sequencers", &names, remote::remote),
        remote_mediators: each(canton, "remote-mediators", &names, remote::remote),
        monitoring: monitoring::monitoring(&canton.at("monitoring")),
        parameters,
        features: features::features(&canton.at("features")),
        ignored: Vec::new(),
        warnings: Vec::new(),
        gaps: Vec::new(),
    };
    validate::ports(canton);
    validate::storage(canton, &config);
    config
}

/// The nodes of a kind; those with a name that is none are left out, which is a fault already.
fn each<T>(
    canton: &Cursor<'_>,
    kind: &str,
    names: &validate::Names,
    decode: impl Fn(&NodeName, &Cursor<'_>) -> Option<T>,
) -> IndexMap<NodeName, T> {
    let entries = canton.at(kind).entries().into_iter();
    entries
        .filter(|(_, cursor)| cursor.is_set())
        .filter_map(|(name, cursor)| {
            let name = names.get(name)?;
            Some((name.clone(), decode(name, &cursor)?))
        })
        .collect()
}
