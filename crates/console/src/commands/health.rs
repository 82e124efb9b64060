//! `health`: how a node is, waiting for it, its log level, its last errors and its dump.

use std::time::{Duration, Instant};

use crate::node::Channel;
use cantle_proto::health::admin::v0 as wire;
use cantle_proto::health::admin::v0::status_service_client::StatusServiceClient;

use super::MAX_ANSWER;
use super::everywhere::synchronize_topology;
use super::identity::find_identity;
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::node::Node;
use crate::value::{Data, Record};

/// Between two questions while waiting.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// The largest dump that is kept.
const MAX_DUMP: usize = 1 << 30;

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "health.status",
        kinds: Kinds::ALL,
        style: Style::Property,
        params: &[],
        run: |call| super::status::of_node(&call.node, call.spec.path),
        doc: "How the node is.",
    },
    Spec {
        path: "is_initialized",
        kinds: Kinds::ALL,
        style: Style::Property,
        params: &[],
        run: |call| is_initialized(call).map(Data::Bool),
        doc: "Whether the node is initialized.",
    },
    Spec {
        path: "is_running",
        kinds: Kinds::ALL,
        style: Style::Property,
        params: &[],
        run: |call| is_running(call).map(Data::Bool),
        doc: "Whether the node answers.",
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
    client_of(&call.node)
}

fn client_of(node: &Node) -> StatusServiceClient<Channel> {
    StatusServiceClient::new(node.channel.clone()).max_decoding_message_size(MAX_ANSWER)
}

/// The node's status; `None` when it is not initialized.
fn node_status(call: &Call<'_>) -> Result<Option<wire::node_status::Status>, Failure> {
    status_of(&call.node, call.spec.path)
}

/// The same of any node.
pub(super) fn status_of(node: &Node, command: &str) -> Result<Option<wire::node_status::Status>, Failure> {
    match node.ask(command, client_of(node).status(()))?.response {
        Some(wire::node_status::Response::Success(status)) => Ok(Some(status)),
        Some(wire::node_status::Response::NotInitialized(_)) | None => Ok(None),
    }
}

/// Whether no topology transaction is under way on a node.
pub(super) fn queues_idle(status: &wire::node_status::Status) -> bool {
    status
        .topology_queues
        .as_ref()
        .is_none_or(|queues| queues.manager == 0 && queues.dispatcher == 0 && queues.clients == 0)
}

/// Waits until no topology transaction is under way on any node of the console; not when `synchronize` is `None`.
pub(super) fn synchronize(call: &Call<'_>) -> Result<(), Failure> {
    match call.wait_for("synchronize")? {
        Some(timeout) => synchronize_topology(call.spec.path, &call.node.caller, timeout),
        None => Ok(()),
    }
}

pub(super) fn await_idle(call: &Call<'_>, timeout: Duration) -> Result<(), Failure> {
    wait_until(call, timeout, "to have no topology transactions under way", || is_idle(call)).map(|_| ())
}

/// Whether no topology transaction of the node is under way.
pub(super) fn is_idle(call: &Call<'_>) -> Result<bool, Failure> {
    Ok(node_status(call)?.is_none_or(|status| queues_idle(&status)))
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
    let chunk_size = match call.value("chunkSize") {
        Data::None => None,
        _ => Some(call.small("chunkSize")?),
    };
    let path = call.optional_text("outputFile")?;
    dump_to(&call.node, call.spec.path, &path, call.duration("timeout")?, chunk_size)
}

/// Writes a node's dump to a file, with a name of its own where none is given; the name.
pub(super) fn dump_to(
    node: &Node,
    command: &str,
    path: &str,
    timeout: Duration,
    chunk_size: Option<u32>,
) -> Result<Data, Failure> {
    let path = match path {
        "" => {
            let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
            format!("cantle-dump-{}-{now}.zip", node.name)
        }
        given => given.to_owned(),
    };
    let mut client = client_of(node);
    let received = node.caller.wait(command, timeout, async {
        let mut chunks = client.health_dump(wire::HealthDumpRequest { chunk_size }).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            if bytes.len() + chunk.chunk.len() > MAX_DUMP {
                return Err(tonic::Status::resource_exhausted("the dump is larger than 1 GiB"));
            }
            bytes.extend(chunk.chunk);
        }
        Ok::<_, tonic::Status>(bytes)
    })?;
    let bytes = received
        .unwrap_or_else(|| Err(tonic::Status::deadline_exceeded("the dump did not arrive in time")))
        .map_err(|status| node.failure(command, &status))?;
    crate::value::files::write_file(&path, &bytes)?;
    Ok(Data::text(path))
}
