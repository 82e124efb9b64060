//! `topology.admin.v0.TopologyAggregationService`: what the topology says of parties and key owners, put together.
//!
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use std::collections::BTreeMap;

use cantle_crypto::PublicKey;
use cantle_identity::{ListQuery, TopologyLists};
use cantle_proto::topology::admin::v0::{
    ListKeyOwnersRequest, ListKeyOwnersResponse, ListPartiesRequest, ListPartiesResponse,
    list_key_owners_response,
    list_parties_response::{
        self,
        result::{ParticipantDomains, participant_domains::DomainPermissions},
    },
    topology_aggregation_service_server::TopologyAggregationService,
};
use cantle_store::{TimeQuery, TopologyStoreId};
use cantle_topology::{MappingCode, ParticipantPermission, RequestSide, TopologyMapping};
use cantle_types::{ParticipantId, PartyId};
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
        // Without a filter it is about domains: what the node itself authorized says nothing of what they took.
        let is_of_domain =
            |store: &TopologyStoreId| !query.store_prefix.is_empty() || *store != TopologyStoreId::Authorized;
        let listed = self.lists.list(&query).await.map_err(|error| error.to_status())?;
        Ok(listed
            .into_iter()
            .filter(|listed| is_of_domain(&listed.store))
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
        let at = |code| self.active(code, request.as_of, request.filter_domain.clone());
        let mut hosting = Hosting::default();
        for (domain, mapping) in at(MappingCode::ParticipantState).await? {
            if let TopologyMapping::ParticipantState(state) = mapping {
                let key = (domain, state.participant().clone());
                hosting.on_domain.entry(key).or_default().add(state.side(), state.permission());
            }
        }
        for (domain, mapping) in at(MappingCode::PartyToParticipant).await? {
            if let TopologyMapping::PartyToParticipant(mapping) = mapping {
                let key = (mapping.party().clone(), mapping.participant().clone(), domain);
                hosting.hosted.entry(key).or_default().add(mapping.side(), mapping.permission());
            }
        }
        let parties = hosting.parties(|party, participant| {
            party.uid().as_str().starts_with(&request.filter_party)
                && participant.uid().as_str().starts_with(&request.filter_participant)
        });
        let results = parties.into_iter().take(limit(request.limit)).map(|(party, participants)| {
            let participants = participants.into_iter().map(|(participant, domains)| {
                let domains = domains
                    .into_iter()
                    .map(|(domain, permission)| DomainPermissions {
                        domain,
                        permission: permission.to_proto().into(),
                    })
                    .collect();
                ParticipantDomains { participant: participant.to_string(), domains }
            });
            list_parties_response::Result { party: party.to_string(), participants: participants.collect() }
        });
        Ok(Response::new(ListPartiesResponse { results: results.collect() }))
    }
}

/// What the two sides of a mapping allow, so far as they have said something.
#[derive(Debug, Clone, Copy, Default)]
struct Sides {
    from: Option<ParticipantPermission>,
    to: Option<ParticipantPermission>,
}

impl Sides {
    fn add(&mut self, side: RequestSide, permission: ParticipantPermission) {
        let mix = |known: Option<ParticipantPermission>| {
            Some(known.map_or(permission, |known| known.lower_of(permission)))
        };
        if side != RequestSide::To {
            self.from = mix(self.from);
        }
        if side != RequestSide::From {
            self.to = mix(self.to);
        }
    }

    /// What both allow, if that is anything.
    fn agreed(self) -> Option<ParticipantPermission> {
        let (from, to) = self.from.zip(self.to)?;
        Some(from.lower_of(to)).filter(|permission| permission.is_active())
    }
}

type Domains = BTreeMap<String, ParticipantPermission>;

/// Who hosts which party where, and which participants are on which domains.
#[derive(Debug, Default)]
struct Hosting {
    on_domain: BTreeMap<(String, ParticipantId), Sides>,
    hosted: BTreeMap<(PartyId, ParticipantId, String), Sides>,
}

impl Hosting {
    /// The parties that are known, each with those that host it now. A participant hosts the party of its own name.
    fn parties(
        self,
        passes: impl Fn(&PartyId, &ParticipantId) -> bool,
    ) -> BTreeMap<PartyId, BTreeMap<ParticipantId, Domains>> {
        let mut parties: BTreeMap<PartyId, BTreeMap<ParticipantId, Domains>> = BTreeMap::new();
        let mut add = |party: &PartyId, participant: &ParticipantId, domain: &str, permission: Option<_>| {
            if !passes(party, participant) {
                return;
            }
            let participants = parties.entry(party.clone()).or_default();
            if let Some(permission) = permission {
                participants.entry(participant.clone()).or_default().insert(domain.to_owned(), permission);
            }
        };
        for ((party, participant, domain), sides) in &self.hosted {
            let on_domain = self.on_domain.get(&(domain.clone(), participant.clone()));
            let allowed = on_domain.and_then(|sides| sides.agreed());
            let permission = sides.agreed().zip(allowed).map(|(here, there)| here.lower_of(there));
            add(party, participant, domain, permission);
        }
        for ((domain, participant), sides) in &self.on_domain {
            add(&PartyId::new(participant.uid().clone()), participant, domain, sides.agreed());
        }
        parties
    }
}
