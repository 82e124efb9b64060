//! What the configuration says about domains, in the words of the roles.

use std::time::Duration;

use cantle_config::{
    DomainParametersConfig, DomainTopologyConfig, Parameters, SequencerClientConfig, TimeTrackerConfig,
};
use cantle_domain_manager::{Admission, ParticipantCertificate};
use cantle_protocol::StaticDomainParameters;
use cantle_sequencing::{AuthOptions, ClientOptions, GrpcOptions, KeepAlive, TimeOptions};
use cantle_topology::DynamicDomainParameters;
use cantle_vault::VaultOptions;

/// The static parameters of a domain. What is not configured is all that the domain's own keys may be.
pub(crate) fn static_parameters(
    config: &DomainParametersConfig,
    vault: &VaultOptions,
) -> StaticDomainParameters {
    let all = StaticDomainParameters::all_schemes(config.protocol_version);
    StaticDomainParameters {
        unique_contract_keys: config.unique_contract_keys,
        required_signing_key_schemes: named_or(
            config.required_signing_schemes.as_deref(),
            vault.signing.allowed().to_vec(),
        ),
        required_encryption_key_schemes: named_or(
            config.required_encryption_schemes.as_deref(),
            vault.encryption.allowed().to_vec(),
        ),
        required_symmetric_key_schemes: named_or(
            config.required_symmetric_schemes.as_deref(),
            all.required_symmetric_key_schemes,
        ),
        required_hash_algorithms: named_or(
            config.required_hash_algorithms.as_deref(),
            all.required_hash_algorithms,
        ),
        required_crypto_key_formats: named_or(
            config.required_key_formats.as_deref(),
            all.required_crypto_key_formats,
        ),
        protocol_version: config.protocol_version,
    }
}

/// The dynamic parameters that a domain is founded with.
pub(crate) fn dynamic_parameters(config: &DomainParametersConfig) -> DynamicDomainParameters {
    DynamicDomainParameters {
        reconciliation_interval: config.reconciliation_interval,
        max_rate_per_participant: config.max_rate_per_participant,
        max_request_size: u32::try_from(config.max_request_size).unwrap_or(u32::MAX),
        ..DynamicDomainParameters::defaults(config.protocol_version)
    }
}

/// Whom a domain lets in by itself, and what they must show.
pub(crate) fn admission(config: DomainTopologyConfig) -> (Admission, ParticipantCertificate) {
    let admission = if config.open { Admission::Open } else { Admission::Permissioned };
    let certificate = if config.require_participant_certificate {
        ParticipantCertificate::Required
    } else {
        ParticipantCertificate::Optional
    };
    (admission, certificate)
}

/// How a member follows its domain, and when it asks for its time.
pub(crate) fn client(config: &SequencerClientConfig, time: TimeOptions) -> ClientOptions {
    ClientOptions {
        initial_retry_delay: config.initial_connection_retry_delay,
        max_retry_delay: config.max_connection_retry_delay,
        warn_disconnect_delay: config.warn_disconnect_delay,
        max_sequencing_time_offset: config.default_max_sequencing_time_offset,
        acknowledgement_interval: config.acknowledgement_interval,
        handshake_retries: config.handshake_retry_attempts,
        handshake_retry_delay: config.handshake_retry_delay,
        override_max_request_size: config.override_max_request_size,
        time,
        ..ClientOptions::default()
    }
}

/// When a member asks for the domain's time.
pub(crate) fn time(config: &TimeTrackerConfig) -> TimeOptions {
    TimeOptions {
        observation_latency: config.observation_latency,
        patience: config.patience,
        min_observation: config.min_observation,
        initial_retry_delay: config.initial_retry_delay,
        max_retry_delay: config.max_retry_delay,
        max_sequencing_delay: config.max_sequencing_delay,
    }
}

/// How a member authenticates.
pub(crate) fn authentication(config: &SequencerClientConfig) -> AuthOptions {
    AuthOptions {
        refresh_before_expiry: config.refresh_token_before_expiry,
        retries: config.token_retries,
        pause: config.token_retry_pause,
    }
}

/// How long calls of sequencers may take: of the whole process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallTimeouts {
    /// Any call.
    network: Duration,
    /// What a sequencer says of itself.
    info: Duration,
}

impl CallTimeouts {
    /// `canton.parameters.timeouts.processing`; what has no end there has one of a year here.
    pub(crate) fn of(parameters: &Parameters) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        Self {
            network: parameters.network_timeout.unwrap_or(YEAR),
            info: parameters.sequencer_info_timeout.unwrap_or(YEAR),
        }
    }
}

/// How sequencers are called.
pub(crate) fn grpc(config: &SequencerClientConfig, timeouts: CallTimeouts) -> GrpcOptions {
    GrpcOptions {
        call_timeout: timeouts.network,
        info_timeout: timeouts.info,
        keep_alive: config.keep_alive.map(|keep_alive| KeepAlive {
            time: keep_alive.time,
            timeout: keep_alive.timeout,
            without_calls: keep_alive.keep_alive_without_calls,
        }),
        ..GrpcOptions::default()
    }
}

/// The same in the crates that do not know each other, by Canton's names in its configuration.
fn named_or<A: std::fmt::Display, B: std::str::FromStr>(configured: Option<&[A]>, otherwise: Vec<B>) -> Vec<B>
where
    B::Err: std::fmt::Debug,
{
    let Some(configured) = configured else { return otherwise };
    let named =
        |entry: &A| entry.to_string().parse().expect("both crates have the names of Canton's configuration");
    configured.iter().map(named).collect()
}
