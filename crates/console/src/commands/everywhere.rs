//! Commands about all nodes of the console: `health`, `utils`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::health::{PAUSE, queues_idle, status_of};
use crate::command::{Bound, Default, Signature, node_of, optional, required};
use crate::failure::Failure;
use crate::node::{Caller, Node};
use crate::value::{Data, Function, Record, record};

/// Waits until no node of the console has topology transactions under way. Nodes that do not answer are left out.
pub(super) fn synchronize_topology(
    command: &'static str,
    caller: &Arc<Caller>,
    timeout: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + timeout;
    let mut waiting = caller.nodes();
    loop {
        let mut busy = Vec::new();
        for node in waiting {
            match status_of(&node, command) {
                Ok(Some(status)) if !queues_idle(&status) => busy.push(node),
                Ok(_) | Err(Failure::Node { .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        let Some(first) = busy.first() else { return Ok(()) };
        if Instant::now() + PAUSE >= end {
            return Err(Failure::value(format!(
                "{command}: after {} s {} still has topology transactions under way",
                timeout.as_secs(),
                first.name
            )));
        }
        caller.wait(command, PAUSE, std::future::pending::<()>())?;
        waiting = busy;
    }
}

const SYNCHRONIZE: Signature = Signature {
    path: "utils.synchronize_topology",
    params: &[optional("timeout", "Option(Duration)", Default::Bounded)],
};
const RETRY: Signature = Signature {
    path: "utils.retry_until_true",
    params: &[
        required("timeout", "Duration, or the condition"),
        optional("condition", "() => bool", Default::None),
    ],
};
const DUMP: Signature =
    Signature { path: "health.dump", params: &[optional("nodes", "Seq(node)", Default::EmptyList)] };

/// `utils.retry_until_true(timeout) { condition }`.
fn retry_until_true(caller: &Caller, bound: &Bound<'_>) -> Result<Data, Failure> {
    let (condition, timeout) = match (bound.value("timeout"), bound.value("condition")) {
        (Data::Function(_), Data::None) => ("timeout", caller.deadline),
        (_, Data::Function(_)) => ("condition", bound.duration_within("timeout", caller)?),
        _ => {
            return Err(bound.refuse(
                "condition",
                "must be a function, so that it can be asked again: `lambda: …` or `{ … }`",
            ));
        }
    };
    let end = Instant::now() + timeout;
    loop {
        match bound.apply(condition, &[])? {
            Data::Bool(true) => return Ok(Data::None),
            Data::Bool(false) => {}
            other => {
                return Err(
                    bound.refuse(condition, format!("must give true or false, gave: {}", other.kind()))
                );
            }
        }
        if Instant::now() + PAUSE >= end {
            return Err(Failure::value(format!("the condition was not true within {} s", timeout.as_secs())));
        }
        caller.wait(RETRY.path, PAUSE, std::future::pending::<()>())?;
    }
}

/// The status of every node, one below the other.
fn status(nodes: &[Arc<Node>]) -> Result<Data, Failure> {
    let mut all = Vec::new();
    for node in nodes {
        let status = match super::status::of_node(node, "health.status") {
            Ok(status) => status,
            Err(failure @ Failure::Cancelled { .. }) => return Err(failure),
            Err(failure) => Data::text(failure.to_string()),
        };
        let fields = vec![
            ("name", Data::text(node.name.as_str())),
            ("kind", Data::text(node.kind.as_str())),
            ("status", status.clone()),
        ];
        let text = format!("Status for {} '{}':\n{}\n", node.kind, node.name, record::shown(&status));
        all.push(Data::object(Record::shown("NodeStatus", text, fields)));
    }
    let text = all.iter().map(record::shown).collect::<Vec<_>>().join("\n");
    let fields = vec![("nodes", Data::list(all))];
    Ok(Data::object(Record::shown("CantonStatus", text, fields).callable()))
}

/// Writes the dumps of nodes to the working directory; their names.
fn dump(nodes: &[Arc<Node>], bound: &Bound<'_>) -> Result<Data, Failure> {
    let chosen = bound.items("nodes");
    let chosen = match chosen.as_slice() {
        [] => nodes.to_vec(),
        some => some
            .iter()
            .map(|data| node_of(data).ok_or_else(|| bound.refuse("nodes", "must be nodes")))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let files =
        chosen.iter().map(|node| super::health::dump_to(node, DUMP.path, "", node.caller.deadline, None));
    files.collect::<Result<Vec<_>, _>>().map(Data::list)
}

/// What is there beside the nodes: `health` and `utils`.
pub(crate) fn top_level(nodes: &[Arc<Node>]) -> Vec<(&'static str, Data)> {
    let Some(caller) = nodes.first().map(|node| Arc::clone(&node.caller)) else { return Vec::new() };
    let (for_sync, for_retry) = (Arc::clone(&caller), caller);
    let sync = Function::taking(SYNCHRONIZE, move |bound| {
        let timeout = bound.duration_within("timeout", &for_sync)?;
        synchronize_topology(SYNCHRONIZE.path, &for_sync, timeout).map(|()| Data::None)
    });
    let retry = Function::taking(RETRY, move |bound| retry_until_true(&for_retry, bound));
    let (for_status, for_dump) = (nodes.to_vec(), nodes.to_vec());
    let all_status = Function::new("health.status", move |_| status(&for_status));
    let all_dump = Function::taking(DUMP, move |bound| dump(&for_dump, bound));
    let utils = Function::holder("utils")
        .with("synchronize_topology", Data::object(sync.bare()))
        .with("retry_until_true", Data::object(retry));
    let health = Function::holder("health")
        .with("status", Data::object(all_status.bare()))
        .with("dump", Data::object(all_dump));
    vec![("utils", Data::object(utils)), ("health", Data::object(health))]
}
