//! What an operator asks nodes for, over their admin APIs.

use std::time::Duration;

use cantle_node::NodeHandle;
use cantle_proto::{
    cantle::admin::v1::{ListPossibleOrphansRequest, PossibleOrphan, key_service_client::KeyServiceClient},
    crypto::admin::v0::{
        RegisterKmsEncryptionKeyRequest, RegisterKmsSigningKeyRequest,
        vault_service_client::VaultServiceClient,
    },
    domain::api::v0::{SequencerConnection, sequencer_connection},
    participant::admin::v0::{
        ConnectDomainRequest, DomainConnectionConfig, PingRequest, RegisterDomainRequest,
        domain_connectivity_service_client::DomainConnectivityServiceClient,
        ping_response::Response as PingOutcome, ping_service_client::PingServiceClient,
    },
    protocol::v0::TopologyChangeOp,
    topology::admin::v0::{
        AuthorizationData, NamespaceDelegationAuthorization,
        topology_manager_write_service_client::TopologyManagerWriteServiceClient,
    },
};
use tonic::{Status, transport::Channel};

use super::site::{DOMAIN, within};

/// A refusal by its code: what stands before the first colon.
pub(crate) type Outcome = Result<(), String>;

fn code(status: &Status) -> String {
    let name = status.message().split(':').next().unwrap_or_default();
    let is_code = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    assert!(is_code, "no code: {status:?}");
    name.to_owned()
}

async fn channel(node: &NodeHandle) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", node.admin_address)).unwrap();
    endpoint.connect().await.unwrap()
}

async fn outcome<T>(what: &str, call: impl Future<Output = Result<T, Status>>) -> Outcome {
    within(what, call).await.map(drop).map_err(|status| code(&status))
}

/// Registers the domain and connects to it.
pub(crate) async fn connect(participant: &NodeHandle, domain: &NodeHandle) {
    let url = format!("http://{}", domain.public_address.unwrap());
    let grpc = sequencer_connection::Grpc { connections: vec![url], ..Default::default() };
    let connection = SequencerConnection {
        r#type: Some(sequencer_connection::Type::Grpc(grpc)),
        alias: "DefaultSequencer".to_owned(),
    };
    let add = DomainConnectionConfig {
        domain_alias: DOMAIN.to_owned(),
        sequencer_connections: vec![connection],
        sequencer_trust_threshold: 1,
        ..Default::default()
    };
    let mut client = DomainConnectivityServiceClient::new(channel(participant).await);
    within("the registration", client.register_domain(RegisterDomainRequest { add: Some(add) }))
        .await
        .unwrap();
    let request = ConnectDomainRequest { domain_alias: DOMAIN.to_owned(), retry: false };
    within("the connection", client.connect_domain(request)).await.unwrap();
}

/// One ping.
pub(crate) async fn ping(from: &NodeHandle, to: &str, timeout: Duration) -> Outcome {
    let request = PingRequest {
        target_parties: vec![to.to_owned()],
        timeout_milliseconds: u64::try_from(timeout.as_millis()).unwrap(),
        ..Default::default()
    };
    let mut client = PingServiceClient::new(channel(from).await);
    let answer = within("the ping's answer", client.ping(request)).await.map_err(|status| code(&status))?;
    match answer.into_inner().response {
        Some(PingOutcome::Success(_)) => Ok(()),
        _ => Err("PING_FAILED".to_owned()),
    }
}

/// Registers a signing key.
pub(crate) async fn register_signing(node: &NodeHandle, key: &str, name: &str) -> Outcome {
    let request = RegisterKmsSigningKeyRequest { kms_key_id: key.to_owned(), name: name.to_owned() };
    let mut client = VaultServiceClient::new(channel(node).await);
    outcome("a registration", client.register_kms_signing_key(request)).await
}

/// The same; nothing if there is no answer by then.
pub(crate) async fn try_register_signing(
    node: &NodeHandle,
    key: &str,
    name: &str,
    patience: Duration,
) -> Option<Outcome> {
    tokio::time::timeout(patience, register_signing(node, key, name)).await.ok()
}

/// Registers an encryption key.
pub(crate) async fn register_encryption(node: &NodeHandle, key: &str, name: &str) -> Outcome {
    let request = RegisterKmsEncryptionKeyRequest { kms_key_id: key.to_owned(), name: name.to_owned() };
    let mut client = VaultServiceClient::new(channel(node).await);
    outcome("a registration", client.register_kms_encryption_key(request)).await
}

/// Delegates the namespace of `uid` to a key.
pub(crate) async fn delegate(node: &NodeHandle, uid: &str, fingerprint: &str) -> Outcome {
    let namespace = uid.rsplit("::").next().unwrap().to_owned();
    let request = NamespaceDelegationAuthorization {
        authorization: Some(AuthorizationData { change: TopologyChangeOp::Add.into(), ..Default::default() }),
        namespace,
        fingerprint_of_authorized_key: fingerprint.to_owned(),
        is_root_delegation: false,
    };
    let mut client = TopologyManagerWriteServiceClient::new(channel(node).await);
    outcome("a topology transaction", client.authorize_namespace_delegation(request)).await
}

/// KMS keys that exist, or may, and that the node does not have.
pub(crate) async fn orphans(node: &NodeHandle) -> Vec<PossibleOrphan> {
    let mut client = KeyServiceClient::new(channel(node).await);
    client.list_possible_orphans(ListPossibleOrphansRequest {}).await.unwrap().into_inner().orphans
}
