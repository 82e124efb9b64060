//! One file a section: its table of keys, what it becomes, and how.

pub(crate) mod auth;
pub(crate) mod caching;
pub(crate) mod crypto;
pub(crate) mod domain_parameters;
pub(crate) mod features;
pub(crate) mod init;
pub(crate) mod kms;
pub(crate) mod ledger_api;
pub(crate) mod monitoring;
pub(crate) mod node;
pub(crate) mod parameters;
pub(crate) mod postgres;
pub(crate) mod remote;
pub(crate) mod replication;
pub(crate) mod scheme;
pub(crate) mod sequencer_client;
pub(crate) mod server;
pub(crate) mod storage;
pub(crate) mod tags;
pub(crate) mod tls;
