//! Whether a member and a domain speak the same version of the protocol.
//!
//! The member names the versions that it can speak and the least that it wants to; the domain's must be among them.
//! Source: <https://docs.daml.com/canton/usermanual/versioning.html>

use cantle_proto::protocol::v0::handshake;
use cantle_types::ProtocolVersion;
use thiserror::Error;

/// How many versions a member may name.
const VERSIONS_MAX: usize = 100;

/// A member and a domain that cannot understand each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The member does not speak the domain's version.
    #[error("the domain speaks protocol version {server}, the member only {}", client.join(", "))]
    NotSupported {
        /// The version of the domain.
        server: ProtocolVersion,
        /// The versions of the member.
        client: Vec<String>,
    },
    /// The member wants a later version.
    #[error("the domain speaks protocol version {server}, the member wants at least {minimum}")]
    BelowMinimum {
        /// The version of the domain.
        server: ProtocolVersion,
        /// What the member wants.
        minimum: String,
    },
    /// The member names too many versions, or texts that are none.
    #[error("the versions that the member names cannot be read")]
    Malformed,
    /// The domain answers with a version that is not known here.
    #[error("the domain speaks a protocol version that is not known here: {version:?}")]
    UnknownServerVersion {
        /// Its answer, shortened.
        version: String,
    },
    /// The domain refuses the member.
    #[error("the domain refuses: {reason}")]
    Refused {
        /// Its reason, shortened.
        reason: String,
    },
    /// The domain's answer says neither yes nor no.
    #[error("the domain's answer says neither yes nor no")]
    NoAnswer,
}

/// What a member says: the versions that it can speak, and the least that it wants to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeRequest {
    versions: Vec<ProtocolVersion>,
    minimum: Option<ProtocolVersion>,
}

impl HandshakeRequest {
    /// A member that speaks `versions`, and wants to speak at least `minimum`.
    #[must_use]
    pub fn new(versions: Vec<ProtocolVersion>, minimum: Option<ProtocolVersion>) -> Self {
        Self { versions, minimum }
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> handshake::Request {
        handshake::Request {
            client_protocol_versions: self
                .versions
                .iter()
                .map(|version| version.semantic().to_owned())
                .collect(),
            minimum_protocol_version: self.minimum.map(|version| version.semantic().to_owned()),
        }
    }

    /// Whether the domain's answer can be lived with.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self, response: handshake::Response) -> Result<ProtocolVersion, HandshakeError> {
        use handshake::response::Value;
        match response.value {
            Some(Value::Success(_)) => {}
            Some(Value::Failure(failure)) => {
                return Err(HandshakeError::Refused { reason: shortened(&failure.reason) });
            }
            None => return Err(HandshakeError::NoAnswer),
        }
        let text = &response.server_protocol_version;
        let server = ProtocolVersion::from_semantic(text)
            .map_err(|_| HandshakeError::UnknownServerVersion { version: shortened(text) })?;
        let client: Vec<_> = self.versions.iter().map(|version| version.semantic().to_owned()).collect();
        check_versions(server, &client, self.minimum.map(ProtocolVersion::semantic))?;
        Ok(server)
    }
}

/// What a domain answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeResponse {
    server: ProtocolVersion,
    result: Result<(), HandshakeError>,
}

impl HandshakeResponse {
    /// The answer of a domain that speaks `server`.
    #[must_use]
    pub fn to_request(server: ProtocolVersion, request: &handshake::Request) -> Self {
        let minimum = request.minimum_protocol_version.as_deref();
        Self { server, result: check_versions(server, &request.client_protocol_versions, minimum) }
    }

