//! The dynamic parameters of a domain: time-outs, rates and sizes that may change while it runs.
//!
//! Which versions of the message hold which of them is decided here; whether raising one is safe, in `check.rs`.
//! Source: <https://docs.daml.com/canton/usermanual/manage_domains.html>

use std::time::Duration;

use cantle_proto::protocol::{v1, v2};
use cantle_types::{DomainId, ProtocolVersion};

use crate::error::{MappingError, ParseError};

/// `dmp`: a domain has parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainParametersChange {
    /// The domain.
    pub domain: DomainId,
    /// Its parameters.
    pub parameters: DynamicDomainParameters,
}

/// The dynamic parameters of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicDomainParameters {
    /// How long participants may take to answer a confirmation request.
    pub participant_response_timeout: Duration,
    /// How long, after that, the mediator may take to conclude.
    pub mediator_reaction_timeout: Duration,
    /// How long only the initiator of a transfer may complete it.
    pub transfer_exclusivity_timeout: Duration,
    /// How long after its sequencing a topology transaction becomes effective.
    pub topology_change_delay: Duration,
    /// How far ledger time and record time may be apart.
    pub ledger_time_record_time_tolerance: Duration,
    /// How often commitments are exchanged: whole seconds, at least one.
    pub reconciliation_interval: Duration,
    /// How long the mediator remembers the ids of requests.
    pub mediator_deduplication_timeout: Duration,
    /// Confirmation requests a second that a participant may send.
    pub max_rate_per_participant: u32,
    /// The largest request, in bytes.
    pub max_request_size: u32,
    /// When commitments are skipped by a participant that lags behind; not before protocol version 6.
    pub catch_up: Option<CatchUpParameters>,
}

/// When commitments are skipped by a participant that lags behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUpParameters {
    /// How many reconciliation intervals one catch-up interval has.
    pub interval_skip: u32,
    /// How many catch-up intervals a participant must lag behind.
    pub trigger: u32,
}

const BOUNDS: &str = "at most 2147483647";

