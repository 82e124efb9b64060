//! The five kinds of node, and what all of them have.
//!
//! A kind is a [`NodeConfig`] and the sections of its own.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/static_conf.html>

use std::fmt;

use cantle_types::{NodeName, ProtocolVersion};

use super::caching::CACHING;
use super::crypto::{self, CRYPTO, CryptoConfig};
use super::domain_parameters::{self, DomainParametersConfig, DomainTopologyConfig, TOPOLOGY};
use super::init::{self, DOMAIN_INIT, InitConfig, MEDIATOR_INIT, PARTICIPANT_INIT, SEQUENCER_INIT};
use super::ledger_api::{
    ADMIN_WORKFLOW, COMMAND_PROGRESS_TRACKER, ENGINE, HTTP_LEDGER_API, LEDGER_API,
    LEDGER_API_SERVER_PARAMETERS, STORES, TESTING_TIME,
};
use super::replication::{
    BATCHING, EMBEDDED_SEQUENCER, MEMBER_PARAMETERS, PRUNING, REPLICATION, SEQUENCER, SEQUENCER_HEALTH,
    WATCHDOG, shared_storage,
};
use super::sequencer_client::{
    self, SEQUENCER_CLIENT, SequencerClientConfig, TIME_TRACKER, TimeTrackerConfig,
};
use super::server::{
    self, ADMIN_API, AdminApiConfig, GrpcHealthServerConfig, NODE_MONITORING, PUBLIC_API, PublicApiConfig,
};
use super::storage::{self, MOVED as STORAGE_MOVED, STORAGE, StorageConfig};
use crate::cursor::Cursor;
use crate::schema::{
    DAML, FINITE, INT, Key, Kind, Moved, NATURAL, NO_OTHERS, REPLICAS, Section, TUNING, Tagged, ignored, used,
};

const ADMIN: Key = used("admin-api", Kind::Section(&ADMIN_API));
const PUBLIC: Key = used("public-api", Kind::Section(&PUBLIC_API));
const KEYS: Key = used("crypto", Kind::Section(&CRYPTO));
const DATA: Key = used("storage", Kind::Tagged(&STORAGE));
const CLIENT: Key = used("sequencer-client", Kind::Section(&SEQUENCER_CLIENT));
const TIME: Key = used("time-tracker", Kind::Section(&TIME_TRACKER));
const CACHES: Key = ignored("caching", Kind::Section(&CACHING), TUNING);
const HEALTH: Key = used("monitoring", Kind::Section(&NODE_MONITORING));
const REPLICA: Key = ignored("replication", Kind::Section(&REPLICATION), REPLICAS);
const WATCHED: Key = ignored(
    "watchdog",
    Kind::Section(&WATCHDOG),
    "Cantle has no watchdog, the supervisor of the process is one",
);
const BATCHES: Key = ignored("batching", Kind::Section(&BATCHING), TUNING);
const MEMBER: Key = used("parameters", Kind::Section(&MEMBER_PARAMETERS));

/// `participants.<name>`
pub(crate) static PARTICIPANT: Section = Section::new(&[
    used("init", Kind::Section(&PARTICIPANT_INIT)),
    KEYS,
    ignored("ledger-api", Kind::Section(&LEDGER_API), DAML),
    ignored("http-ledger-api-experimental", Kind::Section(&HTTP_LEDGER_API), DAML),
    ADMIN,
    DATA,
    ignored("testing-time", Kind::Tagged(&TESTING_TIME), DAML),
    used("parameters", Kind::Section(&PARTICIPANT_PARAMETERS)),
    CLIENT,
    CACHES,
    HEALTH,
    REPLICA,
])
.moved(PARTICIPANT_MOVED);