    /// Whether member and domain understand each other.
    ///
    /// # Errors
    /// When they do not.
    pub fn result(&self) -> Result<(), &HandshakeError> {
        self.result.as_ref().copied()
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> handshake::Response {
        use handshake::response::Value;
        let value = match &self.result {
            Ok(()) => Value::Success(handshake::Success {}),
            Err(error) => Value::Failure(handshake::Failure { reason: error.to_string() }),
        };
        handshake::Response { server_protocol_version: self.server.semantic().to_owned(), value: Some(value) }
    }
}

/// Whether a domain that speaks `server` suits a member that speaks `client` and wants at least `minimum`.
///
/// The member may name versions that are not known here.
///
/// # Errors
/// When it does not, or a text is no version.
pub fn check_versions(
    server: ProtocolVersion,
    client: &[String],
    minimum: Option<&str>,
) -> Result<(), HandshakeError> {
    if client.len() > VERSIONS_MAX {
        return Err(HandshakeError::Malformed);
    }
    let number = u32::try_from(server.number()).map_err(|_| HandshakeError::Malformed)?;
    let mut supported = false;
    for version in client {
        supported |= major(version)? == number;
    }
    if !supported {
        return Err(HandshakeError::NotSupported { server, client: client.to_vec() });
    }
    match minimum {
        Some(minimum) if major(minimum)? > number => {
            Err(HandshakeError::BelowMinimum { server, minimum: minimum.to_owned() })
        }
        _ => Ok(()),
    }
}

/// The number of a version that is written `n.0.0`, or plainly `n`.
fn major(text: &str) -> Result<u32, HandshakeError> {
    let number = text.strip_suffix(".0.0").unwrap_or(text);
    number.parse().map_err(|_| HandshakeError::Malformed)
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> HandshakeRequest {
        HandshakeRequest::new(ProtocolVersion::ALL.to_vec(), Some(ProtocolVersion::V5))
    }

    #[test]
    fn a_domain_answers_members_that_speak_its_version() {
        for server in ProtocolVersion::ALL {
            let response = HandshakeResponse::to_request(server, &both().to_proto());
            assert_eq!(response.result(), Ok(()));
            assert_eq!(both().check(response.to_proto()), Ok(server));
        }
    }

    #[test]
    fn a_domain_refuses_members_that_do_not() {
        let request = HandshakeRequest::new(vec![ProtocolVersion::V7], None);
        let response = HandshakeResponse::to_request(ProtocolVersion::V5, &request.to_proto());
        assert!(matches!(response.result(), Err(HandshakeError::NotSupported { .. })));
        assert!(matches!(request.check(response.to_proto()), Err(HandshakeError::Refused { .. })));
    }

    #[test]
    fn the_least_version_counts() {
        let request = HandshakeRequest::new(ProtocolVersion::ALL.to_vec(), Some(ProtocolVersion::V7));
        let response = HandshakeResponse::to_request(ProtocolVersion::V5, &request.to_proto());
        assert!(matches!(response.result(), Err(HandshakeError::BelowMinimum { .. })));
    }

    #[test]
    fn unknown_versions_beside_a_known_one_do_not_matter() {
        let versions = ["3.0.0", "7", "2147483647.0.0"].map(String::from);
        assert_eq!(check_versions(ProtocolVersion::V7, &versions, None), Ok(()));
        let versions = ["7.0.0", "x"].map(String::from);
        assert_eq!(check_versions(ProtocolVersion::V7, &versions, None), Err(HandshakeError::Malformed));
        let many = vec!["7.0.0".to_owned(); VERSIONS_MAX + 1];
        assert_eq!(check_versions(ProtocolVersion::V7, &many, None), Err(HandshakeError::Malformed));
    }

    #[test]
    fn answers_that_cannot_be_lived_with_are_refused() {
        let response =
            |version: &str, value| handshake::Response { server_protocol_version: version.into(), value };
        let success = || Some(handshake::response::Value::Success(handshake::Success {}));
        assert_eq!(both().check(response("5.0.0", None)), Err(HandshakeError::NoAnswer));
        assert!(matches!(
            both().check(response("6.0.0", success())),
            Err(HandshakeError::UnknownServerVersion { .. })
        ));
        let five = HandshakeRequest::new(vec![ProtocolVersion::V5], None);
        assert!(matches!(five.check(response("7.0.0", success())), Err(HandshakeError::NotSupported { .. })));
    }
}
