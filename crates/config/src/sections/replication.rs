//! `replication` and `sequencer`: keys of replicated nodes and of Canton's sequencer backends.
//!
//! Mostly tables. Canton turns replicas on where the database allows them; Cantle runs one process a node and
//! refuses a second one on its database, so that these keys change nothing that could go wrong silently. Sequencers of
//! one domain are nodes of their own, which share a database where `high-availability.enabled` says so. What is below a
//! connection pool is documented nowhere and not checked.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/ha.html>

use cantle_types::NodeName;

use super::storage::{self, STORAGE, StorageBackend, StorageConfig};
use crate::cursor::Cursor;
use crate::schema::{
    FINITE, INT, Key, Kind, NATURAL, NO_OTHERS, POSITIVE, POSITIVE_DURATION, REPLICAS, SECONDS, Section,
    TUNING, Tagged, ignored, used,
};

/// `replication`
pub(crate) static REPLICATION: Section =
    Section::new(&[used("enabled", Kind::Bool), used("connection-pool", Kind::Any)]);

/// `sequencer` of a sequencer.
pub(crate) static SEQUENCER: Tagged =
    Tagged::new(&[("database", &DATABASE)]).or("database").refusing(OTHER_TYPES);

/// `sequencer` of an embedded domain.
pub(crate) static EMBEDDED_SEQUENCER: Tagged =
    Tagged::new(&[("database", &EMBEDDED_DATABASE)]).or("database").refusing(OTHER_TYPES);

const OTHER_TYPES: &[(&str, &str)] = &[
    ("external", "sequencers on a ledger of others are not there, write type = database"),
    ("fabric", "sequencers on a ledger of others are not there, write type = database"),
    ("ethereum", "sequencers on a ledger of others are not there, write type = database"),
    ("reference", "it is a test driver of Canton, write type = database"),
    ("bft-sequencer", "it is of Canton 3, write type = database"),
];

static EMBEDDED_DATABASE: Section = Section::new(&[
    WRITES,
    READS,
    ignored("high-availability", Kind::Section(&REPLICAS_OF_DOMAIN), REPLICAS),
    PRUNES,
    INTERCEPTS,
]);

static DATABASE: Section = Section::new(&[
    WRITES,
    READS,
    used("high-availability", Kind::Section(&HIGH_AVAILABILITY)),
    used("storage", Kind::Tagged(&STORAGE)),
    PRUNES,
    INTERCEPTS,
]);

const WRITES: Key = ignored("writer", Kind::Tagged(&WRITER), TUNING);
const READS: Key = ignored("reader", Kind::Section(&READER), TUNING);
const PRUNES: Key = ignored("pruning", Kind::Section(&PRUNING), TUNING);
const INTERCEPTS: Key = ignored("testing-interceptor", Kind::Any, "only tests of Canton use it");

static WRITER: Tagged =
    Tagged::new(&[("high-throughput", &WRITER_KEYS), ("low-latency", &WRITER_KEYS)]).or("low-latency");

static WRITER_KEYS: Section = Section::new(&[
    used("payload-queue-size", INT),
    used("payload-write-batch-max-size", INT),
    used("payload-write-batch-max-duration", FINITE),
    used("payload-write-max-concurrency", INT),
    used("payload-to-event-margin", FINITE),
    used("event-write-batch-max-size", INT),
    used("event-write-batch-max-duration", FINITE),
    used("commit-mode-validation", Kind::Choice(&["synchronous", "local"])),
    used("max-sql-in-list-size", POSITIVE),
]);

static READER: Section = Section::new(&[
    used("read-batch-size", INT),
    used("checkpoint-interval", FINITE),
    used("polling-interval", FINITE),
    used("payload-batch-size", INT),
    used("payload-batch-window", FINITE),
]);

static HIGH_AVAILABILITY: Section = Section::new(&[
    used("enabled", Kind::Bool),
    ignored("total-node-count", POSITIVE, TUNING),
    ignored("keep-alive-interval", FINITE, TUNING),
    ignored("online-check-interval", FINITE, TUNING),
    ignored("offline-duration", FINITE, TUNING),
    ignored("connection-pool", Kind::Any, TUNING),
    ignored("exclusive-storage", Kind::Any, TUNING),
]);

