//! `health.status`: how a node is, in the words of its kind.
//!
//! Each kind has a status service of its own; a node that lacks it is asked by the service that all kinds share.

use cantle_proto::domain::admin::v0 as domain;
use cantle_proto::domain::admin::v0::domain_manager_status_service_client::DomainManagerStatusServiceClient;
use cantle_proto::domain::admin::v0::domain_status_service_client::DomainStatusServiceClient;
use cantle_proto::domain::admin::v0::mediator_status_service_client::MediatorStatusServiceClient;
use cantle_proto::domain::admin::v0::sequencer_status_service_client::SequencerStatusServiceClient;
use cantle_proto::health::admin::{v0, v1};
use cantle_proto::participant::admin::v0 as participant;
use cantle_proto::participant::admin::v0::participant_status_service_client::ParticipantStatusServiceClient;

use super::health::status_of;
use crate::failure::Failure;
use crate::node::{Node, NodeKind};
use crate::value::{Data, Record, mapping, record};

/// A status on its way to the script: its lines and its fields.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
    fields: Vec<(&'static str, Data)>,
}

impl Report {
    fn line(&mut self, name: &str, value: &str) {
        self.lines.push(format!("{name}: {value}"));
    }

    fn list(&mut self, name: &str, items: impl IntoIterator<Item = String>) {
        let items: Vec<String> = items.into_iter().collect();
        if items.is_empty() {
            self.lines.push(format!("{name}: None"));
            return;
        }
        self.lines.push(format!("{name}:"));
        self.lines.extend(items.into_iter().map(|item| format!("\t{item}")));
    }

    fn data(self) -> Data {
        let (text, mut fields) = (self.lines.join("\n"), self.fields);
        // As Canton has it: the status of its kind within the answer, and its fields without that step, too.
        let success = Data::object(Record::shown("Status", text.clone(), fields.clone()));
        fields.push(("successOption", Data::option(Some(success.clone()))));
        fields.push(("trySuccess", success));
        Data::object(Record::shown("NodeStatus", text, fields).callable())
    }
}

/// What the status services of the kinds have in common.
enum Answer<T> {
    Status(T),
    NotInitialized(bool),
    Failed(String),
}

/// The answer in the response of a kind's status service; the responses differ in their types alone.
macro_rules! answer {
    ($kind:ident, $found:expr) => {
        match $found {
            Some($kind::Status(status)) => Answer::Status(status),
            Some($kind::Unavailable(not)) => Answer::NotInitialized(not.active),
            Some($kind::Failure(failure)) => Answer::Failed(failure.error_message),
            None => Answer::NotInitialized(false),
        }
    };
}

/// How a node is.
pub(super) fn of_node(node: &Node, command: &str) -> Result<Data, Failure> {
    let asked = match node.kind {
        NodeKind::Participant => participant_status(node, command),
        NodeKind::Domain => domain_status(node, command),
        NodeKind::DomainManager => manager_status(node, command),
        NodeKind::Sequencer => sequencer_status(node, command),
        NodeKind::Mediator => mediator_status(node, command),
    };
    match asked {
        Err(Failure::Node { code: "UNIMPLEMENTED", .. }) => shared_status(node, command),
        other => other,
    }
}

fn answered<T>(node: &Node, answer: Answer<T>, show: impl FnOnce(T) -> Data) -> Result<Data, Failure> {
    match answer {
        Answer::Status(status) => Ok(show(status)),
        Answer::NotInitialized(active) => Ok(not_initialized(active)),
        Answer::Failed(message) => Err(Failure::value(format!("{}: health.status: {message}", node.name))),
    }
}

fn not_initialized(active: bool) -> Data {
    let fields = vec![
        ("isActive", Data::Bool(active)),
        ("active", Data::Bool(active)),
        ("isInitialized", Data::Bool(false)),
        ("isRunning", Data::Bool(true)),
        ("successOption", Data::None),
    ];
    let text = format!("Node is not initialized. Active: {active}");
    Data::object(Record::shown("NodeStatus", text, fields).callable())
}

fn seconds(uptime: Option<prost_types::Duration>) -> i64 {
    uptime.map_or(0, |uptime| uptime.seconds)
}

