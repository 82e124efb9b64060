//! What a migration will do, and what it has done, as people read it.

use std::{collections::BTreeMap, fmt, path::Path};

use cantle_node::{FromKms, KeyMove, KeyPlan, KmsMetadata, Rotated, RotatedKey, ToKms};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

/// USD a month for a KMS key. Source: <https://aws.amazon.com/kms/pricing/>
const MONTHLY: usize = 1;
/// The requests for one key, in their order; the last one by what the key is for.
const REQUESTS: [&str; 5] =
    ["CreateKey", "GetParametersForImport", "ImportKeyMaterial", "DescribeKey", "GetPublicKey"];
/// The requests for a key that takes the place of one that the KMS cannot hold.
const ROTATION: [&str; 3] = ["CreateKey", "DescribeKey", "GetPublicKey"];

/// What will happen, without anything of it.
pub(super) struct Plan {
    node: String,
    uid: String,
    keys: Vec<KeyPlan>,
}

impl Plan {
    pub(super) fn of(node: &ToKms) -> Self {
        Self {
            node: node.node.to_string(),
            uid: node.uid.clone().unwrap_or_default(),
            keys: node.plan().cloned().collect(),
        }
    }

    fn imported(&self) -> impl Iterator<Item = &KeyPlan> {
        self.keys.iter().filter(|key| matches!(key.step, KeyMove::Import(_)))
    }

    fn rotated(&self) -> impl Iterator<Item = (&KeyPlan, &str)> {
        self.keys.iter().filter_map(|key| match &key.step {
            KeyMove::Rotate(by) => Some((key, by.as_str())),
            _ => None,
        })
    }

    /// What the node will tell its domains, in this order.
    fn transactions(&self) -> Vec<String> {
        let is_namespace = |(key, _): &(&KeyPlan, &str)| key.purpose == "namespace";
        let delegations = self.rotated().filter(is_namespace).map(|(key, by)| {
            format!(
                "Add NamespaceDelegation: what {} does ({by}), the new key {}-kms may do, ECC_NIST_P256",
                key.fingerprint, key.name
            )
        });
        let mappings = self.rotated().filter(|rotated| !is_namespace(rotated)).flat_map(|(key, by)| {
            let owner = by.strip_prefix("it is mapped to ").unwrap_or(by);
            let spec = if key.purpose == "encryption" { "RSA_2048" } else { "ECC_NIST_P256" };
            [
                format!("Add OwnerToKeyMapping {owner}: the new key {}-kms, {spec}", key.name),
                format!("Remove OwnerToKeyMapping {owner}: {}", key.fingerprint),
            ]
        });
        delegations.chain(mappings).collect()
    }

    fn new_keys(&self) -> usize {
        self.imported().count() + self.rotated().count()
    }

