//! From needs to statements: nodes of the same Region and kind of keys share theirs.

use std::collections::BTreeSet;

use cantle_kms::{EncryptionAlgorithm, KeySpec, KeyUsage, KmsKeyId, Operation, OriginType};
use cantle_types::KeyPurpose;

use super::{
    IamPolicyOptions,
    need::{Making, NamedKey, Need},
};

/// One thing that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamStatement {
    /// Its id: letters and digits, unique in the policy.
    pub sid: String,
    /// The actions.
    pub actions: Vec<&'static str>,
    /// ARNs, or `*`.
    pub resources: Vec<String>,
    /// All of them have to hold.
    pub conditions: Vec<IamCondition>,
}

/// A condition: one of the values has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamCondition {
    /// IAM's operator, as `StringEquals`.
    pub operator: &'static str,
    /// The condition key, as `kms:KeySpec`.
    pub key: String,
    /// The values.
    pub values: Vec<String>,
}

/// The statements in the making.
#[derive(Debug, Default)]
pub(super) struct Statements {
    statements: Vec<IamStatement>,
}

/// The nodes whose keys are of one Region and kind.
struct Group<'a> {
    region: &'a str,
    /// The Regions that the nodes may go to.
    elsewhere: &'a [String],
    multi_region: bool,
    needs: Vec<&'a Need>,
}

impl Statements {
    pub(super) fn of(needs: &[Need], options: &IamPolicyOptions) -> Self {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for need in needs {
            let same = |group: &&mut Group<'_>| {
                group.region == need.region
                    && *group.elsewhere == need.failover_regions
                    && group.multi_region == need.multi_region
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.needs.push(need),
                None => groups.push(Group {
                    region: &need.region,
                    elsewhere: &need.failover_regions,
                    multi_region: need.multi_region,
                    needs: vec![need],
                }),
            }
        }
        let mut statements = Self::default();
        for group in &groups {
            group.make_keys(&mut statements, options);
            group.use_named(&mut statements);
            group.use_unknown(&mut statements);
            group.unwrap(&mut statements);
        }
        statements
    }

    /// The statements, each with an id of its own.
    pub(super) fn finish(mut self) -> Vec<IamStatement> {
        let mut seen = BTreeSet::new();
        for statement in &mut self.statements {
            let mut number = 1;
            let first = statement.sid.clone();
            while !seen.insert(statement.sid.clone()) {
                number += 1;
                statement.sid = format!("{first}{number}");
            }
        }
        self.statements
    }

    pub(super) fn add(
        &mut self,
        sid: &str,
        actions: &[&'static str],
        resources: Vec<String>,
        conditions: Vec<IamCondition>,
    ) {
        self.statements.push(IamStatement {
            sid: sid.to_owned(),
            actions: actions.to_vec(),
            resources,
            conditions,
        });
    }

    /// Reading, signing and decrypting on some keys; what there is no key for is left out.
    fn add_use(&mut self, of: &str, keys: &Keys, nodes: &[&Need], conditions: &[IamCondition]) {
        let with = |more: &[IamCondition]| [conditions, more].concat();
        let read = [Operation::DescribeKey, Operation::GetPublicKey].map(Operation::iam_action);
        self.add(&format!("Read{of}"), &read, keys.all(), with(&[]));
        let algorithms =
            sorted(nodes.iter().flat_map(|need| need.algorithms.iter().map(|algorithm| algorithm.as_str())));
        if !keys.signing.is_empty() && !algorithms.is_empty() {
            let signed = [
                condition("StringEquals", "kms:SigningAlgorithm", algorithms),
                equals("kms:MessageType", "RAW"),
            ];
            let sign = [Operation::Sign.iam_action()];
            self.add(&format!("SignWith{of}"), &sign, keys.signing.clone(), with(&signed));
        }
        if !keys.encryption.is_empty() && nodes.iter().any(|need| !need.encryption.is_empty()) {
            let algorithm = EncryptionAlgorithm::RsaesOaepSha256.as_str();
            let decrypted = [equals("kms:EncryptionAlgorithm", algorithm)];
            let decrypt = [Operation::Decrypt.iam_action()];
            self.add(&format!("DecryptWith{of}"), &decrypt, keys.encryption.clone(), with(&decrypted));
        }
    }
}

/// The resources that signing and encryption keys are.
struct Keys {
    signing: Vec<String>,
    encryption: Vec<String>,
}

