//! What the doctor found: one thing each, with what to do about it.

use std::fmt;

use cantle_kms::KmsError;
use cantle_store::NodeIdentity;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It will work, or it is not known; to be looked at.
    Warn,
    /// A node will not work.
    Fail,
}

impl Severity {
    /// The first word of the line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// Who holds the keys.
    Provider,
    /// Whether the KMS answers.
    Endpoint,
    /// Whether it knows the caller.
    Credentials,
    /// Whether this machine's clock is right.
    Clock,
    /// The node's database.
    Database,
    /// A key's state.
    KeyState,
    /// A key's spec and usage.
    KeySpec,
    /// Whether the KMS has the public key that is registered.
    PublicKey,
    /// Whether the node may do with a key what it has to.
    Permission,
    /// Everything about a key, where all is well.
    Key,
    /// Whether a key is in the other Regions too.
    Replica,
    /// Whether keys can be made.
    CreateKey,
    /// Whether key material can be imported.
    Import,
    /// AWS's request quotas and what the nodes ask for.
    Quotas,
}

impl Check {
    /// A stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Endpoint => "endpoint",
            Self::Credentials => "credentials",
            Self::Clock => "clock",
            Self::Database => "database",
            Self::KeyState => "key-state",
            Self::KeySpec => "key-spec",
            Self::PublicKey => "public-key",
            Self::Permission => "permission",
            Self::Key => "key",
            Self::Replica => "replica",
            Self::CreateKey => "create-key",
            Self::Import => "import",
            Self::Quotas => "quotas",
        }
    }
}

/// One thing that was found. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The node or nodes.
    pub node: String,
    /// What was looked at.
    pub check: Check,
    /// The KMS key, if it is about one.
    pub key: Option<String>,
    /// What was found: a sentence without its full stop, or several.
    pub text: String,
    /// What to do, if there is something to do.
    pub remedy: Option<String>,
}

impl Finding {
    fn new(severity: Severity, node: &str, check: Check, text: String, remedy: Option<String>) -> Self {
        Self { severity, node: node.to_owned(), check, key: None, text, remedy }
    }

    /// All is well.
    pub(super) fn ok(node: &str, check: Check, text: impl Into<String>) -> Self {
        Self::new(Severity::Ok, node, check, text.into(), None)
    }

    /// To be looked at.
    pub(super) fn warn(node: &str, check: Check, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Warn, node, check, text.into(), Some(remedy.into()))
    }

    /// A node will not work.
    pub(super) fn fail(node: &str, check: Check, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Fail, node, check, text.into(), Some(remedy.into()))
    }

    /// A node will not work, as the KMS said itself. What the KMS may say otherwise a moment later is a warning.
    pub(super) fn of(node: &str, check: Check, error: &KmsError) -> Self {
        let remedy = error.remedy().into_owned();
        let text = error.to_string();
        let text = text.strip_suffix(&remedy).unwrap_or(&text).trim_end().trim_end_matches('.').to_owned();
        let passes = matches!(
            error,
            KmsError::Throttled { .. } | KmsError::Internal { .. } | KmsError::KeyUnavailable { .. }
        );
        let severity = if passes { Severity::Warn } else { Severity::Fail };
        Self::new(severity, node, check, text, Some(remedy))
    }

    /// The same about a KMS key.
    pub(super) fn about(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, node, check, text, remedy, .. } = self;
        write!(f, "{:4} {node}: {}: {text}", severity.as_str(), check.as_str())?;
        match remedy {
            Some(remedy) => write!(f, ". {remedy}"),
            None => Ok(()),
        }
    }
}

/// A node's name as the findings have it.
pub(super) fn named(node: &NodeIdentity) -> String {
    node.to_string()
}
