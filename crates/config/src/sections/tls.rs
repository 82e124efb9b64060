//! `tls`: certificates of servers and clients.
//!
//! Canton reads the same keys on all its servers; the public API has no client certificates. What a file holds is
//! the server's question, here it has to be there and readable.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/apis.html#tls-configuration>

use std::path::PathBuf;

use crate::cursor::Cursor;
use crate::fault::Problem;
use crate::schema::{Kind, Section, TEXTS, Tagged, refused, used};

/// `tls` of the admin API and the Ledger API.
pub(crate) static TLS_SERVER: Section = Section::new(&[
    used("cert-chain-file", Kind::File).required(),
    used("private-key-file", Kind::File).required(),
    used("trust-collection-file", Kind::File),
    refused(
        "secrets-url",
        Kind::Text,
        "it serves passwords of encrypted key files, which are not read; decrypt the file and remove it",
    ),
    used("client-auth", Kind::Tagged(&CLIENT_AUTH)),
    used("minimum-server-protocol-version", Kind::Text),
    used("ciphers", TEXTS),
    used("enable-cert-revocation-checking", Kind::Bool),
]);

/// `tls` of the public API.
pub(crate) static TLS_PUBLIC: Section = Section::new(&[
    used("cert-chain-file", Kind::File).required(),
    used("private-key-file", Kind::File).required(),
    used("minimum-server-protocol-version", Kind::Text),
    used("ciphers", TEXTS),
]);

/// `tls` of a connection to an admin API or a Ledger API.
pub(crate) static TLS_CLIENT: Section = Section::new(&[
    used("trust-collection-file", Kind::File),
    used("client-cert", Kind::Section(&CERTIFICATE)),
    used("enabled", Kind::Bool),
]);

/// `tls` of a connection to a public API.
pub(crate) static TLS_TRUST: Section =
    Section::new(&[used("trust-collection-file", Kind::File), used("enabled", Kind::Bool)]);

static CLIENT_AUTH: Tagged =
    Tagged::new(&[("none", &NOTHING), ("optional", &NOTHING), ("require", &REQUIRE)]);

static NOTHING: Section = Section::new(&[]);
static REQUIRE: Section = Section::new(&[used("admin-client", Kind::Section(&CERTIFICATE)).required()]);
static CERTIFICATE: Section = Section::new(&[
    used("cert-chain-file", Kind::File).required(),
    used("private-key-file", Kind::File).required(),
]);

/// A server's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsServerConfig {
    /// The server's certificate and those up to a root, PEM.
    pub cert_chain_file: PathBuf,
    /// Its private key, PEM.
    pub private_key_file: PathBuf,
    /// The certificates that clients' certificates are checked against, PEM.
    pub trust_collection_file: Option<PathBuf>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// The oldest version that is spoken.
    pub minimum_version: TlsVersion,
    /// The cipher suites, by their IANA names; `None` is all that there are.
    pub ciphers: Option<Vec<String>>,
}

/// What a server asks of its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    None,
    /// A certificate, checked if there is one. The default.
    Optional,
    /// A certificate. The process's own console shows this one.
    Require {
        /// What the process's own console shows.
        admin_client: CertificateFiles,
    },
}

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those up to a root, PEM.
    pub cert_chain_file: PathBuf,
    /// Its private key, PEM.
    pub private_key_file: PathBuf,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2, the default minimum.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// A client's side of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsClientConfig {
    /// The certificates that the server's certificate is checked against, PEM; without it the system's.
    pub trust_collection_file: Option<PathBuf>,
    /// What the client shows.
    pub client_cert: Option<CertificateFiles>,
}

pub(crate) fn server(tls: &Cursor<'_>) -> Option<TlsServerConfig> {
    let tls = tls.set()?;
    let cert_chain_file = tls.at("cert-chain-file").existing_file();
    let private_key_file = tls.at("private-key-file").existing_file();
    let trust_collection_file = tls.at("trust-collection-file").existing_file();
    let client_auth = tls.at("client-auth");
    let client_auth = match client_auth.tag(&CLIENT_AUTH) {
        Some("none") => ClientAuth::None,
        Some("require") => {
            if trust_collection_file.is_none() {
                client_auth.contradiction(
                    "client certificates are required and there is nothing to check them against",
                    "set `tls.trust-collection-file`",
                );
            }
            ClientAuth::Require { admin_client: certificate(&client_auth.at("admin-client"))? }
        }
        _ => ClientAuth::Optional,
    };
    let revocation = tls.at("enable-cert-revocation-checking");
    if revocation.bool() == Some(true) {
        revocation.fault(Problem::Unsupported {
            what: "a check of revoked certificates".to_owned(),
            remedy: "use certificates with short lives, and remove it".to_owned(),
        });
    }
    let minimum_version = minimum_version(&tls.at("minimum-server-protocol-version"));
    Some(TlsServerConfig {
        cert_chain_file: cert_chain_file?,
        private_key_file: private_key_file?,
        trust_collection_file,
        client_auth,
        minimum_version,
        ciphers: tls.at("ciphers").set().and_then(|ciphers| ciphers.texts()),
    })
}

pub(crate) fn client(tls: &Cursor<'_>) -> Option<TlsClientConfig> {
    let tls = tls.set()?;
    let config = TlsClientConfig {
        trust_collection_file: tls.at("trust-collection-file").existing_file(),
        client_cert: tls.at("client-cert").set().and_then(|cert| certificate(&cert)),
    };
    tls.at("enabled").bool().unwrap_or(true).then_some(config)
}

fn certificate(cert: &Cursor<'_>) -> Option<CertificateFiles> {
    let cert_chain_file = cert.at("cert-chain-file").existing_file();
    let private_key_file = cert.at("private-key-file").existing_file();
    Some(CertificateFiles { cert_chain_file: cert_chain_file?, private_key_file: private_key_file? })
}

fn minimum_version(version: &Cursor<'_>) -> TlsVersion {
    match version.text() {
        None | Some("TLSv1.2") => TlsVersion::V1_2,
        Some("TLSv1.3") => TlsVersion::V1_3,
        Some(old @ ("TLSv1" | "TLSv1.1")) => {
            version.fault(Problem::Unsupported {
                what: old.to_owned(),
                remedy: "it is broken, write TLSv1.2 or TLSv1.3".to_owned(),
            });
            TlsVersion::V1_2
        }
        Some(other) => {
            version.malformed(other, "one of `TLSv1.2` and `TLSv1.3`");
            TlsVersion::V1_2
        }
    }
}