fn component(status: v0::node_status::ComponentStatus) -> Data {
    use v0::node_status::component_status::Status;
    let (state, data) = match status.status {
        Some(Status::Ok(data)) => ("Ok", Some(data)),
        Some(Status::Degraded(data)) => ("Degraded", Some(data)),
        Some(Status::Failed(data)) => ("Failed", Some(data)),
        Some(Status::Fatal(data)) => ("Fatal", Some(data)),
        None => ("Unknown", None),
    };
    let description = data.and_then(|data| data.description).unwrap_or_default();
    let text = if description.is_empty() {
        format!("{} : {state}()", status.name)
    } else {
        format!("{} : {state}({description})", status.name)
    };
    let fields = vec![
        ("name", Data::text(status.name)),
        ("state", Data::text(state)),
        ("description", Data::optional_text(description)),
    ];
    Data::object(Record::shown("ComponentStatus", text, fields))
}

fn title(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Participant => "Participant id",
        NodeKind::Domain => "Domain id",
        NodeKind::DomainManager => "Domain manager id",
        NodeKind::Sequencer => "Sequencer id",
        NodeKind::Mediator => "Mediator id",
    }
}

/// What all kinds say.
fn common(kind: NodeKind, status: v1::Status, report: &mut Report) {
    let uptime = seconds(status.uptime);
    let mut ports: Vec<(String, i32)> = status.ports.into_iter().collect();
    ports.sort();
    report.lines.splice(
        0..0,
        [format!("{}: {}", title(kind), status.uid), format!("Uptime: {uptime}s"), "Ports:".to_owned()]
            .into_iter()
            .chain(ports.iter().map(|(name, port)| format!("\t{name}: {port}"))),
    );
    report.line("Active", &status.active.to_string());
    let components: Vec<Data> = status.components.into_iter().map(component).collect();
    report.list("Components", components.iter().map(record::shown));
    if !status.version.is_empty() {
        report.line("Version", &status.version);
    }
    let ports = ports.into_iter().map(|(name, port)| {
        let fields = vec![("name", Data::text(name)), ("port", Data::Int(i64::from(port)))];
        Data::object(Record::new("Port", fields))
    });
    let queues = status.topology_queues.map(|queues| {
        let fields = vec![
            ("manager", Data::Int(i64::from(queues.manager))),
            ("dispatcher", Data::Int(i64::from(queues.dispatcher))),
            ("clients", Data::Int(i64::from(queues.clients))),
        ];
        Data::object(Record::new("TopologyQueueStatus", fields))
    });
    let uid = mapping::uid_text(&status.uid);
    report.fields.extend([
        ("isActive", Data::Bool(status.active)),
        ("isInitialized", Data::Bool(true)),
        ("isRunning", Data::Bool(true)),
        ("id", uid.clone()),
        ("uid", uid),
        ("uptime", Data::Int(uptime)),
        ("ports", Data::list(ports.collect())),
        ("active", Data::Bool(status.active)),
        ("topologyQueue", queues.unwrap_or(Data::None)),
        ("components", Data::list(components)),
        ("version", Data::optional_text(status.version)),
    ]);
}

/// The sequencer's own health; the participants and mediators that are connected.
fn sequencing(report: &mut Report, sequencer: Option<v0::SequencerHealthStatus>, participants: Vec<String>) {
    let sequencer = sequencer.unwrap_or_default();
    let details = sequencer.details.unwrap_or_default();
    let shown = if details.is_empty() {
        sequencer.active.to_string()
    } else {
        format!("{} ({details})", sequencer.active)
    };
    report.list("Connected participants", participants.iter().cloned());
    report.line("Sequencer active", &shown);
    let health = vec![("isActive", Data::Bool(sequencer.active)), ("details", Data::optional_text(details))];
    let participants = participants.iter().map(|uid| mapping::participant(uid));
    report.fields.extend([
        ("connectedParticipants", Data::list(participants.collect())),
        ("sequencer", Data::object(Record::new("SequencerHealthStatus", health))),
    ]);
}

fn domain_line(report: &mut Report, domain_id: &str) {
    report.line("Domain id", domain_id);
    report.fields.push(("domainId", mapping::domain(domain_id)));
}

fn version_line(report: &mut Report, protocol_version: i32) {
    report.line("Protocol version", &protocol_version.to_string());
    report.fields.push(("protocolVersion", Data::Int(i64::from(protocol_version))));
}

