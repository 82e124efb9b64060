//! The topology and the identity of a fake node: what is authorized is there at once.

use cantle_proto::crypto::v0 as crypto;
use cantle_proto::protocol::{v0 as protocol, v2, v3};
use cantle_proto::topology::admin::v0 as topology;
use prost::Message;
use tonic::{Request, Response, Status};

use super::{Answer, Fake, refused};

#[tonic::async_trait]
impl topology::initialization_service_server::InitializationService for Fake {
    async fn init_id(&self, request: Request<topology::InitIdRequest>) -> Answer<topology::InitIdResponse> {
        let request = request.into_inner();
        self.record("InitId", &request);
        let unique_identifier = format!("{}::{}", request.identifier, request.fingerprint);
        self.state.lock().unwrap().uid = Some(unique_identifier.clone());
        Ok(Response::new(topology::InitIdResponse { unique_identifier, instance: String::new() }))
    }
    async fn get_id(&self, _: Request<()>) -> Answer<topology::GetIdResponse> {
        let uid = self.state.lock().unwrap().uid.clone();
        Ok(Response::new(topology::GetIdResponse {
            initialized: uid.is_some(),
            unique_identifier: uid.unwrap_or_default(),
            instance: String::new(),
        }))
    }
    async fn current_time(&self, _: Request<()>) -> Answer<prost_types::Timestamp> {
        super::no()
    }
}

fn at() -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 })
}

fn context() -> Option<topology::BaseResult> {
    Some(topology::BaseResult {
        store: "Authorized".to_owned(),
        sequenced: at(),
        valid_from: at(),
        signed_by_fingerprint: "1220ns".to_owned(),
        ..topology::BaseResult::default()
    })
}

impl Fake {
    /// A key by its fingerprint, of the node's own or of others.
    fn find_key(&self, fingerprint: &str) -> Option<crypto::PublicKey> {
        let state = self.state.lock().unwrap();
        let own = state.keys.iter().filter_map(|key| key.public_key.clone());
        own.chain(state.imported.clone()).find(|key| match &key.key {
            Some(crypto::public_key::Key::SigningPublicKey(public)) => public.id == fingerprint,
            Some(crypto::public_key::Key::EncryptionPublicKey(public)) => public.id == fingerprint,
            None => false,
        })
    }

    fn signing_key(&self, fingerprint: &str) -> Option<crypto::SigningPublicKey> {
        match self.find_key(fingerprint)?.key? {
            crypto::public_key::Key::SigningPublicKey(key) => Some(key),
            crypto::public_key::Key::EncryptionPublicKey(_) => None,
        }
    }

    /// Keeps a transaction of protocol version 7, signed by the key named or by the node's first.
    fn keep_transaction(
        &self,
        transaction: v3::topology_transaction::Transaction,
        data: Option<&topology::AuthorizationData>,
    ) -> Vec<u8> {
        let mut state = self.state.lock().unwrap();
        let inner = v3::TopologyTransaction { transaction: Some(transaction) }.encode_to_vec();
        let first = state.keys.first().and_then(|key| key.public_key.clone()).and_then(|key| key.key);
        let mut key = match first {
            Some(crypto::public_key::Key::SigningPublicKey(key)) => key,
            _ => crypto::SigningPublicKey::default(),
        };
        if let Some(wanted) = data.map(|data| data.signed_by.clone()).filter(|wanted| !wanted.is_empty()) {
            key.id = wanted;
        }
        let signed = protocol::SignedTopologyTransaction {
            transaction: cantle_proto::versioned::wrap(&inner, 3),
            key: Some(key),
            signature: None,
        };
        let bytes = cantle_proto::versioned::wrap(&signed.encode_to_vec(), 0);
        state.transactions.push(bytes.clone());
        bytes
    }