impl DynamicDomainParameters {
    /// What a new domain has.
    #[must_use]
    pub fn defaults(version: ProtocolVersion) -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        Self {
            participant_response_timeout: 30 * SECOND,
            mediator_reaction_timeout: 30 * SECOND,
            transfer_exclusivity_timeout: 60 * SECOND,
            topology_change_delay: Duration::from_millis(250),
            ledger_time_record_time_tolerance: 60 * SECOND,
            reconciliation_interval: 60 * SECOND,
            mediator_deduplication_timeout: 120 * SECOND,
            max_rate_per_participant: 1_000_000,
            max_request_size: 10_485_760,
            catch_up: Some(CatchUpParameters { interval_skip: 5, trigger: 2 }),
        }
        .at_version(version)
    }

    /// What of them a protocol version can say.
    #[must_use]
    pub fn at_version(self, version: ProtocolVersion) -> Self {
        match version {
            ProtocolVersion::V5 => Self { catch_up: None, ..self },
            ProtocolVersion::V7 => self,
        }
    }

    /// Whether they are within their bounds.
    ///
    /// # Errors
    /// [`MappingError::DomainParameter`].
    pub fn check(&self) -> Result<(), MappingError> {
        let interval = self.reconciliation_interval;
        if interval.as_secs() == 0 || interval.subsec_nanos() != 0 {
            return Err(MappingError::DomainParameter {
                parameter: "reconciliation_interval",
                rule: "a whole number of seconds, at least one",
            });
        }
        for (parameter, value) in [
            ("max_rate_per_participant", self.max_rate_per_participant),
            ("max_request_size", self.max_request_size),
        ] {
            if i32::try_from(value).is_err() {
                return Err(MappingError::DomainParameter { parameter, rule: BOUNDS });
            }
        }
        Ok(())
    }

    /// The message of protocol version 5.
    #[must_use]
    pub fn to_proto_v1(&self) -> v1::DynamicDomainParameters {
        v1::DynamicDomainParameters {
            participant_response_timeout: Some(duration_to_proto(self.participant_response_timeout)),
            mediator_reaction_timeout: Some(duration_to_proto(self.mediator_reaction_timeout)),
            transfer_exclusivity_timeout: Some(duration_to_proto(self.transfer_exclusivity_timeout)),
            topology_change_delay: Some(duration_to_proto(self.topology_change_delay)),
            ledger_time_record_time_tolerance: Some(duration_to_proto(
                self.ledger_time_record_time_tolerance,
            )),
            reconciliation_interval: Some(duration_to_proto(self.reconciliation_interval)),
            mediator_deduplication_timeout: Some(duration_to_proto(self.mediator_deduplication_timeout)),
            max_rate_per_participant: self.max_rate_per_participant,
            max_request_size: self.max_request_size,
        }
    }

    /// Reads the message of protocol version 5.
    ///
    /// # Errors
    /// When a parameter is missing or out of bounds.
    pub fn from_proto_v1(message: &v1::DynamicDomainParameters) -> Result<Self, ParseError> {
        let parameters = Self {
            participant_response_timeout: duration(
                "participant_response_timeout",
                message.participant_response_timeout.as_ref(),
            )?,
            mediator_reaction_timeout: duration(
                "mediator_reaction_timeout",
                message.mediator_reaction_timeout.as_ref(),
            )?,
            transfer_exclusivity_timeout: duration(
                "transfer_exclusivity_timeout",
                message.transfer_exclusivity_timeout.as_ref(),
            )?,
            topology_change_delay: duration("topology_change_delay", message.topology_change_delay.as_ref())?,
            ledger_time_record_time_tolerance: duration(
                "ledger_time_record_time_tolerance",
                message.ledger_time_record_time_tolerance.as_ref(),
            )?,
            reconciliation_interval: duration(
                "reconciliation_interval",
                message.reconciliation_interval.as_ref(),
            )?,
            mediator_deduplication_timeout: duration(
                "mediator_deduplication_timeout",
                message.mediator_deduplication_timeout.as_ref(),
            )?,
            max_rate_per_participant: message.max_rate_per_participant,
            max_request_size: message.max_request_size,
            catch_up: None,
        };
        parameters.check()?;
        Ok(parameters)
    }

    /// The message of protocol version 7.
    #[must_use]
    pub fn to_proto_v2(&self) -> v2::DynamicDomainParameters {
        let common = self.to_proto_v1();
        v2::DynamicDomainParameters {
            participant_response_timeout: common.participant_response_timeout,
            mediator_reaction_timeout: common.mediator_reaction_timeout,
            transfer_exclusivity_timeout: common.transfer_exclusivity_timeout,
            topology_change_delay: common.topology_change_delay,
            ledger_time_record_time_tolerance: common.ledger_time_record_time_tolerance,
            reconciliation_interval: common.reconciliation_interval,
            mediator_deduplication_timeout: common.mediator_deduplication_timeout,
            max_rate_per_participant: common.max_rate_per_participant,
            max_request_size: common.max_request_size,
            catch_up_parameters: self.catch_up.map(|catch_up| v2::CatchUpConfig {
                catchup_interval_skip: catch_up.interval_skip,
                nr_intervals_to_trigger_catchup: catch_up.trigger,
            }),
        }
    }

    /// Reads the message of protocol version 7.
    ///
    /// # Errors
    /// When a parameter is missing or out of bounds.
    pub fn from_proto_v2(message: &v2::DynamicDomainParameters) -> Result<Self, ParseError> {
        let common = Self::from_proto_v1(&v1::DynamicDomainParameters {
            participant_response_timeout: message.participant_response_timeout,
            mediator_reaction_timeout: message.mediator_reaction_timeout,
            transfer_exclusivity_timeout: message.transfer_exclusivity_timeout,
            topology_change_delay: message.topology_change_delay,
            ledger_time_record_time_tolerance: message.ledger_time_record_time_tolerance,
            reconciliation_interval: message.reconciliation_interval,
            mediator_deduplication_timeout: message.mediator_deduplication_timeout,
            max_rate_per_participant: message.max_rate_per_participant,
            max_request_size: message.max_request_size,
        })?;
        let catch_up = message.catch_up_parameters.as_ref().map(|catch_up| CatchUpParameters {
            interval_skip: catch_up.catchup_interval_skip,
            trigger: catch_up.nr_intervals_to_trigger_catchup,
        });
        Ok(Self { catch_up, ..common })
    }
}

