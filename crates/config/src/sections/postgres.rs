//! `storage.config` of a PostgreSQL database: the properties of Hikari and of the JDBC driver.
//!
//! Canton hands these to its connection pool as they are, so unknown ones are not an error but ignored. A property
//! may stand in `config`, in `config.properties` or in the URL; they are looked for in this order.
//! Sources: <https://docs.daml.com/2.10.0/canton/usermanual/persistence.html#postgres>,
//! <https://jdbc.postgresql.org/documentation/use/>

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::cursor::Cursor;
use crate::fault::Problem;

const POOL: &str = "only the connection pool and the database driver of the JVM use it";

/// Names of properties that are used, and how the JDBC driver spells them in a URL (the same).
const USED: [&str; 15] = [
    "url",
    "jdbcUrl",
    "serverName",
    "portNumber",
    "databaseName",
    "user",
    "password",
    "passfile",
    "ssl",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "currentSchema",
    "ApplicationName",
];

/// A PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// The host name or IP address.
    pub host: String,
    /// The port. Default 5432.
    pub port: u16,
    /// The database; `None` is the one of the user's name.
    pub database: Option<String>,
    /// The user; `None` is the user of the process.
    pub user: Option<String>,
    /// The password.
    pub password: Option<SecretString>,
    /// A file with passwords, as `.pgpass`.
    pub passfile: Option<PathBuf>,
    /// Whether and how the connection is encrypted.
    pub ssl_mode: SslMode,
    /// The certificates the server's certificate is checked against.
    pub ssl_root_cert: Option<PathBuf>,
    /// What the client shows.
    pub ssl_cert: Option<PathBuf>,
    /// Its private key.
    pub ssl_key: Option<PathBuf>,
    /// The schema of the node's tables.
    pub schema: Option<String>,
    /// The name of the connection in the server's views.
    pub application_name: Option<String>,
}

/// Whether and how a connection is encrypted, as PostgreSQL's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the server insists.
    Allow,
    /// If the server can. The default.
    Prefer,
    /// Always, without a check of the certificate.
    Require,
    /// Always, and the certificate is of a known authority.
    VerifyCa,
    /// Always, and the certificate is of the host. What `ssl = true` means.
    VerifyFull,
}

impl SslMode {
    const NAMES: &'static [&'static str] =
        &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// The parts of a JDBC URL.
#[derive(Default)]
struct Url {
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    parameters: Vec<(String, String)>,
}

/// One property, wherever it stands.
struct Properties<'a> {
    config: Cursor<'a>,
    url: Url,
}

pub(crate) fn postgres(config: &Cursor<'_>) -> PostgresConfig {
    for section in [config.clone(), config.at("properties")] {
        for (key, cursor) in section.entries() {
            if !USED.contains(&key) && key != "properties" {
                cursor.ignore(POOL);
            }
        }
    }
    let places = [config.at("url"), config.at("jdbcUrl"), config.at("properties").at("url")];
    let url = places.iter().find(|url| url.is_set());
    let properties = Properties {
        config: config.clone(),
        url: url
            .and_then(|url| Some((url, url.text()?)))
            .map(|(url, text)| parse_url(url, text))
            .unwrap_or_default(),
    };
    let port = properties.cursor("portNumber").port().or(properties.url.port).unwrap_or(5432);
    PostgresConfig {
        host: properties
            .text("serverName")
            .or_else(|| properties.url.host.clone())
            .unwrap_or_else(|| "localhost".to_owned()),
        port,
        database: properties.text("databaseName").or_else(|| properties.url.database.clone()),
        user: properties.text("user"),
        password: properties.text("password").map(SecretString::from),
        passfile: properties.file("passfile"),
        ssl_mode: properties.ssl_mode(),
        ssl_root_cert: properties.file("sslrootcert"),
        ssl_cert: properties.file("sslcert"),
        ssl_key: properties.file("sslkey"),
        schema: properties.text("currentSchema"),
        application_name: properties.text("ApplicationName"),
    }
}

impl<'a> Properties<'a> {
    fn cursor(&self, name: &str) -> Cursor<'a> {
        let outer = self.config.at(name);
        if outer.is_set() { outer } else { self.config.at("properties").at(name) }
    }

    fn text(&self, name: &str) -> Option<String> {
        let in_url =
            || self.url.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        self.cursor(name).string().or_else(in_url)
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn ssl_mode(&self) -> SslMode {
        let mode = self.cursor("sslmode");
        if let Some(name) = self.text("sslmode") {
            return SslMode::from_name(&name).unwrap_or_else(|| {
                let nearest =
                    crate::suggest::nearest(&name, SslMode::NAMES.iter().copied()).map(str::to_owned);
                let expected = format!("one of {}", crate::fault::list(SslMode::NAMES));
                mode.fault(Problem::Malformed { value: crate::fault::shortened(&name), expected, nearest });
                SslMode::VerifyFull
            });
        }
        let ssl = self.cursor("ssl").bool().or_else(|| Some(self.text("ssl")? != "false"));
        if ssl == Some(true) { SslMode::VerifyFull } else { SslMode::Prefer }
    }
}

