//! A domain's parameters as scripts see them: the static ones that it is founded with, the dynamic ones that it can change.
//!
//! Defaults are Canton 2.10's. Source: <https://docs.daml.com/2.10.0/canton/usermanual/manage_domains.html>.

use cantle_proto::crypto::v0 as crypto;
use cantle_proto::protocol::{v0, v1, v2};
use prost::Message;

use super::files::{read_function, write_function};
use super::record::fields_text;
use super::{Data, Function, Instance, Record, duration, enum_constant};
use crate::command::{Bound, Signature, required};
use crate::failure::Failure;

/// The protocol versions whose parameters are known.
const V5: i64 = 5;
const V7: i64 = 7;

/// What a domain is founded with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StaticParameters(v1::StaticDomainParameters);

impl StaticParameters {
    pub(crate) fn new(parameters: v1::StaticDomainParameters) -> Self {
        Self(parameters)
    }

    pub(crate) fn wire(&self) -> v1::StaticDomainParameters {
        self.0.clone()
    }

    pub(crate) fn protocol_version(&self) -> i32 {
        self.0.protocol_version
    }

    fn file_bytes(&self) -> Vec<u8> {
        cantle_proto::versioned::wrap(&self.0.encode_to_vec(), 1)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Data, Failure> {
        let unreadable = || Failure::value("these bytes are no static domain parameters");
        let (inner, version) = cantle_proto::versioned::unwrap(bytes).map_err(|_| unreadable())?;
        if version != 1 {
            return Err(Failure::value(format!(
                "version {version} of static domain parameters is not known: protocol versions 5 and 7 have version 1"
            )));
        }
        let parameters = v1::StaticDomainParameters::decode(inner.as_slice()).map_err(|_| unreadable())?;
        if parameters.protocol_version == 0 {
            return Err(unreadable());
        }
        Ok(Data::object(Self(parameters)))
    }

    fn fields(&self) -> Vec<(&'static str, Data)> {
        let signing = |scheme: &i32| match crypto::SigningKeyScheme::try_from(*scheme) {
            Ok(crypto::SigningKeyScheme::Ed25519) => enum_constant("SigningKeyScheme", "Ed25519"),
            Ok(crypto::SigningKeyScheme::EcDsaP256) => enum_constant("SigningKeyScheme", "EcDsaP256"),
            Ok(crypto::SigningKeyScheme::EcDsaP384) => enum_constant("SigningKeyScheme", "EcDsaP384"),
            _ => Data::Int(i64::from(*scheme)),
        };
        let encryption = |scheme: &i32| match crypto::EncryptionKeyScheme::try_from(*scheme) {
            Ok(crypto::EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm) => {
                enum_constant("EncryptionKeyScheme", "EciesP256HkdfHmacSha256Aes128Gcm")
            }
            Ok(crypto::EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc) => {
                enum_constant("EncryptionKeyScheme", "EciesP256HmacSha256Aes128Cbc")
            }
            Ok(crypto::EncryptionKeyScheme::Rsa2048OaepSha256) => {
                enum_constant("EncryptionKeyScheme", "Rsa2048OaepSha256")
            }
            _ => Data::Int(i64::from(*scheme)),
        };
        let format = |format: &i32| match crypto::CryptoKeyFormat::try_from(*format) {
            Ok(crypto::CryptoKeyFormat::Tink) => enum_constant("CryptoKeyFormat", "Tink"),
            Ok(crypto::CryptoKeyFormat::Der) => enum_constant("CryptoKeyFormat", "Der"),
            Ok(crypto::CryptoKeyFormat::Raw) => enum_constant("CryptoKeyFormat", "Raw"),
            _ => Data::Int(i64::from(*format)),
        };
        let known = |count: usize, name: &str| Data::list(vec![Data::text(name); count]);
        let wire = &self.0;
        vec![
            ("uniqueContractKeys", Data::Bool(wire.unique_contract_keys)),
            (
                "requiredSigningKeySchemes",
                Data::list(wire.required_signing_key_schemes.iter().map(signing).collect()),
            ),
            (
                "requiredEncryptionKeySchemes",
                Data::list(wire.required_encryption_key_schemes.iter().map(encryption).collect()),
            ),
            // Each of these families has one member.
            ("requiredSymmetricKeySchemes", known(wire.required_symmetric_key_schemes.len(), "AES128-GCM")),
            ("requiredHashAlgorithms", known(wire.required_hash_algorithms.len(), "Sha256")),
            (
                "requiredCryptoKeyFormats",
                Data::list(wire.required_crypto_key_formats.iter().map(format).collect()),
            ),
            ("protocolVersion", Data::Int(i64::from(wire.protocol_version))),
        ]
    }
}

impl Instance for StaticParameters {
    fn kind(&self) -> String {
        "StaticDomainParameters".to_owned()
    }

