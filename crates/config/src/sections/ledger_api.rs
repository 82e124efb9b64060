//! `ledger-api` and `http-ledger-api-experimental`: known in full, used by the Daml engine alone.
//!
//! Only tables: Cantle serves no Ledger API.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/apis.html#ledger-api-configuration>

use super::auth::AUTH_SERVICES;
use super::server::KEEP_ALIVE_SERVER;
use super::tls::TLS_SERVER;
use crate::schema::{
    ENDLESS, FINITE, INT, Kind, LONG, NATURAL, POSITIVE, SECONDS, Section, TEXTS, Tagged, used,
};

/// `participants.<name>.ledger-api`
pub(crate) static LEDGER_API: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port),
    used("index-service", Kind::Section(&INDEX_SERVICE)),
    used("tls", Kind::Section(&TLS_SERVER)),
    used("configuration-load-timeout", FINITE),
    used("command-service", Kind::Section(&COMMAND_SERVICE)),
    used("user-management-service", Kind::Section(&USER_MANAGEMENT_SERVICE)),
    used("party-management-service", Kind::Section(&PARTY_MANAGEMENT_SERVICE)),
    used("management-service-timeout", FINITE),
    used("postgres-data-source", Kind::Section(&POSTGRES_DATA_SOURCE)),
    used("auth-services", AUTH_SERVICES),
    used("keep-alive-server", Kind::Section(&KEEP_ALIVE_SERVER)),
    used("max-inbound-message-size", Kind::Bytes),
    used("max-inbound-metadata-size", Kind::Bytes),
    used("database-connection-timeout", FINITE),
    used("api-stream-shutdown-timeout", FINITE),
    used("additional-migration-paths", TEXTS),
    used("rate-limit", Kind::Section(&RATE_LIMIT)),
    used("enable-explicit-disclosure", Kind::Bool),
    used("enable-command-inspection", Kind::Bool),
    used("admin-token", Kind::Secret),
    used("identity-provider-management", Kind::Section(&IDENTITY_PROVIDER_MANAGEMENT)),
    used("unsafe-enable-events-by-contract-key-cache", Kind::Section(&EVENTS_BY_KEY_CACHE)),
    used("synchronize-vetting-on-upload", Kind::Bool),
]);

static INDEX_SERVICE: Section = Section::new(&[
    used("buffered-events-processing-parallelism", INT),
    used("buffered-streams-page-size", INT),
    used("max-contract-state-cache-size", LONG),
    used("max-contract-key-state-cache-size", LONG),
    used("max-transactions-in-memory-fan-out-buffer-size", INT),
    used("api-stream-shutdown-timeout", ENDLESS),
    used("in-memory-state-updater-parallelism", INT),
    used("in-memory-fan-out-thread-pool-size", INT),
    used("prepare-package-metadata-time-out-warning", FINITE),
    used("completions-page-size", INT),
    used("active-contracts-service-streams", Kind::Section(&ACTIVE_CONTRACTS_STREAMS)),
    used("transaction-flat-streams", Kind::Section(&FLAT_STREAMS)),
    used("transaction-tree-streams", Kind::Section(&TREE_STREAMS)),
    used("global-max-event-id-queries", INT),
    used("global-max-event-payload-queries", INT),
]);

static ACTIVE_CONTRACTS_STREAMS: Section = Section::new(&[
    used("max-ids-per-id-page", INT),
    used("max-pages-per-id-pages-buffer", INT),
    used("max-working-memory-in-bytes-for-id-pages", INT),
    used("max-payloads-per-payloads-page", INT),
    used("max-parallel-id-create-queries", INT),
    used("max-parallel-payload-create-queries", INT),
    used("contract-processing-parallelism", INT),
    used("max-incomplete-page-size", INT),
    // The names before 2.6.
    used("acs-id-page-size", INT),
    used("acs-id-page-buffer-size", INT),
    used("acs-id-fetching-parallelism", INT),
    used("acs-contract-fetching-parallelism", INT),
]);

