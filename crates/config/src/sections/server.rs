//! `admin-api`, `public-api` and the gRPC health server: where a node listens, and its keep-alive.
//!
//! A port that is not set is chosen by the system and printed.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/apis.html>

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::auth::{self, AUTH_SERVICES, AuthService};
use super::tls::{self, TLS_PUBLIC, TLS_SERVER, TlsServerConfig};
use crate::cursor::Cursor;
use crate::schema::{FINITE, Kind, Section, Span, TUNING, ignored, used};

/// `admin-api`
pub(crate) static ADMIN_API: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port),
    used("tls", Kind::Section(&TLS_SERVER)),
    used("keep-alive-server", Kind::Section(&KEEP_ALIVE_SERVER)),
    used("max-inbound-message-size", Kind::Bytes),
    used("auth-services", AUTH_SERVICES),
    used("admin-token", Kind::Secret),
]);

/// `public-api`
pub(crate) static PUBLIC_API: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port),
    used("tls", Kind::Section(&TLS_PUBLIC)),
    used("keep-alive-server", Kind::Section(&KEEP_ALIVE_SERVER)),
    used("nonce-expiration-time", FINITE),
    used("token-expiration-time", FINITE),
    used("override-max-request-size", Kind::Bytes),
]);

/// `<node>.monitoring`
pub(crate) static NODE_MONITORING: Section =
    Section::new(&[used("grpc-health-server", Kind::Section(&GRPC_HEALTH_SERVER))]);

static GRPC_HEALTH_SERVER: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port),
    used("keep-alive-server", Kind::Section(&KEEP_ALIVE_SERVER)),
    ignored("parallelism", crate::schema::INT, TUNING),
]);

const PERMITTED: &str = "a client may ask whether the server is there as often as it likes";

/// `keep-alive-server`
pub(crate) static KEEP_ALIVE_SERVER: Section = Section::new(&[
    used("time", FINITE),
    used("timeout", FINITE),
    ignored("permit-keep-alive-time", FINITE, PERMITTED),
    ignored("permit-keep-alive-without-calls", Kind::Bool, PERMITTED),
]);

/// Canton's limit of a gRPC message, 10 MiB.
const MAX_INBOUND_MESSAGE_SIZE: usize = 10 << 20;

/// The interface that operators administrate a node by.
#[derive(Debug, Clone)]
pub struct AdminApiConfig {
    /// The host name or IP address to listen on. Default `127.0.0.1`.
    pub address: String,
    /// The port, never 0; without one the system chooses.
    pub port: Option<u16>,
    /// Certificates; without them the connection is not encrypted.
    pub tls: Option<TlsServerConfig>,
    /// Keep-alive of connections; `None` switches it off.
    pub keep_alive: Option<KeepAliveServer>,
    /// The longest message in bytes. Default 10 MiB.
    pub max_inbound_message_size: usize,
    /// Whose tokens are accepted; when empty nobody needs one.
    pub auth_services: Vec<AuthService>,
    /// A token that opens everything where tokens are asked for; a participant's may stand at its Ledger API, too.
    pub admin_token: Option<SecretString>,
}

/// The interface of a sequencer for participants and other members.
#[derive(Debug, Clone)]
pub struct PublicApiConfig {
    /// The host name or IP address to listen on. Default `127.0.0.1`.
    pub address: String,
    /// The port, never 0; without one the system chooses.
    pub port: Option<u16>,
    /// Certificates; without them the connection is not encrypted.
    pub tls: Option<TlsServerConfig>,
    /// Keep-alive of connections; `None` switches it off.
    pub keep_alive: Option<KeepAliveServer>,
    /// How long a challenge of the authentication can be answered. Default 1 minute.
    pub nonce_expiration_time: Duration,
    /// How long a token is good. Default 1 hour.
    pub token_expiration_time: Duration,
    /// The longest request in bytes, in place of the domain's parameter.
    pub override_max_request_size: Option<usize>,
}

