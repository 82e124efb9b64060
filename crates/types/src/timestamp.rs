//! The time of a domain: microseconds, as the sequencer counts them.
//!
//! Not the time of day, for which there is [`crate::Clock`]: a domain's time moves with its events.
//! Invariant: a timestamp lies between the years 1 and 9999, ends included; the last one, which time proofs
//! use, is later than what [`jiff::Timestamp`] can hold.
//! Source: timestamps of Daml-LF, <https://docs.daml.com/app-dev/daml-lf-translation.html>

use std::fmt;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A number of microseconds that is not within the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the time is not within the years 1 to 9999, or finer than a microsecond")]
pub struct TimestampOutOfRange;

/// A point in the time of a domain, in microseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CantonTimestamp(i64);

impl CantonTimestamp {
    /// The first: the beginning of the year 1.
    pub const MIN: Self = Self(-62_135_596_800 * MICROS_PER_SECOND);
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);
    /// The last: the end of the year 9999.
    pub const MAX: Self = Self(253_402_300_799 * MICROS_PER_SECOND + 999_999);

    /// So many microseconds after the beginning of 1970.
    ///
    /// # Errors
    /// Outside of the years 1 to 9999.
    pub fn from_micros(micros: i64) -> Result<Self, TimestampOutOfRange> {
        if (Self::MIN.0..=Self::MAX.0).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(TimestampOutOfRange)
        }
    }

    /// The seconds since the beginning of 1970 and the nanoseconds (0 to 999,999,999) after them.
    ///
    /// # Errors
    /// Outside of the years 1 to 9999, or when the nanoseconds are not whole microseconds.
    pub fn from_seconds_and_nanos(seconds: i64, nanos: i32) -> Result<Self, TimestampOutOfRange> {
        if !(0..1_000_000_000).contains(&nanos) || nanos % 1000 != 0 {
            return Err(TimestampOutOfRange);
        }
        let micros = seconds.checked_mul(MICROS_PER_SECOND).ok_or(TimestampOutOfRange)?;
        Self::from_micros(micros.checked_add(i64::from(nanos / 1000)).ok_or(TimestampOutOfRange)?)
    }

    /// The microseconds since the beginning of 1970.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The whole seconds since the beginning of 1970, rounded down, and the nanoseconds after them.
    #[must_use]
    pub fn seconds_and_nanos(self) -> (i64, i32) {
        let micros = i32::try_from(self.0.rem_euclid(MICROS_PER_SECOND)).unwrap_or(0);
        (self.0.div_euclid(MICROS_PER_SECOND), micros * 1000)
    }

    /// The time so much later, at most [`CantonTimestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(by).min(Self::MAX.0))
    }

    /// The time so much earlier, at least [`CantonTimestamp::MIN`].
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(by).max(Self::MIN.0))
    }

    /// The next microsecond; none after the last.
    #[must_use]
    pub fn successor(self) -> Option<Self> {
        Self::from_micros(self.0 + 1).ok()
    }

    /// The microsecond before; none before the first.
    #[must_use]
    pub fn predecessor(self) -> Option<Self> {
        Self::from_micros(self.0 - 1).ok()
    }

    /// How much later this is than `earlier`; nothing when it is not later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// The time of day, at most the last that [`jiff::Timestamp`] can hold.
    #[must_use]
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::MAX)
    }
}

impl From<Timestamp> for CantonTimestamp {
    /// Rounds down to microseconds, and to the years 1 to 9999.
    fn from(time: Timestamp) -> Self {
        let micros = i64::try_from(time.as_nanosecond().div_euclid(1000)).unwrap_or(0);
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }
}

impl fmt::Display for CantonTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = SignedDuration::from_micros(self.0);
        match DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since) {
            Ok(time) => f.pad(&format!("{time}Z")),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for CantonTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CantonTimestamp({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_those_of_daml() {
        assert_eq!(CantonTimestamp::MIN.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(CantonTimestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
        assert!(CantonTimestamp::from_micros(CantonTimestamp::MAX.micros() + 1).is_err());
        assert!(CantonTimestamp::from_micros(CantonTimestamp::MIN.micros() - 1).is_err());
        assert_eq!(CantonTimestamp::MAX.successor(), None);
        assert_eq!(CantonTimestamp::MIN.predecessor(), None);
    }

    #[test]
    fn seconds_and_nanos_are_read_back() {
        for micros in
            [0, 1, -1, 999_999, -1_000_001, CantonTimestamp::MAX.micros(), CantonTimestamp::MIN.micros()]
        {
            let time = CantonTimestamp::from_micros(micros).unwrap();
            let (seconds, nanos) = time.seconds_and_nanos();
            assert!((0..1_000_000_000).contains(&nanos));
            assert_eq!(CantonTimestamp::from_seconds_and_nanos(seconds, nanos), Ok(time));
        }
    }

    #[test]
    fn parts_of_a_microsecond_are_refused() {
        assert!(CantonTimestamp::from_seconds_and_nanos(0, 1).is_err());
        assert!(CantonTimestamp::from_seconds_and_nanos(0, -1000).is_err());
        assert!(CantonTimestamp::from_seconds_and_nanos(0, 1_000_000_000).is_err());
        assert!(CantonTimestamp::from_seconds_and_nanos(i64::MAX, 0).is_err());
    }

    #[test]
    fn sums_stay_within_the_ends() {
        let day = Duration::from_secs(86_400);
        assert_eq!(CantonTimestamp::MAX.saturating_add(day), CantonTimestamp::MAX);
        assert_eq!(CantonTimestamp::MIN.saturating_sub(Duration::MAX), CantonTimestamp::MIN);
        assert_eq!(CantonTimestamp::EPOCH.saturating_add(day).saturating_since(CantonTimestamp::EPOCH), day);
        assert_eq!(CantonTimestamp::MIN.saturating_since(CantonTimestamp::MAX), Duration::ZERO);
    }

    #[test]
    fn times_of_day_are_rounded_down() {
        let time: Timestamp = "1969-12-31T23:59:59.999999999Z".parse().unwrap();
        assert_eq!(CantonTimestamp::from(time).micros(), -1);
        assert_eq!(CantonTimestamp::from(Timestamp::MIN), CantonTimestamp::MIN);
        assert_eq!(CantonTimestamp::MAX.to_timestamp(), Timestamp::MAX);
        let whole: Timestamp = "2024-01-01T00:00:00.000001Z".parse().unwrap();
        assert_eq!(CantonTimestamp::from(whole).to_timestamp(), whole);
    }
}
