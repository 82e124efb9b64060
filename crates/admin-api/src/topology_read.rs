//! `topology.admin.v0.TopologyManagerReadService`: a node's topology transactions, by kind of mapping.
//!
//! Filters of identifiers, namespaces and keys compare beginnings, as in Canton; an empty one lets all pass.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use cantle_crypto::{PublicKey, key_purpose_from_proto};
use cantle_identity::{ListQuery, Listed, TopologyLists};
use cantle_proto::{
    protocol::v0 as protocol,
    topology::admin::v0::{
        BaseQuery, BaseResult, ListAllRequest, ListAllResponse, ListAvailableStoresRequest,
        ListAvailableStoresResult, ListCheckOnlyPackagesRequest, ListCheckOnlyPackagesResult,
        ListDomainParametersChangesRequest, ListDomainParametersChangesResult,
        ListIdentifierDelegationRequest, ListIdentifierDelegationResult, ListMediatorDomainStateRequest,
        ListMediatorDomainStateResult, ListNamespaceDelegationRequest, ListNamespaceDelegationResult,
        ListOwnerToKeyMappingRequest, ListOwnerToKeyMappingResult, ListParticipantDomainStateRequest,
        ListParticipantDomainStateResult, ListPartyToParticipantRequest, ListPartyToParticipantResult,
        ListSignedLegalIdentityClaimRequest, ListSignedLegalIdentityClaimResult, ListVettedPackagesRequest,
        ListVettedPackagesResult, base_query::TimeQuery as TimeQueryMessage, list_check_only_packages_result,
        list_domain_parameters_changes_result, list_identifier_delegation_result,
        list_mediator_domain_state_result, list_namespace_delegation_result,
        list_owner_to_key_mapping_result, list_participant_domain_state_result,
        list_party_to_participant_result, list_signed_legal_identity_claim_result,
        list_vetted_packages_result, topology_manager_read_service_server::TopologyManagerReadService,
    },
};
use cantle_store::TimeQuery;
use cantle_topology::{
    MappingCode, Packages, StoredTransaction, TopologyChangeOp, TopologyMapping, TopologySnapshot,
};
use cantle_types::ProtocolVersion;
use tonic::{Request, Response, Status};

use crate::{
    parse::{timestamp, to_timestamp},
    status::{ToStatus, invalid},
};

/// The service of one node.
#[derive(Debug)]
pub(crate) struct TopologyRead {
    lists: TopologyLists,
}

impl TopologyRead {
    pub(crate) fn new(lists: TopologyLists) -> Self {
        Self { lists }
    }

    async fn list(&self, query: Option<BaseQuery>, code: Option<MappingCode>) -> Result<Vec<Listed>, Status> {
        let query = list_query(query.unwrap_or_default(), code)?;
        self.lists.list(&query).await.map_err(|error| error.to_status())
    }

    /// The transactions of one kind that `show` has an answer for.
    async fn results<T>(
        &self,
        query: Option<BaseQuery>,
        code: MappingCode,
        show: impl Fn(&TopologyMapping, BaseResult) -> Option<T>,
    ) -> Result<Vec<T>, Status> {
        let listed = self.list(query, Some(code)).await?;
        Ok(listed.iter().filter_map(|listed| show(mapping(listed), context(listed))).collect())
    }
}

fn list_query(query: BaseQuery, code: Option<MappingCode>) -> Result<ListQuery, Status> {
    let time = match query.time_query {
        None | Some(TimeQueryMessage::HeadState(())) => TimeQuery::Head,
        Some(TimeQueryMessage::Snapshot(time)) => {
            TimeQuery::Snapshot(timestamp("base_query.snapshot", &time)?)
        }
        Some(TimeQueryMessage::Range(range)) => TimeQuery::Range {
            from: range.from.map(|time| timestamp("base_query.range.from", &time)).transpose()?,
            until: range.until.map(|time| timestamp("base_query.range.until", &time)).transpose()?,
        },
    };
    let op = if query.filter_operation {
        Some(
            TopologyChangeOp::from_proto(query.operation)
                .map_err(|error| invalid("base_query.operation", &error))?,
        )
    } else {
        None
    };
    let protocol_version = match query.protocol_version.as_deref() {
        None | Some("") => None,
        Some(text) => {
            let number = text.split('.').next().unwrap_or(text);
            let number: i32 =
                number.parse().map_err(|error| invalid("base_query.protocol_version", &error))?;
            Some(
                ProtocolVersion::try_from(number)
                    .map_err(|error| invalid("base_query.protocol_version", &error))?,
            )
        }
    };
    Ok(ListQuery {
        store_prefix: query.filter_store,
        state_only: query.use_state_store,
        time,
        op,
        code,
        signed_by_prefix: query.filter_signed_key,
        protocol_version,
    })
}

