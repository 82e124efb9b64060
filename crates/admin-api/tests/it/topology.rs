//! The topology services: a participant's manual initialization, call by call, and what is refused on the way.

use cantle_proto::{
    crypto::admin::v0::{DeleteKeyPairRequest, GenerateEncryptionKeyRequest, GenerateSigningKeyRequest},
    protocol::v0::TopologyChangeOp,
    topology::admin::v0::{
        AuthorizationData, BaseQuery, InitIdRequest, ListAllRequest, ListAvailableStoresRequest,
        ListKeyOwnersRequest, ListNamespaceDelegationRequest, ListOwnerToKeyMappingRequest,
        NamespaceDelegationAuthorization, OwnerToKeyMappingAuthorization, SignedTopologyTransactionAddition,
        base_query::TimeQuery, topology_aggregation_service_client::TopologyAggregationServiceClient,
    },
};
use cantle_topology::SignedTopologyTransaction;
use tonic::Code;

use crate::node::Node;

/// A node with its three keys: namespace, signing, encryption.
async fn with_keys() -> (Node, [String; 3]) {
    let node = Node::kms().await;
    let mut vault = node.vault_client();
    let mut keys = Vec::new();
    for name in ["participant1-namespace", "participant1-signing"] {
        let request = GenerateSigningKeyRequest { key_scheme: 0, name: name.into() };
        keys.push(vault.generate_signing_key(request).await.unwrap().into_inner().public_key.unwrap().id);
    }
    let request = GenerateEncryptionKeyRequest { key_scheme: 0, name: "participant1-encryption".into() };
    keys.push(vault.generate_encryption_key(request).await.unwrap().into_inner().public_key.unwrap().id);
    (node, keys.try_into().unwrap())
}

fn root(namespace: &str) -> NamespaceDelegationAuthorization {
    NamespaceDelegationAuthorization {
        authorization: Some(AuthorizationData::default()),
        namespace: namespace.to_owned(),
        fingerprint_of_authorized_key: namespace.to_owned(),
        is_root_delegation: true,
    }
}

fn mapping(owner: &str, key: &str, change: TopologyChangeOp) -> OwnerToKeyMappingAuthorization {
    OwnerToKeyMappingAuthorization {
        authorization: Some(AuthorizationData { change: change.into(), ..AuthorizationData::default() }),
        key_owner: owner.to_owned(),
        fingerprint_of_key: key.to_owned(),
        key_purpose: 0,
    }
}

fn head() -> Option<BaseQuery> {
    Some(BaseQuery {
        use_state_store: true,
        time_query: Some(TimeQuery::HeadState(())),
        ..BaseQuery::default()
    })
}

#[tokio::test]
async fn the_manual_procedure_gives_identity_and_topology() {
    let (node, [namespace, signing, encryption]) = with_keys().await;
    let authorized =
        node.write().authorize_namespace_delegation(root(&namespace)).await.unwrap().into_inner();
    let signed = SignedTopologyTransaction::from_bytes(&authorized.serialized).unwrap();
    signed.verify().unwrap();

    let request = InitIdRequest {
        identifier: "participant1".into(),
        fingerprint: namespace.clone(),
        instance: String::new(),
    };
    let uid = node.initialization().init_id(request.clone()).await.unwrap().into_inner().unique_identifier;
    assert_eq!(uid, format!("participant1::{namespace}"));
    let again = node.initialization().init_id(request).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists, "{again}");
    let id = node.initialization().get_id(()).await.unwrap().into_inner();
    assert!(id.initialized && id.unique_identifier == uid);

    let owner = format!("PAR::{uid}");
    for key in [&encryption, &signing] {
        node.write()
            .authorize_owner_to_key_mapping(mapping(&owner, key, TopologyChangeOp::Add))
            .await
            .unwrap();
    }

    let request =
        ListNamespaceDelegationRequest { base_query: head(), filter_namespace: namespace[..8].to_owned() };
    let listed = node.read().list_namespace_delegation(request).await.unwrap().into_inner().results;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].context.as_ref().unwrap().serialized, authorized.serialized, "byte for byte");
    assert_eq!(listed[0].context.as_ref().unwrap().store, "Authorized");
    let request = ListOwnerToKeyMappingRequest {
        base_query: head(),
        filter_key_owner_type: "PAR".into(),
        filter_key_owner_uid: "participant1".into(),
        filter_key_purpose: None,
    };
    assert_eq!(node.read().list_owner_to_key_mapping(request).await.unwrap().into_inner().results.len(), 2);
    let all = node.read().list_all(ListAllRequest { base_query: head() }).await.unwrap().into_inner();
    assert_eq!(all.result.unwrap().items.len(), 3);
    let stores = node.read().list_available_stores(ListAvailableStoresRequest {}).await.unwrap().into_inner();
    assert_eq!(stores.store_ids, ["Authorized"]);

    let owners = TopologyAggregationServiceClient::new(node.channel.clone())
        .list_key_owners(ListKeyOwnersRequest {
            filter_domain: "Authorized".to_owned(),
            ..ListKeyOwnersRequest::default()
        })
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!((owners.len(), owners[0].key_owner.as_str()), (1, owner.as_str()));
    assert_eq!((owners[0].signing_keys.len(), owners[0].encryption_keys.len()), (1, 1));

    // What is used is not deleted, and the last key of a purpose stays unless it is forced.
    for key in [&namespace, &signing] {
        let request = DeleteKeyPairRequest { fingerprint: key.clone() };
        let refused = node.vault_client().delete_key_pair(request).await.unwrap_err();
        assert!(refused.message().starts_with("KEY_IN_USE"), "{}", refused.message());
    }
    let removal = mapping(&owner, &signing, TopologyChangeOp::Remove);
    let refused = node.write().authorize_owner_to_key_mapping(removal).await.unwrap_err();
    assert!(refused.message().starts_with("REMOVING_LAST_KEY_MUST_BE_FORCED"), "{}", refused.message());
}

