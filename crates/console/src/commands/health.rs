//! `health`: how a node is, waiting for it, its log level, its last errors and its dump.

use std::io::Write;
use std::time::{Duration, Instant};

use cantle_proto::health::admin::v0 as wire;
use cantle_proto::health::admin::v0::status_service_client::StatusServiceClient;
use tonic::transport::Channel;

use super::MAX_ANSWER;
use super::identity::find_identity;
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::node::NodeKind;
use crate::value::{Data, Record};

const PAUSE: Duration = Duration::from_millis(200);

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "health.status",
        kinds: Kinds::ALL,
        style: Style::Property,
        params: &[],
        run: |call| node_status(call).map(|status| status_data(call, status)),
        doc: "How the node is.",
    },
    Spec {
        path: "health.initialized",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: |call| is_initialized(call).map(Data::Bool),
        doc: "Whether the node is initialized.",
    },
    Spec {
        path: "health.wait_for_initialized",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[optional("timeout", "Duration", Default::Bounded)],
        run: |call| wait_until(call, call.duration("timeout")?, "to be initialized", || is_initialized(call)),
        doc: "Waits until the node is initialized.",
    },
    Spec {
        path: "health.running",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: |call| is_running(call).map(Data::Bool),
        doc: "Whether the node answers.",
    },
    Spec {
        path: "health.wait_for_running",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[optional("timeout", "Duration", Default::Bounded)],
        run: |call| wait_until(call, call.duration("timeout")?, "to be running", || is_running(call)),
        doc: "Waits until the node answers.",
    },
    Spec {
        path: "health.active",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: |call| Ok(Data::Bool(node_status(call)?.is_some_and(|status| status.active))),
        doc: "Whether the node is the active one of its replicas.",
    },
    Spec {
        path: "health.has_identity",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: |call| Ok(Data::Bool(find_identity(call)?.is_some())),
        doc: "Whether the node has its identity.",
    },
    Spec {
        path: "health.wait_for_identity",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[optional("timeout", "Duration", Default::Bounded)],
        run: |call| {
            wait_until(call, call.duration("timeout")?, "to have an identity", || {
                Ok(find_identity(call)?.is_some())
            })
        },
        doc: "Waits until the node has its identity.",
    },
    Spec {
        path: "health.set_log_level",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("level", "text")],
        run: |call| {
            let request = wire::SetLogLevelRequest { level: call.text("level")? };
            call.ask(client(call).set_log_level(request)).map(|_| Data::None)
        },
        doc: "Changes the level of the node's log: ERROR, WARN, INFO, DEBUG or TRACE.",
    },
    Spec {
        path: "health.last_errors",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: last_errors,
        doc: "The last errors of the node's log.",
    },
    Spec {
        path: "health.last_error_trace",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("traceId", "text")],
        run: |call| {
            let request = wire::GetLastErrorTraceRequest { trace_id: call.text("traceId")? };
            let answer = call.ask(client(call).get_error_trace(request))?;
            Ok(Data::list(answer.messages.into_iter().map(Data::text).collect()))
        },
        doc: "The log lines that belong to one of the last errors.",
    },
    Spec {
        path: "health.dump",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            optional("outputFile", "Option(text)", Default::None),
            optional("timeout", "Duration", Default::Bounded),
            optional("chunkSize", "Option(int)", Default::None),
        ],
        run: dump,
        doc: "Writes what support needs to know about the node to a file, and gives its name.",
    },
];

fn client(call: &Call<'_>) -> StatusServiceClient<Channel> {
    StatusServiceClient::new(call.node.channel.clone()).max_decoding_message_size(MAX_ANSWER)
}

/// The node's status; `None` when it is not initialized.
pub(super) fn node_status(call: &Call<'_>) -> Result<Option<wire::node_status::Status>, Failure> {
    match call.ask(client(call).status(()))?.response {
        Some(wire::node_status::Response::Success(status)) => Ok(Some(status)),
        Some(wire::node_status::Response::NotInitialized(_)) | None => Ok(None),
    }
}

fn is_initialized(call: &Call<'_>) -> Result<bool, Failure> {
    Ok(node_status(call)?.is_some())
}

/// A node that cannot be reached is not running; any other refusal is an answer.
fn is_running(call: &Call<'_>) -> Result<bool, Failure> {
    let answer = call.node.try_ask(call.spec.path, client(call).status(()))?;
    Ok(
        !matches!(answer, Err(status) if matches!(status.code(), tonic::Code::Unavailable | tonic::Code::DeadlineExceeded)),
    )
}

