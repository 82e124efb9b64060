//! What one node needs of the KMS, read from its configuration and its store.

use cantle_config::{
    AutoInit, Config, CryptoProvider, EncryptionScheme, KmsConfig, NodeConfig, NodeKind, SigningScheme,
};
use cantle_kms::{KeySpec, KeyUsage, KmsKeyId, SigningAlgorithm};
use cantle_store::{KeyOrigin, NodeIdentity};
use cantle_types::KeyPurpose;
use cantle_vault::KeyRole;

use super::{IamPolicyOptions, role_name};
use crate::{
    base::vault_options,
    error::StartStep,
    storage,
    stored_keys::{StoredKey, StoredKeys, StoredMaterial},
};

/// A node's needs.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) node: NodeIdentity,
    /// The Region of its keys.
    pub(super) region: String,
    /// Other Regions that it may go to.
    pub(super) failover_regions: Vec<String>,
    /// Whether the keys that it makes can be replicated.
    pub(super) multi_region: bool,
    /// The account of its keys, if it is known.
    pub(super) account: Option<String>,
    pub(super) makes_keys: Making,
    /// The specs that its signing keys may have.
    pub(super) signing: Vec<KeySpec>,
    /// The algorithms of its signing keys: of those that it makes, and of those that it has, whose material may have been
    /// imported and be of another kind.
    pub(super) algorithms: Vec<SigningAlgorithm>,
    /// The specs that its encryption keys may have; only participants decrypt.
    pub(super) encryption: Vec<KeySpec>,
    /// The specs of the KMS keys that its private keys are to be imported into.
    pub(super) imported_signing: Vec<KeySpec>,
    pub(super) imported_encryption: Vec<KeySpec>,
    /// What encrypts the private keys that are in its store: until they are imported, and those that no KMS can hold until
    /// nothing is sent to them any more.
    pub(super) wrapper_keys: Vec<KmsKeyId>,
    /// The tags of the keys that it makes: those with a fixed value, and the names of all.
    pub(super) fixed_tags: Vec<(String, String)>,
    pub(super) tag_names: Vec<String>,
    /// Keys that no tag of ours tells.
    pub(super) named: Vec<NamedKey>,
    /// The role that it assumes.
    pub(super) assumes: Option<String>,
}

/// A key that is named in the policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NamedKey {
    pub(super) key: KmsKeyId,
    /// What it is for, if that is known.
    pub(super) purpose: Option<KeyPurpose>,
}

/// Whether a node makes keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    /// It does.
    Yes,
    /// The operator registers them.
    No,
    /// A sequencer or mediator, which cannot say; the operator registers the keys of the nodes that can.
    NoAsOthers,
}

impl Need {
    pub(super) fn of(
        config: &Config,
        node: &NodeConfig,
        kms: &KmsConfig,
        stored: StoredKeys,
        options: &IamPolicyOptions,
    ) -> Result<Self, StartStep> {
        let identity = storage::identity(node);
        let wrapper_keys = stored.wrapper_keys().filter_map(|id| KmsKeyId::parse(id).ok()).collect();
        let stored = stored.kms;
        let makes_keys = making(config, node, &stored, options);
        let assumes = kms.credentials.assume_role.as_ref().map(|role| role.role_arn.clone());
        let account = account_of(kms, options);
        let tags = vault_options(&identity, &node.crypto)?.tags(KeyRole::Other, "");
        let fixed = |name: &str| matches!(name, "CreatedBy" | "CantleNode");
        let signing: Vec<KeySpec> =
            node.crypto.signing.own.iter().filter_map(|scheme| signing_spec(*scheme)).collect();
        let had = stored.iter().map(|key| KeySpec::from_name(&key.kms.key_spec));
        let algorithms = had.chain(signing.clone()).filter_map(|spec| spec.signing_algorithm()).collect();
        // A key that the node made has its tags; but only a node that makes keys is let in by them.
        let by_name = |key: &StoredKey| makes_keys != Making::Yes || key.kms.origin != KeyOrigin::Generated;
        let stored = stored.into_iter().filter(by_name).filter_map(|key| {
            let name = key.kms.kms_key_arn.as_deref().unwrap_or(&key.kms.kms_key_id);
            let purpose = Some(key.kms.purpose);
            Some(NamedKey { key: KmsKeyId::parse(name).ok()?, purpose })
        });
        let given = options.keys.iter().map(|key| NamedKey { key: key.clone(), purpose: None });
        let named = stored.chain(given).collect();
        Ok(Self {
            region: kms.region.clone(),
            failover_regions: kms.failover_regions.clone(),
            multi_region: kms.multi_region_key,
            account,
            makes_keys,
            signing,
            algorithms,
            encryption: match node.kind {
                NodeKind::Participant => {
                    node.crypto.encryption.own.iter().filter_map(|scheme| encryption_spec(*scheme)).collect()
                }
                _ => Vec::new(),
            },
            imported_signing: Vec::new(),
            imported_encryption: Vec::new(),
            wrapper_keys,
            fixed_tags: tags.iter().filter(|(name, _)| fixed(name)).cloned().collect(),
            tag_names: tags.into_iter().map(|(name, _)| name).collect(),
            named,
            assumes,
            node: identity,
        })
    }