    fn text(&self) -> String {
        fields_text("StaticDomainParameters", &self.fields())
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        Ok(match name {
            "writeToFile" => Some(Data::object(write_function(self.file_bytes().into()))),
            "toByteString" => Some(Data::bytes(self.file_bytes())),
            _ => self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, data)| data),
        })
    }

    fn attr_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.fields().iter().map(|(name, _)| (*name).to_owned()).collect();
        names.extend(["writeToFile", "toByteString"].map(str::to_owned));
        names
    }

    fn identity(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// The dynamic parameters, without those that the protocol version does not have.
pub(crate) fn dynamic(parameters: v2::DynamicDomainParameters) -> Data {
    let catch_up = parameters.catch_up_parameters.map(|catch_up| {
        let fields = vec![
            ("catchUpIntervalSkip", Data::Int(i64::from(catch_up.catchup_interval_skip))),
            ("nrIntervalsToTriggerCatchUp", Data::Int(i64::from(catch_up.nr_intervals_to_trigger_catchup))),
        ];
        Data::object(Record::new("CatchUpConfig", fields).copying())
    });
    let fields = vec![
        ("participantResponseTimeout", duration::from_wire(parameters.participant_response_timeout)),
        ("mediatorReactionTimeout", duration::from_wire(parameters.mediator_reaction_timeout)),
        ("transferExclusivityTimeout", duration::from_wire(parameters.transfer_exclusivity_timeout)),
        ("topologyChangeDelay", duration::from_wire(parameters.topology_change_delay)),
        ("ledgerTimeRecordTimeTolerance", duration::from_wire(parameters.ledger_time_record_time_tolerance)),
        ("mediatorDeduplicationTimeout", duration::from_wire(parameters.mediator_deduplication_timeout)),
        ("reconciliationInterval", duration::from_wire(parameters.reconciliation_interval)),
        ("maxRatePerParticipant", Data::Int(i64::from(parameters.max_rate_per_participant))),
        ("maxRequestSize", Data::Int(i64::from(parameters.max_request_size))),
        ("catchUpParameters", Data::option(catch_up)),
    ];
    Data::object(Record::new("DynamicDomainParameters", fields).copying())
}

pub(crate) fn from_v0(parameters: v0::DynamicDomainParameters) -> v2::DynamicDomainParameters {
    v2::DynamicDomainParameters {
        participant_response_timeout: parameters.participant_response_timeout,
        mediator_reaction_timeout: parameters.mediator_reaction_timeout,
        transfer_exclusivity_timeout: parameters.transfer_exclusivity_timeout,
        topology_change_delay: parameters.topology_change_delay,
        ledger_time_record_time_tolerance: parameters.ledger_time_record_time_tolerance,
        ..v2::DynamicDomainParameters::default()
    }
}

pub(crate) fn from_v1(parameters: v1::DynamicDomainParameters) -> v2::DynamicDomainParameters {
    v2::DynamicDomainParameters {
        participant_response_timeout: parameters.participant_response_timeout,
        mediator_reaction_timeout: parameters.mediator_reaction_timeout,
        transfer_exclusivity_timeout: parameters.transfer_exclusivity_timeout,
        topology_change_delay: parameters.topology_change_delay,
        ledger_time_record_time_tolerance: parameters.ledger_time_record_time_tolerance,
        reconciliation_interval: parameters.reconciliation_interval,
        mediator_deduplication_timeout: parameters.mediator_deduplication_timeout,
        max_rate_per_participant: parameters.max_rate_per_participant,
        max_request_size: parameters.max_request_size,
        catch_up_parameters: None,
    }
}

/// The same without what protocol version 5 does not have.
pub(crate) fn to_v1(parameters: v2::DynamicDomainParameters) -> v1::DynamicDomainParameters {
    v1::DynamicDomainParameters {
        participant_response_timeout: parameters.participant_response_timeout,
        mediator_reaction_timeout: parameters.mediator_reaction_timeout,
        transfer_exclusivity_timeout: parameters.transfer_exclusivity_timeout,
        topology_change_delay: parameters.topology_change_delay,
        ledger_time_record_time_tolerance: parameters.ledger_time_record_time_tolerance,
        reconciliation_interval: parameters.reconciliation_interval,
        mediator_deduplication_timeout: parameters.mediator_deduplication_timeout,
        max_rate_per_participant: parameters.max_rate_per_participant,
        max_request_size: parameters.max_request_size,
    }
}

/// Reads a script's dynamic parameters, checked as far as their shape goes; the node checks what they mean.
pub(crate) fn dynamic_to_wire(data: &Data) -> Result<v2::DynamicDomainParameters, Failure> {
    let record = data
        .downcast::<Record>()
        .filter(|record| record.type_name() == "DynamicDomainParameters")
        .ok_or_else(|| {
            Failure::value(format!(
                "must be dynamic domain parameters, such as `DynamicDomainParameters.defaultValues(7)`, found: {}",
                data.kind()
            ))
        })?;
    let field = |name: &'static str| record.field(name).unwrap_or(&Data::None);
    let span = |name: &'static str| {
        duration::to_wire(field(name))
            .map(Some)
            .map_err(|failure| Failure::value(format!("has a `{name}` that {failure}")))
    };
    let count = |name: &'static str| whole(name, field(name));
    let catch_up = match field("catchUpParameters") {
        Data::None => None,
        data => {
            let catch_up =
                data.given().downcast::<Record>().filter(|inner| inner.type_name() == "CatchUpConfig");
            let catch_up = catch_up
                .ok_or_else(|| Failure::value("has `catchUpParameters` that are no CatchUpConfig"))?;
            let inner = |name: &'static str| whole(name, catch_up.field(name).unwrap_or(&Data::None));
            Some(v2::CatchUpConfig {
                catchup_interval_skip: inner("catchUpIntervalSkip")?,
                nr_intervals_to_trigger_catchup: inner("nrIntervalsToTriggerCatchUp")?,
            })
        }
    };
    Ok(v2::DynamicDomainParameters {
        participant_response_timeout: span("participantResponseTimeout")?,
        mediator_reaction_timeout: span("mediatorReactionTimeout")?,
        transfer_exclusivity_timeout: span("transferExclusivityTimeout")?,
        topology_change_delay: span("topologyChangeDelay")?,
        ledger_time_record_time_tolerance: span("ledgerTimeRecordTimeTolerance")?,
        reconciliation_interval: span("reconciliationInterval")?,
        mediator_deduplication_timeout: span("mediatorDeduplicationTimeout")?,
        max_rate_per_participant: count("maxRatePerParticipant")?,
        max_request_size: count("maxRequestSize")?,
        catch_up_parameters: catch_up,
    })
}

