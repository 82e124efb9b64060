//! From configuration to running nodes: start-up, initialization, health and shutdown.
//!
//! Here, and only here, concrete backends are named: SQLite and AWS KMS, each by one `match` on the configuration.
//!
//! Invariant: [`Nodes`] that exist have their databases locked and their admin APIs listening; dropping or shutting
//! them down releases both.

mod authorization;
mod backup;
mod base;
mod connected;
mod doctor;
mod domain;
mod domain_manager;
mod domain_options;
mod error;
mod health_server;
mod http;
mod iam_policy;
mod identity;
mod inspect;
mod key_check;
mod kms;
mod listen;
mod mediator;
mod metrics;
mod migrate;
mod monitoring;
mod nodes;
mod offline;
mod participant;
mod ports_file;
mod probe;
mod public_api;
mod running;
mod sequencer;
mod serving;
mod state;
mod storage;
mod stored_keys;
mod tls;

pub use backup::{BackedUp, BackupError, RestoreOptions, Restored, back_up, restore};
pub use cantle_admin_api::{
    ComponentHealth, Diagnostics, DumpFile, LastError, ListKeysError, LogLevel, NodeHealth, PingEvent,
    PingFeed, PingState,
};
pub use cantle_kms::{Operation, RequestCounts};
pub use cantle_kms_aws::{ConnectError, SharedDnsResolver, StaticCredentials};
pub use cantle_store::{Access, KmsMetadata, NodeIdentity, NodeKind};
pub use cantle_topology::{ParticipantPermission, RequestSide, TrustLevel};
pub use doctor::{Check, DoctorOptions, Finding, Severity, TrialKey, examine};
pub use error::{MonitoringError, StartError, StartStep};
pub use iam_policy::{IamCondition, IamPolicy, IamPolicyOptions, IamStatement, iam_policy};
pub use inspect::{forget_possible_orphan, inspect_keys, inspect_possible_orphans};
pub use kms::{KmsAccess, NodeKms, connect_kms};
pub use migrate::{
    Ed25519Keys, Exported, FromKms, ImportStep, KeyArchive, KeyMove, KeyPlan, MigrateError, MovedNode,
    OpenedToKms, Rotated, RotatedKey, SHORTEST_PASSPHRASE, ToKms, ToKmsWork, read_export, write_export,
};
pub use nodes::{NodeHandle, Nodes, NodesOptions};
pub use offline::{
    OfflineError, OfflineKey, OfflineMapping, Prepared, Words, check_new, read_public_key, read_signature,
    write_new,
};
pub use state::{NodeEvent, NodeState};
pub use tls::{client_tls, own_client_tls, server_tls};