#[tokio::test]
async fn what_nobody_may_sign_is_refused_by_cantons_codes() {
    let (node, [namespace, signing, _]) = with_keys().await;
    let owner = format!("PAR::participant1::{namespace}");
    let early =
        node.write().authorize_owner_to_key_mapping(mapping(&owner, &signing, TopologyChangeOp::Add)).await;
    let early = early.unwrap_err();
    assert!(early.message().starts_with("NO_APPROPRIATE_SIGNING_KEY_IN_STORE"), "{}", early.message());

    node.write().authorize_namespace_delegation(root(&namespace)).await.unwrap();
    let twice = node.write().authorize_namespace_delegation(root(&namespace)).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists, "{twice}");
    assert!(twice.message().starts_with("TOPOLOGY_MAPPING_ALREADY_EXISTS"), "{}", twice.message());

    let unknown = format!("1220{}", "ab".repeat(32));
    let request = mapping(&owner, &unknown, TopologyChangeOp::Add);
    let refused = node.write().authorize_owner_to_key_mapping(request).await.unwrap_err();
    assert!(refused.message().starts_with("PUBLIC_KEY_NOT_IN_STORE"), "{}", refused.message());
}

#[tokio::test]
async fn a_transaction_signed_elsewhere_is_loaded_and_a_changed_one_refused() {
    let (from, [namespace, ..]) = with_keys().await;
    let serialized =
        from.write().authorize_namespace_delegation(root(&namespace)).await.unwrap().into_inner().serialized;
    let to = Node::kms().await;
    let mut changed = serialized.clone();
    let last = changed.len() - 80;
    changed[last] ^= 1;
    let request = SignedTopologyTransactionAddition { serialized: changed };
    assert!(to.write().add_signed_topology_transaction(request).await.is_err());
    let request = SignedTopologyTransactionAddition { serialized };
    to.write().add_signed_topology_transaction(request).await.unwrap();
    let all = to.read().list_all(ListAllRequest { base_query: head() }).await.unwrap().into_inner();
    assert_eq!(all.result.unwrap().items.len(), 1);
}

#[tokio::test]
async fn hostile_bytes_are_an_error_and_nothing_else() {
    let node = Node::kms().await;
    for bytes in [vec![], vec![0xff; 64], b"\x0a\xff\xff\xff\xff\x0f".to_vec(), vec![0x0a; 4096]] {
        let request = SignedTopologyTransactionAddition { serialized: bytes };
        let refused = node.write().add_signed_topology_transaction(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let request =
        InitIdRequest { identifier: "a::b".into(), fingerprint: "x".into(), instance: String::new() };
    assert_eq!(node.initialization().init_id(request).await.unwrap_err().code(), Code::InvalidArgument);
    let query = Some(BaseQuery {
        time_query: Some(TimeQuery::Snapshot(prost_types::Timestamp { seconds: i64::MAX, nanos: -1 })),
        ..BaseQuery::default()
    });
    let refused = node.read().list_all(ListAllRequest { base_query: query }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(node.vault.public_keys(&cantle_vault::KeyFilter::default()).await.unwrap().is_empty());
}