static FLAT_STREAMS: Section = Section::new(&[
    used("max-ids-per-id-page", INT),
    used("max-pages-per-id-pages-buffer", INT),
    used("max-working-memory-in-bytes-for-id-pages", INT),
    used("max-payloads-per-payloads-page", INT),
    used("max-parallel-id-create-queries", INT),
    used("max-parallel-id-consuming-queries", INT),
    used("max-parallel-id-assign-queries", INT),
    used("max-parallel-id-unassign-queries", INT),
    used("max-parallel-payload-create-queries", INT),
    used("max-parallel-payload-consuming-queries", INT),
    used("max-parallel-payload-assign-queries", INT),
    used("max-parallel-payload-unassign-queries", INT),
    used("max-parallel-payload-queries", INT),
    used("transactions-processing-parallelism", INT),
]);

static TREE_STREAMS: Section = Section::new(&[
    used("max-ids-per-id-page", INT),
    used("max-pages-per-id-pages-buffer", INT),
    used("max-working-memory-in-bytes-for-id-pages", INT),
    used("max-payloads-per-payloads-page", INT),
    used("max-parallel-id-create-queries", INT),
    used("max-parallel-id-consuming-queries", INT),
    used("max-parallel-id-non-consuming-queries", INT),
    used("max-parallel-id-assign-queries", INT),
    used("max-parallel-id-unassign-queries", INT),
    used("max-parallel-payload-create-queries", INT),
    used("max-parallel-payload-consuming-queries", INT),
    used("max-parallel-payload-non-consuming-queries", INT),
    used("max-parallel-payload-assign-queries", INT),
    used("max-parallel-payload-unassign-queries", INT),
    used("max-parallel-payload-queries", INT),
    used("transactions-processing-parallelism", INT),
]);

static COMMAND_SERVICE: Section = Section::new(&[
    used("default-tracking-timeout", FINITE),
    used("max-commands-in-flight", INT),
    used("stricter-party-validation", Kind::Bool),
    used("contract-prefetching-depth", POSITIVE),
]);

static USER_MANAGEMENT_SERVICE: Section = Section::new(&[
    used("enabled", Kind::Bool),
    used("max-cache-size", INT),
    used("cache-expiry-after-write-in-seconds", INT),
    used("max-users-page-size", INT),
    used("max-rights-per-user", INT),
    used("additional-admin-user-id", Kind::Text),
]);

static PARTY_MANAGEMENT_SERVICE: Section = Section::new(&[used("max-parties-page-size", POSITIVE)]);

static POSTGRES_DATA_SOURCE: Section = Section::new(&[
    used("synchronous-commit", Kind::Text),
    used("tcp-keepalives-idle", INT),
    used("tcp-keepalives-interval", INT),
    used("tcp-keepalives-count", INT),
]);

static RATE_LIMIT: Section = Section::new(&[
    used("max-api-services-queue-size", INT),
    used("max-api-services-index-db-queue-size", INT),
    used("max-used-heap-space-percentage", INT),
    used("min-free-heap-space-bytes", LONG),
    used("max-streams", INT),
]);

static IDENTITY_PROVIDER_MANAGEMENT: Section = Section::new(&[used("cache-expiry-after-write", FINITE)]);

static EVENTS_BY_KEY_CACHE: Section =
    Section::new(&[used("enabled", Kind::Bool), used("cache-size", POSITIVE)]);

/// `participants.<name>.http-ledger-api-experimental`
pub(crate) static HTTP_LEDGER_API: Section = Section::new(&[
    used("server", Kind::Section(&HTTP_SERVER)),
    used("websocket-config", Kind::Section(&WEBSOCKET)),
    used("allow-insecure-tokens", Kind::Bool),
    used("static-content", Kind::Section(&STATIC_CONTENT)),
    used("debug-logging-of-http-bodies", Kind::Bool),
]);

static HTTP_SERVER: Section =
    Section::new(&[used("address", Kind::Text), used("port", Kind::Port), used("port-file", Kind::File)]);

static WEBSOCKET: Section = Section::new(&[
    used("max-duration", FINITE),
    used("throttle-elem", INT),
    used("throttle-per", FINITE),
    used("max-burst", INT),
    used("mode", Kind::Text),
    used("heartbeat-period", FINITE),
]);

static STATIC_CONTENT: Section =
    Section::new(&[used("prefix", Kind::Text).required(), used("directory", Kind::File).required()]);

/// `participants.<name>.testing-time`
pub(crate) static TESTING_TIME: Tagged = Tagged::new(&[("monotonic-time", &NOTHING)]);

