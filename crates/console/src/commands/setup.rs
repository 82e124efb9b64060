//! `setup` of a domain manager: founding a distributed domain, and adding to it.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/manage_domain_entities.html>.

mod bootstrap;
mod onboard;
mod shared;

use cantle_proto::crypto::admin::v0 as vault;
use cantle_proto::domain::admin::v0 as wire;
use cantle_proto::domain::admin::v0::domain_initialization_service_client::DomainInitializationServiceClient;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as topology;
use cantle_types::{Member, UniqueIdentifier};
use prost::Message;

use super::health::{await_idle, wait_until};
use super::identity::identity;
use super::keys_secret::client as vault_client;
use super::topology_authorize::{ADD, authorize_owner_to_key, write_client};
use super::topology_list::{head_state, owner_to_key_mappings_in};
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::connection::Connections;
use crate::value::{Data, KeyRecord};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "setup.bootstrap_domain",
        kinds: Kinds::DOMAIN_MANAGER,
        style: Style::Command,
        params: &[required("sequencers", "Seq(sequencer)"), required("mediators", "Seq(mediator)")],
        run: bootstrap::bootstrap_domain,
        doc: "Founds the domain with its sequencers and mediators. It can be repeated if something went wrong.",
    },
    Spec {
        path: "setup.init",
        kinds: Kinds::DOMAIN_MANAGER,
        style: Style::Command,
        params: &[required("sequencerConnection", "SequencerConnection, SequencerConnections or sequencer")],
        run: |call| {
            let connections = Connections::from_data(call.value("sequencerConnection"))
                .map_err(|failure| call.refuse("sequencerConnection", failure.to_string()))?;
            init(call, &connections).map(|()| Data::None)
        },
        doc: "Connects the domain manager to its domain's sequencers: the last step of founding it.",
    },
    Spec {
        path: "setup.authorize_mediator",
        kinds: Kinds::DOMAIN_MANAGER,
        style: Style::Command,
        params: &[required("mediatorId", "MediatorId")],
        run: |call| {
            let mediator = call.uid("mediatorId")?;
            onboard::set_mediator(call, ADD, &identity(call)?, &mediator, false)?;
            await_idle(call, call.node.caller.deadline()).map(|()| Data::None)
        },
        doc: "Lets a mediator serve the domain again after offboard_mediator.",
    },
    Spec {
        path: "setup.onboard_mediator",
        kinds: Kinds::DOMAIN_MANAGER,
        style: Style::Command,
        params: &[
            required("mediator", "mediator"),
            required("sequencers", "Seq(sequencer or SequencerConnection)"),
        ],
        run: onboard::onboard_mediator,
        doc: "Adds a mediator to the running domain and connects it to the sequencers.",
    },
    Spec {
        path: "setup.onboard_new_sequencer",
        kinds: Kinds::DOMAIN_MANAGER,
        style: Style::Command,
        params: &[required("initialSequencer", "sequencer"), required("newSequencer", "sequencer")],
        run: shared::onboard_new_sequencer,
        doc: "Adds a sequencer to the running domain; it shares its database with one that is there.",
    },
    Spec {
        path: "setup.offboard_mediator",
        kinds: Kinds::DOMAIN_MANAGER,
        style: Style::Command,
        params: &[required("mediatorId", "MediatorId"), optional("force", "bool", Default::False)],
        run: onboard::offboard_mediator,
        doc: "Stops a mediator from serving the domain; the last one needs force.",
    },
    Spec {
        path: "setup.helper.authorizeKey",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("key", "PublicKey"), required("name", "text"), required("keyOwner", "KeyOwner")],
        run: |call| {
            let key = key(call, "key")?;
            authorize_key(call, &key, &call.text("name")?, &call.member("keyOwner")?).map(|()| Data::None)
        },
        doc: "Makes a member's public key known and gives it to the member in the domain's topology.",
    },
    Spec {
        path: "setup.helper.waitForKeyAuthorizationToBeSequenced",
        kinds: Kinds::DOMAIN_MANAGER,
        style: Style::Command,
        params: &[required("keyOwner", "KeyOwner"), required("key", "PublicKey")],
        run: |call| {
            let (owner, key) = (call.member("keyOwner")?, key(call, "key")?);
            wait_for_key(call, &owner, key.fingerprint()).map(|()| Data::None)
        },
        doc: "Waits until the domain knows that the key belongs to the member.",
    },
];