    /// What it needs to have its private keys imported: KMS keys to be made for them, and used as those that it makes.
    pub(super) fn add_migration(&mut self, material: StoredMaterial) {
        self.makes_keys = Making::Yes;
        for (spec, usage) in material.imported {
            self.algorithms.extend(spec.signing_algorithm());
            match usage {
                KeyUsage::SignVerify => self.imported_signing.push(spec),
                _ => self.imported_encryption.push(spec),
            }
        }
    }
}

/// The account of the keys that are named by nothing else.
pub(super) fn account_of(kms: &KmsConfig, options: &IamPolicyOptions) -> Option<String> {
    let assumed = kms.credentials.assume_role.as_ref().map(|role| &role.role_arn);
    let role = options.role.as_ref().filter(|role| role.starts_with("arn:")).or(assumed);
    options.account.clone().or_else(|| role?.split(':').nth(4).map(str::to_owned))
}

fn making(config: &Config, node: &NodeConfig, stored: &[StoredKey], options: &IamPolicyOptions) -> Making {
    let no = |no: bool| if no { Making::No } else { Making::Yes };
    match node.kind {
        _ if options.pre_generated => Making::No,
        NodeKind::Participant | NodeKind::Domain | NodeKind::DomainManager => {
            no(node.init.auto_init == AutoInit::No)
        }
        NodeKind::Sequencer | NodeKind::Mediator => {
            if stored.iter().any(|key| key.kms.origin != KeyOrigin::Generated) {
                return Making::No;
            }
            let says = |node: &&NodeConfig| {
                node.crypto.provider == CryptoProvider::Kms
                    && !matches!(node.kind, NodeKind::Sequencer | NodeKind::Mediator)
            };
            let mut others = config.nodes().filter(says).peekable();
            let all_registered =
                others.peek().is_some() && others.all(|node| node.init.auto_init == AutoInit::No);
            if all_registered { Making::NoAsOthers } else { Making::Yes }
        }
    }
}

fn signing_spec(scheme: SigningScheme) -> Option<KeySpec> {
    match scheme {
        SigningScheme::EcDsaP256 => Some(KeySpec::EccNistP256),
        SigningScheme::EcDsaP384 => Some(KeySpec::EccNistP384),
        SigningScheme::Ed25519 => None,
    }
}

fn encryption_spec(scheme: EncryptionScheme) -> Option<KeySpec> {
    match scheme {
        EncryptionScheme::Rsa2048OaepSha256 => Some(KeySpec::Rsa2048),
        _ => None,
    }
}

/// What an operator should know.
pub(super) fn notes(needs: &[Need], options: &IamPolicyOptions) -> Vec<String> {
    let mut notes = Vec::new();
    if needs.is_empty() {
        notes.push("no node of this configuration keeps keys in a KMS: nothing has to be allowed".to_owned());
        return notes;
    }
    if needs.iter().any(|need| need.account.is_none()) {
        notes.push(
            "the account is not known, so keys of every account are meant; --account makes the policy narrower"
                .to_owned(),
        );
    }
    for need in needs {
        let node = &need.node;
        if need.makes_keys == Making::NoAsOthers {
            notes.push(format!(
                "{node} makes no key: init.auto-init is false for the others, so its signing key is taken to be \
                 registered too, before the domain is bootstrapped"
            ));
        }
        if need.makes_keys != Making::Yes && need.named.is_empty() {
            notes.push(format!(
                "the keys of {node} are not known before they are registered, so it may use every key of their kind; \
                 name them with --key, or print the policy again when they are"
            ));
        }
        for NamedKey { key, .. } in &need.named {
            if let (Some(owner), Some(own)) = (key.account(), need.account.as_deref())
                && owner != own
            {
                notes.push(format!(
                    "{key} belongs to account {owner}: its key policy has to allow {node} the same actions"
                ));
            }
        }
        if let Some(role) = &need.assumes {
            notes.push(format!(
                "{node} assumes the role {}, which this policy is for: the credentials that it starts with need \
                 sts:AssumeRole on {role}, and the role's trust policy has to let them in",
                role_name(role)
            ));
        }
    }
    if needs.iter().any(|need| need.multi_region && need.makes_keys == Making::Yes) {
        notes.push(
            "iam:CreateServiceLinkedRole is needed for the first multi-Region key of an account only; remove that \
             statement where the role AWSServiceRoleForKeyManagementServiceMultiRegionKeys exists"
                .to_owned(),
        );
    }
    if needs.iter().any(|need| !need.failover_regions.is_empty() && need.makes_keys == Making::Yes) {
        notes.push(
            "replicas have tags of their own: replicate each key with the tags CreatedBy and CantleNode of its primary \
             (aws kms replicate-key --tags), by which this policy lets the node in"
                .to_owned(),
        );
    }
    if options.reconcile && needs.iter().all(|need| need.makes_keys != Making::Yes) {
        notes.push("no node makes keys, so that there is nothing to list".to_owned());
    }
    notes
}
