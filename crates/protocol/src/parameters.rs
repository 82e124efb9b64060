//! The static parameters of a domain: set when it is made, the same ever after.
//!
//! They say which keys its members may have, and which protocol version it speaks.
//! Source: <https://docs.daml.com/canton/usermanual/manage_domains.html>

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, HashAlgorithm, SigningKeyScheme, SymmetricKeyScheme, UnknownNumber,
};
use cantle_proto::protocol::{v0, v1};
use cantle_topology::DynamicDomainParameters;
use cantle_types::ProtocolVersion;

use crate::error::ParseError;
use crate::wire::{decode_version, field, wrap};

const MESSAGE: &str = "StaticDomainParameters";
/// The version of the message at protocol versions 5 and 7.
const VERSION: i32 = 1;

/// What a domain demands of its members for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticDomainParameters {
    /// Whether a contract key may belong to one contract only.
    pub unique_contract_keys: bool,
    /// Signatures of members must be of these schemes.
    pub required_signing_key_schemes: Vec<SigningKeyScheme>,
    /// What is encrypted to members is so by these schemes.
    pub required_encryption_key_schemes: Vec<EncryptionKeyScheme>,
    /// How views are encrypted.
    pub required_symmetric_key_schemes: Vec<SymmetricKeyScheme>,
    /// How members hash.
    pub required_hash_algorithms: Vec<HashAlgorithm>,
    /// The formats of keys that members must be able to read.
    pub required_crypto_key_formats: Vec<CryptoKeyFormat>,
    /// The version of the protocol.
    pub protocol_version: ProtocolVersion,
}