static PARTICIPANT_PARAMETERS: Section = Section::new(&[
    ignored("admin-workflow", Kind::Section(&ADMIN_WORKFLOW), DAML),
    ignored("party-change-notification", Kind::Tagged(&PARTY_NOTIFICATION), DAML),
    ignored("max-unzipped-dar-size", INT, DAML),
    BATCHES,
    ignored("stores", Kind::Section(&STORES), DAML),
    ignored("transfer-time-proof-freshness-proportion", NATURAL, DAML),
    used("minimum-protocol-version", Kind::Text),
    used("initial-protocol-version", Kind::Text),
    ignored("dev-version-support", Kind::Bool, NO_OTHERS),
    ignored("beta-version-support", Kind::Bool, NO_OTHERS),
    ignored("dont-warn-on-deprecated-pv", Kind::Bool, "protocol versions 5 and 7 are not deprecated"),
    ignored("warn-if-overloaded-for", FINITE, DAML),
    ignored("ledger-api-server-parameters", Kind::Section(&LEDGER_API_SERVER_PARAMETERS), DAML),
    ignored("exclude-infrastructure-transactions", Kind::Bool, DAML),
    ignored("engine", Kind::Section(&ENGINE), DAML),
    ignored("allow-for-unauthenticated-contract-ids", Kind::Bool, DAML),
    ignored("unsafe-disable-upgrade-validation", Kind::Bool, DAML),
    WATCHED,
    ignored("command-progress-tracker", Kind::Section(&COMMAND_PROGRESS_TRACKER), DAML),
]);

static PARTY_NOTIFICATION: Tagged = Tagged::new(&[("eager", &NOTHING), ("via-domain", &NOTHING)]);
static NOTHING: Section = Section::new(&[]);

const PARTICIPANT_MOVED: &[Moved] = &[
    Moved {
        from: &["ledger-api", "max-deduplication-duration"],
        to: &["init", "ledger-api", "max-deduplication-duration"],
    },
    Moved {
        from: &["parameters", "unique-contract-keys"],
        to: &["init", "parameters", "unique-contract-keys"],
    },
    Moved {
        from: &["parameters", "stores", "max-items-in-sql-clause"],
        to: &["parameters", "batching", "max-items-in-sql-clause"],
    },
    STORAGE_MOVED[0],
    STORAGE_MOVED[1],
    STORAGE_MOVED[2],
    STORAGE_MOVED[3],
    STORAGE_MOVED[4],
];

const DOMAIN_MOVED: &[Moved] = &[
    Moved { from: &["domain-parameters"], to: &["init", "domain-parameters"] },
    STORAGE_MOVED[0],
    STORAGE_MOVED[1],
    STORAGE_MOVED[2],
    STORAGE_MOVED[3],
    STORAGE_MOVED[4],
];

static DOMAIN_NODE_PARAMETERS: Section = Section::new(&[
    ignored("max-burst-factor", Kind::Double, TUNING),
    BATCHES,
    WATCHED,
    ignored("dispatcher-batch-size", NATURAL, TUNING),
]);

/// `domains.<name>`
pub(crate) static DOMAIN: Section = Section::new(&[
    used("init", Kind::Section(&DOMAIN_INIT)),
    used("audit-logging", Kind::Bool),
    PUBLIC,
    ADMIN,
    DATA,
    KEYS,
    used("topology", Kind::Section(&TOPOLOGY)),
    used("sequencer", Kind::Tagged(&EMBEDDED_SEQUENCER)),
    used("service-agreement", Kind::File),
    TIME,
    CLIENT,
    CACHES,
    used("parameters", Kind::Section(&DOMAIN_NODE_PARAMETERS)),
    HEALTH,
])
.moved(DOMAIN_MOVED);

/// `domain-managers.<name>`
pub(crate) static DOMAIN_MANAGER: Section = Section::new(&[
    used("init", Kind::Section(&DOMAIN_INIT)),
    ADMIN,
    DATA,
    KEYS,
    used("topology", Kind::Section(&TOPOLOGY)),
    ignored("service-agreement", Kind::File, "sequencers show it to those who connect"),
    TIME,
    CLIENT,
    CACHES,
    used("parameters", Kind::Section(&DOMAIN_NODE_PARAMETERS)),
    HEALTH,
    REPLICA,
])
.moved(DOMAIN_MOVED);

/// `sequencers.<name>`
pub(crate) static SEQUENCER_NODE: Section = Section::new(&[
    used("init", Kind::Section(&SEQUENCER_INIT)),
    used("audit-logging", Kind::Bool),
    PUBLIC,
    ADMIN,
    DATA,
    KEYS,
    used("sequencer", Kind::Tagged(&SEQUENCER)),
    used("service-agreement", Kind::File),
    ignored("time-tracker", Kind::Section(&TIME_TRACKER), "a sequencer makes the time of its domain"),
    CLIENT,
    CACHES,
    MEMBER,
    ignored("health", Kind::Section(&SEQUENCER_HEALTH), TUNING),
    HEALTH,
    REPLICA,
])
.moved(STORAGE_MOVED);

