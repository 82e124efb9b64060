//! How to reach a sequencer: its endpoints, and whether by TLS.
//!
//! The endpoints of one connection are the same sequencer, or sequencers over the same database; they are tried in
//! turn. Written as Canton 2.10's `SequencerConnection`: URIs that agree on their scheme.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/connectivity.html>

use std::fmt;

use cantle_proto::domain::api::v0;

/// More endpoints than anyone has, and few enough to be tried one after the other.
const MAX_ENDPOINTS: usize = 64;
/// A chain of certificates is a few thousand bytes.
const MAX_TRUST: usize = 1 << 20;

/// How to reach one sequencer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerConnection {
    alias: String,
    endpoints: Vec<Endpoint>,
    security: TransportSecurity,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host's name or address; an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Whether by TLS, and whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportSecurity {
    /// Without TLS.
    Plain,
    /// With TLS.
    Tls {
        /// Certificates to trust, in PEM; those of the system if there are none.
        custom_trust: Option<Vec<u8>>,
    },
}

/// A connection that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// There is no endpoint.
    #[error("a connection to a sequencer needs at least one endpoint")]
    NoEndpoint,
    /// There are too many endpoints.
    #[error("a connection to a sequencer has {count} endpoints, at most {MAX_ENDPOINTS} are allowed")]
    TooManyEndpoints {
        /// How many.
        count: usize,
    },
    /// The URI of an endpoint cannot be read.
    #[error("{uri:?} is not the address of a sequencer, expected http://host:port or https://host:port")]
    Uri {
        /// The URI, shortened.
        uri: String,
    },
    /// Some endpoints are with TLS and some without.
    #[error("the endpoints of one connection must all be http or all https")]
    MixedSecurity,
    /// The trusted certificates are too large.
    #[error("the trusted certificates have {length} bytes, at most {MAX_TRUST} are allowed")]
    Trust {
        /// Their length.
        length: usize,
    },
    /// The message says no kind of connection.
    #[error("the connection to the sequencer is of no known kind")]
    Kind,
}

impl SequencerConnection {
    /// The connection to these endpoints.
    ///
    /// # Errors
    /// When there are none or too many of them, or the certificates are too large.
    pub fn new(
        alias: impl Into<String>,
        endpoints: Vec<Endpoint>,
        security: TransportSecurity,
    ) -> Result<Self, ConnectionError> {
        if endpoints.is_empty() {
            return Err(ConnectionError::NoEndpoint);
        }
        if endpoints.len() > MAX_ENDPOINTS {
            return Err(ConnectionError::TooManyEndpoints { count: endpoints.len() });
        }
        if let TransportSecurity::Tls { custom_trust: Some(trust) } = &security
            && trust.len() > MAX_TRUST
        {
            return Err(ConnectionError::Trust { length: trust.len() });
        }
        Ok(Self { alias: alias.into(), endpoints, security })
    }

