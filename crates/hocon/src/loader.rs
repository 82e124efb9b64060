//! From sources to one resolved tree.
//!
//! The order is Lightbend's: every source is parsed with its includes, a later source is laid over the earlier ones,
//! and substitutions are resolved once, over the whole.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::budget::Budgets;
use crate::error::{Error, ErrorKind, Errors};
use crate::origin::Origin;
use crate::value::Value;

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
    /// Adjacent settings count as one source; of two with the same path the later one wins.
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
        Err(Error::new(ErrorKind::Io, Origin::new("hocon"), "reading is not built yet").into())
    }
}