fn whole(name: &str, data: &Data) -> Result<u32, Failure> {
    let number = if let Data::Int(number) = data { u32::try_from(*number).ok() } else { None };
    number
        .ok_or_else(|| Failure::value(format!("has a `{name}` that must be a number from 0 to {}", u32::MAX)))
}

/// Canton's defaults.
fn defaults(protocol_version: i64) -> v2::DynamicDomainParameters {
    let seconds = |seconds: i64| Some(prost_types::Duration { seconds, nanos: 0 });
    let catch_up = v2::CatchUpConfig { catchup_interval_skip: 5, nr_intervals_to_trigger_catchup: 2 };
    v2::DynamicDomainParameters {
        participant_response_timeout: seconds(30),
        mediator_reaction_timeout: seconds(30),
        transfer_exclusivity_timeout: seconds(60),
        topology_change_delay: Some(prost_types::Duration { seconds: 0, nanos: 250_000_000 }),
        ledger_time_record_time_tolerance: seconds(60),
        reconciliation_interval: seconds(60),
        mediator_deduplication_timeout: seconds(120),
        max_rate_per_participant: 1_000_000,
        max_request_size: 10_485_760,
        catch_up_parameters: (protocol_version >= V7).then_some(catch_up),
    }
}

/// A protocol version from a number, its text, or `ProtocolVersion.v7`.
pub(crate) fn protocol_version(data: &Data) -> Result<i64, Failure> {
    let number = match data {
        Data::Int(number) => Some(*number),
        other => super::ids::text_of(other).and_then(|text| {
            text.trim_start_matches('v').split('.').next().and_then(|number| number.parse().ok())
        }),
    };
    match number {
        Some(known @ (V5 | V7)) => Ok(known),
        Some(other) => {
            Err(Failure::value(format!("{other} is no protocol version that is spoken here: 5 or 7")))
        }
        None => Err(Failure::value(format!("must be a protocol version, 5 or 7, found: {}", data.kind()))),
    }
}

