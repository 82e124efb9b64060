//! Rotation of a node's keys: a new key is added to the owner's mapping, then the old one is removed. The old private key stays, so
//! that what is under way can still be signed and decrypted. A namespace key is never rotated.
//!
//! Sequencers and mediators have no topology of their own: their domain manager, which the command names, learns the new key and
//! changes the mapping. Source: <https://docs.daml.com/2.10.0/canton/usermanual/security.html#key-rotation>.

use std::sync::Arc;

use cantle_proto::crypto::admin::v0 as vault;
use cantle_proto::crypto::v0 as crypto;
use cantle_types::Member;
use prost::Message;

use super::health::await_idle;
use super::keys_secret::{
    client as vault_client, new_encryption_key, new_signing_key, private_keys, register_encryption,
    register_signing,
};
use super::setup::accept_existing;
use super::topology_authorize::{ADD, REMOVE, authorize_owner_to_key};
use super::topology_list::owner_to_key_mappings;
use crate::command::{Call, Default, Kinds, Param, Spec, Style, floating, optional, required};
use crate::failure::Failure;
use crate::node::Node;
use crate::value::{Data, KeyRecord};

const MANAGER: Param = floating("domainManagerRef", "domain manager");
const FINGERPRINT: Param = required("fingerprint", "Fingerprint");
const KMS_KEY: Param = required("newKmsKeyId", "text");
const NAME: Param = optional("name", "text", Default::EmptyText);

const TO_KMS_KEY: &str = "Replaces a key of the node by one that exists in the KMS.";
const TO_NEW_KEY: &str = "Replaces a key of the node by a new one of the same purpose, and of the same scheme if the node makes \
                          such keys.";
const ALL_KEYS: &str = "Replaces all keys of the node but that of its namespace.";

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "keys.secret.rotate_kms_node_key",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[FINGERPRINT, KMS_KEY, NAME],
        run: rotate_to_kms_key,
        doc: TO_KMS_KEY,
    },
    Spec {
        path: "keys.secret.rotate_kms_node_key",
        kinds: Kinds::MANAGED,
        style: Style::Command,
        params: &[FINGERPRINT, KMS_KEY, MANAGER, NAME],
        run: rotate_to_kms_key,
        doc: TO_KMS_KEY,
    },
    Spec {
        path: "keys.secret.rotate_node_key",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[FINGERPRINT, NAME],
        run: rotate,
        doc: TO_NEW_KEY,
    },
    Spec {
        path: "keys.secret.rotate_node_key",
        kinds: Kinds::MANAGED,
        style: Style::Command,
        params: &[FINGERPRINT, MANAGER, NAME],
        run: rotate,
        doc: TO_NEW_KEY,
    },
    Spec {
        path: "keys.secret.rotate_node_keys",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[],
        run: rotate_all,
        doc: ALL_KEYS,
    },
    Spec {
        path: "keys.secret.rotate_node_keys",
        kinds: Kinds::MANAGED,
        style: Style::Command,
        params: &[MANAGER],
        run: rotate_all,
        doc: ALL_KEYS,
    },
    Spec {
        path: "topology.owner_to_key_mappings.rotate_key",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            required("nodeInstance", "node"),
            required("owner", "KeyOwner"),
            required("currentKey", "PublicKey"),
            required("newKey", "PublicKey"),
        ],
        run: rotate_given,
        doc: "Adds a new key to the owner's mapping and removes the current one.",
    },
];

/// A key that the topology maps to members; an embedded domain may share one between its three.
struct Current {
    owners: Vec<Member>,
    key: crypto::public_key::Key,
    name: String,
}

impl Current {
    fn fingerprint(&self) -> &str {
        match &self.key {
            crypto::public_key::Key::SigningPublicKey(key) => &key.id,
            crypto::public_key::Key::EncryptionPublicKey(key) => &key.id,
        }
    }

    fn purpose(&self) -> crypto::KeyPurpose {
        match self.key {
            crypto::public_key::Key::SigningPublicKey(_) => crypto::KeyPurpose::SigningKeyPurpose,
            crypto::public_key::Key::EncryptionPublicKey(_) => crypto::KeyPurpose::EncryptionKeyPurpose,
        }
    }

    /// The name of its successor: Canton's.
    fn next_name(&self, wanted: &str) -> String {
        if !wanted.is_empty() {
            return wanted.to_owned();
        }
        let base = self.name.split("-rotated-").next().unwrap_or_default();
        let now = jiff::Timestamp::now();
        if base.is_empty() { format!("rotated-{now}") } else { format!("{base}-rotated-{now}") }
    }
}

/// The node whose topology holds the keys of the command's node.
fn manager(call: &Call<'_>) -> Result<Arc<Node>, Failure> {
    if call.has(MANAGER.name) {
        call.node(MANAGER.name, Kinds::GOVERNING)
    } else {
        Ok(Arc::clone(&call.node))
    }
}

/// The mapped keys that the node has the private parts of.
fn current_keys(call: &Call<'_>) -> Result<Vec<Current>, Failure> {
    let mine = private_keys(call, vault::ListKeysRequest::default())?;
    let mine: Vec<_> = mine.into_iter().filter_map(|private| private.public_key_with_name).collect();
    let mut current: Vec<Current> = Vec::new();
    for mapping in owner_to_key_mappings(&call.at(&manager(call)?))? {
        let Some(item) = mapping.item else { continue };
        let (Ok(owner), Some(key)) =
            (item.key_owner.parse::<Member>(), item.public_key.and_then(|key| key.key))
        else {
            continue;
        };
        if let Some(known) = current.iter_mut().find(|known| known.key == key) {
            known.owners.push(owner);
            continue;
        }
        let private = mine
            .iter()
            .find(|private| private.public_key.as_ref().and_then(|public| public.key.as_ref()) == Some(&key));
        if let Some(private) = private {
            current.push(Current { owners: vec![owner], key, name: private.name.clone() });
        }
    }
    Ok(current)
}

