//! `DomainConnectionConfig`: a domain as a participant registers it.

use cantle_proto::participant::admin::v0 as wire;
use cantle_proto::time::admin::v0 as time_wire;

use super::connection::Connections;
use super::{Data, Function, Record, domain_id, duration, ids};
use crate::command::{Bound, Default, Param, Signature, optional, required};
use crate::failure::Failure;

const KIND: &str = "DomainConnectionConfig";
const TRACKER: &str = "DomainTimeTrackerConfig";

const PARAMS: &[Param] = &[
    required("domain", "DomainAlias"),
    required("sequencerConnections", "SequencerConnections"),
    optional("manualConnect", "bool", Default::False),
    optional("domainId", "Option(DomainId)", Default::None),
    optional("priority", "int", Default::Int(0)),
    optional("initialRetryDelay", "Option(Duration)", Default::None),
    optional("maxRetryDelay", "Option(Duration)", Default::None),
    optional("timeTracker", "Option(DomainTimeTrackerConfig)", Default::None),
];

const MAKE: Signature = Signature { path: KIND, params: PARAMS };

const MAKE_TRACKER: Signature = Signature {
    path: TRACKER,
    params: &[
        optional("observationLatency", "Option(Duration)", Default::None),
        optional("patienceDuration", "Option(Duration)", Default::None),
        optional("minObservationDuration", "Option(Duration)", Default::None),
    ],
};

/// A registered domain, or one to register.
pub(crate) fn config(bound: &Bound<'_>) -> Result<Data, Failure> {
    let config =
        Record::new(KIND, PARAMS.iter().map(|param| (param.name, bound.value(param.name).clone())).collect());
    // Read back, so that a wrong part is found where it is given.
    let wire = to_wire(&Data::object(config))?;
    from_wire(wire)
}

/// A domain reached by these sequencers, everything else as Canton has it by default.
pub(crate) fn plain(alias: &str, connections: Connections, manual: bool, priority: i32) -> Data {
    Data::object(record(
        alias,
        Data::object(connections),
        manual,
        Data::None,
        priority,
        [Data::None, Data::None],
        Data::None,
    ))
}

fn record(
    alias: &str,
    connections: Data,
    manual: bool,
    domain_id: Data,
    priority: i32,
    [initial_delay, max_delay]: [Data; 2],
    tracker: Data,
) -> Record {
    let fields = vec![
        ("domain", Data::text(alias)),
        ("sequencerConnections", connections),
        ("manualConnect", Data::Bool(manual)),
        ("domainId", domain_id),
        ("priority", Data::Int(i64::from(priority))),
        ("initialRetryDelay", initial_delay),
        ("maxRetryDelay", max_delay),
        ("timeTracker", tracker),
    ];
    Record::new(KIND, fields).copying()
}

/// What the admin API knows of a registered domain.
pub(crate) fn from_wire(config: wire::DomainConnectionConfig) -> Result<Data, Failure> {
    let connections = Connections::from_wire(config.sequencer_connections, config.sequencer_trust_threshold)?;
    let domain_id = Data::option(config.domain_id.parse().ok().map(|uid| domain_id(&uid)));
    let delay = |delay: Option<_>| Data::option(delay.map(|delay| duration::from_wire(Some(delay))));
    let delays = [delay(config.initial_retry_delay), delay(config.max_retry_delay)];
    let tracker = config.time_tracker.map_or(Data::None, tracker_data);
    let connections = connections.map_or(Data::None, Data::object);
    let alias = config.domain_alias.as_str();
    Ok(Data::object(record(
        alias,
        connections,
        config.manual_connect,
        domain_id,
        config.priority,
        delays,
        tracker,
    )))
}

/// The record of this kind behind a value.
pub(crate) fn is_config(data: &Data) -> bool {
    data.downcast::<Record>().is_some_and(|record| record.type_name() == KIND)
}

/// The alias of a configuration.
pub(crate) fn alias_of(data: &Data) -> Option<String> {
    ids::text_of(data.downcast::<Record>()?.field("domain")?)
}