/// `mediators.<name>`
pub(crate) static MEDIATOR: Section = Section::new(&[
    used("init", Kind::Section(&MEDIATOR_INIT)),
    ADMIN,
    DATA,
    KEYS,
    TIME,
    CLIENT,
    CACHES,
    MEMBER,
    ignored("mediator", Kind::Section(&MEDIATOR_KEYS), TUNING),
    HEALTH,
    REPLICA,
])
.moved(STORAGE_MOVED);

static MEDIATOR_KEYS: Section = Section::new(&[used("pruning", Kind::Section(&PRUNING))]);

/// The kinds of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// A participant.
    Participant,
    /// A sync domain with its sequencer and mediator in one node.
    Domain,
    /// The domain manager of a distributed domain.
    DomainManager,
    /// A sequencer of a distributed domain.
    Sequencer,
    /// A mediator of a distributed domain.
    Mediator,
}

impl NodeKind {
    /// The name, as `domain-manager`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Domain => "domain",
            Self::DomainManager => "domain-manager",
            Self::Sequencer => "sequencer",
            Self::Mediator => "mediator",
        }
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What every node has.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its name.
    pub name: NodeName,
    /// Its kind.
    pub kind: NodeKind,
    /// How it gets its identity.
    pub init: InitConfig,
    /// Who holds its keys.
    pub crypto: CryptoConfig,
    /// Where its data is.
    pub storage: StorageConfig,
    /// Where it is administrated.
    pub admin_api: AdminApiConfig,
    /// How it talks to sequencers.
    pub sequencer_client: SequencerClientConfig,
    /// A server for its health alone.
    pub grpc_health_server: Option<GrpcHealthServerConfig>,
}

/// A participant.
#[derive(Debug, Clone)]
pub struct ParticipantConfig {
    /// What every node has.
    pub node: NodeConfig,
    /// The protocol version of its own topology. Default 7.
    pub initial_protocol_version: ProtocolVersion,
    /// The oldest protocol version of a domain it connects to. Default 5.
    pub minimum_protocol_version: ProtocolVersion,
}

/// A sync domain with its sequencer and mediator in one node.
#[derive(Debug, Clone)]
pub struct DomainConfig {
    /// What every node has.
    pub node: NodeConfig,
    /// Where members connect.
    pub public_api: PublicApiConfig,
    /// The rules that it is founded with.
    pub parameters: DomainParametersConfig,
    /// Who may join.
    pub topology: DomainTopologyConfig,
    /// How it learns the time.
    pub time_tracker: TimeTrackerConfig,
    /// An agreement that participants accept when they connect.
    pub service_agreement: Option<std::path::PathBuf>,
}

/// The domain manager of a distributed domain.
#[derive(Debug, Clone)]
pub struct DomainManagerConfig {
    /// What every node has.
    pub node: NodeConfig,
    /// The rules that the domain is founded with.
    pub parameters: DomainParametersConfig,
    /// Who may join.
    pub topology: DomainTopologyConfig,
    /// How it learns the time.
    pub time_tracker: TimeTrackerConfig,
}

/// A sequencer of a distributed domain.
#[derive(Debug, Clone)]
pub struct SequencerConfig {
    /// What every node has.
    pub node: NodeConfig,
    /// The database of the domain's events, where several sequencers share it. `None`: it is the node's own.
    pub shared_storage: Option<StorageConfig>,
    /// Where members connect.
    pub public_api: PublicApiConfig,
    /// An agreement that participants accept when they connect.
    pub service_agreement: Option<std::path::PathBuf>,
}

/// A mediator of a distributed domain.
#[derive(Debug, Clone)]
pub struct MediatorConfig {
    /// What every node has.
    pub node: NodeConfig,
    /// How it learns the time.
    pub time_tracker: TimeTrackerConfig,
}

