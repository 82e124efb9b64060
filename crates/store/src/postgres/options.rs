//! How to reach a PostgreSQL database, in the words of Canton's configuration, and what the driver makes of it.
//!
//! Certificates and keys may be PEM or, as the JDBC driver wants a key, DER. The driver's `allow` means `prefer`: it
//! encrypts where the server can. Where no authority is named, the one in `~/.postgresql/root.crt` is taken, as by the
//! JDBC driver.
//! Sources: <https://docs.daml.com/2.10.0/canton/usermanual/persistence.html#postgres>,
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use zeroize::Zeroizing;

use super::passfile;
use crate::{Access, BackendError, MigrateOnStart, NodeIdentity, OpenError};

/// The server ends a statement after this; see [`super::REPLY_TIMEOUT`] for a server that is not heard of.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether and how a connection is encrypted, as PostgreSQL's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// Never.
    Disable,
    /// As [`SslMode::Prefer`].
    Allow,
    /// If the server can; its certificate is not checked.
    #[default]
    Prefer,
    /// Always; the server's certificate is not checked.
    Require,
    /// Always, and the certificate is of the authority in `root_cert`, which has to be given, whatever its name.
    ///
    /// # Security
    /// The driver trusts public authorities besides the given one, and here does not compare names: prefer
    /// [`SslMode::VerifyFull`].
    VerifyCa,
    /// Always, and the certificate is of the host.
    VerifyFull,
}

/// Encryption of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostgresSsl {
    /// Whether and how.
    pub mode: SslMode,
    /// Certificates of authorities that the server's certificate may be of, besides the public ones. `None`: those in
    /// `~/.postgresql/root.crt`, where there is such a file and certificates are checked.
    pub root_cert: Option<PathBuf>,
    /// The client's certificate.
    pub cert: Option<PathBuf>,
    /// Its private key, not encrypted: PKCS #8, PKCS #1 or SEC 1 as PEM, PKCS #8 as DER.
    pub key: Option<PathBuf>,
}

/// How to open a [`super::PostgresStore`].
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The host name or IP address; a folder is that of a Unix socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database; `None` is the one of the user's name.
    pub database: Option<String>,
    /// The user; `None` is the user of the process.
    pub user: Option<String>,
    /// The password; `None` takes it from `passfile`.
    pub password: Option<SecretString>,
    /// A file with passwords as `.pgpass`; `None` is the one that `PGPASSFILE` names, or `.pgpass` in the home folder.
    pub passfile: Option<PathBuf>,
    /// Encryption.
    pub ssl: PostgresSsl,
    /// The schema of the tables, as `search_path`; `None` is the user's default, mostly `public`.
    pub schema: Option<String>,
    /// The name of the connections in the server's views; `None` tells node and process.
    pub application_name: Option<String>,
    /// How long to wait for a connection.
    pub connection_timeout: Duration,
    /// The most connections, 2 at the least: one writes and holds the lock, the others read. `None`: 4.
    pub max_connections: Option<u32>,
    /// Statements that take longer are named in the log. `None`: one second.
    pub warn_on_slow_query: Option<Duration>,
    /// Whose the database is.
    pub node: NodeIdentity,
    /// What to do with an old schema.
    pub migrate: MigrateOnStart,
    /// What it is opened for.
    pub access: Access,
}

impl PostgresOptions {
    /// A server at its usual port, with everything else as when it is not configured.
    #[must_use]
    pub fn new(host: impl Into<String>, node: NodeIdentity) -> Self {
        Self {
            host: host.into(),
            port: 5432,
            database: None,
            user: None,
            password: None,
            passfile: None,
            ssl: PostgresSsl::default(),
            schema: None,
            application_name: None,
            connection_timeout: Duration::from_secs(5),
            max_connections: None,
            warn_on_slow_query: None,
            node,
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        }
    }

    /// The database without its password, for messages.
    pub(super) fn describe(&self, driver: &PgConnectOptions) -> String {
        let database = driver.get_database().unwrap_or_default();
        let schema = self.schema.as_deref().map(|schema| format!(" (schema {schema})")).unwrap_or_default();
        format!("postgresql://{}:{}/{database}{schema}", self.host, self.port)
    }