impl Keys {
    fn all(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.signing.iter().chain(&self.encryption).collect();
        all.into_iter().cloned().collect()
    }
}

impl Group<'_> {
    /// Making keys, and using those that were made, which their tags tell.
    fn make_keys(&self, statements: &mut Statements, options: &IamPolicyOptions) {
        let makers: Vec<&Need> =
            self.needs.iter().copied().filter(|need| need.makes_keys == Making::Yes).collect();
        if makers.is_empty() {
            return;
        }
        let tagged = |of: &str| {
            let mut conditions: Vec<IamCondition> = Vec::new();
            for (name, value) in makers.iter().flat_map(|need| &need.fixed_tags) {
                let key = format!("aws:{of}Tag/{name}");
                match conditions.iter_mut().find(|condition| condition.key == key) {
                    Some(condition) if condition.values.contains(value) => {}
                    Some(condition) => condition.values.push(value.clone()),
                    None => conditions.push(condition("StringEquals", &key, vec![value.clone()])),
                }
            }
            conditions
        };
        let region = equals("aws:RequestedRegion", self.region);
        let create = [Operation::CreateKey.iam_action()];
        let (sign, encrypt) = (KeyUsage::SignVerify, KeyUsage::EncryptDecrypt);
        let (here, external) = (OriginType::AwsKms, OriginType::External);
        for (sid, specs, usage, origin) in [
            ("MakeSigningKeys", specs(&makers, |need| &need.signing), &sign, &here),
            ("MakeEncryptionKeys", specs(&makers, |need| &need.encryption), &encrypt, &here),
            ("MakeSigningKeysToImport", specs(&makers, |need| &need.imported_signing), &sign, &external),
            (
                "MakeEncryptionKeysToImport",
                specs(&makers, |need| &need.imported_encryption),
                &encrypt,
                &external,
            ),
        ] {
            if specs.is_empty() {
                continue;
            }
            let mut conditions = vec![
                condition("StringEquals", "kms:KeySpec", specs),
                equals("kms:KeyUsage", usage.as_str()),
                equals("kms:KeyOrigin", origin.as_str()),
                condition("Bool", "kms:MultiRegion", vec![self.multi_region.to_string()]),
                region.clone(),
            ];
            conditions.extend(tagged("Request"));
            statements.add(sid, &create, all(), conditions);
        }
        let names = sorted(makers.iter().flat_map(|need| need.tag_names.iter().map(String::as_str)));
        let mut conditions = tagged("Request");
        conditions.push(condition("ForAllValues:StringEquals", "aws:TagKeys", names));
        conditions.push(region.clone());
        statements.add("TagNewKeys", &["kms:TagResource"], all(), conditions);
        if self.multi_region {
            let service = "mrk.kms.amazonaws.com";
            let role = format!(
                "arn:{}:iam::{}:role/aws-service-role/{service}/AWSServiceRoleForKeyManagementServiceMultiRegionKeys",
                partition(self.region),
                account(&makers)
            );
            let for_kms = vec![equals("iam:AWSServiceName", service)];
            statements.add("ReplicateKeys", &["iam:CreateServiceLinkedRole"], vec![role], for_kms);
        }
        let keys = Keys { signing: self.every_key(&makers), encryption: self.every_key(&makers) };
        statements.add_use("OwnKeys", &keys, &makers, &tagged("Resource"));
        self.import(statements, &makers, &tagged("Resource"));
        if options.reconcile {
            statements.add("ListKeys", &["kms:ListKeys"], all(), vec![region]);
            let tags = ["kms:ListResourceTags"];
            statements.add("ReadTagsOfOwnKeys", &tags, self.every_key(&makers), tagged("Resource"));
        }
    }

    /// Importing material into keys that were made for it.
    fn import(&self, statements: &mut Statements, makers: &[&Need], own: &[IamCondition]) {
        let imports =
            |need: &&Need| !need.imported_signing.is_empty() || !need.imported_encryption.is_empty();
        if !makers.iter().any(imports) {
            return;
        }
        let with = |more: &[IamCondition]| [own, more].concat();
        let wrapped = [
            equals("kms:WrappingAlgorithm", "RSA_AES_KEY_WRAP_SHA_256"),
            equals("kms:WrappingKeySpec", KeySpec::Rsa4096.as_str()),
        ];
        let prepare = [Operation::GetParametersForImport.iam_action()];
        statements.add("PrepareImport", &prepare, self.every_key(makers), with(&wrapped));
        let lasting = [equals("kms:ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE")];
        let import = [Operation::ImportKeyMaterial.iam_action()];
        statements.add("ImportMaterial", &import, self.every_key(makers), with(&lasting));
    }

    /// Decrypting the private keys that a wrapper key encrypts.
    fn unwrap(&self, statements: &mut Statements) {
        let wrappers: BTreeSet<String> =
            self.needs.iter().flat_map(|need| &need.wrapper_keys).flat_map(|key| self.arns(key)).collect();
        if !wrappers.is_empty() {
            let unwrap = [Operation::Decrypt.iam_action()];
            let symmetric = vec![equals("kms:EncryptionAlgorithm", KeySpec::SymmetricDefault.as_str())];
            statements.add("DecryptStoredKeys", &unwrap, wrappers.into_iter().collect(), symmetric);
        }
    }

    /// Using the keys that are known by name.
    fn use_named(&self, statements: &mut Statements) {
        let named: BTreeSet<&NamedKey> = self.needs.iter().flat_map(|need| &need.named).collect();
        let of = |other: KeyPurpose| {
            let named = named.iter().filter(|named| named.purpose != Some(other));
            let arns: BTreeSet<String> = named.flat_map(|named| self.arns(&named.key)).collect();
            arns.into_iter().collect()
        };
        let keys = Keys { signing: of(KeyPurpose::Encryption), encryption: of(KeyPurpose::Signing) };
        if !keys.all().is_empty() {
            statements.add_use("RegisteredKeys", &keys, &self.needs, &[]);
        }
    }

    /// Using keys that the operator will register: of them only the kind is known.
    fn use_unknown(&self, statements: &mut Statements) {
        let unknown = |need: &&Need| need.makes_keys != Making::Yes && need.named.is_empty();
        let nodes: Vec<&Need> = self.needs.iter().copied().filter(unknown).collect();
        if nodes.is_empty() {
            return;
        }
        let mut kinds = specs(&nodes, |need| &need.signing);
        kinds.extend(specs(&nodes, |need| &need.encryption));
        let keys = Keys { signing: self.every_key(&nodes), encryption: self.every_key(&nodes) };
        let conditions = [condition("StringEquals", "kms:KeySpec", kinds)];
        statements.add_use("KeysOfThisKind", &keys, &nodes, &conditions);
    }

    /// Every key of the nodes' account in their Regions.
    fn every_key(&self, nodes: &[&Need]) -> Vec<String> {
        let every = |region| format!("arn:{}:kms:{region}:{}:key/*", partition(region), account(nodes));
        self.regions().map(every).collect()
    }

    /// A key as resources: its ARN in each Region where it is used. An alias names no resource.
    fn arns(&self, key: &KmsKeyId) -> Vec<String> {
        let Some(id) = key.key_id() else { return Vec::new() };
        let arn = |region: &str| {
            if key.is_arn() {
                return key.in_region(region).as_ref().unwrap_or(key).to_string();
            }
            format!("arn:{}:kms:{region}:{}:key/{id}", partition(region), account(&self.needs))
        };
        self.regions().map(arn).collect()
    }

    fn regions(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.region).chain(self.elsewhere.iter().map(String::as_str))
    }
}

pub(super) fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// The account of the nodes' keys, or any.
fn account<'a>(nodes: &[&'a Need]) -> &'a str {
    let mut accounts = nodes.iter().map(|need| need.account.as_deref());
    let first = accounts.next().flatten();
    first.filter(|first| accounts.all(|other| other == Some(*first))).unwrap_or("*")
}

fn specs<'a>(nodes: &[&'a Need], of: impl Fn(&'a Need) -> &'a Vec<KeySpec>) -> Vec<String> {
    sorted(nodes.iter().flat_map(|need| of(need)).map(KeySpec::as_str))
}

fn sorted<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    values.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}

pub(super) fn equals(key: &str, value: &str) -> IamCondition {
    condition("StringEquals", key, vec![value.to_owned()])
}

pub(super) fn condition(operator: &'static str, key: &str, values: Vec<String>) -> IamCondition {
    IamCondition { operator, key: key.to_owned(), values }
}

/// The partition of a Region: the second part of its ARNs.
pub(super) fn partition(region: &str) -> &'static str {
    const PARTITIONS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    let found = PARTITIONS.into_iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("aws", |(_, partition)| partition)
}
