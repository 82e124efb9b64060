//! `auth-services`: whose tokens an API accepts.
//!
//! Decoded for the admin API; on the Ledger API the keys are checked and ignored.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/apis.html#jwt-authorization>

use std::path::PathBuf;

use secrecy::SecretString;

use crate::cursor::Cursor;
use crate::fault::Problem;
use crate::schema::{Key, Kind, Section, TEXTS, Tagged, used};

/// `auth-services`
pub(crate) const AUTH_SERVICES: Kind = Kind::List(&Kind::Tagged(&AUTH_SERVICE));

const AUDIENCE: Key = used("target-audience", Kind::Text);
const SCOPE: Key = used("target-scope", Kind::Text);
const PRIVILEGED: Key = used("privileged", Kind::Bool);
const ACCESS_LEVEL: Key = used("access-level", Kind::Choice(&["admin", "wildcard"]));
const USERS: Key = used("users", Kind::List(&USER_KIND));

static AUTH_SERVICE: Tagged = Tagged::new(&[
    ("wildcard", &NOTHING),
    ("unsafe-jwt-hmac-256", &HMAC),
    ("jwt-rs-256-crt", &CERTIFICATE),
    ("jwt-es-256-crt", &CERTIFICATE),
    ("jwt-es-512-crt", &CERTIFICATE),
    ("jwt-rs-256-jwks", &JWKS),
]);

static USER_KIND: Kind = Kind::Section(&USER);
static NOTHING: Section = Section::new(&[]);
static HMAC: Section = Section::new(&[
    used("secret", Kind::Secret).required(),
    AUDIENCE,
    SCOPE,
    PRIVILEGED,
    ACCESS_LEVEL,
    USERS,
]);
static CERTIFICATE: Section = Section::new(&[
    used("certificate", Kind::File).required(),
    AUDIENCE,
    SCOPE,
    PRIVILEGED,
    ACCESS_LEVEL,
    USERS,
]);
static JWKS: Section =
    Section::new(&[used("url", Kind::Text).required(), AUDIENCE, SCOPE, PRIVILEGED, ACCESS_LEVEL, USERS]);
static USER: Section =
    Section::new(&[used("user-id", Kind::Text).required(), used("allowed-services", TEXTS).required()]);

/// One way of checking tokens.
#[derive(Debug, Clone)]
pub struct AuthService {
    /// How a token is verified.
    pub verifier: TokenVerifier,
    /// The audience a token has to be for.
    pub target_audience: Option<String>,
    /// The scope a token has to have.
    pub target_scope: Option<String>,
    /// Whether the token itself carries all rights.
    pub privileged: bool,
    /// What a privileged token may do.
    pub access_level: AccessLevel,
    /// The users a token may be of; all when empty.
    pub users: Vec<AuthorizedUser>,
}

/// How a token is verified.
#[derive(Debug, Clone)]
pub enum TokenVerifier {
    /// Everybody is let in.
    Wildcard,
    /// HMAC-SHA256 with a shared secret; for tests.
    UnsafeHmac256 {
        /// The shared secret.
        secret: SecretString,
    },
    /// RSA with SHA-256, by a certificate.
    Rs256Certificate(PathBuf),
    /// ECDSA with SHA-256, by a certificate.
    Es256Certificate(PathBuf),
    /// ECDSA with SHA-512, by a certificate.
    Es512Certificate(PathBuf),
    /// RSA with SHA-256, by the keys that a URL serves.
    Rs256Jwks {
        /// The URL of the keys.
        url: String,
    },
}

/// What a privileged token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLevel {
    /// Administer.
    Admin,
    /// Everything.
    Wildcard,
}

/// A user and the services it may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedUser {
    /// The user.
    pub user_id: String,
    /// Names of gRPC services.
    pub allowed_services: Vec<String>,
}

pub(crate) fn services(list: &Cursor<'_>) -> Vec<AuthService> {
    list.items().unwrap_or_default().iter().filter_map(service).collect()
}

fn service(service: &Cursor<'_>) -> Option<AuthService> {
    let certificate = || service.at("certificate").existing_file();
    let verifier = match service.tag(&AUTH_SERVICE)? {
        "wildcard" => TokenVerifier::Wildcard,
        "unsafe-jwt-hmac-256" => TokenVerifier::UnsafeHmac256 { secret: service.at("secret").secret()? },
        "jwt-rs-256-crt" => TokenVerifier::Rs256Certificate(certificate()?),
        "jwt-es-256-crt" => TokenVerifier::Es256Certificate(certificate()?),
        "jwt-es-512-crt" => TokenVerifier::Es512Certificate(certificate()?),
        _ => TokenVerifier::Rs256Jwks { url: service.at("url").string()? },
    };
    let users = service.at("users").items().unwrap_or_default();
    let users: Vec<AuthorizedUser> = users
        .iter()
        .filter_map(|user| {
            Some(AuthorizedUser {
                user_id: user.at("user-id").string()?,
                allowed_services: user.at("allowed-services").texts()?,
            })
        })
        .collect();
    let privileged = service.at("privileged").bool().unwrap_or(false);
    if privileged && !users.is_empty() {
        service.fault(Problem::Contradiction {
            what: "tokens are accepted as privileged and by a list of users".to_owned(),
            remedy: "set one of `privileged` and `users`".to_owned(),
        });
    }
    if privileged && service.at("target-scope").string().is_none() && users.is_empty() {
        service.fault(Problem::Contradiction {
            what: "tokens are accepted as privileged, and nothing says which scope makes them so".to_owned(),
            remedy: "set `target-scope`".to_owned(),
        });
    }
    Some(AuthService {
        verifier,
        target_audience: service.at("target-audience").string(),
        target_scope: service.at("target-scope").string(),
        privileged,
        access_level: match service.at("access-level").text() {
            Some("admin") => AccessLevel::Admin,
            _ => AccessLevel::Wildcard,
        },
        users,
    })
}
