//! What a connection is made with, checked before anything is sent. Not the configuration file: that is the node's.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::dns::SharedDnsResolver;
use http::Uri;
use thiserror::Error;
use zeroize::Zeroizing;

/// How to reach AWS KMS, and as whom.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AwsKmsOptions {
    /// The Region, as `us-east-1`.
    pub region: String,
    /// Where to send requests instead of AWS: an `http` or `https` URL without user, query and fragment. Without it,
    /// AWS's own `AWS_ENDPOINT_URL_KMS`, `AWS_ENDPOINT_URL` and profile setting `endpoint_url` hold, then the Region's.
    pub endpoint_override: Option<String>,
    /// Whether the service's certificate is checked.
    pub ssl_verification: SslVerification,
    /// A profile of AWS's shared configuration files to take credentials from, before the environment and all else.
    pub profile: Option<String>,
    /// A role to assume with those credentials, at AWS STS. Its endpoint follows AWS's `AWS_ENDPOINT_URL_STS` only.
    pub assume_role: Option<AssumeRole>,
    /// Fixed credentials instead of profile and default chain, for a service embedded in the same process.
    pub static_credentials: Option<StaticCredentials>,
    /// What gives the endpoint's name an address, instead of the system: for tests of what happens without one. Without
    /// effect where certificates are not checked.
    pub resolver: Option<SharedDnsResolver>,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest wait for an answer, connecting and finding credentials included.
    pub attempt_timeout: Duration,
}

impl AwsKmsOptions {
    /// AWS KMS in a Region with the default credential chain, 3 s to connect and 15 s to answer.
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            endpoint_override: None,
            ssl_verification: SslVerification::On,
            profile: None,
            assume_role: None,
            static_credentials: None,
            resolver: None,
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(15),
        }
    }

    /// Checks the form of everything. Sends nothing.
    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        if !is_region(&self.region) {
            return Err(ConnectError::Region { region: self.region.clone() });
        }
        if let Some(url) = &self.endpoint_override {
            endpoint(url)?;
        }
        if let Some(role) = &self.assume_role {
            role.check()?;
        }
        Ok(())
    }
}

/// Whether the service's certificate is checked. Concerns AWS KMS alone: the sources of credentials are always checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SslVerification {
    /// Checked against the machine's trusted certificates.
    #[default]
    On,
    /// Not checked.
    ///
    /// # Security
    /// Whoever sits on the way can read and change requests. For tests only.
    Off,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// `arn:aws:iam::111122223333:role/NAME`.
    pub role_arn: String,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
    /// Shown in CloudTrail; `cantle` if none is given. 2 to 64 letters, digits and `_+=,.@-`.
    pub session_name: Option<String>,
}

impl AssumeRole {
    fn check(&self) -> Result<(), ConnectError> {
        let parts: Vec<&str> = self.role_arn.splitn(6, ':').collect();
        let well_formed = matches!(
            parts.as_slice(),
            ["arn", partition, "iam", "", account, resource]
                if partition.starts_with("aws")
                    && account.len() == 12
                    && account.bytes().all(|b| b.is_ascii_digit())
                    && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty())
        );
        if !well_formed {
            return Err(ConnectError::RoleArn { role_arn: self.role_arn.clone() });
        }
        match &self.session_name {
            Some(name) if !is_session_name(name) => {
                Err(ConnectError::SessionName { session_name: name.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// An access key. Zeroed when dropped, never shown.
#[derive(Clone)]
pub struct StaticCredentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Zeroizing<String>,
    pub(crate) session_token: Option<Zeroizing<String>>,
}

impl StaticCredentials {
    /// A long-lived access key.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Zeroizing::new(secret_access_key.into()),
            session_token: None,
        }
    }

    /// The same with a session token.
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(Zeroizing::new(token.into()));
        self
    }
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticCredentials({}, [REDACTED])", self.access_key_id)
    }
}