/// A server for `grpc.health.v1` alone.
#[derive(Debug, Clone)]
pub struct GrpcHealthServerConfig {
    /// The host name or IP address to listen on. Default `0.0.0.0`.
    pub address: String,
    /// The port, never 0; without one the system chooses.
    pub port: Option<u16>,
    /// Keep-alive of connections; `None` switches it off.
    pub keep_alive: Option<KeepAliveServer>,
}

/// How a server keeps connections alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAliveServer {
    /// After this time without activity the client is asked. Default 40 s.
    pub time: Duration,
    /// It has this long to answer. Default 20 s.
    pub timeout: Duration,
}

impl Default for KeepAliveServer {
    fn default() -> Self {
        Self { time: Duration::from_secs(40), timeout: Duration::from_secs(20) }
    }
}

pub(crate) fn admin_api(api: &Cursor<'_>) -> AdminApiConfig {
    let config = AdminApiConfig {
        address: address(api, "127.0.0.1"),
        port: api.at("port").port(),
        tls: tls::server(&api.at("tls")),
        keep_alive: keep_alive(&api.at("keep-alive-server")),
        max_inbound_message_size: api
            .at("max-inbound-message-size")
            .bytes()
            .unwrap_or(MAX_INBOUND_MESSAGE_SIZE),
        auth_services: auth::services(&api.at("auth-services")),
        admin_token: api.at("admin-token").secret(),
    };
    if config.tls.is_none() && !is_loopback(&config.address) {
        let text = "the admin API listens beyond loopback without TLS: whoever reaches the port administrates the node; \
                    set `tls` with `client-auth.type = require`, or listen on 127.0.0.1";
        api.at("address").warn(text);
    }
    config
}

/// The Ledger API's token must not differ from the admin API's.
pub(crate) fn check_admin_tokens(admin_api: &Cursor<'_>, ledger_api: &Cursor<'_>) {
    let (admin, ledger) = (admin_api.at("admin-token"), ledger_api.at("admin-token"));
    if let (Some(a), Some(b)) = (admin.secret(), ledger.secret())
        && a.expose_secret() != b.expose_secret()
    {
        admin.contradiction(
            "the tokens of `admin-api` and `ledger-api` differ",
            "set both to the same, or one",
        );
    }
}

pub(crate) fn public_api(api: &Cursor<'_>) -> PublicApiConfig {
    PublicApiConfig {
        address: address(api, "127.0.0.1"),
        port: api.at("port").port(),
        tls: tls::server(&api.at("tls")),
        keep_alive: keep_alive(&api.at("keep-alive-server")),
        nonce_expiration_time: finite(api, "nonce-expiration-time", Duration::from_secs(60)),
        token_expiration_time: finite(api, "token-expiration-time", Duration::from_secs(3600)),
        override_max_request_size: api.at("override-max-request-size").bytes(),
    }
}

pub(crate) fn grpc_health_server(monitoring: &Cursor<'_>) -> Option<GrpcHealthServerConfig> {
    let server = monitoring.at("grpc-health-server").set()?;
    Some(GrpcHealthServerConfig {
        address: address(&server, "0.0.0.0"),
        port: server.at("port").port(),
        keep_alive: keep_alive(&server.at("keep-alive-server")),
    })
}

pub(crate) fn keep_alive(section: &Cursor<'_>) -> Option<KeepAliveServer> {
    if section.is_null() {
        return None;
    }
    let default = KeepAliveServer::default();
    Some(KeepAliveServer {
        time: finite(section, "time", default.time),
        timeout: finite(section, "timeout", default.timeout),
    })
}

pub(crate) fn finite(section: &Cursor<'_>, key: &str, default: Duration) -> Duration {
    section.at(key).duration(Span::Finite).unwrap_or(default)
}

/// A host name or IP address: letters, digits and the punctuation of both.
pub(crate) fn address(api: &Cursor<'_>, default: &str) -> String {
    let address = api.at("address");
    let Some(text) = address.text() else { return default.to_owned() };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '%');
    if text.is_empty() || text.len() > 255 || !text.chars().all(legal) {
        address.malformed(text, "a host name or an IP address without a port, as localhost or 0.0.0.0");
    }
    text.to_owned()
}

fn is_loopback(address: &str) -> bool {
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    address.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