fn mapping(listed: &Listed) -> &TopologyMapping {
    listed.stored.transaction.transaction().mapping()
}

fn context(listed: &Listed) -> BaseResult {
    let StoredTransaction { sequenced, valid_from, valid_until, transaction } = &listed.stored;
    BaseResult {
        store: listed.store.to_string(),
        sequenced: Some(to_timestamp(*sequenced)),
        valid_from: Some(to_timestamp(*valid_from)),
        valid_until: valid_until.map(to_timestamp),
        operation: transaction.transaction().op().to_proto().into(),
        serialized: transaction.to_bytes(),
        signed_by_fingerprint: transaction.key().fingerprint().to_string(),
    }
}

/// The participant's unique identifier and package ids, if the filter lets the participant pass.
fn packages(packages: &Packages, filter: &str) -> Option<(String, Vec<String>)> {
    let participant = packages.participant.uid().to_string();
    participant
        .starts_with(filter)
        .then(|| (participant, packages.package_ids.iter().map(ToString::to_string).collect()))
}

#[tonic::async_trait]
impl TopologyManagerReadService for TopologyRead {
    async fn list_available_stores(
        &self,
        _request: Request<ListAvailableStoresRequest>,
    ) -> Result<Response<ListAvailableStoresResult>, Status> {
        let stores = self.lists.stores().await.map_err(|error| error.to_status())?;
        Ok(Response::new(ListAvailableStoresResult {
            store_ids: stores.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn list_namespace_delegation(
        &self,
        request: Request<ListNamespaceDelegationRequest>,
    ) -> Result<Response<ListNamespaceDelegationResult>, Status> {
        let ListNamespaceDelegationRequest { base_query, filter_namespace } = request.into_inner();
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::NamespaceDelegation(delegation) = mapping else { return None };
            let namespace = delegation.namespace().to_string();
            namespace.starts_with(&filter_namespace).then(|| list_namespace_delegation_result::Result {
                context: Some(context),
                target_key_fingerprint: delegation.target().fingerprint().to_string(),
                item: Some(protocol::NamespaceDelegation {
                    namespace,
                    target_key: Some(delegation.target().to_proto()),
                    is_root_delegation: delegation.is_root_delegation(),
                }),
            })
        };
        let results = self.results(base_query, MappingCode::NamespaceDelegation, show).await?;
        Ok(Response::new(ListNamespaceDelegationResult { results }))
    }

    async fn list_identifier_delegation(
        &self,
        request: Request<ListIdentifierDelegationRequest>,
    ) -> Result<Response<ListIdentifierDelegationResult>, Status> {
        let ListIdentifierDelegationRequest { base_query, filter_uid } = request.into_inner();
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::IdentifierDelegation(delegation) = mapping else { return None };
            let unique_identifier = delegation.identifier.to_string();
            unique_identifier.starts_with(&filter_uid).then(|| list_identifier_delegation_result::Result {
                context: Some(context),
                target_key_fingerprint: delegation.target.fingerprint().to_string(),
                item: Some(protocol::IdentifierDelegation {
                    unique_identifier,
                    target_key: Some(delegation.target.to_proto()),
                }),
            })
        };
        let results = self.results(base_query, MappingCode::IdentifierDelegation, show).await?;
        Ok(Response::new(ListIdentifierDelegationResult { results }))
    }

    async fn list_owner_to_key_mapping(
        &self,
        request: Request<ListOwnerToKeyMappingRequest>,
    ) -> Result<Response<ListOwnerToKeyMappingResult>, Status> {
        let ListOwnerToKeyMappingRequest {
            base_query,
            filter_key_owner_type,
            filter_key_owner_uid,
            filter_key_purpose,
        } = request.into_inner();
        let purpose = filter_key_purpose
            .map(|filter| {
                key_purpose_from_proto(filter.value).map_err(|error| invalid("filter_key_purpose", &error))
            })
            .transpose()?;
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::OwnerToKeyMapping(mapping) = mapping else { return None };
            let owner = &mapping.owner;
            let passes = (filter_key_owner_type.is_empty() || owner.code().code() == filter_key_owner_type)
                && owner.uid().as_str().starts_with(&filter_key_owner_uid)
                && purpose.is_none_or(|purpose| mapping.key.purpose() == purpose);
            passes.then(|| list_owner_to_key_mapping_result::Result {
                context: Some(context),
                key_fingerprint: mapping.key.fingerprint().to_string(),
                item: Some(protocol::OwnerToKeyMapping {
                    key_owner: owner.to_string(),
                    public_key: Some(PublicKey::to_proto(&mapping.key)),
                }),
            })
        };
        let results = self.results(base_query, MappingCode::OwnerToKeyMapping, show).await?;
        Ok(Response::new(ListOwnerToKeyMappingResult { results }))
    }

    async fn list_party_to_participant(
        &self,
        request: Request<ListPartyToParticipantRequest>,
    ) -> Result<Response<ListPartyToParticipantResult>, Status> {
        let ListPartyToParticipantRequest {
            base_query,
            filter_party,
            filter_participant,
            filter_request_side,
            filter_permission,
        } = request.into_inner();
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::PartyToParticipant(mapping) = mapping else { return None };
            let item = protocol::PartyToParticipant {
                side: mapping.side().to_proto().into(),
                party: mapping.party().to_string(),
                participant: mapping.participant().to_string(),
                permission: mapping.permission().to_proto().into(),
            };
            let passes = item.party.starts_with(&filter_party)
                && mapping.participant().uid().as_str().starts_with(&filter_participant)
                && filter_request_side.as_ref().is_none_or(|filter| filter.value == item.side)
                && filter_permission.as_ref().is_none_or(|filter| filter.value == item.permission);
            passes.then_some(list_party_to_participant_result::Result {
                context: Some(context),
                item: Some(item),
            })
        };
        let results = self.results(base_query, MappingCode::PartyToParticipant, show).await?;
        Ok(Response::new(ListPartyToParticipantResult { results }))
    }

