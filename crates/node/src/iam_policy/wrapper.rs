//! The wrapper key of a node whose private keys are in its own store, encrypted by a KMS.
//!
//! Such a node neither signs nor decrypts messages with the KMS: it makes a symmetric key, or is given one, and has its
//! private keys encrypted and decrypted with it.

use std::path::Path;

use cantle_config::{KmsConfig, NodeConfig, WrapperKeyConfig};
use cantle_kms::{KeySpec, KeyUsage, KmsKeyId, Operation, OriginType};
use cantle_store::NodeIdentity;
use cantle_vault::KeyRole;

use super::{
    IamPolicyOptions,
    need::account_of,
    statement::{IamCondition, Statements, all, condition, equals, partition},
};
use crate::{base::vault_options, error::StartStep, storage, stored_keys::stored_keys};

/// What a node needs for its wrapper key.
#[derive(Debug)]
pub(super) struct WrapperNeed {
    node: NodeIdentity,
    region: String,
    elsewhere: Vec<String>,
    multi_region: bool,
    account: String,
    makes_key: bool,
    /// The key, if it has a name that a policy can use.
    key: Option<KmsKeyId>,
    tags: Vec<(String, String)>,
}

impl WrapperNeed {
    pub(super) async fn of(
        node: &NodeConfig,
        kms: &KmsConfig,
        wrapper: &WrapperKeyConfig,
        data_dir: &Path,
        options: &IamPolicyOptions,
    ) -> Result<Self, StartStep> {
        let identity = storage::identity(node);
        let stored = stored_keys(node, data_dir).await?.unwrap_or_default();
        let named = stored.wrapper_keys().next().or(wrapper.wrapper_key_id.as_deref());
        let key = named.and_then(|id| KmsKeyId::parse(id).ok()).filter(|key| !key.is_alias());
        Ok(Self {
            region: kms.region.clone(),
            elsewhere: kms.failover_regions.clone(),
            multi_region: kms.multi_region_key,
            account: account_of(kms, options).unwrap_or_else(|| "*".to_owned()),
            makes_key: named.is_none() && !wrapper.reverted && !options.pre_generated,
            key,
            tags: vault_options(&identity, &node.crypto)?.tags(KeyRole::Other, ""),
            node: identity,
        })
    }

    pub(super) fn add_to(&self, statements: &mut Statements) {
        let regions = || std::iter::once(&self.region).chain(&self.elsewhere);
        let named = |id: &str| {
            regions()
                .map(|region| format!("arn:{}:kms:{region}:{}:key/{id}", partition(region), self.account))
                .collect()
        };
        let (resources, conditions): (Vec<String>, _) = match &self.key {
            Some(key) if key.is_multi_region() && key.is_arn() => (
                regions().filter_map(|region| key.in_region(region)).map(|key| key.to_string()).collect(),
                Vec::new(),
            ),
            Some(key) if key.is_arn() => (vec![key.to_string()], Vec::new()),
            Some(key) => (named(key.as_str()), Vec::new()),
            None if self.makes_key => (named("*"), self.tagged("Resource")),
            None => (named("*"), vec![self.spec()]),
        };
        if self.makes_key {
            let region = equals("aws:RequestedRegion", &self.region);
            let mut made = vec![
                self.spec(),
                equals("kms:KeyUsage", KeyUsage::EncryptDecrypt.as_str()),
                equals("kms:KeyOrigin", OriginType::AwsKms.as_str()),
                condition("Bool", "kms:MultiRegion", vec![self.multi_region.to_string()]),
                region.clone(),
            ];
            made.extend(self.tagged("Request"));
            statements.add("MakeWrapperKey", &[Operation::CreateKey.iam_action()], all(), made);
            let mut tagged = self.tagged("Request");
            let names = self.tags.iter().map(|(name, _)| name.clone()).collect();
            tagged.push(condition("ForAllValues:StringEquals", "aws:TagKeys", names));
            tagged.push(region);
            statements.add("TagWrapperKey", &["kms:TagResource"], all(), tagged);
        }
        let read = [Operation::DescribeKey.iam_action()];
        statements.add("ReadWrapperKey", &read, resources.clone(), conditions.clone());
        let mut used = conditions;
        used.push(equals("kms:EncryptionAlgorithm", KeySpec::SymmetricDefault.as_str()));
        let wrap = ["kms:Encrypt", Operation::Decrypt.iam_action()];
        statements.add("UseWrapperKey", &wrap, resources, used);
    }

    /// What an operator should know.
    pub(super) fn notes(&self) -> Vec<String> {
        let node = &self.node;
        let mut notes =
            vec![format!("{node} keeps its keys in its own store and needs its wrapper key alone")];
        if self.key.is_none() && !self.makes_key {
            notes.push(format!(
                "the wrapper key of {node} has no name that a policy can use, so it may use every symmetric key; write its \
                 key ARN as crypto.private-key-store.encryption.wrapper-key-id, or print the policy again after the \
                 first start"
            ));
        }
        notes
    }

    fn spec(&self) -> IamCondition {
        equals("kms:KeySpec", KeySpec::SymmetricDefault.as_str())
    }

    fn tagged(&self, of: &str) -> Vec<IamCondition> {
        let own = self.tags.iter().filter(|(name, _)| matches!(name.as_str(), "CreatedBy" | "CantleNode"));
        own.map(|(name, value)| equals(&format!("aws:{of}Tag/{name}"), value)).collect()
    }
}
