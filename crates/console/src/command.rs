//! Commands as data: a path, parameters with types and defaults, and a function. Everything else, the attributes of nodes, help,
//! completion and the checks of arguments, follows from the table.
//!
//! Names, order and defaults are Canton's. Source: <https://docs.daml.com/2.10.0/canton/usermanual/console.html>.

use std::sync::Arc;

use crate::failure::{Failure, suggestion};
use crate::node::{Locality, Node, NodeKind};
use crate::value::{CallArgs, Data, Instance, enum_constant};

/// The kinds of node that have a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kinds(&'static [NodeKind]);

impl Kinds {
    pub(crate) const ALL: Self = Self(&NodeKind::ALL);
    /// Nodes with a topology manager of their own.
    pub(crate) const WITH_TOPOLOGY: Self =
        Self(&[NodeKind::Participant, NodeKind::Domain, NodeKind::DomainManager]);

    fn contains(self, kind: NodeKind) -> bool {
        self.0.contains(&kind)
    }
}

/// What a parameter is when it is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Default {
    Required,
    None,
    EmptyText,
    EmptySet,
    False,
    True,
    Int(i64),
    Constant(&'static str, &'static str),
    /// Canton's bounded time for topology changes to spread.
    Bounded,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    /// Its type, as the signature shows it.
    pub(crate) shape: &'static str,
    pub(crate) default: Default,
}

/// A parameter that must be given.
pub(crate) const fn required(name: &'static str, shape: &'static str) -> Param {
    Param { name, shape, default: Default::Required }
}

/// A parameter that may be left out.
pub(crate) const fn optional(name: &'static str, shape: &'static str, default: Default) -> Param {
    Param { name, shape, default }
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
        let params: Vec<String> = self
            .params
            .iter()
            .map(|param| match default_text(param.default) {
                Some(default) => format!("{}: {} = {default}", param.name, param.shape),
                None => format!("{}: {}", param.name, param.shape),
            })
            .collect();
        match self.style {
            Style::Command => format!("{}({})", self.path, params.join(", ")),
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
        Default::False => "false".to_owned(),
        Default::True => "true".to_owned(),
        Default::Int(value) => value.to_string(),
        Default::Constant(enumeration, constant) => format!("{enumeration}.{constant}"),
    })
}

fn default_data(default: Default) -> Option<Data> {
    Some(match default {
        Default::Required => return None,
        Default::None | Default::Bounded => Data::None,
        Default::EmptyText => Data::text(""),
        Default::EmptySet => Data::list(Vec::new()),
        Default::False => Data::Bool(false),
        Default::True => Data::Bool(true),
        Default::Int(value) => Data::Int(value),
        Default::Constant(enumeration, constant) => enum_constant(enumeration, constant),
    })
}

/// A command with the node it is for and its arguments, one a parameter.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) spec: &'static Spec,
    values: Vec<Data>,
}

impl Call<'_> {
    /// The argument of a parameter of this command.
    pub(crate) fn value(&self, name: &str) -> &Data {
        let index = self.spec.params.iter().position(|param| param.name == name);
        index.and_then(|index| self.values.get(index)).unwrap_or(&Data::None)
    }

    /// An error about an argument.
    pub(crate) fn refuse(&self, name: &str, cause: impl Into<String>) -> Failure {
        Failure::Argument {
            command: self.spec.path.to_owned(),
            argument: name.to_owned(),
            cause: cause.into(),
            signature: self.spec.signature(),
        }
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
    node: &'a Arc<Node>,
    spec: &'static Spec,
    args: CallArgs,
) -> Result<Call<'a>, Failure> {
    let arity =
        |cause: String| Failure::Arity { command: spec.path.to_owned(), cause, signature: spec.signature() };
    if args.positional.len() > spec.params.len() {
        return Err(arity(format!(
            "takes at most {} arguments, {} given",
            spec.params.len(),
            args.positional.len()
        )));
    }
    let mut values: Vec<Option<Data>> = args.positional.into_iter().map(Some).collect();
    values.resize_with(spec.params.len(), || None);
    for (name, value) in args.named {
        let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
        let Some(index) =
            spec.params.iter().position(|param| param.name == name || plain(param.name) == plain(&name))
        else {
            let near = suggestion(&name, spec.params.iter().map(|param| param.name));
            return Err(arity(format!("has no argument `{name}`{near}")));
        };
        if values[index].is_some() {
            return Err(arity(format!("argument `{name}` is given twice")));
        }
        values[index] = Some(value);
    }
    let mut bound = Vec::with_capacity(values.len());
    for (param, value) in spec.params.iter().zip(values) {
        let value = value.or_else(|| default_data(param.default));
        bound.push(value.ok_or_else(|| arity(format!("argument `{}` is missing", param.name)))?);
    }
    Ok(Call { node, spec, values: bound })
}