/// Why no client could be made. Nothing was sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not the form of a Region.
    #[error("\"{region}\" is not an AWS Region; give one such as us-east-1 (crypto.kms.region)")]
    Region {
        /// The text.
        region: String,
    },
    /// Not a URL that requests can be sent to.
    #[error(
        "the KMS endpoint \"{endpoint}\" cannot be used: {rule}; give a URL such as https://kms.example.com or \
         http://127.0.0.1:4599 (crypto.kms.endpoint-override)"
    )]
    Endpoint {
        /// The text, without what could be a password.
        endpoint: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// AWS has no endpoint of KMS for these settings.
    #[error("AWS KMS has no known endpoint in Region {region} with these settings (FIPS, dual stack)")]
    NoEndpoint {
        /// The Region.
        region: String,
        /// The SDK's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not the ARN of a role.
    #[error(
        "\"{role_arn}\" is not the ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME \
         (crypto.kms.credentials.assume-role.role-arn)"
    )]
    RoleArn {
        /// The text.
        role_arn: String,
    },
    /// Not a session name.
    #[error(
        "\"{session_name}\" is not a session name: 2 to 64 letters, digits and _+=,.@- \
         (crypto.kms.credentials.assume-role.session-name)"
    )]
    SessionName {
        /// The text.
        session_name: String,
    },
    /// A proxy that itself speaks TLS, together with unchecked certificates.
    #[error(
        "the proxy {proxy} speaks https, which does not go together with disable-ssl-verification; use an http proxy"
    )]
    Proxy {
        /// Its address.
        proxy: String,
    },
    /// TLS cannot be set up.
    #[error("TLS could not be set up")]
    Tls {
        /// Why.
        source: rustls::Error,
    },
}

/// The URL of an endpoint, with the slash at its end that the audit log shows.
pub(crate) fn endpoint(url: &str) -> Result<String, ConnectError> {
    let shown = url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, rest)| format!("[REDACTED]@{rest}"));
    let broken = |rule| ConnectError::Endpoint { endpoint: shown.clone(), rule };
    let uri: Uri = url.parse().map_err(|_| broken("it is not a URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(broken("it does not start with http:// or https://"));
    }
    let authority = uri.authority().ok_or_else(|| broken("it has no host"))?;
    if authority.as_str().contains('@') {
        return Err(broken("it has a user or password; credentials come from the credential chain"));
    }
    if authority.host().is_empty() {
        return Err(broken("it has no host"));
    }
    if uri.query().is_some() || url.contains('#') {
        return Err(broken("it has a query or fragment"));
    }
    Ok(format!("{}/", url.trim_end_matches('/')))
}

fn is_region(text: &str) -> bool {
    (2..=32).contains(&text.len())
        && text.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_end_in_one_slash() {
        assert_eq!(endpoint("http://127.0.0.1:4599").unwrap(), "http://127.0.0.1:4599/");
        assert_eq!(endpoint("https://kms.example.com/").unwrap(), "https://kms.example.com/");
        assert_eq!(endpoint("https://host/kms//").unwrap(), "https://host/kms/");
    }

    #[test]
    fn endpoints_that_cannot_work_are_refused() {
        for url in [
            "",
            "localhost:4566",
            "ftp://host",
            "http://",
            "https://host/?x=1",
            "https://host/#x",
            "http://a b",
        ] {
            let error = endpoint(url).unwrap_err().to_string();
            assert!(error.contains("endpoint-override"), "{url}: {error}");
        }
    }

    #[test]
    fn passwords_in_endpoints_are_refused_and_not_shown() {
        let error = endpoint("http://user:hunter2@host/").unwrap_err().to_string();
        assert!(error.contains("credential chain") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn regions_and_roles_are_checked() {
        let mut options = AwsKmsOptions::new("us east 1");
        assert!(matches!(options.check(), Err(ConnectError::Region { .. })));
        options.region = "us-gov-west-1".to_owned();
        options.check().unwrap();
        let role = |role_arn: &str, session_name: Option<&str>| AssumeRole {
            role_arn: role_arn.to_owned(),
            external_id: None,
            session_name: session_name.map(str::to_owned),
        };
        let good = "arn:aws-us-gov:iam::111122223333:role/path/node";
        options.assume_role = Some(role(good, Some("participant1")));
        options.check().unwrap();
        options.assume_role = Some(role(good, Some("a b")));
        assert!(matches!(options.check(), Err(ConnectError::SessionName { .. })));
        for bad in [
            "node",
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::111122223333:user/x",
            "arn:aws:sts::111122223333:role/x",
        ] {
            options.assume_role = Some(role(bad, None));
            assert!(matches!(options.check(), Err(ConnectError::RoleArn { .. })), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut options = AwsKmsOptions::new("us-east-1");
        options.static_credentials =
            Some(StaticCredentials::new("AKID", "hunter2").with_session_token("token3"));
        let text = format!("{options:?}");
        assert!(text.contains("AKID") && !text.contains("hunter2") && !text.contains("token3"), "{text}");
    }
}
