//! A node and the groups of its commands as values of scripts, and help about them.

use std::sync::Arc;

use super::{Kinds, Spec, Style, bind, specs};
use crate::failure::{Failure, suggestion};
use crate::node::{Locality, Node};
use crate::value::{CallArgs, Data, Instance};

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
        Ok((name == "help").then(|| Data::object(Help { text: help_of(self.spec), below: Vec::new() })))
    }

    fn attr_names(&self) -> Vec<String> {
        vec!["help".to_owned()]
    }

    fn call(&self, args: CallArgs<'_>) -> Option<Result<Data, Failure>> {
        Some(bind(&self.node, self.spec, args).and_then(|call| (self.spec.run)(&call)))
    }

    fn runs_bare(&self) -> bool {
        self.spec.is_bare()
    }

    fn parameters(&self) -> Vec<String> {
        self.spec.params.iter().map(|param| param.name.to_owned()).collect()
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

    /// The node, if this is one and not a group of its commands.
    pub(crate) fn as_node(&self) -> Option<&Arc<Node>> {
        self.is_root().then_some(&self.node)
    }

    fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    fn within(&self, name: &str) -> String {
        if self.is_root() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// What follows this group's path in a command's.
    fn rest(&self, spec: &'static Spec) -> Option<&'static str> {
        if self.is_root() {
            return Some(spec.path);
        }
        spec.path.strip_prefix(&self.path)?.strip_prefix('.')
    }

    /// The commands below, with what follows this group's path.
    fn specs(&self) -> impl Iterator<Item = (&'static Spec, &'static str)> + '_ {
        specs()
            .filter(|spec| spec.kinds.contains(self.node.kind))
            .filter_map(|spec| self.rest(spec).map(|rest| (spec, rest)))
    }

    /// What to say of a name that only other kinds of node have.
    fn elsewhere(&self, name: &str) -> Option<Failure> {
        let path = self.within(name);
        let prefix = format!("{path}.");
        let mut kinds: Vec<Kinds> = Vec::new();
        for spec in specs().filter(|spec| spec.path == path || spec.path.starts_with(&prefix)) {
            kinds.push(spec.kinds);
        }
        let widest = kinds.into_iter().max_by_key(|kinds| kinds.names().len())?;
        Some(Failure::OtherKind {
            node: self.node.name.clone(),
            kind: self.node.kind.described(),
            command: path,
            kinds: widest.names(),
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
            let below = self.specs().map(|(spec, rest)| (rest.to_owned(), spec)).collect();
            return Ok(Some(Data::object(Help { text: self.help().unwrap_or_default(), below })));
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
        self.elsewhere(name).map_or(Ok(None), Err)
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

    fn is_cheap(&self, name: &str) -> bool {
        let path = self.within(name);
        !self.specs().any(|(spec, _)| spec.path == path && spec.style == Style::Property)
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

/// `node.help()`, `node.keys.help("secret.list")`.
#[derive(Debug)]
struct Help {
    text: String,
    /// The commands that can be asked about by name.
    below: Vec<(String, &'static Spec)>,
}

impl Instance for Help {
    fn kind(&self) -> String {
        "help".to_owned()
    }

    fn text(&self) -> String {
        self.text.clone()
    }

    fn attr(&self, _name: &str) -> Result<Option<Data>, Failure> {
        Ok(None)
    }

    fn attr_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn call(&self, args: CallArgs<'_>) -> Option<Result<Data, Failure>> {
        let wanted = match args.positional.first() {
            None => String::new(),
            Some(Data::Text(text)) => text.to_string(),
            Some(other) => {
                return Some(Err(Failure::value(format!("help takes a name, found: {}", other.kind()))));
            }
        };
        if wanted.is_empty() {
            crate::session::print_text(&self.text);
            return Some(Ok(Data::None));
        }
        let found: Vec<String> = self
            .below
            .iter()
            .filter(|(rest, spec)| *rest == wanted || spec.last() == wanted)
            .map(|(_, spec)| help_of(spec))
            .collect();
        if found.is_empty() {
            let near = suggestion(&wanted, self.below.iter().map(|(rest, _)| rest.as_str()));
            return Some(Err(Failure::value(format!("there is no command `{wanted}` here{near}"))));
        }
        crate::session::print_text(&found.join("\n"));
        Some(Ok(Data::None))
    }

    fn runs_bare(&self) -> bool {
        true
    }
}

fn help_of(spec: &Spec) -> String {
    format!("{}\n  {}", spec.signature(), spec.doc)
}

/// Help about a command or a group of commands of any node: `help("keys.secret")`, `help("list")`.
pub(crate) fn help_about(wanted: &str) -> Result<String, Failure> {
    let wanted = wanted.trim();
    let prefix = format!("{wanted}.");
    let matches = |spec: &&Spec| {
        spec.path == wanted
            || spec.path.starts_with(&prefix)
            || spec.path.split('.').any(|part| part == wanted)
    };
    let found: Vec<String> =
        specs().filter(matches).map(|spec| format!("{} [{}]", help_of(spec), spec.kinds.names())).collect();
    if found.is_empty() {
        let names = specs().flat_map(|spec| [spec.path, spec.last()]);
        return Err(Failure::value(format!("there is no command `{wanted}`{}", suggestion(wanted, names))));
    }
    Ok(found.join("\n"))
}