fn participant_status(node: &Node, command: &str) -> Result<Data, Failure> {
    use participant::participant_status_response::Kind;
    let mut client = ParticipantStatusServiceClient::new(node.channel.clone());
    let answer = node.ask(command, client.participant_status(participant::ParticipantStatusRequest {}))?;
    answered(node, answer!(Kind, answer.kind), |status| {
        let mut report = Report::default();
        let healthy = status.connected_domains.iter().filter(|domain| domain.healthy);
        let unhealthy = status.connected_domains.iter().filter(|domain| !domain.healthy);
        report.list("Connected domains", healthy.map(|domain| domain.domain_id.clone()));
        report.list("Unhealthy domains", unhealthy.map(|domain| domain.domain_id.clone()));
        let connected = status.connected_domains.iter();
        let connected = connected
            .map(|found| Data::list(vec![mapping::domain(&found.domain_id), Data::Bool(found.healthy)]));
        report.fields.push(("connectedDomains", Data::list(connected.collect())));
        common(node.kind, status.common_status.unwrap_or_default(), &mut report);
        let versions: Vec<String> =
            status.supported_protocol_versions.iter().map(ToString::to_string).collect();
        report.line("Supported protocol version(s)", &versions.join(", "));
        let versions =
            status.supported_protocol_versions.iter().map(|version| Data::Int(i64::from(*version)));
        report.fields.push(("supportedProtocolVersions", Data::list(versions.collect())));
        report.data()
    })
}

fn domain_status(node: &Node, command: &str) -> Result<Data, Failure> {
    use domain::domain_status_response::Kind;
    let mut client = DomainStatusServiceClient::new(node.channel.clone());
    let answer = node.ask(command, client.domain_status(domain::DomainStatusRequest {}))?;
    answered(node, answer!(Kind, answer.kind), |status| {
        let mut report = Report::default();
        sequencing(&mut report, status.sequencer, status.connected_participants_uid);
        common(node.kind, status.common_status.unwrap_or_default(), &mut report);
        version_line(&mut report, status.protocol_version);
        report.data()
    })
}

fn manager_status(node: &Node, command: &str) -> Result<Data, Failure> {
    use domain::domain_manager_status_response::Kind;
    let mut client = DomainManagerStatusServiceClient::new(node.channel.clone());
    let answer = node.ask(command, client.domain_manager_status(domain::DomainManagerStatusRequest {}))?;
    answered(node, answer!(Kind, answer.kind), |status| {
        let mut report = Report::default();
        common(node.kind, status.common_status.unwrap_or_default(), &mut report);
        version_line(&mut report, status.protocol_version);
        report.data()
    })
}

fn sequencer_status(node: &Node, command: &str) -> Result<Data, Failure> {
    use domain::sequencer_status_response::Kind;
    let mut client = SequencerStatusServiceClient::new(node.channel.clone());
    let answer = node.ask(command, client.sequencer_status(domain::SequencerStatusRequest {}))?;
    answered(node, answer!(Kind, answer.kind), |status| {
        let mut report = Report::default();
        domain_line(&mut report, &status.domain_id);
        sequencing(&mut report, status.sequencer, status.connected_participants_uid);
        report.list("Connected mediators", status.connected_mediators_uid.iter().cloned());
        let mediators = status.connected_mediators_uid.iter().map(|uid| mapping::uid_text(uid));
        report.fields.push(("connectedMediators", Data::list(mediators.collect())));
        let accepts = status.admin.is_some_and(|admin| admin.accepts_admin_changes);
        report.line("Accepts admin changes", &accepts.to_string());
        let admin = Record::new("SequencerAdminStatus", vec![("acceptsAdminChanges", Data::Bool(accepts))]);
        report.fields.push(("admin", Data::object(admin)));
        common(node.kind, status.common_status.unwrap_or_default(), &mut report);
        version_line(&mut report, status.protocol_version);
        report.data()
    })
}

fn mediator_status(node: &Node, command: &str) -> Result<Data, Failure> {
    use domain::mediator_status_response::Kind;
    let mut client = MediatorStatusServiceClient::new(node.channel.clone());
    let answer = node.ask(command, client.mediator_status(domain::MediatorStatusRequest {}))?;
    answered(node, answer!(Kind, answer.kind), |status| {
        let mut report = Report::default();
        domain_line(&mut report, &status.domain_id);
        common(node.kind, status.common_status.unwrap_or_default(), &mut report);
        version_line(&mut report, status.protocol_version);
        report.data()
    })
}

/// The status service that all kinds have.
fn shared_status(node: &Node, command: &str) -> Result<Data, Failure> {
    let Some(status) = status_of(node, command)? else { return Ok(not_initialized(true)) };
    let mut report = Report::default();
    let status = v1::Status {
        uid: status.id,
        uptime: status.uptime,
        ports: status.ports,
        active: status.active,
        topology_queues: status.topology_queues,
        components: status.components,
        version: String::new(),
    };
    common(node.kind, status, &mut report);
    Ok(report.data())
}
