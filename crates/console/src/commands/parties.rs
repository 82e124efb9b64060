//! `parties` of a participant: as far as they are topology. What a party does on a ledger is not here.

use cantle_proto::participant::admin::v0 as participant;
use cantle_proto::participant::admin::v0::party_name_management_service_client::PartyNameManagementServiceClient;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as wire;
use cantle_proto::topology::admin::v0::topology_aggregation_service_client::TopologyAggregationServiceClient;
use cantle_types::{ParticipantId, UniqueIdentifier};

use super::MAX_ANSWER;
use super::health::synchronize;
use super::identity::identity;
use super::topology_authorize::{ADD, REMOVE, write_client};
use crate::command::{Call, Default, Kinds, Param, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::{Data, Record, ids, mapping};

const LIMIT: Param = optional("limit", "int", Default::Int(1000));
const AS_OF: Param = optional("asOf", "Option(time)", Default::None);
const FILTER_DOMAIN: Param = optional("filterDomain", "text", Default::EmptyText);
const FILTER_PARTY: Param = optional("filterParty", "text", Default::EmptyText);
const SYNCHRONIZE: Param = optional("synchronize", "Option(Duration)", Default::Bounded);

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "parties.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_PARTY,
            optional("filterParticipant", "text", Default::EmptyText),
            FILTER_DOMAIN,
            AS_OF,
            LIMIT,
        ],
        run: |call| list(call, call.optional_text("filterParticipant")?),
        doc: "The parties that the node's domains know, and who hosts them.",
    },
    Spec {
        path: "parties.hosted",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[FILTER_PARTY, FILTER_DOMAIN, AS_OF, LIMIT],
        run: |call| {
            let participant = identity(call)?.to_string();
            list(call, participant)
        },
        doc: "The parties that the participant hosts.",
    },
    Spec {
        path: "parties.find",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[required("filterParty", "text")],
        run: find,
        doc: "The one party that the filter finds.",
    },
    Spec {
        path: "parties.enable",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[
            required("name", "text"),
            optional("displayName", "Option(text)", Default::None),
            optional("waitForDomain", "DomainChoice", Default::Constant("DomainChoice", "All")),
            SYNCHRONIZE,
        ],
        run: enable,
        doc: "Lets the participant host a new party of its namespace; gives the party.",
    },
    Spec {
        path: "parties.disable",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[
            required("party", "PartyId or text"),
            optional("force", "bool", Default::False),
            SYNCHRONIZE,
        ],
        run: disable,
        doc: "Ends the participant's hosting of a party.",
    },
    Spec {
        path: "parties.set_display_name",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[required("party", "PartyId"), required("displayName", "text")],
        run: |call| {
            set_display_name(call, &call.uid("party")?, call.text("displayName")?).map(|()| Data::None)
        },
        doc: "Gives a party a name to show.",
    },
];

fn results(
    call: &Call<'_>,
    filter_participant: String,
) -> Result<Vec<wire::list_parties_response::Result>, Failure> {
    let request = wire::ListPartiesRequest {
        as_of: if call.has("asOf") { call.optional_time("asOf")? } else { None },
        limit: if call.has("limit") { call.small("limit")? } else { 2 },
        filter_domain: if call.has("filterDomain") {
            call.optional_text("filterDomain")?
        } else {
            String::new()
        },
        filter_party: call.optional_text("filterParty")?,
        filter_participant,
    };
    let mut client = TopologyAggregationServiceClient::new(call.node.channel.clone())
        .max_decoding_message_size(MAX_ANSWER);
    Ok(call.ask(client.list_parties(request))?.results)
}

fn list(call: &Call<'_>, filter_participant: String) -> Result<Data, Failure> {
    let results = results(call, filter_participant)?.into_iter().map(|found| {
        let participants = found.participants.into_iter().map(|hosting| {
            let domains = hosting.domains.into_iter().map(|domain| {
                let fields = vec![
                    ("domain", mapping::domain(&domain.domain)),
                    ("permission", mapping::permission(domain.permission)),
                ];
                Data::object(Record::new("DomainPermission", fields))
            });
            let participant = match ids::member_data(&hosting.participant) {
                Data::Text(text) => mapping::participant(&text),
                member => member,
            };
            let fields = vec![("participant", participant), ("domains", Data::list(domains.collect()))];
            Data::object(Record::new("ParticipantDomains", fields))
        });
        let fields = vec![
            ("party", mapping::party(&found.party)),
            ("participants", Data::list(participants.collect())),
        ];
        Data::object(Record::new("ListPartiesResult", fields))
    });
    Ok(Data::list(results.collect()))
}

fn find(call: &Call<'_>) -> Result<Data, Failure> {
    let found = results(call, String::new())?;
    match found.as_slice() {
        [only] => Ok(mapping::party(&only.party)),
        [] => Err(call.refuse("filterParty", format!("finds no party that {} knows", call.node.name))),
        _ => Err(call.refuse("filterParty", "finds several parties: write more of the name")),
    }
}

fn host(
    call: &Call<'_>,
    change: protocol::TopologyChangeOp,
    party: &UniqueIdentifier,
    force: bool,
) -> Result<(), Failure> {
    let authorization = wire::AuthorizationData {
        change: change as i32,
        replace_existing: change == ADD,
        force_change: force,
        ..wire::AuthorizationData::default()
    };
    let request = wire::PartyToParticipantAuthorization {
        authorization: Some(authorization),
        side: protocol::RequestSide::Both as i32,
        party: party.to_string(),
        participant: ParticipantId::new(identity(call)?).to_string(),
        permission: protocol::ParticipantPermission::Submission as i32,
    };
    call.ask(write_client(call).authorize_party_to_participant(request))?;
    synchronize(call)
}

/// A party of the participant's namespace, from a name or an id.
fn party_of(call: &Call<'_>, name: &str) -> Result<UniqueIdentifier, Failure> {
    let text = call.text(name)?;
    if text.contains("::") {
        return call.uid(name);
    }
    let identifier =
        text.parse().map_err(|error: cantle_types::IdentifierError| call.refuse(name, error.to_string()))?;
    Ok(UniqueIdentifier::new(identifier, identity(call)?.namespace().clone()))
}

fn enable(call: &Call<'_>) -> Result<Data, Failure> {
    let party = party_of(call, "name")?;
    host(call, ADD, &party, false)?;
    let name = call.optional_text("displayName")?;
    if !name.is_empty() {
        set_display_name(call, &party, name)?;
    }
    Ok(ids::party_id(&party))
}

fn disable(call: &Call<'_>) -> Result<Data, Failure> {
    let party = party_of(call, "party")?;
    host(call, REMOVE, &party, call.truth("force")?).map(|()| Data::None)
}

fn set_display_name(call: &Call<'_>, party: &UniqueIdentifier, display_name: String) -> Result<(), Failure> {
    let request = participant::SetPartyDisplayNameRequest { party_id: party.to_string(), display_name };
    let mut client = PartyNameManagementServiceClient::new(call.node.channel.clone());
    call.ask(client.set_party_display_name(request)).map(|_| ())
}
