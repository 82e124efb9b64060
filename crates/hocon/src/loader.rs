//! From sources to one resolved tree.
//!
//! The order is Lightbend's: every source is parsed with its includes, a later source is laid over the earlier ones,
//! and substitutions are resolved once, over the whole.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::assemble::Assembler;
use crate::budget::{Budgets, Meter};
use crate::error::{Error, ErrorKind, Errors};
use crate::node::{self, Data, Node, NodeKind};
use crate::origin::Origin;
use crate::resolve;
use crate::settings;
use crate::value::{Kind, Object, Value};

/// Reads HOCON: sources in order, later ones win, one resolution over all of them.
///
/// Without further calls the environment is empty: substitutions see the sources alone.
#[derive(Clone, Default)]
pub struct Loader {
    sources: Vec<Source>,
    environment: HashMap<String, String>,
    budgets: Budgets,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Text { name: String, text: String },
    Setting { path: String, value: String },
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither texts nor settings nor the environment: they may hold passwords.
        f.debug_struct("Loader")
            .field("sources", &self.sources.len())
            .field("budgets", &self.budgets)
            .finish()
    }
}

impl Loader {
    /// A loader without sources; it loads the empty object.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. `.json` files are read as strict JSON, `.properties` files as Java properties, all others as
    /// HOCON. The file has to exist. Includes in it are relative to its folder.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.push(Source::File(path.into()));
        self
    }

    /// Adds a HOCON text under a name that origins show. Includes in it by bare name find nothing, as it has no
    /// folder; `include file("…")` works.
    #[must_use]
    pub fn text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.sources.push(Source::Text { name: name.into(), text: text.into() });
        self
    }

    /// Adds a setting as `-C PATH=VALUE` gives it: the path is a path expression, the value a string as it stands.
    /// Adjacent settings count as one source: of two with the same path the later one wins, and one whose path leads
    /// through another one's value is an error.
    #[must_use]
    pub fn setting(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.sources.push(Source::Setting { path: path.into(), value: value.into() });
        self
    }

    /// The environment that substitutions fall back to, in place of what was given before.
    #[must_use]
    pub fn environment<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.environment = variables.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self
    }

    /// The environment of this process, as far as it is Unicode.
    #[must_use]
    pub fn process_environment(self) -> Self {
        let variables =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        self.environment(variables)
    }

    /// What the load may cost.
    #[must_use]
    pub fn budgets(mut self, budgets: Budgets) -> Self {
        self.budgets = budgets;
        self
    }

    /// Reads, merges and resolves. The value is always an object.
    ///
    /// # Errors
    /// All that is wrong with the sources, the error that Lightbend's library would have stopped at first.
    pub fn load(&self) -> Result<Value, Errors> {
        // A thread of its own: the recursion that the budgets allow needs more stack than a caller may have.
        let result = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("hocon".to_owned()).stack_size(STACK);
            match thread.spawn_scoped(scope, || self.load_here()) {
                Ok(handle) => handle.join().map_err(|panic| std::panic::resume_unwind(panic)),
                Err(error) => {
                    let message = format!("no thread to read the configuration could be started: {error}");
                    Ok(Err(Error::new(ErrorKind::Io, Origin::new("hocon"), message).into()))
                }
            }
        });
        match result {
            Ok(loaded) => loaded,
            Err(never) => never,
        }
    }

    fn load_here(&self) -> Result<Value, Errors> {
        let meter = Meter::new(&self.budgets);
        let root = self.merged(&meter)?;
        let resolved = resolve::resolve(&root, &self.environment, &meter);
        let resolved = resolved.map_err(|errors| {
            let fallback = || Error::new(ErrorKind::BugOrBroken, root.origin.clone(), "nothing was resolved");
            Errors::from_list(errors).unwrap_or_else(|| fallback().into())
        })?;
        Ok(value(&resolved, &meter)?)
    }

    /// All sources, the later ones over the earlier ones.
    fn merged(&self, meter: &Meter) -> Result<Node, Errors> {
        let mut assembler = Assembler::new(meter);
        let merged = self.read_all(&mut assembler, meter);
        let mut errors = assembler.into_errors();
        let merged = merged.map_err(|last| errors.push(last)).ok().flatten();
        match Errors::from_list(errors) {
            Some(errors) => Err(errors),
            None => Ok(merged.unwrap_or_else(|| Data::empty_object(Origin::new("nothing")))),
        }
    }

    fn read_all(&self, assembler: &mut Assembler<'_>, meter: &Meter) -> Result<Option<Node>, Error> {
        let is_setting = |source: &Source| matches!(source, Source::Setting { .. });
        let mut merged: Option<Node> = None;
        for group in self.sources.chunk_by(|one, next| is_setting(one) && is_setting(next)) {
            let node = match group {
                [Source::File(path)] => assembler.file(path)?,
                [Source::Text { name, text }] => assembler.text(name, text)?,
                settings => {
                    let settings = settings.iter().filter_map(|source| match source {
                        Source::Setting { path, value } => Some((path.as_str(), value.as_str())),
                        _ => None,
                    });
                    settings::read(settings, assembler, meter)?
                }
            };
            merged = match (node, merged) {
                (Some(over), Some(below)) => Some(node::merge(&over, &below, meter)?),
                (over, below) => over.or(below),
            };
        }
        Ok(merged)
    }
}

/// How much stack the deepest recursion within the budgets may take. Only what is used is ever touched.
const STACK: usize = 512 << 20;

/// The resolved tree as values of its own.
fn value(node: &Node, meter: &Meter) -> Result<Value, Error> {
    const EACH: usize = 64;
    let text = |bytes: usize| meter.text(bytes + EACH, &node.origin);
    let kind = match &node.kind {
        NodeKind::Null => Kind::Null,
        NodeKind::Bool(value) => Kind::Bool(*value),
        NodeKind::Number(number) => {
            text(number.text().len())?;
            Kind::Number(number.clone())
        }
        NodeKind::String { text: string, .. } => {
            text(string.len())?;
            Kind::String(string.to_string())
        }
        NodeKind::List(children) => {
            text(0)?;
            Kind::Array(children.iter().map(|child| value(child, meter)).collect::<Result<_, _>>()?)
        }
        NodeKind::Object { map, .. } => {
            text(0)?;
            let entries = map.iter().map(|(key, child)| {
                meter.text(key.len(), &child.origin)?;
                Ok((key.to_string(), value(child, meter)?))
            });
            Kind::Object(entries.collect::<Result<Object, Error>>()?)
        }
        NodeKind::Reference(_) | NodeKind::Concatenation(_) | NodeKind::Delayed { .. } => {
            return Err(node::broken(&node.origin, "a value stayed unresolved"));
        }
    };
    Ok(Value::new(kind, node.origin.clone()))
}
