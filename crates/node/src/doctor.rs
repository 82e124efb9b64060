//! Whether the nodes of a configuration will find what they need of their KMS, asked before they start or while they run.
//!
//! Asks and reads only: DescribeKey, GetPublicKey, Sign and Decrypt with DryRun, and the nodes' databases for reading.
//! A trial key is made only on request. Not a look at the ledger, at databases or at certificates.
//!
//! Invariant: whatever is wrong becomes a finding; nothing here ends early, and nothing waits longer than the KMS client's
//! own deadlines, a few tries each.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html>.

mod finding;
mod keys;
mod migration;
mod node;
mod quotas;
mod service;
mod trial;
mod wrapper;

use std::path::Path;

use cantle_config::Config;
use cantle_kms_aws::StaticCredentials;
use futures::future::join_all;

pub use self::finding::{Check, Finding, Severity};
use self::service::Service;

/// What the doctor may do and knows.
#[derive(Debug, Clone, Default)]
pub struct DoctorOptions {
    /// Whether a trial key is made, to see whether keys can be made.
    pub trial_key: TrialKey,
    /// Whether what a migration into the KMS needs is examined, for nodes whose private keys are in their databases.
    pub migration: bool,
    /// Credentials instead of those that the configuration or the environment names.
    pub credentials: Option<StaticCredentials>,
}

/// Whether a trial key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrialKey {
    /// None is.
    #[default]
    No,
    /// One for each different `crypto.kms` whose nodes make keys; it stays, and the finding says how to delete it.
    Make,
}

/// Examines every node of a configuration, side by side. The findings come in the order of the configuration.
pub async fn examine(config: &Config, data_dir: &Path, options: &DoctorOptions) -> Vec<Finding> {
    let mut services: Vec<Service> = Vec::new();
    for node in config.nodes() {
        // With provider jce it is there for a wrapper key alone.
        if let Some(kms) = &node.crypto.kms
            && !services.iter().any(|service| service.config == *kms)
        {
            services.push(Service::new(kms, options.credentials.clone()).await);
        }
    }
    join_all(services.iter_mut().map(Service::ask)).await;
    let examined = config.nodes().map(|node| {
        let service = services.iter().find(|service| Some(&service.config) == node.crypto.kms.as_ref());
        node::examine(node, service, data_dir, options.migration)
    });
    let examined = join_all(examined).await;
    let mut findings: Vec<Finding> = examined.iter().flat_map(|node| node.findings.clone()).collect();
    for service in &services {
        let makers: Vec<_> =
            examined.iter().filter(|node| node.makes_keys.as_ref() == Some(&service.config)).collect();
        if let Some(first) = makers.first() {
            let names: Vec<String> = makers.iter().map(|node| node.node.to_string()).collect();
            findings.push(trial::create_key(service, first, &names.join(", "), options.trial_key).await);
        }
    }
    for service in &services {
        let moves = |node: &&node::Examined<'_>| {
            node.migrates.as_ref().is_some_and(|(kms, _)| *kms == service.config)
        };
        let movers = examined.iter().filter(moves);
        let movers: Vec<_> = movers.collect();
        if let Some(first) = movers.first() {
            let names: Vec<String> = movers.iter().map(|node| node.node.to_string()).collect();
            findings.extend(migration::import(service, first, &names.join(", "), options.trial_key).await);
        }
    }
    findings.extend(services.iter().map(|service| quotas::quotas(config, service)));
    findings
}