/// Asks again until the condition holds, at most until the deadline.
pub(super) fn wait_until(
    call: &Call<'_>,
    timeout: Duration,
    what: &str,
    mut holds: impl FnMut() -> Result<bool, Failure>,
) -> Result<Data, Failure> {
    let end = Instant::now() + timeout;
    loop {
        let last = match holds() {
            Ok(true) => return Ok(Data::None),
            Ok(false) => None,
            Err(Failure::Node { code: "UNAVAILABLE", message, .. }) => Some(message),
            Err(failure) => return Err(failure),
        };
        if Instant::now() + PAUSE >= end {
            let reason = last.map(|message| format!(" (last: {message})")).unwrap_or_default();
            return Err(Failure::value(format!(
                "{}: waited {} s for the node {what}{reason}",
                call.node.name,
                timeout.as_secs()
            )));
        }
        call.node.caller.wait(call.spec.path, PAUSE, std::future::pending::<()>())?;
    }
}

fn seconds(uptime: Option<prost_types::Duration>) -> i64 {
    uptime.map_or(0, |uptime| uptime.seconds)
}

fn component(status: wire::node_status::ComponentStatus) -> Data {
    use wire::node_status::component_status::Status;
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

fn status_data(call: &Call<'_>, status: Option<wire::node_status::Status>) -> Data {
    let Some(status) = status else {
        let fields = vec![("isActive", Data::None), ("isInitialized", Data::Bool(false))];
        return Data::object(
            Record::shown("NodeStatus", "Node is not initialized".to_owned(), fields).callable(),
        );
    };
    let title = match call.node.kind {
        NodeKind::Participant => "Participant id",
        NodeKind::Domain => "Domain id",
        NodeKind::DomainManager => "Domain manager id",
        NodeKind::Sequencer => "Sequencer id",
        NodeKind::Mediator => "Mediator id",
    };
    let mut ports: Vec<(String, i32)> = status.ports.into_iter().collect();
    ports.sort();
    let components: Vec<Data> = status.components.into_iter().map(component).collect();
    let uptime = seconds(status.uptime);
    let mut text = format!("{title}: {}\nUptime: {uptime}s\nPorts:", status.id);
    for (name, port) in &ports {
        text.push_str(&format!("\n\t{name}: {port}"));
    }
    text.push_str(&format!("\nActive: {}\nComponents:", status.active));
    for component in &components {
        text.push_str(&format!("\n\t{}", crate::value::scala::data_text(component)));
    }
    let ports = ports.into_iter().map(|(name, port)| {
        Data::object(Record::new(
            "Port",
            vec![("name", Data::text(name)), ("port", Data::Int(i64::from(port)))],
        ))
    });
    let fields = vec![
        ("isActive", Data::Bool(status.active)),
        ("isInitialized", Data::Bool(true)),
        ("id", Data::text(status.id)),
        ("uptime", Data::Int(uptime)),
        ("ports", Data::list(ports.collect())),
        ("active", Data::Bool(status.active)),
        ("components", Data::list(components)),
    ];
    Data::object(Record::shown("NodeStatus", text, fields).callable())
}

fn last_errors(call: &Call<'_>) -> Result<Data, Failure> {
    let answer = call.ask(client(call).get_last_errors(wire::GetLastErrorsRequest {}))?;
    let errors = answer.errors.into_iter().map(|error| {
        Data::object(Record::new(
            "LastError",
            vec![("traceId", Data::text(error.trace_id)), ("message", Data::text(error.message))],
        ))
    });
    Ok(Data::list(errors.collect()))
}

fn dump(call: &Call<'_>) -> Result<Data, Failure> {
    let mut path = call.optional_text("outputFile")?;
    if path.is_empty() {
        path = format!(
            "cantle-dump-{}-{}.zip",
            call.node.name,
            jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S")
        );
    }
    let chunk_size = match call.value("chunkSize") {
        Data::None => None,
        _ => Some(
            u32::try_from(call.number("chunkSize")?)
                .map_err(|_| call.refuse("chunkSize", "is not a size"))?,
        ),
    };
    let timeout = call.duration("timeout")?;
    let mut client = client(call);
    let failed = |error: std::io::Error| Failure::File {
        action: "write",
        path: path.clone(),
        cause: error.to_string(),
    };
    let received = call.node.caller.wait(call.spec.path, timeout, async {
        let mut chunks = client.health_dump(wire::HealthDumpRequest { chunk_size }).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            bytes.extend(chunk.chunk);
        }
        Ok::<_, tonic::Status>(bytes)
    })?;
    let bytes = received
        .unwrap_or_else(|| Err(tonic::Status::deadline_exceeded("the dump did not arrive in time")))
        .map_err(|status| call.node.failure(call.spec.path, &status))?;
    std::fs::File::create(&path).and_then(|mut file| file.write_all(&bytes)).map_err(failed)?;
    Ok(Data::text(path))
}
