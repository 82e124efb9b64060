//! `keys.public`: public keys that the node knows.

use cantle_proto::crypto::admin::v0 as wire;
use cantle_proto::topology::admin::v0 as topology;
use cantle_proto::topology::admin::v0::topology_aggregation_service_client::TopologyAggregationServiceClient;
use prost::Message;

use super::MAX_ANSWER;
use super::keys_secret::client;
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::files::write_file;
use crate::value::keys::{KeyFile, key_from_bytes};
use crate::value::{Data, KeyRecord, Record, fingerprint, public_key, public_key_with_name};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "keys.public.upload",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("keyBytes", "bytes or filename"), optional("name", "Option(text)", Default::None)],
        run: upload,
        doc: "Makes a public key known to the node.",
    },
    Spec {
        path: "keys.public.download",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            required("fingerprint", "Fingerprint"),
            optional("protocolVersion", "int", Default::Int(7)),
        ],
        run: |call| Ok(Data::bytes(find(call)?.file_bytes())),
        doc: "The public key of a fingerprint, as bytes.",
    },
    Spec {
        path: "keys.public.download_to",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            required("fingerprint", "Fingerprint"),
            required("outputFile", "text"),
            optional("protocolVersion", "int", Default::Int(7)),
        ],
        run: |call| {
            let path = call.text("outputFile")?;
            write_file(&path, &find(call)?.file_bytes()).map(|()| Data::None)
        },
        doc: "Writes the public key of a fingerprint to a file.",
    },
    Spec {
        path: "keys.public.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            optional("filterFingerprint", "text", Default::EmptyText),
            optional("filterContext", "text", Default::EmptyText),
        ],
        run: |call| {
            let keys =
                list(call, call.optional_text("filterFingerprint")?, call.optional_text("filterContext")?)?;
            Ok(Data::list(
                keys.into_iter()
                    .filter_map(|key| public_key_with_name("PublicKeyWithName", key, Vec::new()))
                    .collect(),
            ))
        },
        doc: "The public keys that the node knows.",
    },
    Spec {
        path: "keys.public.list_owners",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            optional("filterKeyOwnerUid", "text", Default::EmptyText),
            optional("filterKeyOwnerType", "Option(text)", Default::None),
            optional("filterDomain", "text", Default::EmptyText),
            optional("asOf", "Option(time)", Default::None),
            optional("limit", "int", Default::Int(100)),
        ],
        run: |call| {
            owners(call, call.optional_text("filterKeyOwnerType")?, call.optional_text("filterKeyOwnerUid")?)
        },
        doc: "Who owns which keys, as the domains see it.",
    },
    Spec {
        path: "keys.public.list_by_owner",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            required("keyOwner", "KeyOwner"),
            optional("filterDomain", "text", Default::EmptyText),
            optional("asOf", "Option(time)", Default::None),
            optional("limit", "int", Default::Int(100)),
        ],
        run: |call| {
            let owner = call.member("keyOwner")?;
            owners(call, owner.code().code().to_owned(), owner.uid().to_string())
        },
        doc: "The keys of an owner, as the domains see it.",
    },
];

fn upload(call: &Call<'_>) -> Result<Data, Failure> {
    let bytes = call.bytes_or_file("keyBytes")?;
    let key = key_from_bytes(&bytes, KeyFile::Either)
        .map_err(|failure| call.refuse("keyBytes", failure.to_string()))?;
    let request = wire::ImportPublicKeyRequest {
        public_key: key.wire().encode_to_vec(),
        name: call.optional_text("name")?,
    };
    let answer = call.ask(client(&call.node).import_public_key(request))?;
    Ok(fingerprint(&answer.fingerprint))
}

fn list(
    call: &Call<'_>,
    filter_fingerprint: String,
    filter_name: String,
) -> Result<Vec<cantle_proto::crypto::v0::PublicKeyWithName>, Failure> {
    let request = wire::ListKeysRequest { filter_fingerprint, filter_name, filter_purpose: Vec::new() };
    Ok(call.ask(client(&call.node).list_public_keys(request))?.public_keys)
}

fn find(call: &Call<'_>) -> Result<KeyRecord, Failure> {
    let wanted = call.fingerprint("fingerprint")?;
    let keys = list(call, wanted.clone(), String::new())?;
    let found = keys
        .into_iter()
        .filter_map(|key| key.public_key?.key)
        .map(public_key)
        .find_map(|key| key.downcast::<KeyRecord>().filter(|key| key.fingerprint() == wanted).cloned());
    found.ok_or_else(|| {
        call.refuse("fingerprint", format!("is not that of a public key which {} knows", call.node.name))
    })
}

fn owners(
    call: &Call<'_>,
    filter_key_owner_type: String,
    filter_key_owner_uid: String,
) -> Result<Data, Failure> {
    let limit = call.number("limit")?;
    let request = topology::ListKeyOwnersRequest {
        as_of: call.optional_time("asOf")?,
        limit: i32::try_from(limit).map_err(|_| call.refuse("limit", "is too large"))?,
        filter_domain: call.optional_text("filterDomain")?,
        filter_key_owner_type,
        filter_key_owner_uid,
    };
    let mut client = TopologyAggregationServiceClient::new(call.node.channel.clone())
        .max_decoding_message_size(MAX_ANSWER);
    let answer = call.ask(client.list_key_owners(request))?;
    let results = answer.results.into_iter().map(|result| {
        let signing =
            result.signing_keys.into_iter().map(cantle_proto::crypto::v0::public_key::Key::SigningPublicKey);
        let encryption = result
            .encryption_keys
            .into_iter()
            .map(cantle_proto::crypto::v0::public_key::Key::EncryptionPublicKey);
        Data::object(Record::new(
            "ListKeyOwnersResult",
            vec![
                ("store", Data::text(result.domain)),
                ("owner", Data::text(result.key_owner)),
                ("signingKeys", Data::list(signing.map(public_key).collect())),
                ("encryptionKeys", Data::list(encryption.map(public_key).collect())),
            ],
        ))
    });
    Ok(Data::list(results.collect()))
}