    /// Adds or removes what a state update says.
    fn authorize(
        &self,
        data: Option<topology::AuthorizationData>,
        mapping: v2::topology_state_update::Mapping,
    ) -> Answer<topology::AuthorizationSuccess> {
        let data = data.unwrap_or_default();
        if data.change == protocol::TopologyChangeOp::Remove as i32 {
            let mut state = self.state.lock().unwrap();
            match &mapping {
                v2::topology_state_update::Mapping::OwnerToKeyMapping(item) => {
                    state.mappings.retain(|known| known != item);
                }
                v2::topology_state_update::Mapping::MediatorDomainState(item) => {
                    state.mediator_states.retain(|known| known != item);
                }
                _ => {}
            }
            return Ok(Response::new(topology::AuthorizationSuccess { serialized: vec![0] }));
        }
        let update =
            v2::TopologyStateUpdate { operation: data.change, id: "id".to_owned(), mapping: Some(mapping) };
        let transaction = v3::topology_transaction::Transaction::StateUpdate(update);
        let serialized = self.keep_transaction(transaction, Some(&data));
        Ok(Response::new(topology::AuthorizationSuccess { serialized }))
    }
}

#[tonic::async_trait]
impl topology::topology_manager_write_service_server::TopologyManagerWriteService for Fake {
    async fn authorize_namespace_delegation(
        &self,
        request: Request<topology::NamespaceDelegationAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        let request = request.into_inner();
        self.record("AuthorizeNamespaceDelegation", &request);
        let item = protocol::NamespaceDelegation {
            namespace: request.namespace,
            target_key: self.signing_key(&request.fingerprint_of_authorized_key),
            is_root_delegation: request.is_root_delegation,
        };
        self.state.lock().unwrap().delegations.push(item.clone());
        self.authorize(request.authorization, v2::topology_state_update::Mapping::NamespaceDelegation(item))
    }
    async fn authorize_owner_to_key_mapping(
        &self,
        request: Request<topology::OwnerToKeyMappingAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        let request = request.into_inner();
        self.record("AuthorizeOwnerToKeyMapping", &request);
        let item = protocol::OwnerToKeyMapping {
            key_owner: request.key_owner,
            public_key: self.find_key(&request.fingerprint_of_key),
        };
        let data = request.authorization.unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        if data.change == protocol::TopologyChangeOp::Add as i32 && data.signed_by.is_empty() {
            if state.mappings.contains(&item) {
                return Err(Status::already_exists("TOPOLOGY_MAPPING_ALREADY_EXISTS"));
            }
            state.mappings.push(item.clone());
        }
        drop(state);
        self.authorize(Some(data), v2::topology_state_update::Mapping::OwnerToKeyMapping(item))
    }
    async fn add_signed_topology_transaction(
        &self,
        request: Request<topology::SignedTopologyTransactionAddition>,
    ) -> Answer<topology::AdditionSuccess> {
        self.record("AddSignedTopologyTransaction", request.into_inner());
        Ok(Response::new(topology::AdditionSuccess {}))
    }
    async fn authorize_participant_domain_state(
        &self,
        request: Request<topology::ParticipantDomainStateAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        let request = request.into_inner();
        self.record("AuthorizeParticipantDomainState", &request);
        let item = protocol::ParticipantState {
            side: request.side,
            domain: request.domain,
            participant: request.participant,
            permission: request.permission,
            trust_level: request.trust_level,
        };
        self.state.lock().unwrap().participant_states.push(item.clone());
        self.authorize(request.authorization, v2::topology_state_update::Mapping::ParticipantState(item))
    }
    async fn authorize_mediator_domain_state(
        &self,
        request: Request<topology::MediatorDomainStateAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        let request = request.into_inner();
        self.record("AuthorizeMediatorDomainState", &request);
        let item = protocol::MediatorDomainState {
            side: request.side,
            domain: request.domain,
            mediator: request.mediator,
        };
        let adds = request.authorization.as_ref().is_some_and(|data| data.change == 0);
        let mut state = self.state.lock().unwrap();
        if adds && state.mediator_states.contains(&item) {
            return Err(Status::already_exists("TOPOLOGY_MAPPING_ALREADY_EXISTS"));
        }
        if adds {
            state.mediator_states.push(item.clone());
        }
        drop(state);
        self.authorize(request.authorization, v2::topology_state_update::Mapping::MediatorDomainState(item))
    }
    async fn authorize_domain_parameters_change(
        &self,
        request: Request<topology::DomainParametersChangeAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        use topology::domain_parameters_change_authorization::Parameters;
        let request = request.into_inner();
        self.record("AuthorizeDomainParametersChange", &request);
        let Some(Parameters::ParametersV2(parameters)) = request.parameters else {
            return Err(Status::invalid_argument("this fake speaks protocol version 7"));
        };
        self.state.lock().unwrap().parameters = Some(parameters);
        let change =
            v2::DomainParametersChange { domain: request.domain, domain_parameters: Some(parameters) };
        let mapping = v2::domain_governance_transaction::Mapping::DomainParametersChange(change);
        let governance = v2::DomainGovernanceTransaction { mapping: Some(mapping) };
        let transaction = v3::topology_transaction::Transaction::DomainGovernance(governance);
        let serialized = self.keep_transaction(transaction, request.authorization.as_ref());
        Ok(Response::new(topology::AuthorizationSuccess { serialized }))
    }
    async fn authorize_party_to_participant(
        &self,
        request: Request<topology::PartyToParticipantAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        let request = request.into_inner();
        self.record("AuthorizePartyToParticipant", &request);
        let item = protocol::PartyToParticipant {
            side: request.side,
            party: request.party,
            participant: request.participant,
            permission: request.permission,
        };
        self.authorize(request.authorization, v2::topology_state_update::Mapping::PartyToParticipant(item))
    }
    refused! {
        authorize_identifier_delegation(topology::IdentifierDelegationAuthorization) -> topology::AuthorizationSuccess;
        authorize_vetted_packages(topology::VettedPackagesAuthorization) -> topology::AuthorizationSuccess;
        authorize_check_only_packages(topology::CheckOnlyPackagesAuthorization) -> topology::AuthorizationSuccess;
    }
}