fn find_current(call: &Call<'_>) -> Result<Current, Failure> {
    let fingerprint = call.fingerprint("fingerprint")?;
    let current = current_keys(call)?;
    let known: Vec<String> =
        current.iter().map(|key| format!("{} ({})", key.fingerprint(), key.name)).collect();
    current.into_iter().find(|key| key.fingerprint() == fingerprint).ok_or_else(|| {
        call.refuse(
            "fingerprint",
            format!(
                "is not that of a key which the topology maps to this node and which it has the private part of; those are: {}. A namespace key is not rotated: delegate to another key with `topology.namespace_delegations.authorize(…)`, then `topology.all.renew(old, new)`",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ),
        )
    })
}

fn rotate(call: &Call<'_>) -> Result<Data, Failure> {
    let current = find_current(call)?;
    replace_by_new(call, &current, &call.optional_text("name")?)
}

fn replace_by_new(call: &Call<'_>, current: &Current, wanted_name: &str) -> Result<Data, Failure> {
    let name = current.next_name(wanted_name);
    let key = match &current.key {
        crypto::public_key::Key::SigningPublicKey(key) => {
            let made = or_default(key.scheme, |scheme| new_signing_key(call, name.clone(), scheme));
            crypto::public_key::Key::SigningPublicKey(made?)
        }
        crypto::public_key::Key::EncryptionPublicKey(key) => {
            let made = or_default(key.scheme, |scheme| new_encryption_key(call, name.clone(), scheme));
            crypto::public_key::Key::EncryptionPublicKey(made?)
        }
    };
    let data = crate::value::public_key(key);
    swap(call, current, &data)?;
    Ok(data)
}

/// Makes a key of a scheme; of the node's default where the node makes none of that scheme: a key that was imported into a KMS,
/// or kept beside it, has one that only a node without a KMS makes.
fn or_default<T>(scheme: i32, make: impl Fn(i32) -> Result<T, Failure>) -> Result<T, Failure> {
    const DEFAULT: i32 = 0;
    match make(scheme) {
        Err(Failure::Node { code: "INVALID_ARGUMENT", message, .. })
            if message.contains("KEY_SCHEME_NOT_ALLOWED") =>
        {
            make(DEFAULT)
        }
        made => made,
    }
}

fn rotate_to_kms_key(call: &Call<'_>) -> Result<Data, Failure> {
    let current = find_current(call)?;
    let (kms_key_id, name) = (call.text("newKmsKeyId")?, current.next_name(&call.optional_text("name")?));
    let data = match current.key {
        crypto::public_key::Key::SigningPublicKey(_) => register_signing(call, kms_key_id, name)?,
        crypto::public_key::Key::EncryptionPublicKey(_) => register_encryption(call, kms_key_id, name)?,
    };
    if data.downcast::<KeyRecord>().is_some_and(|key| key.fingerprint() == current.fingerprint()) {
        return Err(call.refuse("newKmsKeyId", "is the key that is in use already"));
    }
    swap(call, &current, &data)?;
    Ok(data)
}

/// Gives the owners the new key, and takes the old one away once the new one has spread.
fn swap(call: &Call<'_>, current: &Current, new: &Data) -> Result<(), Failure> {
    let manager = manager(call)?;
    let there = call.at(&manager);
    let Some(key) = new.downcast::<KeyRecord>() else {
        return Err(Failure::value(format!("{} gave no key", call.node.name)));
    };
    if !Arc::ptr_eq(&manager, &call.node) {
        let request = vault::ImportPublicKeyRequest {
            public_key: key.wire().encode_to_vec(),
            name: format!("{}-rotated", call.node.name),
        };
        accept_existing(there.ask(vault_client(&manager).import_public_key(request)).map(|_| ()))?;
    }
    exchange(&there, &current.owners, current.fingerprint(), key.fingerprint(), current.purpose())
}

/// Maps the new key to the owners, and no longer the old one once that has spread.
fn exchange(
    call: &Call<'_>,
    owners: &[Member],
    old: &str,
    new: &str,
    purpose: crypto::KeyPurpose,
) -> Result<(), Failure> {
    for (change, fingerprint) in [(ADD, new), (REMOVE, old)] {
        for owner in owners {
            authorize_owner_to_key(call, change, owner, fingerprint.to_owned(), purpose)?;
        }
        await_idle(call, call.node.caller.deadline())?;
    }
    Ok(())
}

fn rotate_all(call: &Call<'_>) -> Result<Data, Failure> {
    let current = current_keys(call)?;
    if current.is_empty() {
        return Err(Failure::value(format!(
            "{}: {}: the topology maps no key to this node that it has the private part of",
            call.node.name, call.spec.path
        )));
    }
    for current in current {
        replace_by_new(call, &current, "")?;
    }
    Ok(Data::None)
}

fn rotate_given(call: &Call<'_>) -> Result<Data, Failure> {
    let key = |name: &str| {
        call.value(name).downcast::<KeyRecord>().ok_or_else(|| {
            call.refuse(name, "must be a public key, such as `keys.secret.generate_signing_key(…)` gives")
        })
    };
    let (current, new) = (key("currentKey")?, key("newKey")?);
    if current.key_purpose() != new.key_purpose() {
        return Err(call.refuse("newKey", "has another purpose than the current key"));
    }
    let owners = [call.member("owner")?];
    exchange(call, &owners, current.fingerprint(), new.fingerprint(), new.key_purpose()).map(|()| Data::None)
}