impl StaticDomainParameters {
    /// Parameters that require all that this node can do, as a domain does that sets nothing.
    #[must_use]
    pub fn all_schemes(protocol_version: ProtocolVersion) -> Self {
        Self {
            unique_contract_keys: true,
            required_signing_key_schemes: SigningKeyScheme::ALL.to_vec(),
            required_encryption_key_schemes: EncryptionKeyScheme::ALL.to_vec(),
            required_symmetric_key_schemes: SymmetricKeyScheme::ALL.to_vec(),
            required_hash_algorithms: HashAlgorithm::ALL.to_vec(),
            // In the order in which Canton's provider lists them.
            required_crypto_key_formats: vec![
                CryptoKeyFormat::Raw,
                CryptoKeyFormat::Der,
                CryptoKeyFormat::Tink,
            ],
            protocol_version,
        }
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v1::StaticDomainParameters {
        v1::StaticDomainParameters {
            unique_contract_keys: self.unique_contract_keys,
            required_signing_key_schemes: numbers(&self.required_signing_key_schemes, |s| s.number()),
            required_encryption_key_schemes: numbers(&self.required_encryption_key_schemes, |s| s.number()),
            required_symmetric_key_schemes: numbers(&self.required_symmetric_key_schemes, |s| s.number()),
            required_hash_algorithms: numbers(&self.required_hash_algorithms, |s| s.number()),
            required_crypto_key_formats: numbers(&self.required_crypto_key_formats, |s| s.number()),
            protocol_version: self.protocol_version.number(),
        }
    }

    /// The older message, which the unversioned administration call answers; it holds dynamic parameters too.
    #[must_use]
    pub fn to_proto_v0(&self, dynamic: &DynamicDomainParameters) -> v0::StaticDomainParameters {
        let v1 = self.to_proto();
        v0::StaticDomainParameters {
            reconciliation_interval: dynamic.to_proto_v1().reconciliation_interval,
            max_rate_per_participant: dynamic.max_rate_per_participant,
            max_inbound_message_size: dynamic.max_request_size,
            unique_contract_keys: v1.unique_contract_keys,
            required_signing_key_schemes: v1.required_signing_key_schemes,
            required_encryption_key_schemes: v1.required_encryption_key_schemes,
            required_symmetric_key_schemes: v1.required_symmetric_key_schemes,
            required_hash_algorithms: v1.required_hash_algorithms,
            required_crypto_key_formats: v1.required_crypto_key_formats,
            protocol_version: self.protocol_version.semantic().to_owned(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When it requires what is not known, or none at all of a kind, or another protocol version than 5 and 7.
    pub fn from_proto(message: &v1::StaticDomainParameters) -> Result<Self, ParseError> {
        let signing = &message.required_signing_key_schemes;
        let encryption = &message.required_encryption_key_schemes;
        let symmetric = &message.required_symmetric_key_schemes;
        let hash = &message.required_hash_algorithms;
        let formats = &message.required_crypto_key_formats;
        Ok(Self {
            unique_contract_keys: message.unique_contract_keys,
            required_signing_key_schemes: some("required_signing_key_schemes", signing)?,
            required_encryption_key_schemes: some("required_encryption_key_schemes", encryption)?,
            required_symmetric_key_schemes: some("required_symmetric_key_schemes", symmetric)?,
            required_hash_algorithms: some("required_hash_algorithms", hash)?,
            required_crypto_key_formats: list("required_crypto_key_formats", formats)?,
            protocol_version: ProtocolVersion::try_from(message.protocol_version)
                .map_err(|_| field(MESSAGE, "protocol_version").number(message.protocol_version))?,
        })
    }

    /// Reads the older message; the dynamic parameters in it are left out.
    ///
    /// # Errors
    /// As [`StaticDomainParameters::from_proto`].
    pub fn from_proto_v0(message: &v0::StaticDomainParameters) -> Result<Self, ParseError> {
        let version = ProtocolVersion::from_semantic(&message.protocol_version);
        let version = version.map_err(|_| ParseError::Rule {
            message: MESSAGE,
            rule: "its protocol version is 5.0.0 or 7.0.0",
        })?;
        Self::from_proto(&v1::StaticDomainParameters {
            unique_contract_keys: message.unique_contract_keys,
            required_signing_key_schemes: message.required_signing_key_schemes.clone(),
            required_encryption_key_schemes: message.required_encryption_key_schemes.clone(),
            required_symmetric_key_schemes: message.required_symmetric_key_schemes.clone(),
            required_hash_algorithms: message.required_hash_algorithms.clone(),
            required_crypto_key_formats: message.required_crypto_key_formats.clone(),
            protocol_version: version.number(),
        })
    }

    /// The message wrapped with its version, as it is stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        wrap(&self.to_proto(), VERSION)
    }

    /// Reads a wrapped message.
    ///
    /// # Errors
    /// As [`StaticDomainParameters::from_proto`], and when the bytes are not the message.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::from_proto(&decode_version(MESSAGE, bytes, VERSION)?)
    }
}

fn numbers<T: Copy>(list: &[T], number: fn(T) -> i32) -> Vec<i32> {
    list.iter().map(|&entry| number(entry)).collect()
}

/// The list without repetitions, in its order.
fn list<T>(name: &'static str, numbers: &[i32]) -> Result<Vec<T>, ParseError>
where
    T: TryFrom<i32, Error = UnknownNumber> + PartialEq,
{
    let mut list = Vec::new();
    for &number in numbers {
        let entry = T::try_from(number).map_err(|_| field(MESSAGE, name).number(number))?;
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    Ok(list)
}

/// A list with at least one entry: a domain that requires no scheme could have no members.
fn some<T>(name: &'static str, numbers: &[i32]) -> Result<Vec<T>, ParseError>
where
    T: TryFrom<i32, Error = UnknownNumber> + PartialEq,
{
    if numbers.is_empty() { Err(field(MESSAGE, name).missing()) } else { list(name, numbers) }
}

#[cfg(test)]
mod tests {
    use cantle_proto::versioned;
    use prost::Message;

    use super::*;

    #[test]
    fn the_parameters_of_a_jce_domain_have_their_recorded_bytes() {
        let parameters = StaticDomainParameters::all_schemes(ProtocolVersion::V5);
        let bytes = parameters.to_proto().encode_to_vec();
        assert_eq!(hex::encode(bytes), "080112030102031a030102032201012a010132030302013805");
    }

    #[test]
    fn parameters_are_read_back() {
        for version in ProtocolVersion::ALL {
            let parameters = StaticDomainParameters::all_schemes(version);
            assert_eq!(StaticDomainParameters::from_bytes(&parameters.to_bytes()).unwrap(), parameters);
        }
    }

    #[test]
    fn unknown_and_missing_schemes_are_refused() {
        let good = StaticDomainParameters::all_schemes(ProtocolVersion::V7).to_proto();
        let refused =
            |message: &v1::StaticDomainParameters| StaticDomainParameters::from_proto(message).unwrap_err();
        let unknown = v1::StaticDomainParameters { required_signing_key_schemes: vec![1, 4], ..good.clone() };
        assert!(matches!(refused(&unknown), ParseError::Number { number: 4, .. }));
        let none = v1::StaticDomainParameters { required_hash_algorithms: Vec::new(), ..good.clone() };
        assert!(matches!(refused(&none), ParseError::Missing { field: "required_hash_algorithms", .. }));
        let version = v1::StaticDomainParameters { protocol_version: 6, ..good.clone() };
        assert!(matches!(refused(&version), ParseError::Number { field: "protocol_version", .. }));
        let wrapped = versioned::wrap(&good.encode_to_vec(), 0);
        assert!(matches!(
            StaticDomainParameters::from_bytes(&wrapped).unwrap_err(),
            ParseError::Version { version: 0, .. }
        ));
    }

    #[test]
    fn repeated_schemes_count_once() {
        let mut message = StaticDomainParameters::all_schemes(ProtocolVersion::V7).to_proto();
        message.required_signing_key_schemes = vec![3, 1, 3];
        let parameters = StaticDomainParameters::from_proto(&message).unwrap();
        let expected = [SigningKeyScheme::EcDsaP384, SigningKeyScheme::Ed25519];
        assert_eq!(parameters.required_signing_key_schemes, expected);
    }

    #[test]
    fn the_older_message_tells_the_dynamic_parameters_too() {
        let dynamic = DynamicDomainParameters::defaults(ProtocolVersion::V5);
        let message = StaticDomainParameters::all_schemes(ProtocolVersion::V5).to_proto_v0(&dynamic);
        assert_eq!(message.protocol_version, "5.0.0");
        assert_eq!(message.reconciliation_interval.unwrap().seconds, 60);
        assert_eq!(message.max_inbound_message_size, 10_485_760);
    }
}
