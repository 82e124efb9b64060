//! `init.domain-parameters` and `topology`: the rules that a domain is founded with.
//!
//! Static parameters are fixed for the life of a domain. Where schemes are not listed, the domain requires all
//! that its own crypto provider has.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/manage_domains.html#domain-parameters>

use std::time::Duration;

use cantle_types::ProtocolVersion;

use super::scheme::{
    ENCRYPTION_SCHEMES, EncryptionScheme, HASH_ALGORITHMS, HashAlgorithm, KEY_FORMATS, KeyFormat,
    SIGNING_SCHEMES, SYMMETRIC_SCHEMES, SigningScheme, SymmetricScheme,
};
use crate::cursor::Cursor;
use crate::fault::Problem;
use crate::schema::{Kind, NATURAL, NO_OTHERS, SECONDS, Section, Span, ignored, refused, used};

/// `init.domain-parameters`
pub(crate) static DOMAIN_PARAMETERS: Section = Section::new(&[
    used("reconciliation-interval", SECONDS),
    used("max-rate-per-participant", NATURAL),
    used("max-inbound-message-size", Kind::Bytes),
    used("unique-contract-keys", Kind::Bool),
    used("required-signing-key-schemes", Kind::List(&Kind::Choice(SIGNING_SCHEMES))),
    used("required-encryption-key-schemes", Kind::List(&Kind::Choice(ENCRYPTION_SCHEMES))),
    used("required-symmetric-key-schemes", Kind::List(&Kind::Choice(SYMMETRIC_SCHEMES))),
    used("required-hash-algorithms", Kind::List(&Kind::Choice(HASH_ALGORITHMS))),
    used("required-crypto-key-formats", Kind::List(&Kind::Choice(KEY_FORMATS))),
    used("protocol-version", Kind::Text),
    ignored("dev-version-support", Kind::Bool, NO_OTHERS),
    ignored("beta-version-support", Kind::Bool, NO_OTHERS),
    ignored("dont-warn-on-deprecated-pv", Kind::Bool, "protocol versions 5 and 7 are not deprecated"),
    refused(
        "reset-stored-static-config",
        Kind::Bool,
        "static domain parameters are fixed when a domain is founded; found a new domain instead",
    ),
]);

/// `topology`
pub(crate) static TOPOLOGY: Section =
    Section::new(&[used("require-participant-certificate", Kind::Bool), used("open", Kind::Bool)]);

/// The rules that a domain is founded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainParametersConfig {
    /// The protocol version; domains and domain managers must set it.
    pub protocol_version: ProtocolVersion,
    /// How often participants compare their contracts. Default 60 s.
    pub reconciliation_interval: Duration,
    /// Requests a second that a participant may send. Default 1,000,000.
    pub max_rate_per_participant: u32,
    /// The longest request in bytes. Default 10 MiB.
    pub max_request_size: usize,
    /// Whether a contract key belongs to one contract at most. Default yes.
    pub unique_contract_keys: bool,
    /// Signing schemes that every member must allow; `None`: all of the domain's provider.
    pub required_signing_schemes: Option<Vec<SigningScheme>>,
    /// Encryption schemes that every member must allow.
    pub required_encryption_schemes: Option<Vec<EncryptionScheme>>,
    /// Symmetric schemes that every member must allow.
    pub required_symmetric_schemes: Option<Vec<SymmetricScheme>>,
    /// Hash algorithms that every member must allow.
    pub required_hash_algorithms: Option<Vec<HashAlgorithm>>,
    /// Formats of keys that every member must understand.
    pub required_key_formats: Option<Vec<KeyFormat>>,
}

/// Who may join a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainTopologyConfig {
    /// Whether everybody may. Default yes.
    pub open: bool,
    /// Whether a participant must show a legal identity. Default no.
    pub require_participant_certificate: bool,
}

pub(crate) fn topology(topology: &Cursor<'_>) -> DomainTopologyConfig {
    DomainTopologyConfig {
        open: topology.at("open").bool().unwrap_or(true),
        require_participant_certificate: topology
            .at("require-participant-certificate")
            .bool()
            .unwrap_or(false),
    }
}

/// `None` if the protocol version is missing or not supported, which is a fault.
pub(crate) fn domain_parameters(init: &Cursor<'_>) -> Option<DomainParametersConfig> {
    let parameters = init.at("domain-parameters");
    if !parameters.at("protocol-version").is_set() {
        parameters.missing(
            "protocol-version",
            "a domain needs one, write init.domain-parameters.protocol-version = 7",
        );
    }
    let protocol_version = protocol_version(&parameters.at("protocol-version"));
    let config = DomainParametersConfig {
        protocol_version: protocol_version.unwrap_or(ProtocolVersion::V7),
        reconciliation_interval: parameters
            .at("reconciliation-interval")
            .duration(Span::Seconds)
            .unwrap_or(Duration::from_secs(60)),
        max_rate_per_participant: parameters.at("max-rate-per-participant").int().unwrap_or(1_000_000),
        max_request_size: parameters.at("max-inbound-message-size").bytes().unwrap_or(10 << 20),
        unique_contract_keys: parameters.at("unique-contract-keys").bool().unwrap_or(true),
        required_signing_schemes: required(&parameters.at("required-signing-key-schemes")),
        required_encryption_schemes: required(&parameters.at("required-encryption-key-schemes")),
        required_symmetric_schemes: required(&parameters.at("required-symmetric-key-schemes")),
        required_hash_algorithms: required(&parameters.at("required-hash-algorithms")),
        required_key_formats: required(&parameters.at("required-crypto-key-formats")),
    };
    protocol_version.map(|_| config)
}

/// A protocol version; the unfinished one is Canton's alone.
pub(crate) fn protocol_version(version: &Cursor<'_>) -> Option<ProtocolVersion> {
    let text = version.text()?;
    match text.parse() {
        Ok(version) => Some(version),
        Err(_) if text == "dev" || text == "6" => {
            version.fault(Problem::Unsupported {
                what: format!("protocol version {text}"),
                remedy: "write 5 or 7, the stable ones".to_owned(),
            });
            None
        }
        Err(_) => {
            version.malformed(text, "a protocol version, 5 or 7");
            None
        }
    }
}

/// A set that must not be empty, in the order it was written.
pub(crate) fn required<T: Copy + PartialEq + TryFrom<&'static str> + super::scheme::Named>(
    list: &Cursor<'_>,
) -> Option<Vec<T>> {
    let items = list.set()?.items()?;
    let mut schemes: Vec<T> = Vec::new();
    for item in &items {
        if let Some(scheme) = item.choice(T::NAMES).and_then(|name| T::try_from(name).ok())
            && !schemes.contains(&scheme)
        {
            schemes.push(scheme);
        }
    }
    if items.is_empty() {
        list.malformed("[]", format!("a list of at least one of {}", crate::fault::list(T::NAMES)));
    }
    Some(schemes)
}