/// Of a second.
const NANOS: i128 = 1_000_000_000;

/// Spans beyond what protobuf can say are cut off there, at ten thousand years.
fn duration_to_proto(duration: Duration) -> prost_types::Duration {
    const MAX: prost_types::Duration = prost_types::Duration { seconds: 315_576_000_000, nanos: 999_999_999 };
    prost_types::Duration::try_from(duration).unwrap_or(MAX)
}

fn duration(field: &'static str, message: Option<&prost_types::Duration>) -> Result<Duration, ParseError> {
    let message = *message.ok_or(ParseError::Missing { message: "DynamicDomainParameters", field })?;
    // Not prost's conversion, which overflows at the least number of seconds.
    let nanos = i128::from(message.seconds) * NANOS + i128::from(message.nanos);
    let (seconds, nanos) = (u64::try_from(nanos.div_euclid(NANOS)), u32::try_from(nanos.rem_euclid(NANOS)));
    match (seconds, nanos) {
        (Ok(seconds), Ok(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(ParseError::Time { field }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_read_back_at_each_version() {
        let defaults = DynamicDomainParameters::defaults(ProtocolVersion::V7);
        assert_eq!(DynamicDomainParameters::from_proto_v2(&defaults.to_proto_v2()).unwrap(), defaults);
        let older = DynamicDomainParameters::defaults(ProtocolVersion::V5);
        assert_eq!(DynamicDomainParameters::from_proto_v1(&defaults.to_proto_v1()).unwrap(), older);
        assert_eq!(older.catch_up, None);
    }

    #[test]
    fn missing_and_negative_spans_are_refused() {
        let mut message = DynamicDomainParameters::defaults(ProtocolVersion::V5).to_proto_v1();
        message.topology_change_delay = None;
        let error = DynamicDomainParameters::from_proto_v1(&message).unwrap_err();
        assert!(matches!(error, ParseError::Missing { field: "topology_change_delay", .. }));
        for (seconds, nanos) in [(-1, 0), (i64::MIN, 0), (i64::MIN, i32::MIN), (0, -1), (-1, 999_999_999)] {
            message.topology_change_delay = Some(prost_types::Duration { seconds, nanos });
            let error = DynamicDomainParameters::from_proto_v1(&message).unwrap_err();
            assert!(
                matches!(error, ParseError::Time { field: "topology_change_delay" }),
                "{seconds} {nanos}"
            );
        }
        for (seconds, nanos, span) in [
            (1, -1, Duration::from_nanos(999_999_999)),
            (0, i32::MAX, Duration::from_nanos(2_147_483_647)),
            (i64::MAX, 999_999_999, Duration::new(i64::MAX.unsigned_abs(), 999_999_999)),
        ] {
            message.topology_change_delay = Some(prost_types::Duration { seconds, nanos });
            let read = DynamicDomainParameters::from_proto_v1(&message).unwrap();
            assert_eq!(read.topology_change_delay, span);
        }
    }

    #[test]
    fn bounds_are_those_of_the_jvm() {
        let defaults = DynamicDomainParameters::defaults(ProtocolVersion::V7);
        let parameters = DynamicDomainParameters { max_request_size: u32::MAX, ..defaults.clone() };
        assert!(parameters.check().is_err());
        let parameters = DynamicDomainParameters {
            reconciliation_interval: Duration::from_millis(1500),
            ..defaults.clone()
        };
        assert!(parameters.check().is_err());
        let parameters = DynamicDomainParameters { reconciliation_interval: Duration::ZERO, ..defaults };
        assert!(parameters.check().is_err());
    }
}
