//! Commands about all nodes of the console: `health`, `utils`, and `help` where it is about a node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::health::{PAUSE, queues_idle, status_of};
use crate::command::{Bound, Default, Group, Signature, help_about, node_of, optional, required};
use crate::failure::Failure;
use crate::node::{Caller, Node};
use crate::value::{Data, Function, Record, duration, files, record};

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
        (Data::Function(_), Data::None) => ("timeout", caller.deadline()),
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
        chosen.iter().map(|node| super::health::dump_to(node, DUMP.path, "", node.caller.deadline(), None));
    files.collect::<Result<Vec<_>, _>>().map(Data::list)
}

/// `help(subject)`: a node by its name or itself, a group of commands, a command; without a subject about the console.
fn help(named: Vec<(String, Data)>, general: &'static str) -> Function {
    const SIGNATURE: &str = "help(subject: node, or the name of a node or command)";
    Function::new(SIGNATURE, move |args| {
        let text = match (args.positional.as_slice(), args.named.as_slice()) {
            ([], []) => general.to_owned(),
            ([Data::Text(name)], []) => match named.iter().find(|(known, _)| **known == **name) {
                Some((_, Data::Object(node))) => node.help().unwrap_or_default(),
                _ => help_about(name)?,
            },
            ([Data::Object(subject)], []) => subject
                .help()
                .unwrap_or_else(|| format!("{}: {}", subject.kind(), subject.attr_names().join(", "))),
            _ => return Err(Failure::value(format!("help is about a node or a command\n  {SIGNATURE}"))),
        };
        crate::session::print_text(&text);
        Ok(Data::None)
    })
    .bare()
}

/// `utils.write_to_file` and `utils.read_byte_string_from_file`.
fn byte_files(utils: Function) -> Function {
    const WRITE: &str = "utils.write_to_file(data: bytes, fileName: text)";
    const READ: &str = "utils.read_byte_string_from_file(fileName: text)";
    let write = Function::new(WRITE, |args| match args.positional.as_slice() {
        [Data::Bytes(bytes), Data::Text(path)] => files::write_file(path, bytes).map(|()| Data::None),
        _ => Err(Failure::value(format!("write_to_file takes bytes and a file name\n  {WRITE}"))),
    });
    let read = Function::new(READ, |args| match args.one(READ, "fileName")? {
        Data::Text(path) => files::read_file(path).map(Data::bytes),
        other => Err(Failure::value(format!("a file name is a text, found: {}", other.kind()))),
    });
    utils.with("write_to_file", Data::object(write)).with("read_byte_string_from_file", Data::object(read))
}

const SET_TIMEOUT: Signature =
    Signature { path: "console.set_command_timeout", params: &[required("newTimeout", "Duration")] };

/// `console`: how long commands may take.
fn console(caller: &Arc<Caller>) -> Function {
    let (asked, told) = (Arc::clone(caller), Arc::clone(caller));
    let timeout = Function::new("console.command_timeout", move |_| {
        Ok(duration::millis(i64::try_from(asked.deadline().as_millis()).unwrap_or(i64::MAX)))
    });
    let set = Function::taking(SET_TIMEOUT, move |bound| {
        let timeout = bound.duration_within("newTimeout", &told)?;
        if timeout.is_zero() {
            return Err(bound.refuse("newTimeout", "must be longer than nothing"));
        }
        told.set_deadline(timeout);
        Ok(Data::None)
    });
    Function::holder("console")
        .with("command_timeout", Data::object(timeout.bare()))
        .with("set_command_timeout", Data::object(set))
}

/// What is there beside the nodes: `health`, `utils` and `help`, which knows the nodes by their names.
pub(crate) fn top_level(
    named: &[(String, Arc<Node>)],
    general_help: &'static str,
) -> Vec<(&'static str, Data)> {
    let nodes: Vec<Arc<Node>> = named.iter().map(|(_, node)| Arc::clone(node)).collect();
    let Some(caller) = nodes.first().map(|node| Arc::clone(&node.caller)) else { return Vec::new() };
    let console = console(&caller);
    let (for_sync, for_retry) = (Arc::clone(&caller), caller);
    let sync = Function::taking(SYNCHRONIZE, move |bound| {
        let timeout = bound.duration_within("timeout", &for_sync)?;
        synchronize_topology(SYNCHRONIZE.path, &for_sync, timeout).map(|()| Data::None)
    });
    let retry = Function::taking(RETRY, move |bound| retry_until_true(&for_retry, bound));
    let (for_status, for_dump) = (nodes.clone(), nodes);
    let all_status = Function::new("health.status", move |_| status(&for_status));
    let all_dump = Function::taking(DUMP, move |bound| dump(&for_dump, bound));
    let utils = Function::holder("utils")
        .with("synchronize_topology", Data::object(sync.bare()))
        .with("retry_until_true", Data::object(retry));
    let groups = named.iter().map(|(name, node)| (name.clone(), Data::object(Group::root(Arc::clone(node)))));
    let health = Function::holder("health")
        .with("status", Data::object(all_status.bare()))
        .with("dump", Data::object(all_dump));
    vec![
        ("utils", Data::object(byte_files(utils))),
        ("health", Data::object(health)),
        ("console", Data::object(console)),
        ("help", Data::object(help(groups.collect(), general_help))),
    ]
}