fn key(call: &Call<'_>, name: &str) -> Result<KeyRecord, Failure> {
    call.value(name).downcast::<KeyRecord>().cloned().ok_or_else(|| {
        call.refuse(name, "must be a public key, such as `SigningPublicKey.tryReadFromFile(…)` gives")
    })
}

/// Connects the domain manager.
fn init(call: &Call<'_>, connections: &Connections) -> Result<(), Failure> {
    let config =
        wire::DomainNodeSequencerConfig { sequencer_connection: Some(connections.merged()?.to_wire()) };
    let mut client = DomainInitializationServiceClient::new(call.node.channel.clone());
    call.ask(client.init(wire::DomainInitRequest { config: Some(config) }))
}

/// Imports the key on the domain manager and maps it to its owner; both may have been done already.
pub(super) fn authorize_key(
    call: &Call<'_>,
    key: &KeyRecord,
    name: &str,
    owner: &Member,
) -> Result<(), Failure> {
    let request =
        vault::ImportPublicKeyRequest { public_key: key.wire().encode_to_vec(), name: name.to_owned() };
    // The manager's own key may serve another member, too: it is known already.
    accept_existing(call.ask(vault_client(&call.node).import_public_key(request)).map(|_| ()))?;
    let fingerprint = key.fingerprint().to_owned();
    accept_existing(authorize_owner_to_key(call, ADD, owner, fingerprint, key.key_purpose()))
}

/// What is there already is as good as new: these commands may be repeated.
pub(super) fn accept_existing(outcome: Result<(), Failure>) -> Result<(), Failure> {
    match outcome {
        Err(Failure::Node { code: "ALREADY_EXISTS", .. }) => Ok(()),
        other => other,
    }
}

/// Adds a mediator's state, unless it is there.
fn add_mediator_state(
    call: &Call<'_>,
    domain: &UniqueIdentifier,
    mediator: &UniqueIdentifier,
) -> Result<(), Failure> {
    let authorization = topology::AuthorizationData {
        change: ADD as i32,
        replace_existing: true,
        ..topology::AuthorizationData::default()
    };
    authorize_mediator_state(call, domain, mediator, authorization)
}

/// Changes a mediator's state; one that is so already is as good.
fn authorize_mediator_state(
    call: &Call<'_>,
    domain: &UniqueIdentifier,
    mediator: &UniqueIdentifier,
    authorization: topology::AuthorizationData,
) -> Result<(), Failure> {
    let request = topology::MediatorDomainStateAuthorization {
        authorization: Some(authorization),
        side: protocol::RequestSide::Both as i32,
        domain: domain.to_string(),
        mediator: mediator.to_string(),
    };
    accept_existing(call.ask(write_client(call).authorize_mediator_domain_state(request)).map(|_| ()))
}

/// Waits until the domain's own store maps the key to its owner.
pub(super) fn wait_for_key(call: &Call<'_>, owner: &Member, fingerprint: &str) -> Result<(), Failure> {
    let domain = identity(call)?.to_string();
    let what = format!("to see the key {fingerprint} of {owner} in its domain");
    wait_until(call, call.node.caller.deadline(), &what, || {
        let mappings = owner_to_key_mappings_in(call, head_state(domain.clone()))?;
        Ok(mappings.into_iter().any(|found| {
            found.key_fingerprint == fingerprint
                && found.item.is_some_and(|item| item.key_owner == owner.to_string())
        }))
    })
    .map(|_| ())
}