    /// Requests by operation, at least: DescribeKey and GetPublicKey are repeated until a new key is known everywhere.
    fn requests(&self) -> BTreeMap<&'static str, usize> {
        let mut requests = BTreeMap::new();
        for key in self.imported() {
            let trial = if key.purpose == "encryption" { "Decrypt" } else { "Sign" };
            // DescribeKey looks at the key before the import and after it.
            for operation in REQUESTS.into_iter().chain(["DescribeKey", trial]) {
                *requests.entry(operation).or_insert(0) += 1;
            }
        }
        for (key, _) in self.rotated() {
            // A mapping is announced with two signatures of a namespace key that is in the KMS by then.
            let more: &[&str] = match key.purpose {
                "namespace" => &[],
                "encryption" => &["Decrypt", "Sign", "Sign"],
                _ => &["Sign", "Sign"],
            };
            for operation in ROTATION.iter().chain(more) {
                *requests.entry(*operation).or_insert(0) += 1;
            }
        }
        requests
    }

    fn permissions(&self) -> Vec<String> {
        let mut actions: Vec<String> =
            self.requests().keys().map(|operation| format!("kms:{operation}")).collect();
        if !actions.is_empty() {
            actions.push("kms:TagResource".to_owned());
        }
        actions
    }

    pub(super) fn json(&self) -> Value {
        let keys = self.keys.iter().map(|key| {
            json!({
                "name": key.name,
                "purpose": key.purpose,
                "scheme": key.scheme,
                "fingerprint": key.fingerprint,
                "step": step_name(&key.step),
                "key_spec": match &key.step { KeyMove::Import(spec) => Some(spec.as_str()), _ => None },
            })
        });
        json!({
            "node": self.node,
            "uid": self.uid,
            "keys": keys.collect::<Vec<_>>(),
            "permissions": self.permissions(),
            "kms_requests": self.requests(),
            "usd_per_month": self.new_keys() * MONTHLY,
            "topology_transactions": self.transactions(),
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}\n", self.node, self.uid)?;
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["PURPOSE", "NAME", "SCHEME", "FINGERPRINT", "WHAT HAPPENS"]);
        for key in &self.keys {
            table.add_row([key.purpose, &key.name, key.scheme, &key.fingerprint, &step(key)]);
        }
        writeln!(f, "{}\n", table.trim_fmt())?;
        writeln!(f, "permissions: {}", self.permissions().join(", "))?;
        let requests: Vec<String> =
            self.requests().iter().map(|(operation, count)| format!("{operation} {count}")).collect();
        writeln!(f, "KMS requests, at least: {}", requests.join(", "))?;
        writeln!(f, "cost: {} USD a month for the KMS keys", self.new_keys() * MONTHLY)?;
        match self.transactions().as_slice() {
            [] => writeln!(f, "topology transactions: none; identity, keys and fingerprints stay the same")?,
            some => writeln!(
                f,
                "topology transactions, after the switch:\n  {}\nidentity and all other keys and fingerprints stay the same",
                some.join("\n  ")
            )?,
        }
        write!(f, "dry run: nothing was changed, and the KMS was not asked")
    }
}

fn step_name(step: &KeyMove) -> &'static str {
    match step {
        KeyMove::Import(_) => "import",
        KeyMove::Archive => "archive",
        KeyMove::Rotate(_) => "rotate",
        _ => "unknown",
    }
}

fn step(key: &KeyPlan) -> String {
    match &key.step {
        KeyMove::Import(spec) if spec.as_str() == "ECC_NIST_EDWARDS25519" => {
            format!("imported as {spec}; where the KMS has none, see --rotate-ed25519")
        }
        KeyMove::Import(spec) => format!("imported as {spec}"),
        KeyMove::Archive => "no KMS can hold it and nothing needs it: exported, then erased".to_owned(),
        KeyMove::Rotate(by) => {
            let then = match key.purpose {
                "namespace" => "delegates to a new KMS key, exported, then erased",
                "encryption" => "rotated to a new KMS key, kept to decrypt",
                _ => "rotated to a new KMS key, kept for domains that do not know it yet",
            };
            format!("the KMS cannot hold it, and {by}: {then}")
        }
        _ => String::new(),
    }
}

/// A key's name, or what stands for none.
pub(super) fn shown(name: &str) -> &str {
    if name.is_empty() { "(without a name)" } else { name }
}

/// What is ready for the switch.
pub(super) fn prepared(node: &ToKms, export: &Path) -> String {
    format!(
        "prepared: {}: {} keys are in the KMS and proved; the node was not touched and may go on running. Stop it, and give \
         the same command with --yes instead of --prepare; until then {}.journal knows the KMS keys, so keep it",
        node.node,
        node.plan().filter(|key| matches!(key.step, KeyMove::Import(_))).count(),
        export.display()
    )
}

pub(super) fn not_confirmed(node: &ToKms) -> String {
    format!(
        "{}: all keys are in the KMS and proved, and nothing was switched: the node can be started as it was. The same \
         command again, confirmed, switches it; nothing is imported twice",
        node.node
    )
}