    async fn list_signed_legal_identity_claim(
        &self,
        request: Request<ListSignedLegalIdentityClaimRequest>,
    ) -> Result<Response<ListSignedLegalIdentityClaimResult>, Status> {
        let ListSignedLegalIdentityClaimRequest { base_query, filter_uid } = request.into_inner();
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::SignedLegalIdentityClaim(claim) = mapping else { return None };
            claim.uid().as_str().starts_with(&filter_uid).then(|| {
                list_signed_legal_identity_claim_result::Result {
                    context: Some(context),
                    item: Some(protocol::SignedLegalIdentityClaim {
                        claim: claim.claim().to_vec(),
                        signature: Some(claim.signature().to_proto()),
                    }),
                }
            })
        };
        let results = self.results(base_query, MappingCode::SignedLegalIdentityClaim, show).await?;
        Ok(Response::new(ListSignedLegalIdentityClaimResult { results }))
    }

    async fn list_participant_domain_state(
        &self,
        request: Request<ListParticipantDomainStateRequest>,
    ) -> Result<Response<ListParticipantDomainStateResult>, Status> {
        let ListParticipantDomainStateRequest { base_query, filter_domain, filter_participant } =
            request.into_inner();
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::ParticipantState(state) = mapping else { return None };
            let item = protocol::ParticipantState {
                side: state.side().to_proto().into(),
                domain: state.domain().to_string(),
                participant: state.participant().uid().to_string(),
                permission: state.permission().to_proto().into(),
                trust_level: state.trust_level().to_proto().into(),
            };
            let passes =
                item.domain.starts_with(&filter_domain) && item.participant.starts_with(&filter_participant);
            passes.then_some(list_participant_domain_state_result::Result {
                context: Some(context),
                item: Some(item),
            })
        };
        let results = self.results(base_query, MappingCode::ParticipantState, show).await?;
        Ok(Response::new(ListParticipantDomainStateResult { results }))
    }

    async fn list_mediator_domain_state(
        &self,
        request: Request<ListMediatorDomainStateRequest>,
    ) -> Result<Response<ListMediatorDomainStateResult>, Status> {
        let ListMediatorDomainStateRequest { base_query, filter_domain, filter_mediator } =
            request.into_inner();
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::MediatorDomainState(state) = mapping else { return None };
            let item = protocol::MediatorDomainState {
                side: state.side.to_proto().into(),
                domain: state.domain.to_string(),
                mediator: state.mediator.to_string(),
            };
            let passes =
                item.domain.starts_with(&filter_domain) && item.mediator.starts_with(&filter_mediator);
            passes.then_some(list_mediator_domain_state_result::Result {
                context: Some(context),
                item: Some(item),
            })
        };
        let results = self.results(base_query, MappingCode::MediatorDomainState, show).await?;
        Ok(Response::new(ListMediatorDomainStateResult { results }))
    }

    async fn list_vetted_packages(
        &self,
        request: Request<ListVettedPackagesRequest>,
    ) -> Result<Response<ListVettedPackagesResult>, Status> {
        let ListVettedPackagesRequest { base_query, filter_participant } = request.into_inner();
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::VettedPackages(vetted) = mapping else { return None };
            let (participant, package_ids) = packages(vetted, &filter_participant)?;
            let item = Some(protocol::VettedPackages { participant, package_ids });
            Some(list_vetted_packages_result::Result { context: Some(context), item })
        };
        let results = self.results(base_query, MappingCode::VettedPackages, show).await?;
        Ok(Response::new(ListVettedPackagesResult { results }))
    }

    async fn list_check_only_packages(
        &self,
        request: Request<ListCheckOnlyPackagesRequest>,
    ) -> Result<Response<ListCheckOnlyPackagesResult>, Status> {
        let ListCheckOnlyPackagesRequest { base_query, filter_participant } = request.into_inner();
        let show = |mapping: &TopologyMapping, context| {
            let TopologyMapping::CheckOnlyPackages(checked) = mapping else { return None };
            let (participant, package_ids) = packages(checked, &filter_participant)?;
            let item = Some(protocol::CheckOnlyPackages { participant, package_ids });
            Some(list_check_only_packages_result::Result { context: Some(context), item })
        };
        let results = self.results(base_query, MappingCode::CheckOnlyPackages, show).await?;
        Ok(Response::new(ListCheckOnlyPackagesResult { results }))
    }

    async fn list_domain_parameters_changes(
        &self,
        request: Request<ListDomainParametersChangesRequest>,
    ) -> Result<Response<ListDomainParametersChangesResult>, Status> {
        use list_domain_parameters_changes_result::result::Parameters;
        let listed =
            self.list(request.into_inner().base_query, Some(MappingCode::DomainParametersChange)).await?;
        let results = listed
            .iter()
            .filter_map(|listed| {
                let TopologyMapping::DomainParametersChange(change) = mapping(listed) else { return None };
                let parameters = match listed.stored.transaction.transaction().version() {
                    ProtocolVersion::V5 => Parameters::V1(change.parameters.to_proto_v1()),
                    ProtocolVersion::V7 => Parameters::V2(change.parameters.to_proto_v2()),
                };
                Some(list_domain_parameters_changes_result::Result {
                    context: Some(context(listed)),
                    parameters: Some(parameters),
                })
            })
            .collect();
        Ok(Response::new(ListDomainParametersChangesResult { results }))
    }

    async fn list_all(&self, request: Request<ListAllRequest>) -> Result<Response<ListAllResponse>, Status> {
        let listed = self.list(request.into_inner().base_query, None).await?;
        let snapshot = TopologySnapshot { items: listed.into_iter().map(|listed| listed.stored).collect() };
        Ok(Response::new(ListAllResponse { result: Some(snapshot.to_proto()) }))
    }
}
