//! The callers a server knows, as its user gives them. See [`Credentials::from_file`] for the file's two forms.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::iam::policy::{PolicyDocument, PolicyError};

/// A credentials file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A JSON file is not of the documented form.
    #[error("{} is not a list of callers", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A line of an INI file cannot be understood.
    #[error("{}:{line}: neither a [profile] nor a key = value", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A caller or role lacks something or has it wrong.
    #[error("{}: {subject}: {field} is missing or malformed", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The caller, profile or role.
        subject: String,
        /// What is wrong.
        field: &'static str,
    },
    /// A policy is malformed.
    #[error("{}: {subject}: malformed policy", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Whose policy.
        subject: String,
        /// Why.
        #[source]
        source: PolicyError,
    },
    /// Nobody could ever call.
    #[error("{} names no caller", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// One caller: an access key and whose it is.
#[derive(Clone)]
pub struct Caller {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Zeroizing<String>,
    pub(crate) session_token: Option<Zeroizing<String>>,
    pub(crate) account: Option<String>,
    pub(crate) principal_arn: Option<String>,
    pub(crate) policies: Vec<PolicyDocument>,
    pub(crate) via_service: Option<String>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Caller")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"[REDACTED]")
            .field("account", &self.account)
            .field("principal_arn", &self.principal_arn)
            .finish_non_exhaustive()
    }
}

impl Caller {
    /// A caller who may do everything in the server's default account.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Zeroizing::new(secret_access_key.into()),
            session_token: None,
            account: None,
            principal_arn: None,
            policies: vec![PolicyDocument::allow_everything()],
            via_service: None,
        }
    }

    /// The session token that must come with the access key.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(Zeroizing::new(token.into()));
        self
    }

    /// The account, 12 digits. Without it: that of the principal's ARN, else the server's default.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The user, role session (`arn:aws:sts::…:assumed-role/…`) or root. Without it: a user named as the access key.
    #[must_use]
    pub fn principal_arn(mut self, arn: impl Into<String>) -> Self {
        self.principal_arn = Some(arn.into());
        self
    }

    /// The identity policies, in place of the one that allows everything. None at all allow nothing.
    #[must_use]
    pub fn policies(mut self, policies: impl IntoIterator<Item = PolicyDocument>) -> Self {
        self.policies = policies.into_iter().collect();
        self
    }

    /// Plays an AWS service that calls on behalf of its user: the value of `kms:ViaService`.
    #[must_use]
    pub fn via_service(mut self, service: impl Into<String>) -> Self {
        self.via_service = Some(service.into());
        self
    }
}

/// A role that callers may assume with STS.
#[derive(Debug, Clone)]
pub struct Role {
    pub(crate) arn: String,
    pub(crate) trust: PolicyDocument,
    pub(crate) policies: Vec<PolicyDocument>,
}

impl Role {
    /// A role with the policy that says who may assume it (as a key policy, with principals) and what it may do.
    #[must_use]
    pub fn new(
        arn: impl Into<String>,
        trust: PolicyDocument,
        policies: impl IntoIterator<Item = PolicyDocument>,
    ) -> Self {
        Self { arn: arn.into(), trust, policies: policies.into_iter().collect() }
    }
}

/// The callers and roles a server knows.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(crate) callers: Vec<Caller>,
    pub(crate) roles: Vec<Role>,
    /// Roles that are not listed may be assumed by anybody and allow everything.
    pub(crate) any_role: bool,
}

impl Credentials {
    /// The access key `test` with the secret `test`, allowed everything; any role may be assumed.
    #[must_use]
    pub fn default_test() -> Self {
        Self { callers: vec![Caller::new("test", "test")], roles: Vec::new(), any_role: true }
    }

    /// These callers, and only these roles.
    #[must_use]
    pub fn new(callers: impl IntoIterator<Item = Caller>, roles: impl IntoIterator<Item = Role>) -> Self {
        Self { callers: callers.into_iter().collect(), roles: roles.into_iter().collect(), any_role: false }
    }

    /// Reads callers from a file.
    ///
    /// Either JSON: a list of callers, or an object with `callers` and `roles`:
    ///
    /// ```json
    /// {"callers": [{"access_key_id": "AKIA…", "secret_access_key": "…", "session_token": "…", "account": "111122223333",
    ///               "principal_arn": "arn:aws:iam::111122223333:user/node", "policies": [{"Version": "2012-10-17", …}]}],
    ///  "roles": [{"role_arn": "arn:aws:iam::111122223333:role/signer", "trust_policy": {…}, "policies": [{…}]}]}
    /// ```
    ///
    /// or AWS's shared credentials file (INI), each profile a caller, so that one file serves both sides; besides
    /// AWS's own keys it may hold `account`, `principal_arn`, `policy_file` (a path beside the file, or several
    /// separated by commas) and `via_service`. A caller without policies may do everything; one with an empty list,
    /// nothing. A policy in JSON may be given as an object or as the path of a file.
    ///
    /// # Errors
    /// [`CredentialsError`] names the file, the caller and the field.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, CredentialsError> {
        super::file::read(path.as_ref())
    }
}
