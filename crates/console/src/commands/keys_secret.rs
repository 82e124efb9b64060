//! `keys.secret`: the node's own keys.

use crate::node::Channel;
use cantle_proto::crypto::admin::v0 as wire;
use cantle_proto::crypto::admin::v0::vault_service_client::VaultServiceClient;
use cantle_proto::crypto::v0 as crypto;

use super::MAX_ANSWER;
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::node::Node;
use crate::value::{Data, KeyRecord, public_key, public_key_with_name};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "keys.secret.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            optional("filterFingerprint", "text", Default::EmptyText),
            optional("filterName", "text", Default::EmptyText),
            optional("purpose", "Set(KeyPurpose)", Default::EmptySet),
        ],
        run: list,
        doc: "The node's keys that have a private part.",
    },
    Spec {
        path: "keys.secret.generate_signing_key",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            optional("name", "text", Default::EmptyText),
            optional("scheme", "Option(SigningKeyScheme)", Default::None),
        ],
        run: generate_signing,
        doc: "Makes a signing key and gives its public part.",
    },
    Spec {
        path: "keys.secret.generate_encryption_key",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            optional("name", "text", Default::EmptyText),
            optional("scheme", "Option(EncryptionKeyScheme)", Default::None),
        ],
        run: generate_encryption,
        doc: "Makes an encryption key and gives its public part.",
    },
    Spec {
        path: "keys.secret.register_kms_signing_key",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("kmsKeyId", "text"), optional("name", "text", Default::EmptyText)],
        run: |call| register_signing(call, call.text("kmsKeyId")?, call.optional_text("name")?),
        doc: "Registers a signing key that exists in the KMS: its key id, key ARN or alias.",
    },
    Spec {
        path: "keys.secret.register_kms_encryption_key",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("kmsKeyId", "text"), optional("name", "text", Default::EmptyText)],
        run: |call| register_encryption(call, call.text("kmsKeyId")?, call.optional_text("name")?),
        doc: "Registers an encryption key that exists in the KMS: its key id, key ARN or alias.",
    },
    Spec {
        path: "keys.secret.rotate_wrapper_key",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[optional("newWrapperKeyId", "text", Default::EmptyText)],
        run: rotate_wrapper,
        doc: "Encrypts the node's private keys with another wrapper key.",
    },
    Spec {
        path: "keys.secret.get_wrapper_key_id",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: |call| {
            let answer = call.ask(client(&call.node).get_wrapper_key_id(wire::GetWrapperKeyIdRequest {}))?;
            Ok(Data::text(answer.wrapper_key_id))
        },
        doc: "The wrapper key that the node's private keys are encrypted with.",
    },
    Spec {
        path: "keys.secret.upload",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            required("pairBytes", "bytes or filename"),
            optional("name", "Option(text)", Default::None),
        ],
        run: |call| {
            let request = wire::ImportKeyPairRequest {
                key_pair: call.bytes_or_file("pairBytes")?,
                name: call.optional_text("name")?,
            };
            call.ask(client(&call.node).import_key_pair(request)).map(|_| Data::None)
        },
        doc: "Imports a key pair.",
    },
    Spec {
        path: "keys.secret.download",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            required("fingerprint", "Fingerprint"),
            optional("protocolVersion", "int", Default::Int(7)),
        ],
        run: |call| Ok(Data::bytes(export(call)?)),
        doc: "The key pair of a fingerprint, as bytes.",
    },
    Spec {
        path: "keys.secret.download_to",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            required("fingerprint", "Fingerprint"),
            required("outputFile", "text"),
            optional("protocolVersion", "int", Default::Int(7)),
        ],
        run: |call| {
            let path = call.text("outputFile")?;
            crate::value::files::write_file(&path, &export(call)?).map(|()| Data::None)
        },
        doc: "Writes the key pair of a fingerprint to a file.",
    },
    Spec {
        path: "keys.secret.delete",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("fingerprint", "Fingerprint"), optional("force", "bool", Default::False)],
        run: delete,
        doc: "Deletes a key pair from the node. It cannot be brought back.",
    },
];

