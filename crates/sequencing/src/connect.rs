//! What a member learns of a sequencer before it authenticates, and whether the two fit.
//!
//! The order is Canton's: which API, which domain, which protocol version, which parameters, which agreement.
//! Source: `SequencerConnectService` of Canton 2.10.

use std::time::Duration;

use cantle_crypto::{EncryptionKeyScheme, HashAlgorithm, SigningKeyScheme, SymmetricKeyScheme};
use cantle_protocol::{HandshakeError, HandshakeRequest, StaticDomainParameters};
use cantle_types::ProtocolVersion;
use cantle_vault::{Scheme, Schemes, VaultOptions};

use crate::api::{API_NAME, SequencerApi, SequencerIdentity, ServiceAgreement};
use crate::error::{ApiError, shortened};

/// What a sequencer says about its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerInfo {
    /// The domain and the sequencer.
    pub identity: SequencerIdentity,
    /// The domain's static parameters, its protocol version among them.
    pub parameters: StaticDomainParameters,
    /// What participants must accept, if anything.
    pub agreement: Option<ServiceAgreement>,
}

/// Why a member and a sequencer do not come together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The sequencer did not answer, or refused.
    #[error("the sequencer gave no information about its domain")]
    Api(#[from] ApiError),
    /// What answers is no sequencer.
    #[error("what answers there is {name:?}, not a sequencer's public API; is it the port of an admin API?")]
    NotASequencer {
        /// What it says it is, shortened.
        name: String,
    },
    /// The two speak no common protocol version.
    #[error("the domain's protocol version does not suit this node")]
    Version(#[from] HandshakeError),
    /// The sequencer says two protocol versions.
    #[error(
        "the sequencer said protocol version {handshake} first and {parameters} in the domain's parameters"
    )]
    VersionChanged {
        /// In the handshake.
        handshake: ProtocolVersion,
        /// In the parameters.
        parameters: ProtocolVersion,
    },
    /// The node's keys do not suit the domain.
    #[error(transparent)]
    Crypto(#[from] CryptoHandshakeError),
}

impl ConnectError {
    /// Whether the same may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Api(error) if error.retryable())
    }
}

/// What of a node's cryptography does not suit a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoHandshakeError {
    /// The domain requires a scheme that the node may not use.
    #[error("the domain requires the {kind} scheme {scheme}, which this node's configuration does not allow")]
    NotAllowed {
        /// Signing, encryption, ….
        kind: &'static str,
        /// The scheme.
        scheme: &'static str,
    },
    /// The node's default scheme is none that the domain requires.
    #[error("this node's {kind} scheme is {scheme}, and the domain requires {}", required.join(", "))]
    DefaultNotRequired {
        /// Signing, encryption, ….
        kind: &'static str,
        /// The node's default.
        scheme: &'static str,
        /// What the domain requires.
        required: Vec<&'static str>,
    },
}

/// Asks a sequencer for all that a member must know before it connects.
///
/// # Errors
/// [`ConnectError`]. Nothing is tried twice.
pub async fn sequencer_info(
    api: &dyn SequencerApi,
    versions: &HandshakeRequest,
) -> Result<SequencerInfo, ConnectError> {
    let name = api.api_info().await?;
    if name != API_NAME {
        return Err(ConnectError::NotASequencer { name: shortened(&name) });
    }
    let identity = api.identity().await?;
    let version = versions.check(api.handshake(versions).await?)?;
    let parameters = api.domain_parameters().await?;
    if parameters.protocol_version != version {
        return Err(ConnectError::VersionChanged {
            handshake: version,
            parameters: parameters.protocol_version,
        });
    }
    let agreement = api.service_agreement().await?;
    Ok(SequencerInfo { identity, parameters, agreement })
}

/// The handshake alone, as a client does it before it begins; tried again while the sequencer cannot be reached.
///
/// # Errors
/// [`ConnectError`], after the last try or if the sequencer refuses.
pub(crate) async fn handshake(
    api: &dyn SequencerApi,
    versions: &HandshakeRequest,
    retries: u32,
    pause: Duration,
) -> Result<ProtocolVersion, ConnectError> {
    let mut left = retries;
    loop {
        match api.handshake(versions).await {
            Ok(answer) => return Ok(versions.check(answer)?),
            Err(error) if error.retryable() && left > 0 => {
                left -= 1;
                tracing::info!(%error, "the handshake is tried again");
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a node may take part in a domain with the keys that it has and makes.
///
/// Each scheme that the domain requires must be allowed here, and what this node makes by default be among them.
///
/// # Errors
/// [`CryptoHandshakeError`].
pub fn check_crypto(
    parameters: &StaticDomainParameters,
    node: &VaultOptions,
) -> Result<(), CryptoHandshakeError> {
    schemes("signing", &parameters.required_signing_key_schemes, &node.signing, SigningKeyScheme::name)?;
    schemes(
        "encryption",
        &parameters.required_encryption_key_schemes,
        &node.encryption,
        EncryptionKeyScheme::name,
    )?;
    // Of these there is one each, or all are built in.
    let symmetric = &parameters.required_symmetric_key_schemes;
    includes("symmetric", symmetric, SymmetricKeyScheme::Aes128Gcm, SymmetricKeyScheme::name)?;
    includes("hash", &parameters.required_hash_algorithms, HashAlgorithm::Sha256, HashAlgorithm::name)?;
    // Formats of keys that are not known here do not get as far as parameters, and all that are known can be read.
    Ok(())
}

fn schemes<S: Scheme>(
    kind: &'static str,
    required: &[S],
    node: &Schemes<S>,
    name: fn(S) -> &'static str,
) -> Result<(), CryptoHandshakeError> {
    if let Some(scheme) = required.iter().find(|scheme| !node.allowed().contains(scheme)) {
        return Err(CryptoHandshakeError::NotAllowed { kind, scheme: name(*scheme) });
    }
    includes(kind, required, node.default_scheme(), name)
}

fn includes<S: Copy + PartialEq>(
    kind: &'static str,
    required: &[S],
    default: S,
    name: fn(S) -> &'static str,
) -> Result<(), CryptoHandshakeError> {
    if required.contains(&default) {
        return Ok(());
    }
    let required = required.iter().map(|scheme| name(*scheme)).collect();
    Err(CryptoHandshakeError::DefaultNotRequired { kind, scheme: name(default), required })
}
