//! `topology.admin.v0.TopologyAggregationService`: what the topology says of parties and key owners, put together.
//!
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use std::collections::BTreeMap;

use cantle_crypto::PublicKey;
use cantle_identity::{ListQuery, TopologyLists};
use cantle_proto::topology::admin::v0::{
    ListKeyOwnersRequest, ListKeyOwnersResponse, ListPartiesRequest, ListPartiesResponse,
    list_key_owners_response,
    list_parties_response::{self, result::ParticipantDomains},
    topology_aggregation_service_server::TopologyAggregationService,
};
use cantle_store::TimeQuery;
use cantle_topology::{MappingCode, TopologyMapping};
use tonic::{Request, Response, Status};

use crate::{parse::timestamp, status::ToStatus};

/// The service of one node.
#[derive(Debug)]
pub(crate) struct Aggregation {
    lists: TopologyLists,
}

impl Aggregation {
    pub(crate) fn new(lists: TopologyLists) -> Self {
        Self { lists }
    }

    async fn active(
        &self,
        code: MappingCode,
        as_of: Option<prost_types::Timestamp>,
        store_prefix: String,
    ) -> Result<Vec<(String, TopologyMapping)>, Status> {
        let time = match as_of {
            None => TimeQuery::Head,
            Some(time) => TimeQuery::Snapshot(timestamp("as_of", &time)?),
        };
        let query =
            ListQuery { store_prefix, state_only: true, time, code: Some(code), ..ListQuery::default() };
        let listed = self.lists.list(&query).await.map_err(|error| error.to_status())?;
        Ok(listed
            .into_iter()
            .map(|listed| {
                (listed.store.to_string(), listed.stored.transaction.transaction().mapping().clone())
            })
            .collect())
    }
}

/// Zero or less means no limit, as a request without the field.
fn limit(limit: i32) -> usize {
    usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX)
}

#[tonic::async_trait]
impl TopologyAggregationService for Aggregation {
    async fn list_key_owners(
        &self,
        request: Request<ListKeyOwnersRequest>,
    ) -> Result<Response<ListKeyOwnersResponse>, Status> {
        let request = request.into_inner();
        let mappings =
            self.active(MappingCode::OwnerToKeyMapping, request.as_of, request.filter_domain).await?;
        let mut owners: BTreeMap<(String, String), list_key_owners_response::Result> = BTreeMap::new();
        for (domain, mapping) in mappings {
            let TopologyMapping::OwnerToKeyMapping(mapping) = mapping else { continue };
            let owner = &mapping.owner;
            let passes = (request.filter_key_owner_type.is_empty()
                || owner.code().code() == request.filter_key_owner_type)
                && owner.uid().as_str().starts_with(&request.filter_key_owner_uid);
            if !passes {
                continue;
            }
            let key_owner = owner.to_string();
            let entry = owners.entry((domain.clone(), key_owner.clone())).or_insert_with(|| {
                list_key_owners_response::Result {
                    domain,
                    key_owner,
                    ..list_key_owners_response::Result::default()
                }
            });
            match &mapping.key {
                PublicKey::Signing(key) => entry.signing_keys.push(key.to_proto()),
                PublicKey::Encryption(key) => entry.encryption_keys.push(key.to_proto()),
            }
        }
        let results = owners.into_values().take(limit(request.limit)).collect();
        Ok(Response::new(ListKeyOwnersResponse { results }))
    }

    async fn list_parties(
        &self,
        request: Request<ListPartiesRequest>,
    ) -> Result<Response<ListPartiesResponse>, Status> {
        let request = request.into_inner();
        let mappings =
            self.active(MappingCode::PartyToParticipant, request.as_of, request.filter_domain).await?;
        let mut parties: BTreeMap<String, BTreeMap<String, ParticipantDomains>> = BTreeMap::new();
        for (domain, mapping) in mappings {
            let TopologyMapping::PartyToParticipant(mapping) = mapping else { continue };
            let (party, participant) = (mapping.party().to_string(), mapping.participant().to_string());
            let passes = party.starts_with(&request.filter_party)
                && mapping.participant().uid().as_str().starts_with(&request.filter_participant);
            if !passes {
                continue;
            }
            let participants = parties.entry(party).or_default();
            let entry = participants
                .entry(participant.clone())
                .or_insert_with(|| ParticipantDomains { participant, domains: Vec::new() });
            entry.domains.push(list_parties_response::result::participant_domains::DomainPermissions {
                domain,
                permission: mapping.permission().to_proto().into(),
            });
        }
        let results = parties
            .into_iter()
            .take(limit(request.limit))
            .map(|(party, participants)| list_parties_response::Result {
                party,
                participants: participants.into_values().collect(),
            })
            .collect();
        Ok(Response::new(ListPartiesResponse { results }))
    }
}