    /// What the driver needs to connect.
    pub(super) fn driver(&self) -> Result<PgConnectOptions, OpenError> {
        let mut driver = PgConnectOptions::new_without_pgpass().host(&self.host).port(self.port);
        if let Some(user) = &self.user {
            driver = driver.username(user);
        }
        let user = driver.get_username().to_owned();
        let database = self.database.clone().unwrap_or_else(|| user.clone());
        driver = driver.database(&database);
        let password = match &self.password {
            Some(password) => Some(Zeroizing::new(password.expose_secret().to_owned())),
            None => passfile::password(
                self.passfile.as_deref(),
                &passfile::Login { host: &self.host, port: self.port, database: &database, user: &user },
            )?,
        };
        if let Some(password) = password {
            driver = driver.password(&password);
        }
        let name = self
            .application_name
            .clone()
            .unwrap_or_else(|| format!("{}, process {}", self.node, std::process::id()));
        driver = driver.application_name(&name).options([
            ("client_min_messages", "warning".to_owned()),
            ("statement_timeout", STATEMENT_TIMEOUT.as_millis().to_string()),
            // The server soon forgets a client that is gone without a word, and its lock.
            ("tcp_keepalives_idle", "15".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ]);
        if let Some(duration) = self.warn_on_slow_query {
            driver = driver.log_slow_statements(log::LevelFilter::Warn, duration);
        }
        if let Some(schema) = &self.schema {
            driver = driver.options([("search_path", schema)]);
        }
        if self.ssl.mode == SslMode::VerifyCa {
            tracing::warn!(
                host = self.host,
                "sslmode = verify-ca takes a certificate of any public authority too, for whatever host; \
                 verify-full checks the host"
            );
        }
        self.ssl.apply(driver)
    }
}

impl PostgresSsl {
    fn apply(&self, mut driver: PgConnectOptions) -> Result<PgConnectOptions, OpenError> {
        driver = driver.ssl_mode(match self.mode {
            SslMode::Disable => PgSslMode::Disable,
            SslMode::Allow | SslMode::Prefer => PgSslMode::Prefer,
            SslMode::Require => PgSslMode::Require,
            SslMode::VerifyCa => PgSslMode::VerifyCa,
            SslMode::VerifyFull => PgSslMode::VerifyFull,
        });
        let root = "holds the certificates that the server's is checked against";
        match (&self.root_cert.clone().or_else(|| self.usual_root_cert()), self.mode) {
            (Some(path), _) => {
                driver = driver.ssl_root_cert_from_pem(read_pem(path, "CERTIFICATE", root)?.to_vec())
            }
            (None, SslMode::VerifyCa) => {
                let source = BackendError::new("sslmode = verify-ca needs sslrootcert, and none is given");
                return Err(OpenError::Unreadable { path: PathBuf::new(), purpose: root, source });
            }
            (None, _) => {}
        }
        let (cert, key) = ("is the client's certificate", "is the client's private key");
        match (&self.cert, &self.key) {
            (Some(cert_path), Some(key_path)) => {
                driver = driver
                    .ssl_client_cert_from_pem(&*read_pem(cert_path, "CERTIFICATE", cert)?)
                    .ssl_client_key_from_pem(&*read_pem(key_path, "PRIVATE KEY", key)?);
            }
            (None, None) => {}
            (Some(path), None) | (None, Some(path)) => {
                let source =
                    BackendError::new("sslcert and sslkey go together, and one of them is not given");
                return Err(OpenError::Unreadable { path: path.clone(), purpose: cert, source });
            }
        }
        Ok(driver)
    }

    /// The user's own file of authorities, where certificates are checked and there is one.
    fn usual_root_cert(&self) -> Option<PathBuf> {
        if !matches!(self.mode, SslMode::VerifyCa | SslMode::VerifyFull) {
            return None;
        }
        let path = std::env::home_dir()?.join(".postgresql/root.crt");
        path.is_file().then_some(path)
    }
}

/// Reads a PEM file; one in DER is turned into it.
fn read_pem(path: &Path, label: &str, purpose: &'static str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let unreadable = |source| OpenError::Unreadable { path: path.to_owned(), purpose, source };
    let bytes =
        std::fs::read(path).map(Zeroizing::new).map_err(|error| unreadable(BackendError::new(error)))?;
    if bytes.windows(10).any(|window| window == b"-----BEGIN") {
        return Ok(bytes);
    }
    // Every DER structure that is meant here is a SEQUENCE.
    if bytes.first() != Some(&0x30) {
        return Err(unreadable(BackendError::new("it is neither PEM nor DER")));
    }
    let body = Zeroizing::new(STANDARD.encode(&*bytes));
    Ok(Zeroizing::new(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", *body).into_bytes()))
}