    /// The connection to endpoints written as URIs, `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    /// When one cannot be read, or they do not agree on TLS.
    pub fn from_uris<'a>(
        alias: impl Into<String>,
        uris: impl IntoIterator<Item = &'a str>,
        custom_trust: Option<Vec<u8>>,
    ) -> Result<Self, ConnectionError> {
        let mut endpoints = Vec::new();
        let mut with_tls = None;
        for uri in uris.into_iter().take(MAX_ENDPOINTS + 1) {
            let (endpoint, tls) = parse_uri(uri)?;
            if with_tls.is_some_and(|with_tls| with_tls != tls) {
                return Err(ConnectionError::MixedSecurity);
            }
            with_tls = Some(tls);
            endpoints.push(endpoint);
        }
        let security = match with_tls {
            Some(true) => TransportSecurity::Tls { custom_trust },
            _ => TransportSecurity::Plain,
        };
        Self::new(alias, endpoints, security)
    }

    /// One connection to all the endpoints of several, which are tried in turn.
    ///
    /// # Errors
    /// When there is none, or they do not agree on TLS and whom to trust.
    pub fn merged(connections: &[Self]) -> Result<Self, ConnectionError> {
        let Some(first) = connections.first() else { return Err(ConnectionError::NoEndpoint) };
        if connections.iter().any(|connection| connection.security != first.security) {
            return Err(ConnectionError::MixedSecurity);
        }
        let endpoints = connections.iter().flat_map(|connection| connection.endpoints.iter().cloned());
        Self::new(first.alias.clone(), endpoints.collect(), first.security.clone())
    }

    /// Reads the message of the admin APIs.
    ///
    /// # Errors
    /// As [`SequencerConnection::from_uris`]; or when it says no kind of connection.
    pub fn from_proto(message: &v0::SequencerConnection) -> Result<Self, ConnectionError> {
        let Some(v0::sequencer_connection::Type::Grpc(grpc)) = &message.r#type else {
            return Err(ConnectionError::Kind);
        };
        let uris = grpc.connections.iter().map(String::as_str);
        Self::from_uris(&message.alias, uris, grpc.custom_trust_certificates.clone())
    }

    /// The message of the admin APIs.
    #[must_use]
    pub fn to_proto(&self) -> v0::SequencerConnection {
        let custom_trust = match &self.security {
            TransportSecurity::Tls { custom_trust } => custom_trust.clone(),
            TransportSecurity::Plain => None,
        };
        v0::SequencerConnection {
            alias: self.alias.clone(),
            r#type: Some(v0::sequencer_connection::Type::Grpc(v0::sequencer_connection::Grpc {
                connections: self.endpoints.iter().map(|endpoint| self.uri(endpoint)).collect(),
                transport_security: matches!(self.security, TransportSecurity::Tls { .. }),
                custom_trust_certificates: custom_trust,
            })),
        }
    }

    /// What the operator calls the sequencer.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// Where it is; at least one.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Whether by TLS.
    #[must_use]
    pub fn security(&self) -> &TransportSecurity {
        &self.security
    }

    /// The URI of one of its endpoints.
    #[must_use]
    pub fn uri(&self, endpoint: &Endpoint) -> String {
        match self.security {
            TransportSecurity::Plain => format!("http://{endpoint}"),
            TransportSecurity::Tls { .. } => format!("https://{endpoint}"),
        }
    }
}

/// Without a scheme it is https, without a port that of the scheme.
fn parse_uri(text: &str) -> Result<(Endpoint, bool), ConnectionError> {
    let wrong = || ConnectionError::Uri { uri: text.chars().take(100).collect() };
    let (tls, rest) = match text.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some(_) => return Err(wrong()),
        None => (true, text),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let authority: tonic::codegen::http::uri::Authority = authority.parse().map_err(|_| wrong())?;
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(wrong());
    }
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str() == authority.host() => {
            if tls {
                443
            } else {
                80
            }
        }
        None => return Err(wrong()),
    };
    Ok((Endpoint { host: authority.host().to_owned(), port }, tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(uris: &[&str]) -> Result<Vec<String>, ConnectionError> {
        let connection = SequencerConnection::from_uris("s", uris.iter().copied(), None)?;
        Ok(connection.endpoints().iter().map(|endpoint| connection.uri(endpoint)).collect())
    }

    #[test]
    fn uris_are_read_as_canton_reads_them() {
        assert_eq!(endpoints(&["http://localhost:5001"]).unwrap(), ["http://localhost:5001"]);
        assert_eq!(endpoints(&["https://a", "https://b:7/"]).unwrap(), ["https://a:443", "https://b:7"]);
        assert_eq!(endpoints(&["a.example:9"]).unwrap(), ["https://a.example:9"]);
        assert_eq!(endpoints(&["http://[::1]:80"]).unwrap(), ["http://[::1]:80"]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for uri in [
            "",
            "http://",
            "ftp://a:1",
            "http://a:b",
            "http://a:70000",
            "http://u@a:1",
            "http://a/path",
            "http://a:",
        ] {
            assert!(matches!(endpoints(&[uri]), Err(ConnectionError::Uri { .. })), "{uri}");
        }
        assert_eq!(endpoints(&[]), Err(ConnectionError::NoEndpoint));
        assert_eq!(endpoints(&["http://a:1", "https://a:1"]), Err(ConnectionError::MixedSecurity));
        assert_eq!(endpoints(&["http://a:1"; 65]), Err(ConnectionError::TooManyEndpoints { count: 65 }));
    }

    #[test]
    fn the_message_is_read_back() {
        let trust = Some(b"-----BEGIN CERTIFICATE-----".to_vec());
        let tls = SequencerConnection::from_uris("one", ["https://a:1", "https://b:2"], trust).unwrap();
        assert_eq!(SequencerConnection::from_proto(&tls.to_proto()), Ok(tls));
        let plain = SequencerConnection::from_uris("", ["http://a:1"], None).unwrap();
        assert_eq!(SequencerConnection::from_proto(&plain.to_proto()), Ok(plain));
        assert_eq!(
            SequencerConnection::from_proto(&v0::SequencerConnection::default()),
            Err(ConnectionError::Kind)
        );
    }
}
