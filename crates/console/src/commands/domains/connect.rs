//! The ways to connect, which end in one: register, confirm the agreement, connect, remember.

use cantle_proto::participant::admin::v0 as wire;

use super::{accept, agreement, find, reconnect, register, save, synchronize};
use crate::command::{Call, Kinds, node_of};
use crate::commands::sequencer_connection_of;
use crate::failure::Failure;
use crate::value::connection::{Connection, Connections};
use crate::value::{Data, Record, domain_connection, duration, ids};

/// With this set to `yes` agreements are accepted without asking: Canton's variable.
const AUTO_APPROVE: &str = "CANTON_AUTO_APPROVE_AGREEMENTS";

pub(super) fn local(call: &Call<'_>) -> Result<Data, Failure> {
    let node = call.node("domain", Kinds::SEQUENCING)?;
    let connections = Connections::single(sequencer_connection_of(&node)?);
    from_config(call, &config_of(call, &node.name, connections)?)?;
    Ok(Data::None)
}

pub(super) fn local_bft(call: &Call<'_>) -> Result<Data, Failure> {
    let mut connections = Vec::new();
    let mut first = None;
    for item in &call.items("domain") {
        // A pair of Scala's map, or a sequencer alone.
        let (alias, data) = match item {
            Data::List(pair) if pair.len() == 2 => (ids::text_of(&pair[0]), &pair[1]),
            alone => (None, alone),
        };
        let node = call.node_in("domain", data, Kinds::SEQUENCING)?;
        let alias = alias.unwrap_or_else(|| node.name.clone());
        first.get_or_insert_with(|| node.name.clone());
        connections.push(sequencer_connection_of(&node)?.with_alias(alias));
    }
    let connections = Connections::many(connections, call.small("sequencerTrustThreshold")?)
        .map_err(|failure| call.refuse("domain", failure.to_string()))?;
    from_config(call, &config_of(call, &first.unwrap_or_default(), connections)?)?;
    Ok(Data::None)
}

/// A configuration from the arguments of `connect_local`.
fn config_of(call: &Call<'_>, name: &str, connections: Connections) -> Result<Data, Failure> {
    let alias = match call.optional_text("alias")? {
        alias if alias.is_empty() => name.to_owned(),
        alias => alias,
    };
    let manual = call.truth("manualConnect")?;
    let config = domain_connection::plain(&alias, connections, manual, call.small("priority")?);
    match call.value("maxRetryDelayMillis") {
        Data::None => Ok(config),
        _ => with(call, &config, "maxRetryDelay", duration::millis(call.number("maxRetryDelayMillis")?)),
    }
}

/// The configuration with another value in a field.
fn with(call: &Call<'_>, config: &Data, field: &'static str, value: Data) -> Result<Data, Failure> {
    let record = config.downcast::<Record>().map(|record| record.with(field, value));
    record.map(Data::object).ok_or_else(|| call.refuse(field, "cannot be set"))
}

pub(super) fn connect(call: &Call<'_>) -> Result<Data, Failure> {
    let first = call.value("domainAlias");
    if domain_connection::is_config(first) {
        from_config(call, first)?;
        return Ok(Data::None);
    }
    if node_of(first).is_some() {
        let node = call.node("domainAlias", Kinds::SEQUENCING)?;
        let alias = match call.optional_text("connection")? {
            alias if alias.is_empty() => node.name.clone(),
            alias => alias,
        };
        let connections = Connections::single(sequencer_connection_of(&node)?);
        from_config(call, &domain_connection::plain(&alias, connections, false, 0))?;
        return Ok(Data::None);
    }
    let alias = call.text("domainAlias")?;
    let trust = match call.optional_text("certificatesPath")? {
        path if path.is_empty() => None,
        path => Some(crate::value::files::read_file(&path)?),
    };
    let connection = match call.value("connection") {
        Data::None => {
            return Err(
                call.refuse("connection", "must be the sequencer's address, such as \"http://host:5018\"")
            );
        }
        Data::Text(url) => Connection::new(url, trust),
        other => Connection::from_data(other),
    };
    let connection = connection.map_err(|failure| call.refuse("connection", failure.to_string()))?;
    let manual = call.truth("manualConnect")?;
    let config =
        domain_connection::plain(&alias, Connections::single(connection), manual, call.small("priority")?);
    let config = with(call, &config, "domainId", call.value("domainId").clone())?;
    let config = with(call, &config, "timeTracker", call.value("timeTrackerConfig").clone())?;
    from_config(call, &config)?;
    Ok(config)
}

