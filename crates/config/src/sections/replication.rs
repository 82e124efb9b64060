//! `replication` and `sequencer`: keys of replicated nodes and of Canton's sequencer backends.
//!
//! Only tables. Canton turns replicas on where the database allows them; Cantle runs one process a node and
//! refuses a second one on its database, so that these keys change nothing that could go wrong silently. What is
//! below a connection pool is documented nowhere and not checked.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/ha.html>

use crate::schema::{
    FINITE, INT, Kind, NATURAL, NO_OTHERS, POSITIVE, POSITIVE_DURATION, REPLICAS, SECONDS, Section, TUNING,
    Tagged, ignored, used,
};

/// `replication`
pub(crate) static REPLICATION: Section =
    Section::new(&[used("enabled", Kind::Bool), used("connection-pool", Kind::Any)]);

/// `sequencer`
pub(crate) static SEQUENCER: Tagged = Tagged::new(&[("database", &DATABASE)]).or("database").refusing(&[
    ("external", "sequencers on a ledger of others are not there, write type = database"),
    ("fabric", "sequencers on a ledger of others are not there, write type = database"),
    ("ethereum", "sequencers on a ledger of others are not there, write type = database"),
    ("reference", "it is a test driver of Canton, write type = database"),
    ("bft-sequencer", "it is of Canton 3, write type = database"),
]);

static DATABASE: Section = Section::new(&[
    ignored("writer", Kind::Tagged(&WRITER), TUNING),
    ignored("reader", Kind::Section(&READER), TUNING),
    ignored("high-availability", Kind::Section(&HIGH_AVAILABILITY), REPLICAS),
    ignored("pruning", Kind::Section(&PRUNING), TUNING),
    ignored("testing-interceptor", Kind::Any, "only tests of Canton use it"),
]);

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
    used("total-node-count", POSITIVE),
    used("keep-alive-interval", FINITE),
    used("online-check-interval", FINITE),
    used("offline-duration", FINITE),
    used("connection-pool", Kind::Any),
    used("exclusive-storage", Kind::Any),
]);

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
