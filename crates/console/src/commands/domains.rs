//! `domains`: the domains that a participant is registered with and connected to.
//!
//! `connect` registers the domain, confirms its agreement, connects, and only then lets the participant reconnect by itself: a domain
//! that cannot be reached stays registered and silent. Source: <https://docs.daml.com/2.10.0/canton/usermanual/connectivity.html>.

mod connect;

use crate::node::Channel;
use cantle_proto::participant::admin::v0 as wire;
use cantle_proto::participant::admin::v0::domain_connectivity_service_client::DomainConnectivityServiceClient;

use super::MAX_ANSWER;
use super::health::synchronize;
use super::identity::{find_identity, identity};
use super::topology_list::is_active_on;
use crate::command::{Call, Default, Kinds, Param, Spec, Style, node_of, optional, required};
use crate::failure::Failure;
use crate::value::{Data, Record, domain_connection, domain_id, ids, mapping};

const ALIAS: Param = required("domainAlias", "DomainAlias");
const SYNCHRONIZE: Param = optional("synchronize", "Option(Duration)", Default::Bounded);
const PRIORITY: Param = optional("priority", "int", Default::Int(0));
const MANUAL: Param = optional("manualConnect", "bool", Default::False);

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "domains.connect_local",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[
            required("domain", "domain or sequencer"),
            MANUAL,
            optional("alias", "Option(DomainAlias)", Default::None),
            optional("maxRetryDelayMillis", "Option(int)", Default::None),
            PRIORITY,
            SYNCHRONIZE,
        ],
        run: connect::local,
        doc: "Connects to a domain or sequencer of this console.",
    },
    Spec {
        path: "domains.connect_local_bft",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[
            required("domain", "Map(SequencerAlias, sequencer)"),
            MANUAL,
            optional("alias", "Option(DomainAlias)", Default::None),
            optional("maxRetryDelayMillis", "Option(int)", Default::None),
            PRIORITY,
            SYNCHRONIZE,
            optional("sequencerTrustThreshold", "int", Default::Int(1)),
        ],
        run: connect::local_bft,
        doc: "Connects to several sequencers of this console that are trusted together.",
    },
    Spec {
        path: "domains.connect",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[
            required("domainAlias", "DomainAlias, DomainConnectionConfig or sequencer"),
            optional("connection", "text or DomainAlias", Default::None),
            MANUAL,
            optional("domainId", "Option(DomainId)", Default::None),
            optional("certificatesPath", "text", Default::EmptyText),
            PRIORITY,
            optional("timeTrackerConfig", "Option(DomainTimeTrackerConfig)", Default::None),
            SYNCHRONIZE,
        ],
        run: connect::connect,
        doc: "Connects to a domain: connect(alias, address), connect(config), or connect(sequencer, alias).",
    },
    Spec {
        path: "domains.connect_single",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[ALIAS, required("connection", "SequencerConnection"), SYNCHRONIZE],
        run: connect::single,
        doc: "Connects to a domain by one sequencer.",
    },
    Spec {
        path: "domains.connect_multi",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[ALIAS, required("connections", "Seq(SequencerConnection)"), SYNCHRONIZE],
        run: connect::multi,
        doc: "Connects to a domain by several sequencers, any of which will do.",
    },
    Spec {
        path: "domains.connect_ha",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[ALIAS, required("connections", "Seq(SequencerConnection)"), SYNCHRONIZE],
        run: connect::multi,
        doc: "The former name of connect_multi.",
    },
    Spec {
        path: "domains.register",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[required("config", "DomainConnectionConfig")],
        run: |call| register(call, call.value("config")).map(|()| Data::None),
        doc: "Registers a domain; connects to it unless manualConnect is set, and leaves it registered if that fails.",
    },
    Spec {
        path: "domains.modify",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[
            required("domain", "DomainAlias"),
            required("modifier", "DomainConnectionConfig => DomainConnectionConfig"),
        ],
        run: modify,
        doc: "Changes how a registered domain is connected to, from the next connection on.",
    },
    Spec {
        path: "domains.reconnect",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[ALIAS, optional("retry", "bool", Default::True), SYNCHRONIZE],
        run: |call| reconnect_command(call, call.text("domainAlias")?),
        doc: "Connects again to a registered domain; whether it worked. With retry the node goes on trying.",
    },
    Spec {
        path: "domains.reconnect_local",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[
            required("ref", "domain, sequencer or DomainAlias"),
            optional("retry", "bool", Default::True),
            SYNCHRONIZE,
        ],
        run: |call| reconnect_command(call, connect::alias_of_ref(call, "ref")?),
        doc: "Connects again to a domain of this console.",
    },
    Spec {
        path: "domains.reconnect_all",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[optional("ignoreFailures", "bool", Default::True), SYNCHRONIZE],
        run: |call| {
            let request = wire::ReconnectDomainsRequest { ignore_failures: call.truth("ignoreFailures")? };
            call.ask(client(call).reconnect_domains(request))?;
            synchronize(call)?;
            Ok(Data::None)
        },
        doc: "Connects again to all registered domains that are not connected to by hand.",
    },
    Spec {
        path: "domains.disconnect",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[ALIAS],
        run: |call| disconnect(call, call.text("domainAlias")?).map(|()| Data::None),
        doc: "Disconnects from a domain.",
    },
    Spec {
        path: "domains.disconnect_local",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[required("domain", "domain, sequencer or DomainAlias")],
        run: |call| disconnect(call, connect::alias_of_ref(call, "domain")?).map(|()| Data::None),
        doc: "Disconnects from a domain of this console.",
    },
    Spec {
        path: "domains.disconnect_all",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[],
        run: |call| {
            for connected in list_connected(call)? {
                disconnect(call, connected.domain_alias)?;
            }
            Ok(Data::None)
        },
        doc: "Disconnects from all domains.",
    },
    Spec {
        path: "domains.list_connected",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[],
        run: |call| {
            let connected = list_connected(call)?.into_iter().map(|found| {
                let fields = vec![
                    ("domainAlias", Data::text(found.domain_alias)),
                    ("domainId", mapping::domain(&found.domain_id)),
                    ("healthy", Data::Bool(found.healthy)),
                ];
                Data::object(Record::new("ListConnectedDomainsResult", fields))
            });
            Ok(Data::list(connected.collect()))
        },
        doc: "The domains that the participant is connected to.",
    },
    Spec {
        path: "domains.list_registered",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[],
        run: |call| {
            let registered = list_registered(call)?.into_iter();
            let pairs = registered.map(|(config, connected)| Data::list(vec![config, Data::Bool(connected)]));
            Ok(Data::list(pairs.collect()))
        },
        doc: "The registered domains, each with whether it is connected.",
    },
    Spec {
        path: "domains.is_registered",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[required("domain", "DomainAlias")],
        run: |call| Ok(Data::Bool(find(call, &call.text("domain")?)?.is_some())),
        doc: "Whether a domain is registered by this name.",
    },
    Spec {
        path: "domains.config",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[required("domain", "DomainAlias")],
        run: |call| Ok(Data::option(find(call, &call.text("domain")?)?)),
        doc: "How a domain is registered; None when it is not.",
    },
    Spec {
        path: "domains.is_connected",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[required("reference", "domain, domain manager, DomainId or DomainAlias")],
        run: |call| {
            let wanted = domain_of(call, "reference")?;
            let found = list_connected(call)?.into_iter().any(|connected| wanted.is(&connected));
            Ok(Data::Bool(found))
        },
        doc: "Whether the participant is connected to a domain.",
    },
    Spec {
        path: "domains.active",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[required("domain", "DomainAlias, domain or domain manager")],
        run: active,
        doc: "Whether the participant is connected to a domain, healthy, and permissioned there.",
    },
    Spec {
        path: "domains.id_of",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[ALIAS],
        run: |call| {
            let request = wire::GetDomainIdRequest { domain_alias: call.text("domainAlias")? };
            let answer = call.ask(client(call).get_domain_id(request))?;
            answer.domain_id.parse().map(|uid| domain_id(&uid)).map_err(|error| {
                Failure::value(format!(
                    "{}: the node gave \"{}\" as the domain's id: {error}",
                    call.node.name, answer.domain_id
                ))
            })
        },
        doc: "The id of the domain behind a name.",
    },
    Spec {
        path: "domains.get_agreement",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[ALIAS],
        run: |call| {
            let agreement = agreement(call, call.text("domainAlias")?)?;
            Ok(Data::option(agreement.map(|(agreement, accepted)| {
                let fields = vec![("id", Data::text(agreement.id)), ("text", Data::text(agreement.text))];
                Data::list(vec![Data::object(Record::new("Agreement", fields)), Data::Bool(accepted)])
            })))
        },
        doc: "The service agreement of a domain with whether it is accepted; None when there is none.",
    },
    Spec {
        path: "domains.accept_agreement",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: &[ALIAS, required("agreementId", "text")],
        run: |call| accept(call, call.text("domainAlias")?, call.text("agreementId")?).map(|()| Data::None),
        doc: "Accepts the service agreement of a domain.",
    },
];