fn node(kind: NodeKind, name: &NodeName, node: &Cursor<'_>, non_standard: bool) -> NodeConfig {
    let config = NodeConfig {
        name: name.clone(),
        kind,
        init: init::init(&node.at("init")),
        crypto: crypto::crypto(&node.at("crypto"), non_standard),
        storage: storage::storage(&node.at("storage")),
        admin_api: server::admin_api(&node.at("admin-api")),
        sequencer_client: sequencer_client::sequencer_client(&node.at("sequencer-client")),
        grpc_health_server: server::grpc_health_server(&node.at("monitoring")),
    };
    let memory = matches!(config.storage.backend, storage::StorageBackend::Memory);
    if memory && config.crypto.wrapper_key.is_some() {
        node.at("storage").contradiction(
            "private-key-store.encryption encrypts keys in a database, and this node has none",
            "write storage.type = sqlite, or remove private-key-store.encryption",
        );
    }
    if memory && config.crypto.provider == crypto::CryptoProvider::Kms {
        node.at("storage").warn(
            "the node forgets its keys when it stops and makes new ones in the KMS at each start, which stay there and \
             are paid for by the month; write storage.type = sqlite to keep them",
        );
    }
    config
}

pub(crate) fn participant(name: &NodeName, cursor: &Cursor<'_>, non_standard: bool) -> ParticipantConfig {
    server::check_admin_tokens(&cursor.at("admin-api"), &cursor.at("ledger-api"));
    let ledger_token = cursor.at("ledger-api").at("admin-token");
    if ledger_token.is_set() && !non_standard {
        let what = "a token that opens the whole Ledger API is set".to_owned();
        ledger_token.fault(crate::fault::Problem::NeedsNonStandardConfig { what });
    }
    let parameters = cursor.at("parameters");
    let (initial, minimum) =
        (parameters.at("initial-protocol-version"), parameters.at("minimum-protocol-version"));
    let mut node = node(NodeKind::Participant, name, cursor, non_standard);
    if let Some(token) = ledger_token.secret() {
        node.admin_api.admin_token = Some(token);
    }
    let config = ParticipantConfig {
        node,
        initial_protocol_version: domain_parameters::protocol_version(&initial)
            .unwrap_or(ProtocolVersion::V7),
        minimum_protocol_version: domain_parameters::protocol_version(&minimum)
            .unwrap_or(ProtocolVersion::V5),
    };
    if config.initial_protocol_version < config.minimum_protocol_version {
        minimum.contradiction(
            "it is above initial-protocol-version",
            "raise parameters.initial-protocol-version, or lower this one",
        );
    }
    config
}

pub(crate) fn domain(name: &NodeName, cursor: &Cursor<'_>, non_standard: bool) -> Option<DomainConfig> {
    let node = node(NodeKind::Domain, name, cursor, non_standard);
    audit_log(cursor);
    let public_api = server::public_api(&cursor.at("public-api"));
    let topology = domain_parameters::topology(&cursor.at("topology"));
    let time_tracker = sequencer_client::time_tracker(&cursor.at("time-tracker"));
    let service_agreement = cursor.at("service-agreement").existing_file();
    let parameters = domain_parameters::domain_parameters(&cursor.at("init"))?;
    Some(DomainConfig { node, public_api, parameters, topology, time_tracker, service_agreement })
}

pub(crate) fn domain_manager(
    name: &NodeName,
    cursor: &Cursor<'_>,
    non_standard: bool,
) -> Option<DomainManagerConfig> {
    let node = node(NodeKind::DomainManager, name, cursor, non_standard);
    let topology = domain_parameters::topology(&cursor.at("topology"));
    let time_tracker = sequencer_client::time_tracker(&cursor.at("time-tracker"));
    let parameters = domain_parameters::domain_parameters(&cursor.at("init"))?;
    Some(DomainManagerConfig { node, parameters, topology, time_tracker })
}

pub(crate) fn sequencer(name: &NodeName, cursor: &Cursor<'_>, non_standard: bool) -> SequencerConfig {
    audit_log(cursor);
    let mut node = node(NodeKind::Sequencer, name, cursor, non_standard);
    let shared_storage = shared_storage(name, cursor, &mut node.storage);
    SequencerConfig {
        node,
        shared_storage,
        public_api: server::public_api(&cursor.at("public-api")),
        service_agreement: cursor.at("service-agreement").existing_file(),
    }
}

fn audit_log(cursor: &Cursor<'_>) {
    let audit = cursor.at("audit-logging");
    if audit.bool() == Some(true) {
        audit.gap("an audit log of a domain", "remove it");
    }
}

pub(crate) fn mediator(name: &NodeName, cursor: &Cursor<'_>, non_standard: bool) -> MediatorConfig {
    MediatorConfig {
        node: node(NodeKind::Mediator, name, cursor, non_standard),
        time_tracker: sequencer_client::time_tracker(&cursor.at("time-tracker")),
    }
}