static REPLICAS_OF_DOMAIN: Section = Section::new(&[
    used("enabled", Kind::Bool),
    used("total-node-count", POSITIVE),
    used("keep-alive-interval", FINITE),
    used("online-check-interval", FINITE),
    used("offline-duration", FINITE),
    used("connection-pool", Kind::Any),
    used("exclusive-storage", Kind::Any),
]);

/// The database that a sequencer shares with others of its domain, if it does: `sequencer.storage`, or the one that
/// `storage` names, as in Canton. Of that one the node then has a schema for what is its alone.
pub(crate) fn shared_storage(
    name: &NodeName,
    node: &Cursor<'_>,
    own: &mut StorageConfig,
) -> Option<StorageConfig> {
    let sequencer = node.at("sequencer");
    let (enabled, written) = (sequencer.at("high-availability").at("enabled"), sequencer.at("storage"));
    // Its faults are told either way.
    let named = written.is_set().then(|| storage::storage(&written));
    if enabled.bool() != Some(true) {
        if named.is_some() && (!enabled.is_set() || enabled.bool() == Some(false)) {
            written.contradiction(
                "it is a database that several sequencers share, and high-availability.enabled is not set",
                "write sequencer.high-availability.enabled = true, or remove sequencer.storage",
            );
        }
        return None;
    }
    let beside = named.is_none();
    let storage = named.unwrap_or_else(|| own.clone());
    let StorageBackend::Postgres(_) = &storage.backend else {
        enabled.contradiction(
            "sequencers share a PostgreSQL database, and this node has none to share",
            "write sequencer.storage.type = postgres with the database that all sequencers of the domain share, or \
             high-availability.enabled = false for a domain with one sequencer",
        );
        return None;
    };
    if beside && let StorageBackend::Postgres(database) = &mut own.backend {
        let name = name.as_str().to_ascii_lowercase().replace('-', "_");
        database.schema = Some(format!("cantle_{name}"));
    }
    Some(storage)
}

/// `pruning` of a sequencer or mediator.
pub(crate) static PRUNING: Section = Section::new(&[
    used("max-pruning-batch-size", POSITIVE),
    used("pruning-metric-update-interval", SECONDS),
]);

/// `health` of a sequencer.
pub(crate) static SEQUENCER_HEALTH: Section = Section::new(&[used("backend-check-period", FINITE)]);

/// `batching`
pub(crate) static BATCHING: Section = Section::new(&[
    used("max-items-in-sql-clause", POSITIVE),
    used("parallelism", POSITIVE),
    used("migration-read-batch-size", POSITIVE),
    used("migration-write-batch-size", POSITIVE),
    used("migration-max-nb-contracts-per-rc", POSITIVE),
    used("repair-internal-batch-size", POSITIVE),
    used("repair-store-parallelism", POSITIVE),
    used("acs-commitment-processor-replay-batch-size", POSITIVE),
]);

/// `watchdog`
pub(crate) static WATCHDOG: Section = Section::new(&[
    used("enabled", Kind::Bool).required(),
    used("check-interval", POSITIVE_DURATION),
    used("kill-delay", FINITE),
]);

/// `parameters` of sequencers and mediators.
pub(crate) static MEMBER_PARAMETERS: Section = Section::new(&[
    ignored("batching", Kind::Section(&BATCHING), TUNING),
    ignored(
        "watchdog",
        Kind::Section(&WATCHDOG),
        "Cantle has no watchdog, the supervisor of the process is one",
    ),
    ignored("max-burst-factor", Kind::Double, TUNING),
    ignored("dispatcher-batch-size", NATURAL, TUNING),
    ignored("dev-version-support", Kind::Bool, NO_OTHERS),
    ignored("beta-version-support", Kind::Bool, NO_OTHERS),
    ignored("dont-warn-on-deprecated-pv", Kind::Bool, "protocol versions 5 and 7 are not deprecated"),
]);