#[tonic::async_trait]
impl topology::topology_manager_read_service_server::TopologyManagerReadService for Fake {
    async fn list_owner_to_key_mapping(
        &self,
        request: Request<topology::ListOwnerToKeyMappingRequest>,
    ) -> Answer<topology::ListOwnerToKeyMappingResult> {
        self.record("ListOwnerToKeyMapping", request.into_inner());
        let mappings = self.state.lock().unwrap().mappings.clone();
        let results = mappings.into_iter().map(|item| {
            let key_fingerprint = match item.public_key.as_ref().and_then(|key| key.key.as_ref()) {
                Some(crypto::public_key::Key::SigningPublicKey(key)) => key.id.clone(),
                Some(crypto::public_key::Key::EncryptionPublicKey(key)) => key.id.clone(),
                None => String::new(),
            };
            topology::list_owner_to_key_mapping_result::Result {
                context: context(),
                item: Some(item),
                key_fingerprint,
            }
        });
        Ok(Response::new(topology::ListOwnerToKeyMappingResult { results: results.collect() }))
    }
    async fn list_namespace_delegation(
        &self,
        request: Request<topology::ListNamespaceDelegationRequest>,
    ) -> Answer<topology::ListNamespaceDelegationResult> {
        self.record("ListNamespaceDelegation", request.into_inner());
        let delegations = self.state.lock().unwrap().delegations.clone();
        let results =
            delegations.into_iter().map(|item| topology::list_namespace_delegation_result::Result {
                context: context(),
                target_key_fingerprint: item
                    .target_key
                    .as_ref()
                    .map(|key| key.id.clone())
                    .unwrap_or_default(),
                item: Some(item),
            });
        Ok(Response::new(topology::ListNamespaceDelegationResult { results: results.collect() }))
    }
    async fn list_identifier_delegation(
        &self,
        _: Request<topology::ListIdentifierDelegationRequest>,
    ) -> Answer<topology::ListIdentifierDelegationResult> {
        Ok(Response::new(topology::ListIdentifierDelegationResult::default()))
    }
    async fn list_participant_domain_state(
        &self,
        request: Request<topology::ListParticipantDomainStateRequest>,
    ) -> Answer<topology::ListParticipantDomainStateResult> {
        self.record("ListParticipantDomainState", request.into_inner());
        let states = self.state.lock().unwrap().participant_states.clone();
        let results = states.into_iter().map(|item| topology::list_participant_domain_state_result::Result {
            context: context(),
            item: Some(item),
        });
        Ok(Response::new(topology::ListParticipantDomainStateResult { results: results.collect() }))
    }
    async fn list_mediator_domain_state(
        &self,
        _: Request<topology::ListMediatorDomainStateRequest>,
    ) -> Answer<topology::ListMediatorDomainStateResult> {
        let states = self.state.lock().unwrap().mediator_states.clone();
        let results = states.into_iter().map(|item| topology::list_mediator_domain_state_result::Result {
            context: context(),
            item: Some(item),
        });
        Ok(Response::new(topology::ListMediatorDomainStateResult { results: results.collect() }))
    }
    async fn list_domain_parameters_changes(
        &self,
        _: Request<topology::ListDomainParametersChangesRequest>,
    ) -> Answer<topology::ListDomainParametersChangesResult> {
        use topology::list_domain_parameters_changes_result::result::Parameters;
        let parameters = self.state.lock().unwrap().parameters;
        let results = parameters.map(|parameters| topology::list_domain_parameters_changes_result::Result {
            context: context(),
            parameters: Some(Parameters::V2(parameters)),
        });
        let results = results.into_iter().collect();
        Ok(Response::new(topology::ListDomainParametersChangesResult { results }))
    }
    async fn list_all(
        &self,
        request: Request<topology::ListAllRequest>,
    ) -> Answer<topology::ListAllResponse> {
        let store = request.into_inner().base_query.unwrap_or_default().filter_store;
        self.record("ListAll", store);
        let transactions = self.state.lock().unwrap().transactions.clone();
        let items = transactions.into_iter().map(|transaction| protocol::topology_transactions::Item {
            sequenced: at(),
            valid_from: at(),
            valid_until: None,
            transaction,
        });
        let result = Some(protocol::TopologyTransactions { items: items.collect() });
        Ok(Response::new(topology::ListAllResponse { result }))
    }
    refused! {
        list_available_stores(topology::ListAvailableStoresRequest) -> topology::ListAvailableStoresResult;
        list_party_to_participant(topology::ListPartyToParticipantRequest) -> topology::ListPartyToParticipantResult;
        list_signed_legal_identity_claim(topology::ListSignedLegalIdentityClaimRequest) -> topology::ListSignedLegalIdentityClaimResult;
        list_vetted_packages(topology::ListVettedPackagesRequest) -> topology::ListVettedPackagesResult;
        list_check_only_packages(topology::ListCheckOnlyPackagesRequest) -> topology::ListCheckOnlyPackagesResult;
    }
}

#[tonic::async_trait]
impl topology::topology_aggregation_service_server::TopologyAggregationService for Fake {
    async fn list_parties(
        &self,
        request: Request<topology::ListPartiesRequest>,
    ) -> Answer<topology::ListPartiesResponse> {
        use topology::list_parties_response::result::ParticipantDomains;
        use topology::list_parties_response::result::participant_domains::DomainPermissions;
        self.record("ListParties", request.into_inner());
        let domains = vec![DomainPermissions { domain: "mydomain::1220dd".to_owned(), permission: 1 }];
        let participants =
            vec![ParticipantDomains { participant: "PAR::participant1::1220ns".to_owned(), domains }];
        let results =
            vec![topology::list_parties_response::Result { party: "alice::1220ns".to_owned(), participants }];
        Ok(Response::new(topology::ListPartiesResponse { results }))
    }
    refused! {
        list_key_owners(topology::ListKeyOwnersRequest) -> topology::ListKeyOwnersResponse;
    }
}
