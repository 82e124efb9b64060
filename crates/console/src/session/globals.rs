//! The names that scripts find: Starlark's, Scala's, the companions, and the nodes.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use starlark::environment::{Globals, GlobalsBuilder, LibraryExtension, Module};
use starlark::starlark_module;
use starlark::values::none::NoneType;
use starlark::values::{Heap, Value};

use super::worker::print_text;
use crate::command::{Group, help_about};
use crate::error::SessionError;
use crate::failure::Failure;
use crate::node::{Locality, Node, NodeKind, NodeRef};
use crate::value::{CallArgs, Data, Function, Object, Package, Record, companions, record, scala};

/// Names that do not depend on the nodes.
pub(super) fn globals() -> Globals {
    let mut builder = GlobalsBuilder::extended_by(&[
        LibraryExtension::StructType,
        LibraryExtension::Map,
        LibraryExtension::Filter,
        LibraryExtension::Partial,
        LibraryExtension::Print,
        LibraryExtension::Pprint,
        LibraryExtension::Pstr,
        LibraryExtension::Json,
        LibraryExtension::SetType,
    ])
    .with(scala::scala_names)
    .with(console_names);
    builder.set("true", true);
    builder.set("false", false);
    builder.set("null", NoneType);
    for (name, data) in companions() {
        if let Data::Object(instance) = data {
            builder.set(name, Object::new(instance));
        }
    }
    builder.set("logger", Object::new(Arc::new(logger())));
    for root in ["com", "java"] {
        if let Data::Object(instance) = Package::root(root) {
            builder.set(root, Object::new(instance));
        }
    }
    builder.build()
}

/// Canton's logger of scripts: what it is told goes into the console's log.
fn logger() -> Function {
    let said = |args: &CallArgs<'_>| match args.positional.as_slice() {
        [Data::Text(message), ..] => Ok(message.to_string()),
        [message, ..] => Ok(record::shown(message)),
        [] => Err(Failure::value("a message is missing: logger.info(message: text)")),
    };
    let told = |name: &str, tell: fn(String)| {
        let signature = format!("logger.{name}(message: text)");
        Data::object(Function::new(signature, move |args| said(args).map(tell).map(|()| Data::None)))
    };
    Function::holder("logger")
        .with("trace", told("trace", |text| tracing::trace!(target: SCRIPT, "{text}")))
        .with("debug", told("debug", |text| tracing::debug!(target: SCRIPT, "{text}")))
        .with("info", told("info", |text| tracing::info!(target: SCRIPT, "{text}")))
        .with("warn", told("warn", |text| tracing::warn!(target: SCRIPT, "{text}")))
        .with("error", told("error", |text| tracing::error!(target: SCRIPT, "{text}")))
}

/// What logs a script's messages.
const SCRIPT: &str = "cantle::script";

/// Whether a name is one of those, and so no list of a script's unless it says so.
pub(super) fn is_global(name: &str) -> bool {
    static NAMES: OnceLock<HashSet<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| globals().names().map(|name| name.as_str().to_owned()).collect());
    names.contains(name)
}

/// The functions of the console itself.
#[starlark_module]
fn console_names(builder: &mut GlobalsBuilder) {
    /// Help: about the console, or about a node, a group of commands or a command.
    fn help<'v>(
        #[starlark(require = pos)] subject: Option<Value<'v>>,
        heap: Heap<'v>,
    ) -> starlark::Result<NoneType> {
        let text = match subject {
            None => GENERAL.to_owned(),
            Some(subject) if subject.unpack_str().is_some() => {
                help_about(subject.unpack_str().unwrap_or_default())
                    .map_err(crate::failure::Failure::into_starlark)?
            }
            Some(subject) => match Object::from_value(subject).and_then(|object| object.instance().help()) {
                Some(text) => text,
                None => {
                    let names = subject.dir_attr();
                    let _ = heap;
                    format!("{}: {}", subject.get_type(), names.join(", "))
                }
            },
        };
        print_text(&text);
        Ok(NoneType)
    }
}

const GENERAL: &str = "\
Every configured node is a name; dashes are written as underscores.
  participants, domains, domain_managers, sequencers, mediators, nodes
      have .local, .remote and .all
  help(participant1), participant1.keys.help(), help(\"keys.secret\"), help(\"list\")
      show commands with their arguments; the tab key completes names
  health.status, health.dump(), utils.synchronize_topology()
      are about all nodes
  val x = … and x = … name a value; // and # begin a comment
  exit ends the console";

/// Checks that every node has a name of its own in scripts.
pub(super) fn check_names(nodes: &[NodeRef]) -> Result<(), SessionError> {
    for (index, node) in nodes.iter().enumerate() {
        let name = node.script_name();
        if let Some(other) = nodes[..index].iter().find(|other| other.script_name() == name) {
            return Err(SessionError::AmbiguousName {
                name,
                first: other.name.clone(),
                second: node.name.clone(),
            });
        }
    }
    Ok(())
}

/// Puts the nodes and their collections into the module.
pub(super) fn set_nodes(module: &Module<'_>, nodes: &[(String, Arc<Node>)]) {
    let set = |name: &str, data: &Data| module.set(name, data.alloc(module.heap()));
    let groups: Vec<(NodeKind, Locality, Data)> = nodes
        .iter()
        .map(|(_, node)| (node.kind, node.locality, Data::object(Group::root(Arc::clone(node)))))
        .collect();
    let collection = |title: &'static str, kind: Option<NodeKind>| {
        let wanted = |place: Option<Locality>| {
            let chosen = groups.iter().filter(|(of, at, _)| {
                kind.is_none_or(|kind| kind == *of) && place.is_none_or(|place| place == *at)
            });
            Data::list(chosen.map(|(.., data)| data.clone()).collect())
        };
        let fields = vec![
            ("local", wanted(Some(Locality::Local))),
            ("remote", wanted(Some(Locality::Remote))),
            ("all", wanted(None)),
        ];
        Data::object(Record::new(title, fields))
    };
    set("nodes", &collection("nodes", None));
    for kind in NodeKind::ALL {
        let of_this_kind = collection(kind.plural(), Some(kind));
        set(kind.plural(), &of_this_kind);
        if kind == NodeKind::DomainManager {
            // Canton's name.
            set("domainManagers", &of_this_kind);
        }
        let mut of_kind = groups.iter().filter(|(of, ..)| *of == kind);
        if let (Some((.., only)), None) = (of_kind.next(), of_kind.next()) {
            set(kind.as_str(), only);
        }
    }
    for (name, data) in crate::commands::top_level(nodes, GENERAL) {
        set(name, &data);
    }
    // Last, so that a node's own name comes before all others.
    for ((name, _), (.., data)) in nodes.iter().zip(&groups) {
        set(name, data);
    }
}