fn client(call: &Call<'_>) -> DomainConnectivityServiceClient<Channel> {
    DomainConnectivityServiceClient::new(call.node.channel.clone()).max_decoding_message_size(MAX_ANSWER)
}

fn register(call: &Call<'_>, config: &Data) -> Result<(), Failure> {
    let add =
        domain_connection::to_wire(config).map_err(|failure| call.refuse("config", failure.to_string()))?;
    call.ask(client(call).register_domain(wire::RegisterDomainRequest { add: Some(add) })).map(|_| ())
}

fn list_connected(call: &Call<'_>) -> Result<Vec<wire::list_connected_domains_response::Result>, Failure> {
    Ok(call.ask(client(call).list_connected_domains(wire::ListConnectedDomainsRequest {}))?.connected_domains)
}

fn list_registered(call: &Call<'_>) -> Result<Vec<(Data, bool)>, Failure> {
    let answer = call.ask(client(call).list_configured_domains(wire::ListConfiguredDomainsRequest {}))?;
    let results = answer.results.into_iter();
    let known = results.filter_map(|result| result.config.map(|config| (config, result.connected)));
    known.map(|(config, connected)| Ok((domain_connection::from_wire(config)?, connected))).collect()
}

fn find(call: &Call<'_>, alias: &str) -> Result<Option<Data>, Failure> {
    let registered = list_registered(call)?.into_iter().map(|(config, _)| config);
    Ok(registered.into_iter().find(|config| domain_connection::alias_of(config).as_deref() == Some(alias)))
}

