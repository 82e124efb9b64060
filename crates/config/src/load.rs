//! From sources to a document, and from the document to a [`Config`].

use std::path::PathBuf;

use cantle_hocon::{Loader, Origin, Path, Value};

use crate::config::Config;
use crate::fault::{ConfigErrors, Fault, Problem};
use crate::suggest;

/// Where a configuration comes from.
///
/// Files in order, later ones win over earlier ones and settings over files.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// The files, as `-c` gives them.
    pub files: Vec<PathBuf>,
    /// The settings, as `-C PATH=VALUE` gives them.
    pub overrides: Vec<(String, String)>,
    /// What substitutions fall back to; `None` is the environment of the process.
    pub environment: Option<Vec<(String, String)>>,
}

/// A configuration and the document it was made of.
#[derive(Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The whole resolved document, sections beside `canton` too. It holds secrets; see
    /// [`resolved_json`](crate::resolved_json).
    pub document: Value,
}

impl std::fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Settings and the environment may hold passwords.
        let paths: Vec<&str> = self.overrides.iter().map(|(path, _)| path.as_str()).collect();
        f.debug_struct("LoadOptions")
            .field("files", &self.files)
            .field("overrides", &paths)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("config", &self.config).finish_non_exhaustive()
    }
}

impl LoadOptions {
    /// These files, with the environment of the process.
    pub fn new<P: Into<PathBuf>>(files: impl IntoIterator<Item = P>) -> Self {
        Self { files: files.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same, and a setting that wins over the files.
    #[must_use]
    pub fn setting(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.push((path.into(), value.into()));
        self
    }

    /// The same, with this environment instead of the process's.
    #[must_use]
    pub fn environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = Some(variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect());
        self
    }

    /// Reads, merges and resolves the sources: any HOCON, it need not be a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with the documents, the error that matters most first.
    pub fn resolve(&self) -> Result<Value, ConfigErrors> {
        let loader = self.files.iter().fold(Loader::new(), |loader, file| loader.file(file));
        let loader = self.overrides.iter().fold(loader, |loader, (path, value)| loader.setting(path, value));
        let loader = match &self.environment {
            Some(variables) => loader.environment(variables.iter().cloned()),
            None => loader.process_environment(),
        };
        Ok(loader.load()?)
    }
}

impl Config {
    /// Reads the sources and makes a configuration of them.
    ///
    /// # Errors
    /// Every fault at once; faults of the document come first and alone, as nothing can be said about what it means
    /// before it can be read.
    pub fn load(options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
        let document = options.resolve()?;
        let config = Self::from_document(&document)?;
        if config.is_empty() && !options.files.is_empty() {
            let canton = document.as_object().and_then(|root| root.get("canton"));
            let origin = canton.map_or(&document.origin, |canton| &canton.origin);
            return Err(no_node(origin));
        }
        Ok(Loaded { config, document })
    }

    /// Makes a configuration of a resolved document. No nodes at all are allowed here.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn from_document(document: &Value) -> Result<Self, ConfigErrors> {
        match document.as_object().and_then(|root| root.get("canton")) {
            Some(canton) if !canton.is_null() => Self::decode(canton.clone()),
            _ => match document.as_object() {
                Some(root) if !root.is_empty() => Err(no_section(document, root.keys())),
                _ => Self::decode(Value::new(
                    cantle_hocon::Kind::Object(Default::default()),
                    document.origin.clone(),
                )),
            },
        }
    }
}

fn no_section<'a>(document: &Value, keys: impl Iterator<Item = &'a str>) -> ConfigErrors {
    let nearest = keys.map(|key| (key, suggest::nearest(key, ["canton"]))).find(|(_, near)| near.is_some());
    let remedy = match nearest {
        Some((key, _)) => format!("`{key}` is not read; did you mean `canton`?"),
        None => "nodes are configured in canton.participants, canton.domains and the like".to_owned(),
    };
    one(&document.origin, None, Problem::Missing { key: "canton".to_owned(), remedy })
}

fn no_node(origin: &Origin) -> ConfigErrors {
    let what = "no node is configured".to_owned();
    let remedy = "write canton.participants.participant1 {} for a participant with all defaults".to_owned();
    one(origin, Some(Path::key("canton")), Problem::Contradiction { what, remedy })
}

fn one(origin: &Origin, path: Option<Path>, problem: Problem) -> ConfigErrors {
    ConfigErrors::single(Fault { origin: origin.clone(), path, problem, excerpt: None })
}
