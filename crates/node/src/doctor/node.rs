//! One node: its KMS, its database, its keys.

use std::path::Path;

use cantle_config::{AutoInit, CryptoProvider, KmsConfig, NodeConfig, NodeKind};
use cantle_store::NodeIdentity;

use super::{
    finding::{Check, Finding, named},
    keys,
    service::Service,
    wrapper,
};
use crate::{
    error::StartStep,
    storage,
    stored_keys::{StoredMaterial, stored_keys, stored_material},
};

/// A node that was examined.
#[derive(Debug)]
pub(super) struct Examined<'a> {
    pub(super) node: NodeIdentity,
    pub(super) config: &'a NodeConfig,
    pub(super) findings: Vec<Finding>,
    /// The KMS that the node will make keys in.
    pub(super) makes_keys: Option<KmsConfig>,
    /// The KMS that its private keys are to move into.
    pub(super) migrates: Option<(KmsConfig, StoredMaterial)>,
}

pub(super) async fn examine<'a>(
    config: &'a NodeConfig,
    service: Option<&Service>,
    data_dir: &Path,
    migration: bool,
) -> Examined<'a> {
    let node = storage::identity(config);
    let name = named(&node);
    let mut examined = Examined { node, config, findings: Vec::new(), makes_keys: None, migrates: None };
    let Some(service) = service else {
        examined.findings.push(Finding::ok(
            &name,
            Check::Provider,
            "jce: its keys are in its own store; it needs no KMS and no permission",
        ));
        return examined;
    };
    examined.findings = service.findings(&name);
    if config.crypto.provider == CryptoProvider::Jce {
        examined.findings.extend(wrapper_key(config, service, data_dir, &name).await);
        return examined;
    }
    let stored = match stored_keys(config, data_dir).await {
        Ok(stored) => stored,
        Err(error) => {
            examined.findings.push(unknown_keys(&name, &error));
            return examined;
        }
    };
    if let (Some(kms), Some(stored)) = (service.usable(), &stored) {
        examined.findings.extend(wrapper::examine_kept(&*kms, &name, &stored.sealed).await);
    }
    if migration {
        match stored_material(config, data_dir).await {
            Ok(Some(material)) => {
                examined.findings.push(Finding::ok(
                    &name,
                    Check::Database,
                    format!(
                        "{} private keys in it can be imported into the KMS; {} cannot, and are rotated if they are in use \
                         (cantle migrate to-kms --dry-run says which)",
                        material.imported.len(),
                        material.others
                    ),
                ));
                examined.migrates = Some((service.config.clone(), material));
                return examined;
            }
            Ok(None) => {}
            Err(error) => {
                examined.findings.push(unknown_keys(&name, &error));
                return examined;
            }
        }
    }
    let stored = stored.map(|stored| stored.kms);
    let expected = expected_keys(config);
    let found = stored.as_ref().map_or(0, Vec::len);
    examined.findings.push(database(config, &name, stored.as_ref().map(Vec::len)));
    if found < expected && config.init.auto_init == AutoInit::Yes {
        examined.makes_keys = Some(service.config.clone());
    }
    let keys = stored.unwrap_or_default();
    match service.usable() {
        Some(kms) => {
            let looks = keys.iter().map(|key| keys::examine(&*kms, &name, key));
            examined.findings.extend(futures::future::join_all(looks).await.into_iter().flatten());
            let looks = keys
                .iter()
                .map(|key| keys::replicas(service.elsewhere(), &service.config.region, &name, key));
            examined.findings.extend(futures::future::join_all(looks).await.into_iter().flatten());
        }
        None if keys.is_empty() => {}
        None => examined.findings.push(Finding::warn(
            &name,
            Check::Key,
            format!("{found} keys were not examined"),
            "Run this again when the KMS answers",
        )),
    }
    examined
}

fn unknown_keys(node: &str, error: &StartStep) -> Finding {
    Finding::fail(
        node,
        Check::Database,
        format!("its keys are not known: {}", cantle_sequencing::chain(error)),
        "Correct that first; the keys could not be examined",
    )
}

/// The wrapper key of a node that has one, or will.
async fn wrapper_key(config: &NodeConfig, service: &Service, data_dir: &Path, node: &str) -> Vec<Finding> {
    let configured = config.crypto.wrapper_key.as_ref().and_then(|wrapper| wrapper.wrapper_key_id.clone());
    let key = match stored_keys(config, data_dir).await {
        Ok(stored) => stored.unwrap_or_default().wrapper_keys().next().map(str::to_owned).or(configured),
        Err(error) => {
            let text = format!("its wrapper key is not known: {}", cantle_sequencing::chain(&error));
            return vec![Finding::fail(node, Check::Database, text, "Correct that first")];
        }
    };
    match (key, service.usable()) {
        (Some(key), Some(kms)) => wrapper::examine(&*kms, node, &key).await,
        (Some(_), None) => vec![Finding::warn(
            node,
            Check::Key,
            "its wrapper key was not examined",
            "Run this again when the KMS answers",
        )],
        (None, _) => vec![Finding::warn(
            node,
            Check::CreateKey,
            "its wrapper key is made at the first start; whether kms:CreateKey is allowed is known only then",
            "Compare the node's permissions with cantle iam-policy",
        )],
    }
}

/// How many keys a node of this kind has once it has its identity.
fn expected_keys(config: &NodeConfig) -> usize {
    match config.kind {
        NodeKind::Participant => 3,
        NodeKind::Domain | NodeKind::DomainManager => 2,
        NodeKind::Sequencer | NodeKind::Mediator => 1,
    }
}

fn database(config: &NodeConfig, node: &str, keys: Option<usize>) -> Finding {
    let makes = config.init.auto_init == AutoInit::Yes;
    match keys {
        Some(keys) if keys >= expected_keys(config) => {
            Finding::ok(node, Check::Database, format!("it has {keys} keys of the KMS"))
        }
        Some(keys) if makes => {
            Finding::ok(node, Check::Database, format!("it has {keys} keys of the KMS and makes the others"))
        }
        None if makes => {
            Finding::ok(node, Check::Database, "none yet: the keys are made when the node is initialized")
        }
        keys => Finding::warn(
            node,
            Check::Database,
            format!("it has {} keys of the KMS and init.auto-init is false", keys.unwrap_or(0)),
            "Start the node, register its keys and give it its identity, then run this again",
        ),
    }
}
