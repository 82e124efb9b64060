//! Rotation of a node's keys: a new key is added to the owner's mapping, then the old one is removed. The old private key stays, so
//! that what is under way can still be signed and decrypted. A namespace key is never rotated.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/security.html#key-rotation>.

use cantle_proto::crypto::admin::v0 as vault;
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::topology::admin::v0 as topology;
use cantle_types::Member;

use super::keys_secret::{
    new_encryption_key, new_signing_key, private_keys, register_encryption, register_signing,
};
use super::topology_authorize::{ADD, REMOVE, authorize_owner_to_key};
use super::topology_list::owner_to_key_mappings;
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::{Data, ids};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "keys.secret.rotate_kms_node_key",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            required("fingerprint", "Fingerprint"),
            required("newKmsKeyId", "text"),
            optional("name", "text", Default::EmptyText),
        ],
        run: rotate_to_kms_key,
        doc: "Replaces a key of the node by one that exists in the KMS.",
    },
    Spec {
        path: "keys.secret.rotate_node_key",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[required("fingerprint", "Fingerprint"), optional("name", "text", Default::EmptyText)],
        run: |call| {
            let fingerprint = call.fingerprint("fingerprint")?;
            rotate(call, &fingerprint, &call.optional_text("name")?)
        },
        doc: "Replaces a key of the node by a new one of the same purpose and scheme.",
    },
    Spec {
        path: "keys.secret.rotate_node_keys",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[],
        run: rotate_all,
        doc: "Replaces all keys of the node but that of its namespace.",
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

/// A key that the node's topology maps to one of its members.
struct Current {
    owner: Member,
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

/// The keys in the node's own mappings that it has the private parts of.
fn current_keys(call: &Call<'_>) -> Result<Vec<Current>, Failure> {
    let mine = private_keys(call, vault::ListKeysRequest::default())?;
    let mut current = Vec::new();
    for mapping in owner_to_key_mappings(call)? {
        let topology::list_owner_to_key_mapping_result::Result { item: Some(item), .. } = mapping else {
            continue;
        };
        let (Ok(owner), Some(key)) =
            (item.key_owner.parse::<Member>(), item.public_key.and_then(|key| key.key))
        else {
            continue;
        };
        let found = Current { owner, key, name: String::new() };
        let private = mine.iter().filter_map(|private| private.public_key_with_name.as_ref());
        let private = private.into_iter().find(|private| {
            private.public_key.as_ref().and_then(|public| public.key.as_ref()) == Some(&found.key)
        });
        if let Some(private) = private {
            current.push(Current { name: private.name.clone(), ..found });
        }
    }
    Ok(current)
}

fn find_current(call: &Call<'_>, fingerprint: &str) -> Result<Current, Failure> {
    current_keys(call)?.into_iter().find(|key| key.fingerprint() == fingerprint).ok_or_else(|| {
        call.refuse(
            "fingerprint",
            "is not that of a key which the node's topology maps to it and which it has the private part of",
        )
    })
}

fn rotate(call: &Call<'_>, fingerprint: &str, wanted_name: &str) -> Result<Data, Failure> {
    let current = find_current(call, fingerprint)?;
    replace_by_new(call, &current, wanted_name)
}

fn replace_by_new(call: &Call<'_>, current: &Current, wanted_name: &str) -> Result<Data, Failure> {
    let name = current.next_name(wanted_name);
    let key = match &current.key {
        crypto::public_key::Key::SigningPublicKey(key) => {
            crypto::public_key::Key::SigningPublicKey(new_signing_key(call, name, key.scheme)?)
        }
        crypto::public_key::Key::EncryptionPublicKey(key) => {
            crypto::public_key::Key::EncryptionPublicKey(new_encryption_key(call, name, key.scheme)?)
        }
    };
    let data = crate::value::public_key(key);
    swap(call, current, &data)?;
    Ok(data)
}

fn rotate_to_kms_key(call: &Call<'_>) -> Result<Data, Failure> {
    let current = find_current(call, &call.fingerprint("fingerprint")?)?;
    let (kms_key_id, name) = (call.text("newKmsKeyId")?, current.next_name(&call.optional_text("name")?));
    let data = match current.key {
        crypto::public_key::Key::SigningPublicKey(_) => register_signing(call, kms_key_id, name)?,
        crypto::public_key::Key::EncryptionPublicKey(_) => register_encryption(call, kms_key_id, name)?,
    };
    if key_fingerprint(&data).as_deref() == Some(current.fingerprint()) {
        return Err(call.refuse("newKmsKeyId", "is the key that is in use already"));
    }
    swap(call, &current, &data)?;
    Ok(data)
}

fn key_fingerprint(data: &Data) -> Option<String> {
    data.downcast::<crate::value::KeyRecord>().map(|key| key.fingerprint().to_owned())
}

fn swap(call: &Call<'_>, current: &Current, new: &Data) -> Result<(), Failure> {
    let purpose = match current.key {
        crypto::public_key::Key::SigningPublicKey(_) => crypto::KeyPurpose::SigningKeyPurpose,
        crypto::public_key::Key::EncryptionPublicKey(_) => crypto::KeyPurpose::EncryptionKeyPurpose,
    };
    let fingerprint = key_fingerprint(new).unwrap_or_default();
    authorize_owner_to_key(call, ADD, &current.owner, fingerprint, purpose)?;
    authorize_owner_to_key(call, REMOVE, &current.owner, current.fingerprint().to_owned(), purpose)
}

fn rotate_all(call: &Call<'_>) -> Result<Data, Failure> {
    for current in current_keys(call)? {
        replace_by_new(call, &current, "")?;
    }
    Ok(Data::None)
}

fn rotate_given(call: &Call<'_>) -> Result<Data, Failure> {
    let key = |name: &str| {
        call.value(name).downcast::<crate::value::KeyRecord>().ok_or_else(|| {
            call.refuse(name, "must be a public key, such as `keys.secret.generate_signing_key(…)` gives")
        })
    };
    let (current, new) = (key("currentKey")?, key("newKey")?);
    let purpose = |key: &crate::value::KeyRecord| match key.wire().key {
        Some(crypto::public_key::Key::EncryptionPublicKey(_)) => crypto::KeyPurpose::EncryptionKeyPurpose,
        _ => crypto::KeyPurpose::SigningKeyPurpose,
    };
    if purpose(current) != purpose(new) {
        return Err(call.refuse("newKey", "has another purpose than the current key"));
    }
    let owner =
        ids::member(call.value("owner")).map_err(|failure| call.refuse("owner", failure.to_string()))?;
    authorize_owner_to_key(call, ADD, &owner, new.fingerprint().to_owned(), purpose(new))?;
    authorize_owner_to_key(call, REMOVE, &owner, current.fingerprint().to_owned(), purpose(current))?;
    Ok(Data::None)
}