impl PostgresConfig {
    /// Whether two nodes would use the same tables.
    /// Whether both are tables of one database, in different schemas.
    #[must_use]
    pub fn beside(&self, other: &Self) -> bool {
        let server = |config: &Self| (config.host.to_ascii_lowercase(), config.port, config.database.clone());
        server(self) == server(other) && self.schema != other.schema
    }

    pub(crate) fn same_database(&self, other: &Self) -> bool {
        let key = |config: &Self| {
            (
                config.host.to_ascii_lowercase(),
                config.port,
                config.database.clone(),
                config.user.clone(),
                config.schema.clone(),
            )
        };
        // Without a name nothing can be said: it may be in a property that is not known here.
        self.database.is_some() && key(self) == key(other)
    }

    /// The database without its password, for messages.
    pub(crate) fn describe(&self) -> String {
        let database = self.database.as_deref().or(self.user.as_deref()).unwrap_or_default();
        format!("the database postgresql://{}:{}/{database}", self.host, self.port)
    }

    /// The password in clear.
    ///
    /// # Security
    /// Hand it to the driver and nowhere else.
    #[must_use]
    pub fn expose_password(&self) -> Option<&str> {
        self.password.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// Reads `jdbc:postgresql://host:port/database?key=value&…`. Nothing of the URL is shown, it may hold a password.
fn parse_url(cursor: &Cursor<'_>, text: &str) -> Url {
    let parsed = split_url(text);
    if parsed.is_none() {
        cursor.fault(Problem::MalformedSecret {
            expected:
                "a URL of one PostgreSQL server, as \"jdbc:postgresql://localhost:5432/canton?user=canton\""
                    .to_owned(),
        });
    }
    parsed.unwrap_or_default()
}

fn split_url(text: &str) -> Option<Url> {
    let text = text.strip_prefix("jdbc:").unwrap_or(text);
    let rest = text.strip_prefix("postgresql:").or_else(|| text.strip_prefix("postgres:"))?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = Url::default();
    let database = match place.strip_prefix("//") {
        Some(place) => {
            let (authority, database) = place.split_once('/').unwrap_or((place, ""));
            let (credentials, host) = match authority.rsplit_once('@') {
                Some((credentials, host)) => (Some(credentials), host),
                None => (None, authority),
            };
            if let Some(credentials) = credentials {
                let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                url.parameters.push(("user".to_owned(), decode(user)?));
                if !password.is_empty() {
                    url.parameters.push(("password".to_owned(), decode(password)?));
                }
            }
            host_and_port(host, &mut url)?;
            database
        }
        None => place.trim_start_matches('/'),
    };
    if !database.is_empty() {
        url.database = Some(decode(database)?);
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        url.parameters.push((decode(key)?, decode(value)?));
    }
    Some(url)
}

fn host_and_port(authority: &str, url: &mut Url) -> Option<()> {
    // A list of servers is the driver's fail-over, which replicas would need.
    if authority.contains(',') {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if let Some(port) = port {
        url.port = Some(port.parse().ok().filter(|port| *port > 0)?);
    }
    if !host.is_empty() {
        url.host = Some(decode(host)?);
    }
    Some(())
}

/// Percent-decoding, and `+` as a space, as Java's URL decoder.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let hex = [rest.next()?, rest.next()?];
                let hex = std::str::from_utf8(&hex).ok()?;
                bytes.push(u8::from_str_radix(hex, 16).ok()?);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(url: &Url, name: &str) -> Option<String> {
        url.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn a_jdbc_url_is_taken_apart() {
        let url =
            split_url("jdbc:postgresql://db.example:6432/canton?user=me&password=p%40ss+w&sslmode=require")
                .unwrap();
        assert_eq!(url.host.as_deref(), Some("db.example"));
        assert_eq!(url.port, Some(6432));
        assert_eq!(url.database.as_deref(), Some("canton"));
        assert_eq!(parameter(&url, "user").as_deref(), Some("me"));
        assert_eq!(parameter(&url, "password").as_deref(), Some("p@ss w"));
        assert_eq!(parameter(&url, "sslmode").as_deref(), Some("require"));
    }

    #[test]
    fn shorter_urls_and_addresses_are_read_too() {
        assert_eq!(split_url("jdbc:postgresql:canton").unwrap().database.as_deref(), Some("canton"));
        let url = split_url("postgresql://me:secret@[::1]:5433/x").unwrap();
        assert_eq!((url.host.as_deref(), url.port), (Some("::1"), Some(5433)));
        assert_eq!(parameter(&url, "password").as_deref(), Some("secret"));
        assert_eq!(split_url("jdbc:postgresql://localhost/").unwrap().database, None);
    }

    #[test]
    fn what_is_no_url_of_one_server_is_refused() {
        for text in [
            "",
            "jdbc:h2:mem:x",
            "jdbc:postgresql://a,b/x",
            "jdbc:postgresql://h:99999/x",
            "jdbc:postgresql://h/x?a=%zz",
            "jdbc:postgresql://h:0/x",
        ] {
            assert!(split_url(text).is_none(), "{text}");
        }
    }
}