static NOTHING: Section = Section::new(&[]);

/// `participants.<name>.init.ledger-api`
pub(crate) static INIT_LEDGER_API: Section = Section::new(&[used("max-deduplication-duration", FINITE)]);

/// `participants.<name>.parameters.ledger-api-server-parameters`
pub(crate) static LEDGER_API_SERVER_PARAMETERS: Section = Section::new(&[
    used("contract-id-seeding", Kind::Choice(&["strong", "testing-weak", "testing-static"])),
    used("indexer", Kind::Section(&INDEXER)),
    used("jwt-timestamp-leeway", Kind::Section(&JWT_TIMESTAMP_LEEWAY)),
    used("token-expiry-grace-period-for-streams", ENDLESS),
    used("contract-loader", Kind::Section(&CONTRACT_LOADER)),
]);

static INDEXER: Section = Section::new(&[
    used("batching-parallelism", NATURAL),
    used("enable-compression", Kind::Bool),
    used("ingestion-parallelism", NATURAL),
    used("input-mapping-parallelism", NATURAL),
    used("max-input-buffer-size", NATURAL),
    used("package-metadata-view", Kind::Section(&PACKAGE_METADATA_VIEW)),
    used("restart-delay", FINITE),
    used("submission-batch-size", LONG),
    used("max-output-batched-buffer-size", INT),
    used("max-tailer-batch-size", INT),
]);

static PACKAGE_METADATA_VIEW: Section = Section::new(&[
    used("init-load-parallelism", INT),
    used("init-process-parallelism", INT),
    used("init-takes-too-long-initial-delay", FINITE),
    used("init-takes-too-long-interval", FINITE),
]);

static JWT_TIMESTAMP_LEEWAY: Section = Section::new(&[
    used("default", LONG),
    used("expires-at", LONG),
    used("issued-at", LONG),
    used("not-before", LONG),
]);

static CONTRACT_LOADER: Section = Section::new(&[
    used("max-queue-size", POSITIVE),
    used("max-batch-size", POSITIVE),
    used("parallelism", POSITIVE),
]);

/// `participants.<name>.parameters.engine`
pub(crate) static ENGINE: Section = Section::new(&[
    used("enable-engine-stack-traces", Kind::Bool),
    used("iterations-between-interruptions", LONG),
    used("submission-phase-logging", Kind::Section(&ENGINE_LOGGING)),
    used("validation-phase-logging", Kind::Section(&ENGINE_LOGGING)),
]);

static ENGINE_LOGGING: Section =
    Section::new(&[used("enabled", Kind::Bool), used("log-level", Kind::Text), used("matching", TEXTS)]);

/// `participants.<name>.parameters.stores`
pub(crate) static STORES: Section = Section::new(&[
    used("max-pruning-batch-size", POSITIVE),
    used("ledger-api-pruning-batch-size", POSITIVE),
    used("pruning-metric-update-interval", SECONDS),
    used("acs-pruning-interval", FINITE),
    used("journal-pruning", Kind::Section(&JOURNAL_PRUNING)),
    used("db-batch-aggregation-config", Kind::Tagged(&BATCH_AGGREGATION)),
]);

static JOURNAL_PRUNING: Section = Section::new(&[
    used("target-batch-size", POSITIVE),
    used("initial-interval", FINITE),
    used("max-buckets", POSITIVE),
]);

static BATCH_AGGREGATION: Tagged = Tagged::new(&[("batching", &BATCHED), ("no-batching", &NOTHING)]);

static BATCHED: Section =
    Section::new(&[used("maximum-in-flight", POSITIVE), used("maximum-batch-size", POSITIVE)]);

/// `participants.<name>.parameters.admin-workflow`
pub(crate) static ADMIN_WORKFLOW: Section = Section::new(&[
    used("bong-test-max-level", LONG),
    used("retries", INT),
    used("submission-timeout", FINITE),
    used("autoload-dar", Kind::Bool),
]);

/// `participants.<name>.parameters.command-progress-tracker`
pub(crate) static COMMAND_PROGRESS_TRACKER: Section = Section::new(&[
    used("enabled", Kind::Bool),
    used("max-failed", NATURAL),
    used("max-pending", NATURAL),
    used("max-succeeded", NATURAL),
]);
