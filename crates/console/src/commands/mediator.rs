//! `mediator.initialize`.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/manage_domain_entities.html>.

use crate::node::Channel;
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::domain::admin::v0 as wire;
use cantle_proto::domain::admin::v0::mediator_initialization_service_client::MediatorInitializationServiceClient;
use cantle_proto::domain::api::v0::SequencerConnection;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::protocol::v1::StaticDomainParameters;
use cantle_types::{Member, MemberCode, UniqueIdentifier};

use super::initialization::{static_parameters, topology};
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::node::Node;
use crate::value::connection::Connections;
use crate::value::{Data, public_key};

pub(super) const COMMANDS: &[Spec] = &[Spec {
    path: "mediator.initialize",
    kinds: Kinds::MEDIATOR,
    style: Style::Command,
    params: &[
        required("domainId", "DomainId"),
        required("mediatorId", "MediatorId"),
        required("domainParameters", "StaticDomainParameters"),
        required("sequencerConnections", "SequencerConnections"),
        optional("topologySnapshot", "Option(StoredTopologyTransactions)", Default::None),
        optional("signingKeyFingerprint", "Option(Fingerprint)", Default::None),
    ],
    run: initialize,
    doc: "Initializes the mediator in a domain and connects it to the sequencers; gives its key.",
}];

pub(super) fn client(node: &Node) -> MediatorInitializationServiceClient<Channel> {
    MediatorInitializationServiceClient::new(node.channel.clone())
}

/// The wire has static parameters of the first version here; what they lack are the dynamic ones' defaults.
pub(super) fn initialize_request(
    domain: &UniqueIdentifier,
    mediator: &UniqueIdentifier,
    parameters: StaticDomainParameters,
    connection: SequencerConnection,
    topology: Option<protocol::TopologyTransactions>,
    key: String,
) -> wire::InitializeMediatorRequest {
    let domain_parameters = protocol::StaticDomainParameters {
        unique_contract_keys: parameters.unique_contract_keys,
        required_signing_key_schemes: parameters.required_signing_key_schemes,
        required_encryption_key_schemes: parameters.required_encryption_key_schemes,
        required_symmetric_key_schemes: parameters.required_symmetric_key_schemes,
        required_hash_algorithms: parameters.required_hash_algorithms,
        required_crypto_key_formats: parameters.required_crypto_key_formats,
        protocol_version: format!("{}.0.0", parameters.protocol_version),
        reconciliation_interval: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        max_rate_per_participant: 1_000_000,
        max_inbound_message_size: 10_485_760,
    };
    wire::InitializeMediatorRequest {
        domain_id: domain.to_string(),
        mediator_id: Member::new(MemberCode::Mediator, mediator.clone()).to_string(),
        current_identity_state: topology,
        domain_parameters: Some(domain_parameters),
        sequencer_connection: Some(connection),
        signing_key_fingerprint: Some(key).filter(|key| !key.is_empty()),
    }
}

/// The mediator's key, or why it could not be initialized.
pub(super) fn answered(answer: wire::InitializeMediatorResponse) -> Result<Data, Failure> {
    use wire::initialize_mediator_response::Value;
    match answer.value {
        Some(Value::Success(success)) => {
            let key = success.mediator_key.map(crypto::public_key::Key::SigningPublicKey);
            key.map(public_key).ok_or_else(|| Failure::value("the mediator gave no key"))
        }
        Some(Value::Failure(failure)) => {
            Err(Failure::value(format!("the mediator could not be initialized: {}", failure.reason)))
        }
        None => Err(Failure::value("the mediator could not be initialized, and gave no reason")),
    }
}

fn initialize(call: &Call<'_>) -> Result<Data, Failure> {
    let connections = Connections::from_data(call.value("sequencerConnections"))
        .map_err(|failure| call.refuse("sequencerConnections", failure.to_string()))?;
    let snapshot = match call.value("topologySnapshot") {
        Data::None => None,
        _ => Some(topology(call, "topologySnapshot")?),
    };
    let request = initialize_request(
        &call.uid("domainId")?,
        &call.uid("mediatorId")?,
        static_parameters(call, "domainParameters")?,
        connections.merged()?.to_wire(),
        snapshot,
        call.optional_fingerprint("signingKeyFingerprint")?,
    );
    answered(call.ask(client(&call.node).initialize(request))?)
}
