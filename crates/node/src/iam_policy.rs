//! The least IAM policy for a configuration: what its nodes ask of the KMS, on the keys that are theirs, and nothing else.
//!
//! Keys that a node makes are told by the tags it gives them, keys that the operator registered by their ARNs. AWS has
//! no narrower resource than `*` for CreateKey, and for TagResource of a key that is being made; conditions on what the
//! key becomes stand in for it. Asks neither KMS nor IAM; reads the nodes' databases where there are any.
//!
//! Not a key policy: a key of another account needs one as well, which only that account can write.
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/tag-permissions.html>.

mod need;
mod statement;
mod wrapper;

use std::path::Path;

use cantle_config::{Config, CryptoProvider};
use cantle_kms::KmsKeyId;

pub use self::statement::{IamCondition, IamStatement};
use self::{need::Need, statement::Statements, wrapper::WrapperNeed};
use crate::{
    error::StartError,
    storage,
    stored_keys::{StoredKeys, stored_keys, stored_material},
};

/// What the operator knows that the configuration does not say.
#[derive(Debug, Clone, Default)]
pub struct IamPolicyOptions {
    /// The account of the keys, 12 digits.
    pub account: Option<String>,
    /// The name or ARN of the role that the policy is for. Nodes that are configured to assume another one are left out.
    pub role: Option<String>,
    /// Whether the node may list keys to find those that a crash left behind.
    pub reconcile: bool,
    /// Whether what `cantle migrate to-kms` needs is allowed too, for the nodes whose private keys are still in their
    /// databases.
    pub migration: bool,
    /// Keys that the operator will register: key ids or key ARNs.
    pub keys: Vec<KmsKeyId>,
    /// The operator registers the keys of all nodes, those of sequencers and mediators too.
    pub pre_generated: bool,
}

/// An identity policy, and what the operator should know of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IamPolicy {
    /// What is allowed. Empty if no node uses a KMS.
    pub statements: Vec<IamStatement>,
    /// What the policy rests on, and what else is needed; each a sentence or two.
    pub notes: Vec<String>,
}

/// The policy for the nodes of a configuration.
///
/// # Errors
/// When a node's configuration of schemes cannot be. A database that cannot be read is a note.
pub async fn iam_policy(
    config: &Config,
    data_dir: &Path,
    options: &IamPolicyOptions,
) -> Result<IamPolicy, StartError> {
    let mut notes = Vec::new();
    let (mut needs, mut wrappers) = (Vec::new(), Vec::new());
    for node in config.nodes() {
        let identity = storage::identity(node);
        // With provider jce it is there for a wrapper key alone.
        let Some(kms) = node.crypto.kms.as_ref() else {
            notes.push(format!("{identity} keeps its keys in its own store and needs nothing"));
            continue;
        };
        let assumed = kms.credentials.assume_role.as_ref().map(|role| role.role_arn.as_str());
        if let (Some(assumed), Some(wanted)) = (assumed, options.role.as_deref())
            && role_name(assumed) != role_name(wanted)
        {
            notes.push(format!("{identity} assumes {assumed} and is left out"));
            continue;
        }
        if let (CryptoProvider::Jce, Some(wrapper)) = (node.crypto.provider, &node.crypto.wrapper_key) {
            let need = WrapperNeed::of(node, kms, wrapper, data_dir, options).await;
            wrappers.push(need.map_err(|step| StartError::new(&identity, step))?);
            continue;
        }
        let keys = match stored_keys(node, data_dir).await {
            Ok(keys) => keys.unwrap_or_default(),
            Err(error) => {
                notes.push(format!(
                    "the keys of {identity} are not known: {}",
                    cantle_sequencing::chain(&error)
                ));
                StoredKeys::default()
            }
        };
        let need = Need::of(config, node, kms, keys, options);
        let mut need = need.map_err(|step| StartError::new(&identity, step))?;
        if options.migration {
            let material = stored_material(node, data_dir).await;
            match material.map_err(|step| StartError::new(&identity, step))? {
                Some(material) => need.add_migration(material),
                None => notes.push(format!(
                    "{identity} has no private keys in a database under {}, so it has nothing to migrate",
                    data_dir.display()
                )),
            }
        }
        needs.push(need);
    }
    if wrappers.is_empty() || !needs.is_empty() {
        notes.extend(need::notes(&needs, options));
    }
    let mut statements = Statements::of(&needs, options);
    for wrapper in &wrappers {
        notes.extend(wrapper.notes());
        wrapper.add_to(&mut statements);
    }
    Ok(IamPolicy { statements: statements.finish(), notes })
}

/// The last part of a role's ARN or path.
fn role_name(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}