const DEFAULT_VALUES: Signature = Signature {
    path: "DynamicDomainParameters.defaultValues",
    params: &[required("protocolVersion", "ProtocolVersion")],
};

fn default_values(bound: &Bound<'_>) -> Result<Data, Failure> {
    let version = protocol_version(bound.value("protocolVersion"))
        .map_err(|failure| bound.refuse("protocolVersion", failure.to_string()))?;
    Ok(dynamic(defaults(version)))
}

/// `StaticDomainParameters`, `DynamicDomainParameters` and `ProtocolVersion`.
pub(crate) fn companions() -> Vec<(&'static str, Data)> {
    let fixed = Function::holder("StaticDomainParameters")
        .with("tryReadFromFile", read_function("StaticDomainParameters", StaticParameters::from_bytes));
    let dynamic = Function::holder("DynamicDomainParameters")
        .with("defaultValues", Data::object(Function::taking(DEFAULT_VALUES, default_values)));
    let versions = Function::holder("ProtocolVersion")
        .with("v5", Data::Int(V5))
        .with("v7", Data::Int(V7))
        .with("latest", Data::Int(V7));
    vec![
        ("StaticDomainParameters", Data::object(fixed)),
        ("DynamicDomainParameters", Data::object(dynamic)),
        ("ProtocolVersion", Data::object(versions)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_parameters_go_through_a_script_unchanged() {
        for version in [V5, V7] {
            let parameters = defaults(version);
            assert_eq!(dynamic_to_wire(&dynamic(parameters)).unwrap(), parameters);
        }
        assert!(defaults(V5).catch_up_parameters.is_none());
        assert_eq!(from_v1(to_v1(defaults(V5))), defaults(V5));
    }

    #[test]
    fn a_parameter_of_the_wrong_shape_is_named() {
        let Data::Object(instance) = dynamic(defaults(V7)) else { panic!("no object") };
        let Some(Data::Object(copy)) = instance.attr("copy").unwrap() else { panic!("no copy") };
        let args = super::super::CallArgs {
            named: vec![("maxRequestSize".to_owned(), Data::Int(-1))],
            ..super::super::CallArgs::default()
        };
        let changed = copy.call(args).unwrap().unwrap();
        let error = dynamic_to_wire(&changed).unwrap_err().to_string();
        assert!(error.contains("maxRequestSize"), "{error}");
    }

    #[test]
    fn static_parameters_are_written_in_version_one_and_read_back() {
        let parameters = StaticParameters::new(v1::StaticDomainParameters {
            unique_contract_keys: true,
            required_signing_key_schemes: vec![2, 3],
            protocol_version: 7,
            ..v1::StaticDomainParameters::default()
        });
        let bytes = parameters.file_bytes();
        assert_eq!(cantle_proto::versioned::unwrap(&bytes).unwrap().1, 1);
        let read = StaticParameters::from_bytes(&bytes).unwrap();
        assert_eq!(read.downcast::<StaticParameters>(), Some(&parameters));
        for bytes in [&b""[..], b"\x0a\x00\x10\x01", b"\x0a\x00", b"hello"] {
            assert!(StaticParameters::from_bytes(bytes).is_err());
        }
    }

    #[test]
    fn protocol_versions_are_numbers_or_texts() {
        for data in [Data::Int(7), Data::text("7"), Data::text("v7"), Data::text("7.0.0")] {
            assert_eq!(protocol_version(&data).unwrap(), 7);
        }
        assert!(protocol_version(&Data::Int(6)).is_err());
        assert!(protocol_version(&Data::None).is_err());
    }
}