fn modify(call: &Call<'_>) -> Result<Data, Failure> {
    let alias = call.text("domain")?;
    let before = find(call, &alias)?
        .ok_or_else(|| call.refuse("domain", format!("is not a registered domain of {}", call.node.name)))?;
    let after = call.apply("modifier", &[before])?;
    let modified = domain_connection::to_wire(&after)
        .map_err(|failure| call.refuse("modifier", format!("gave a value that is wrong: {failure}")))?;
    if modified.domain_alias != alias {
        return Err(call.refuse("modifier", "changes the domain's name: that cannot be changed"));
    }
    save(call, modified).map(|()| Data::None)
}

fn save(call: &Call<'_>, config: wire::DomainConnectionConfig) -> Result<(), Failure> {
    let request = wire::ModifyDomainRequest { modify: Some(config) };
    call.ask(client(call).modify_domain(request)).map(|_| ())
}

fn reconnect(call: &Call<'_>, domain_alias: String, retry: bool) -> Result<bool, Failure> {
    let request = wire::ConnectDomainRequest { domain_alias, retry };
    Ok(call.ask(client(call).connect_domain(request))?.connected_successfully)
}

fn reconnect_command(call: &Call<'_>, alias: String) -> Result<Data, Failure> {
    let connected = reconnect(call, alias, call.truth("retry")?)?;
    if connected {
        synchronize(call)?;
    }
    Ok(Data::Bool(connected))
}

fn disconnect(call: &Call<'_>, domain_alias: String) -> Result<(), Failure> {
    call.ask(client(call).disconnect_domain(wire::DisconnectDomainRequest { domain_alias })).map(|_| ())
}

fn agreement(call: &Call<'_>, domain_alias: String) -> Result<Option<(wire::Agreement, bool)>, Failure> {
    let answer = call.ask(client(call).get_agreement(wire::GetAgreementRequest { domain_alias }))?;
    Ok(answer.agreement.map(|agreement| (agreement, answer.accepted)))
}

fn accept(call: &Call<'_>, domain_alias: String, agreement_id: String) -> Result<(), Failure> {
    let request = wire::AcceptAgreementRequest { domain_alias, agreement_id };
    call.ask(client(call).accept_agreement(request)).map(|_| ())
}

/// A domain that a script names, in any of the ways.
enum Wanted {
    Alias(String),
    Uid(String),
    /// A node that has no identity yet.
    Nobody,
}

impl Wanted {
    fn is(&self, connected: &wire::list_connected_domains_response::Result) -> bool {
        match self {
            Self::Alias(alias) => connected.domain_alias == *alias,
            Self::Uid(uid) => connected.domain_id == *uid,
            Self::Nobody => false,
        }
    }
}

fn domain_of(call: &Call<'_>, name: &str) -> Result<Wanted, Failure> {
    let data = call.value(name);
    if node_of(data).is_some() {
        let node = call.node(name, Kinds::GOVERNING)?;
        let uid = find_identity(&call.at(&node))?;
        return Ok(uid.map_or(Wanted::Nobody, |uid| Wanted::Uid(uid.to_string())));
    }
    let text = ids::text_of(data)
        .ok_or_else(|| call.refuse(name, format!("must name a domain, found: {}", data.kind())))?;
    Ok(match text.parse::<cantle_types::UniqueIdentifier>() {
        Ok(uid) => Wanted::Uid(uid.to_string()),
        Err(_) => Wanted::Alias(text),
    })
}

fn active(call: &Call<'_>) -> Result<Data, Failure> {
    let wanted = domain_of(call, "domain")?;
    let connected = list_connected(call)?.into_iter().find(|connected| wanted.is(connected));
    let Some(connected) = connected.filter(|connected| connected.healthy) else {
        return Ok(Data::Bool(false));
    };
    let participant = identity(call)?.to_string();
    is_active_on(call, &connected.domain_id, &participant).map(Data::Bool)
}