/// A command of a node, as a value.
#[derive(Debug)]
struct Command {
    node: Arc<Node>,
    spec: &'static Spec,
}

impl Instance for Command {
    fn kind(&self) -> String {
        format!("{}.{}", self.node.name, self.spec.path)
    }

    fn text(&self) -> String {
        format!("{}.{}", self.node.name, self.spec.signature())
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        Ok((name == "help").then(|| help_function(help_of(self.spec))))
    }

    fn attr_names(&self) -> Vec<String> {
        vec!["help".to_owned()]
    }

    fn call(&self, args: CallArgs) -> Option<Result<Data, Failure>> {
        Some(bind(&self.node, self.spec, args).and_then(|call| (self.spec.run)(&call)))
    }

    fn runs_bare(&self) -> bool {
        self.spec.is_bare()
    }

    fn help(&self) -> Option<String> {
        Some(help_of(self.spec))
    }
}

/// A node, or a group of its commands.
#[derive(Debug)]
pub(crate) struct Group {
    node: Arc<Node>,
    path: String,
}

impl Group {
    /// The node itself.
    pub(crate) fn root(node: Arc<Node>) -> Self {
        Self { node, path: String::new() }
    }

    fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    fn within(&self, name: &str) -> String {
        if self.is_root() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The commands below, with what follows this group's path.
    fn specs(&self) -> impl Iterator<Item = (&'static Spec, &'static str)> + '_ {
        specs().filter(|spec| spec.kinds.contains(self.node.kind)).filter_map(|spec| {
            let rest = if self.is_root() {
                Some(spec.path)
            } else {
                spec.path.strip_prefix(&self.path)?.strip_prefix('.')
            };
            rest.map(|rest| (spec, rest))
        })
    }
}

impl Instance for Group {
    fn kind(&self) -> String {
        if self.is_root() {
            format!("{} {}", self.node.kind, self.node.name)
        } else {
            format!("{}.{}", self.node.name, self.path)
        }
    }

    fn text(&self) -> String {
        if !self.is_root() {
            return self.kind();
        }
        let place = match self.node.locality {
            Locality::Local => "",
            Locality::Remote => ", remote",
        };
        format!("{} ({}{place})", self.node.name, self.node.kind)
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        if name == "help" {
            return Ok(Some(help_function(self.help().unwrap_or_default())));
        }
        let path = self.within(name);
        if let Some((spec, _)) = self.specs().find(|(spec, _)| spec.path == path) {
            return match spec.style {
                Style::Command => Ok(Some(Data::object(Command { node: Arc::clone(&self.node), spec }))),
                Style::Property => {
                    bind(&self.node, spec, CallArgs::default()).and_then(|call| (spec.run)(&call)).map(Some)
                }
            };
        }
        let prefix = format!("{path}.");
        if self.specs().any(|(spec, _)| spec.path.starts_with(&prefix)) {
            return Ok(Some(Data::object(Self { node: Arc::clone(&self.node), path })));
        }
        Ok(None)
    }

    fn attr_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (_, rest) in self.specs() {
            let name = rest.split('.').next().unwrap_or(rest);
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names.push("help".to_owned());
        names
    }

    fn identity(&self) -> Option<String> {
        Some(format!("{:?} {} {}", self.node.locality, self.node.name, self.path))
    }

    fn help(&self) -> Option<String> {
        let lines =
            self.specs().map(|(spec, rest)| format!("  {}{}", rest, &spec.signature()[spec.path.len()..]));
        Some(format!("{}\n{}", self.text(), lines.collect::<Vec<_>>().join("\n")))
    }
}

fn help_of(spec: &Spec) -> String {
    format!("{}\n  {}", spec.signature(), spec.doc)
}

fn help_function(text: String) -> Data {
    Data::object(crate::value::Function::new("help()", move |_| {
        crate::session::print_text(&text);
        Ok(Data::None)
    }))
}

fn specs() -> impl Iterator<Item = &'static Spec> {
    crate::commands::ALL.iter().flat_map(|family| family.iter())
}

/// Whether a name is that of a command which can be run without arguments.
pub(crate) fn is_bare_command(name: &str) -> bool {
    specs().any(|spec| spec.style == Style::Command && spec.is_bare() && spec.last() == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{is_bare_command, specs};

    #[test]
    fn every_command_is_there_once_and_documented() {
        let mut seen = HashSet::new();
        for spec in specs() {
            assert!(seen.insert(spec.path), "{} twice", spec.path);
            assert!(spec.doc.ends_with('.'), "{}: {}", spec.path, spec.doc);
        }
    }

    #[test]
    fn signatures_are_those_of_the_manual() {
        let all: Vec<String> = specs().map(super::Spec::signature).collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn commands_without_arguments_are_known_by_name() {
        assert!(is_bare_command("wait_for_initialized"));
        assert!(!is_bare_command("register_kms_signing_key"));
    }
}