/// What was rotated, and how the old keys are ended.
pub(super) fn rotations(node: &str, rotated: &[RotatedKey]) -> String {
    let node = node.replace('-', "_");
    let line = |key: &RotatedKey| {
        let (what, kept) = match key.does {
            Rotated::Encryption => {
                ("encryption key", "to decrypt what others sent before they heard of the new one")
            }
            Rotated::Signing => ("signing key", "to sign for domains that do not know the new one yet"),
            Rotated::Delegation => ("namespace key", ""),
        };
        let then = if kept.is_empty() {
            "The new key signs for the namespace; the old one, its root, has left the database and is in the export file: keep that \
             offline"
                .to_owned()
        } else {
            format!(
                "The old key stays in its database {kept}. When the node has been connected to each of its domains for some \
                 minutes, nothing needs it any more: {node}.keys.secret.delete(\"{}\", force = true)",
                key.old
            )
        };
        format!(
            "rotated: {what} {} to {} ({}, KMS key {}); the node tells its domains when it is started. {then}\n",
            key.old, key.new, key.name, key.kms_key_id
        )
    };
    rotated.iter().map(line).collect()
}

/// What became of a migration.
pub(super) fn moved(node: &ToKms, moved: &[KmsMetadata], rotated: &[RotatedKey], export: &Path) -> String {
    let export = export.display();
    let name = node.node.name.as_str().replace('-', "_");
    let mut text = format!(
        "migrated: {} holds its keys in the KMS: {} imported, {} rotated, with {} requests, {} USD a month. Identity, \
         fingerprints and topology are the same{}.\n",
        node.node,
        moved.len(),
        rotated.len(),
        node.requests(),
        (moved.len() + rotated.len()) * MONTHLY,
        if rotated.is_empty() { "" } else { " but for what was rotated" }
    );
    text += &rotations(node.node.name.as_str(), rotated);
    text += &format!(
        "export file: {export}. Keep it offline, and its passphrase elsewhere: it is the only copy of the private keys outside \
         the KMS, and `cantle migrate from-kms` needs it. `age -d {export}` opens it too.\n"
    );
    let namespaces =
        node.plan().filter(|key| key.purpose == "namespace" && matches!(key.step, KeyMove::Import(_)));
    for key in namespaces {
        text += &format!(
            "the namespace key {} was in clear in this node's database: whoever had a copy of it has the key still. To be safe \
             from that, sign with a key that was made in the KMS, in the node's console:\n  \
             val fresh = {name}.keys.secret.generate_signing_key(\"{}-delegate\")\n  \
             {name}.topology.namespace_delegations.authorize(TopologyChangeOp.Add, \"{}\", fresh.fingerprint, isRootDelegation = false)\n  \
             {name}.topology.all.renew(\"{}\", fresh.fingerprint)\n  \
             {name}.keys.secret.delete(\"{}\", force = true)\n\
             and then take the root offline: aws kms disable-key. The root itself cannot be replaced, and the export file has it.\n",
            key.fingerprint,
            shown(&key.name),
            key.fingerprint,
            key.fingerprint,
            key.fingerprint,
        );
    }
    text += "next: start the node with this configuration";
    text
}

/// What became of the way back; `None`: it was not confirmed.
pub(super) fn restored(node: &FromKms, restored: Option<usize>) -> String {
    let Some(restored) = restored else {
        return format!("{}: the export file has all its keys, and nothing was switched", node.node);
    };
    let mut text = format!(
        "migrated: {} holds {restored} private keys in its database again. Identity, fingerprints and topology are the same.\n",
        node.node
    );
    text += "the KMS keys are still there, and cost; when nobody needs them:\n";
    for key in node.kms_keys() {
        text += &format!(
            "  aws kms schedule-key-deletion --key-id {} --pending-window-in-days 30\n",
            key.kms_key_arn.as_deref().unwrap_or(&key.kms_key_id)
        );
    }
    text += "next: start the node with this configuration";
    text
}
