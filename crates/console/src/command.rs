//! Commands as data: a path, parameters with types and defaults, and a function. Everything else, the attributes of nodes, help,
//! completion and the checks of arguments, follows from the table.
//!
//! Names, order and defaults are Canton's. Source: <https://docs.daml.com/2.10.0/canton/usermanual/console.html>.

mod argument;
mod bind;
mod group;
mod kinds;

use std::sync::Arc;

pub(crate) use argument::node_of;
pub(crate) use bind::{Apply, Bound, Signature, bind_args};
pub(crate) use group::{Group, help_about};
pub(crate) use kinds::Kinds;

use crate::failure::Failure;
use crate::node::{Node, NodeKind};
use crate::value::{CallArgs, Data, duration, enum_constant};

/// What a parameter is when it is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Default {
    Required,
    None,
    EmptyText,
    EmptySet,
    EmptyList,
    False,
    True,
    Int(i64),
    Text(&'static str),
    Constant(&'static str, &'static str),
    /// Canton's bounded time for topology changes to spread.
    Bounded,
    /// As long as a ping may take.
    Ping,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    /// Its type, as the signature shows it.
    pub(crate) shape: &'static str,
    pub(crate) default: Default,
    /// A node that may stand at any place among the positional arguments.
    floats: bool,
}

/// A parameter that must be given.
pub(crate) const fn required(name: &'static str, shape: &'static str) -> Param {
    Param { name, shape, default: Default::Required, floats: false }
}

/// A parameter that may be left out.
pub(crate) const fn optional(name: &'static str, shape: &'static str, default: Default) -> Param {
    Param { name, shape, default, floats: false }
}

/// A node that must be given, at any place among the positional arguments: Canton's releases differ in where it stands.
pub(crate) const fn floating(name: &'static str, shape: &'static str) -> Param {
    Param { name, shape, default: Default::Required, floats: true }
}

/// How a command is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// It is called.
    Command,
    /// Naming it runs it: `participant.id`.
    Property,
}

/// A command.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) path: &'static str,
    pub(crate) kinds: Kinds,
    pub(crate) style: Style,
    pub(crate) params: &'static [Param],
    pub(crate) run: fn(&Call<'_>) -> Result<Data, Failure>,
    pub(crate) doc: &'static str,
}

impl Spec {
    pub(crate) fn signature(&self) -> String {
        match self.style {
            Style::Command => Signature { path: self.path, params: self.params }.to_string(),
            Style::Property => self.path.to_owned(),
        }
    }

    fn is_bare(&self) -> bool {
        self.params.iter().all(|param| !matches!(param.default, Default::Required))
    }

    fn last(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

fn default_text(default: Default) -> Option<String> {
    Some(match default {
        Default::Required => return None,
        Default::None => "None".to_owned(),
        Default::Bounded => "bounded".to_owned(),
        Default::EmptyText => "\"\"".to_owned(),
        Default::EmptySet => "Set()".to_owned(),
        Default::EmptyList => "Seq()".to_owned(),
        Default::False => "false".to_owned(),
        Default::True => "true".to_owned(),
        Default::Int(value) => value.to_string(),
        Default::Text(text) => format!("\"{text}\""),
        Default::Constant(enumeration, constant) => format!("{enumeration}.{constant}"),
        Default::Ping => "ping timeout".to_owned(),
    })
}

fn default_data(default: Default) -> Option<Data> {
    Some(match default {
        Default::Required => return None,
        Default::None => Data::None,
        Default::Bounded => duration::bounded(),
        Default::EmptyText => Data::text(""),
        Default::EmptySet | Default::EmptyList => Data::list(Vec::new()),
        Default::False => Data::Bool(false),
        Default::True => Data::Bool(true),
        Default::Int(value) => Data::Int(value),
        Default::Text(text) => Data::text(text),
        Default::Constant(enumeration, constant) => enum_constant(enumeration, constant),
        Default::Ping => duration::ping(),
    })
}

/// A command with the node it is for and its arguments, one a parameter.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) node: Arc<Node>,
    pub(crate) spec: &'static Spec,
    bound: Bound<'a>,
}

impl<'a> std::ops::Deref for Call<'a> {
    type Target = Bound<'a>;

    fn deref(&self) -> &Bound<'a> {
        &self.bound
    }
}

impl Call<'_> {
    /// The same call, sent to another node: a step of a command that spans several.
    pub(crate) fn at(&self, node: &Arc<Node>) -> Self {
        Self { node: Arc::clone(node), spec: self.spec, bound: self.bound.clone() }
    }

    /// Calls a service of the node.
    pub(crate) fn ask<T>(
        &self,
        request: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Failure> {
        self.node.ask(self.spec.path, request)
    }
}

/// Checks and orders the arguments of a call.
pub(crate) fn bind<'a>(
    node: &Arc<Node>,
    spec: &'static Spec,
    args: CallArgs<'a>,
) -> Result<Call<'a>, Failure> {
    let bound = bind_args(Signature { path: spec.path, params: spec.params }, args)?;
    Ok(Call { node: Arc::clone(node), spec, bound })
}

fn specs() -> impl Iterator<Item = &'static Spec> {
    crate::commands::ALL.iter().flat_map(|family| family.iter())
}

/// Whether a name is that of a command which can be run without arguments.
pub(crate) fn is_bare_command(name: &str) -> bool {
    name == "help"
        || specs().any(|spec| spec.style == Style::Command && spec.is_bare() && spec.last() == name)
}

/// A command as documentation shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandInfo {
    /// Its path with its parameters, their types and defaults.
    pub signature: String,
    /// Whether each of [`NodeKind::ALL`] has it.
    pub kinds: [bool; 5],
    /// What it does, in a sentence.
    pub doc: &'static str,
}

/// All commands, by family; a path may be there more than once, for kinds of node that take different arguments.
#[must_use]
pub fn commands() -> Vec<CommandInfo> {
    let info = |spec: &Spec| CommandInfo {
        signature: spec.signature(),
        kinds: NodeKind::ALL.map(|kind| spec.kinds.contains(kind)),
        doc: spec.doc,
    };
    specs().map(info).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{is_bare_command, specs};
    use crate::node::NodeKind;

    #[test]
    fn every_command_is_there_once_a_kind_and_documented() {
        let mut seen = HashSet::new();
        for spec in specs() {
            for kind in NodeKind::ALL.into_iter().filter(|kind| spec.kinds.contains(*kind)) {
                assert!(seen.insert((spec.path, kind)), "{} twice for {kind}", spec.path);
            }
            assert!(spec.doc.ends_with('.'), "{}: {}", spec.path, spec.doc);
        }
    }

    #[test]
    fn signatures_are_those_of_the_manual() {
        let all: Vec<String> =
            specs().map(|spec| format!("{} [{}]", spec.signature(), spec.kinds.names())).collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn commands_without_arguments_are_known_by_name() {
        assert!(is_bare_command("wait_for_initialized"));
        assert!(!is_bare_command("register_kms_signing_key"));
    }
}