/// Reads a script's configuration.
pub(crate) fn to_wire(data: &Data) -> Result<wire::DomainConnectionConfig, Failure> {
    let record = data
        .downcast::<Record>()
        .filter(|record| record.type_name() == KIND)
        .ok_or_else(|| Failure::value(format!("must be a {KIND}, found: {}", data.kind())))?;
    let field = |name: &'static str| record.field(name).unwrap_or(&Data::None).given();
    let wrong = |name: &'static str, cause: String| Failure::value(format!("{KIND}: `{name}` {cause}"));
    let alias = ids::text_of(field("domain"))
        .filter(|alias| !alias.is_empty())
        .ok_or_else(|| wrong("domain", "must be the name of the domain here".to_owned()))?;
    let connections = Connections::from_data(field("sequencerConnections"))
        .map_err(|failure| wrong("sequencerConnections", failure.to_string()))?;
    let (sequencer_connections, sequencer_trust_threshold) = connections.to_wire();
    let Data::Bool(manual_connect) = field("manualConnect") else {
        return Err(wrong("manualConnect", "must be true or false".to_owned()));
    };
    let domain_id = match field("domainId") {
        Data::None => String::new(),
        data => {
            let uid = ids::unique_identifier(data);
            uid.map_err(|failure| wrong("domainId", failure.to_string()))?.to_string()
        }
    };
    let Data::Int(priority) = field("priority") else {
        return Err(wrong("priority", "must be a number".to_owned()));
    };
    let priority = i32::try_from(*priority).map_err(|_| wrong("priority", "is out of range".to_owned()))?;
    let delay = |name: &'static str| match field(name) {
        Data::None => Ok(None),
        data => duration::to_wire(data).map(Some).map_err(|failure| wrong(name, failure.to_string())),
    };
    Ok(wire::DomainConnectionConfig {
        domain_alias: alias,
        sequencer_connections,
        manual_connect: *manual_connect,
        domain_id,
        priority,
        initial_retry_delay: delay("initialRetryDelay")?,
        max_retry_delay: delay("maxRetryDelay")?,
        time_tracker: tracker_to_wire(field("timeTracker"))?,
        sequencer_trust_threshold,
    })
}

fn tracker_data(tracker: time_wire::DomainTimeTrackerConfig) -> Data {
    let fields = vec![
        ("observationLatency", duration::from_wire(tracker.observation_latency)),
        ("patienceDuration", duration::from_wire(tracker.patience_duration)),
        ("minObservationDuration", duration::from_wire(tracker.min_observation_duration)),
    ];
    Data::object(Record::new(TRACKER, fields).copying())
}

/// How a participant learns the time of a domain; `None` leaves it to the node.
pub(crate) fn tracker_to_wire(data: &Data) -> Result<Option<time_wire::DomainTimeTrackerConfig>, Failure> {
    if matches!(data, Data::None) {
        return Ok(None);
    }
    let record = data
        .downcast::<Record>()
        .filter(|record| record.type_name() == TRACKER)
        .ok_or_else(|| Failure::value(format!("must be a {TRACKER}, found: {}", data.kind())))?;
    let span = |name: &'static str| match record.field(name).unwrap_or(&Data::None).given() {
        Data::None => Ok(None),
        data => duration::to_wire(data).map(Some),
    };
    Ok(Some(time_wire::DomainTimeTrackerConfig {
        observation_latency: span("observationLatency")?,
        patience_duration: span("patienceDuration")?,
        min_observation_duration: span("minObservationDuration")?,
        time_proof_request: None,
    }))
}

/// `DomainConnectionConfig` and `DomainTimeTrackerConfig`.
pub(crate) fn companions() -> Vec<(&'static str, Data)> {
    let tracker = Function::taking(MAKE_TRACKER, |bound| {
        let fields = MAKE_TRACKER.params.iter().map(|param| (param.name, bound.value(param.name).clone()));
        let tracker = Data::object(Record::new(TRACKER, fields.collect()).copying());
        tracker_to_wire(&tracker).map(|_| tracker)
    });
    vec![(KIND, Data::object(Function::taking(MAKE, config))), (TRACKER, Data::object(tracker))]
}