pub(super) fn client(node: &Node) -> VaultServiceClient<Channel> {
    VaultServiceClient::new(node.channel.clone()).max_decoding_message_size(MAX_ANSWER)
}

fn list(call: &Call<'_>) -> Result<Data, Failure> {
    let purposes = call.items("purpose");
    let filter_purpose = purposes
        .iter()
        .map(|purpose| {
            Ok(match call.constant_of("purpose", purpose, "KeyPurpose")? {
                "Signing" => crypto::KeyPurpose::SigningKeyPurpose as i32,
                _ => crypto::KeyPurpose::EncryptionKeyPurpose as i32,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let request = wire::ListKeysRequest {
        filter_fingerprint: call.optional_text("filterFingerprint")?,
        filter_name: call.optional_text("filterName")?,
        filter_purpose,
    };
    let keys = private_keys(call, request)?;
    Ok(Data::list(keys.into_iter().filter_map(key_metadata).collect()))
}

fn key_metadata(key: wire::PrivateKeyMetadata) -> Option<Data> {
    let with_name = key.public_key_with_name?;
    let nested = public_key_with_name("PublicKeyWithName", with_name.clone(), Vec::new())?;
    let encrypted = !key.wrapper_key_id.is_empty();
    let mut more = vec![("publicKeyWithName", nested), ("encrypted", Data::Bool(encrypted))];
    if encrypted {
        more.push(("wrapperKeyId", Data::text(key.wrapper_key_id)));
    } else {
        more.push(("wrapperKeyId", Data::None));
    }
    public_key_with_name("PrivateKeyMetadata", with_name, more)
}

/// The node's private keys.
pub(super) fn private_keys(
    call: &Call<'_>,
    request: wire::ListKeysRequest,
) -> Result<Vec<wire::PrivateKeyMetadata>, Failure> {
    Ok(call.ask(client(&call.node).list_my_keys(request))?.private_keys_metadata)
}

fn no_key(call: &Call<'_>) -> Failure {
    Failure::value(format!("{}: {}: the node answered without a key", call.node.name, call.spec.path))
}

fn generate_signing(call: &Call<'_>) -> Result<Data, Failure> {
    let scheme = match call.optional_constant("scheme", "SigningKeyScheme")? {
        None => crypto::SigningKeyScheme::MissingSigningKeyScheme,
        Some("Ed25519") => crypto::SigningKeyScheme::Ed25519,
        Some("EcDsaP256") => crypto::SigningKeyScheme::EcDsaP256,
        Some(_) => crypto::SigningKeyScheme::EcDsaP384,
    };
    new_signing_key(call, call.optional_text("name")?, scheme as i32).map(signing)
}

fn generate_encryption(call: &Call<'_>) -> Result<Data, Failure> {
    let scheme = match call.optional_constant("scheme", "EncryptionKeyScheme")? {
        None => crypto::EncryptionKeyScheme::MissingEncryptionKeyScheme,
        Some("EciesP256HkdfHmacSha256Aes128Gcm") => {
            crypto::EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm
        }
        Some("EciesP256HmacSha256Aes128Cbc") => crypto::EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc,
        Some(_) => crypto::EncryptionKeyScheme::Rsa2048OaepSha256,
    };
    new_encryption_key(call, call.optional_text("name")?, scheme as i32).map(encryption)
}

fn signing(key: crypto::SigningPublicKey) -> Data {
    public_key(crypto::public_key::Key::SigningPublicKey(key))
}

fn encryption(key: crypto::EncryptionPublicKey) -> Data {
    public_key(crypto::public_key::Key::EncryptionPublicKey(key))
}

/// A signing key that the node has already: the one with Canton's name first, else the last.
pub(super) fn signing_key_of(call: &Call<'_>) -> Result<Option<KeyRecord>, Failure> {
    let request = wire::ListKeysRequest {
        filter_purpose: vec![crypto::KeyPurpose::SigningKeyPurpose as i32],
        ..wire::ListKeysRequest::default()
    };
    let keys = private_keys(call, request)?.into_iter().filter_map(|key| key.public_key_with_name);
    let mut keys: Vec<_> = keys.collect();
    let wanted = signing_key_name(&call.node);
    let index = keys.iter().position(|key| key.name == wanted).or_else(|| keys.len().checked_sub(1));
    let key = index.map(|index| keys.swap_remove(index)).and_then(|key| key.public_key?.key);
    Ok(key.map(KeyRecord::new))
}

/// The same, or a new one.
pub(super) fn signing_key_or_new(call: &Call<'_>) -> Result<KeyRecord, Failure> {
    if let Some(key) = signing_key_of(call)? {
        return Ok(key);
    }
    let key = new_signing_key(call, signing_key_name(&call.node), 0)?;
    Ok(KeyRecord::new(crypto::public_key::Key::SigningPublicKey(key)))
}

/// Canton's name for it.
pub(super) fn signing_key_name(node: &Node) -> String {
    format!("{}-signing", node.name)
}

/// Makes a signing key on the node.
pub(super) fn new_signing_key(
    call: &Call<'_>,
    name: String,
    key_scheme: i32,
) -> Result<crypto::SigningPublicKey, Failure> {
    let request = wire::GenerateSigningKeyRequest { key_scheme, name };
    call.ask(client(&call.node).generate_signing_key(request))?.public_key.ok_or_else(|| no_key(call))
}

/// Makes an encryption key on the node.
pub(super) fn new_encryption_key(
    call: &Call<'_>,
    name: String,
    key_scheme: i32,
) -> Result<crypto::EncryptionPublicKey, Failure> {
    let request = wire::GenerateEncryptionKeyRequest { key_scheme, name };
    call.ask(client(&call.node).generate_encryption_key(request))?.public_key.ok_or_else(|| no_key(call))
}

/// Registers a signing key of the KMS.
pub(super) fn register_signing(call: &Call<'_>, kms_key_id: String, name: String) -> Result<Data, Failure> {
    let request = wire::RegisterKmsSigningKeyRequest { kms_key_id, name };
    let answer = call.ask(client(&call.node).register_kms_signing_key(request))?;
    answer.public_key.map(signing).ok_or_else(|| no_key(call))
}

/// Registers an encryption key of the KMS.
pub(super) fn register_encryption(
    call: &Call<'_>,
    kms_key_id: String,
    name: String,
) -> Result<Data, Failure> {
    let request = wire::RegisterKmsEncryptionKeyRequest { kms_key_id, name };
    let answer = call.ask(client(&call.node).register_kms_encryption_key(request))?;
    answer.public_key.map(encryption).ok_or_else(|| no_key(call))
}

fn rotate_wrapper(call: &Call<'_>) -> Result<Data, Failure> {
    let request =
        wire::RotateWrapperKeyRequest { new_wrapper_key_id: call.optional_text("newWrapperKeyId")? };
    call.ask(client(&call.node).rotate_wrapper_key(request)).map(|()| Data::None)
}

fn export(call: &Call<'_>) -> Result<Vec<u8>, Failure> {
    let version = call.number("protocolVersion")?;
    let protocol_version =
        i32::try_from(version).map_err(|_| call.refuse("protocolVersion", "is not a protocol version"))?;
    let request =
        wire::ExportKeyPairRequest { fingerprint: call.fingerprint("fingerprint")?, protocol_version };
    Ok(call.ask(client(&call.node).export_key_pair(request))?.key_pair)
}

fn delete(call: &Call<'_>) -> Result<Data, Failure> {
    let fingerprint = call.fingerprint("fingerprint")?;
    if !call.truth("force")? {
        return Err(call.refuse(
            "force",
            "must be true: a deleted key cannot be brought back, and what it signed can no longer be changed",
        ));
    }
    call.ask(client(&call.node).delete_key_pair(wire::DeleteKeyPairRequest { fingerprint }))
        .map(|_| Data::None)
}