pub(super) fn single(call: &Call<'_>) -> Result<Data, Failure> {
    let connection = Connection::from_data(call.value("connection"))
        .map_err(|failure| call.refuse("connection", failure.to_string()))?;
    by(call, Connections::single(connection))
}

pub(super) fn multi(call: &Call<'_>) -> Result<Data, Failure> {
    let merged = Connection::merged_from(&call.items("connections"))
        .map_err(|failure| call.refuse("connections", failure.to_string()))?;
    by(call, Connections::single(merged))
}

fn by(call: &Call<'_>, connections: Connections) -> Result<Data, Failure> {
    let config = domain_connection::plain(&call.text("domainAlias")?, connections, false, 0);
    from_config(call, &config)?;
    Ok(config)
}

/// The name of a domain, or of the node that serves it.
pub(super) fn alias_of_ref(call: &Call<'_>, name: &str) -> Result<String, Failure> {
    match node_of(call.value(name)) {
        Some(node) => Ok(node.name.clone()),
        None => call.text(name),
    }
}

/// Connects by a configuration; of a domain that is registered already only how it is reached is changed.
fn from_config(call: &Call<'_>, config: &Data) -> Result<(), Failure> {
    let wanted = domain_connection::to_wire(config)
        .map_err(|failure| call.refuse(call.signature.params[0].name, failure.to_string()))?;
    let alias = wanted.domain_alias.clone();
    let manual = wanted.manual_connect;
    let known = find(call, &alias)?;
    match &known {
        None => register(call, &with(call, config, "manualConnect", Data::Bool(true))?)?,
        Some(known) => {
            let before = domain_connection::to_wire(known)?;
            if before.sequencer_connections != wanted.sequencer_connections {
                let (sequencer_connections, sequencer_trust_threshold) =
                    (wanted.sequencer_connections, wanted.sequencer_trust_threshold);
                save(
                    call,
                    wire::DomainConnectionConfig {
                        sequencer_connections,
                        sequencer_trust_threshold,
                        ..before
                    },
                )?;
            }
        }
    }
    if !manual {
        if known.is_none() {
            confirm_agreement(call, &alias)?;
        }
        if !reconnect(call, alias.clone(), false)? {
            return Err(Failure::value(format!(
                "{}: {}: the domain \"{alias}\" could not be connected to; it stays registered, try `{0}.domains.reconnect(\"{alias}\")`",
                call.node.name, call.spec.path
            )));
        }
        if let Some(registered) = find(call, &alias)? {
            let automatic = with(call, &registered, "manualConnect", Data::Bool(false))?;
            save(call, domain_connection::to_wire(&automatic)?)?;
        }
    }
    synchronize(call)
}

/// A script cannot ask, so an agreement that nobody accepted yet is shown with what to write.
fn confirm_agreement(call: &Call<'_>, alias: &str) -> Result<(), Failure> {
    let Some((agreement, false)) = agreement(call, alias.to_owned())? else { return Ok(()) };
    if std::env::var(AUTO_APPROVE).is_ok_and(|value| value.eq_ignore_ascii_case("yes")) {
        return accept(call, alias.to_owned(), agreement.id);
    }
    crate::session::print_text(&format!("Service Agreement for `{alias}`:\n{}", agreement.text));
    Err(Failure::value(format!(
        "the domain \"{alias}\" asks that its service agreement be accepted: write `{}.domains.accept_agreement(\"{alias}\", \"{}\")` and connect again, or set {AUTO_APPROVE}=yes",
        call.node.name, agreement.id
    )))
}
