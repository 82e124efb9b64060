//! Fields of requests that several services read.

use std::{error::Error, str::FromStr};

use cantle_types::{Member, ParticipantId, UniqueIdentifier};
use jiff::Timestamp;
use tonic::Status;

use crate::status::invalid;

/// A field with a syntax of its own.
pub(crate) fn text<T: FromStr<Err: Error>>(field: &str, text: &str) -> Result<T, Status> {
    text.parse().map_err(|error: T::Err| invalid(field, &error))
}

/// A participant: its unique identifier, with or without `PAR::`, since Canton's messages have both.
pub(crate) fn participant(field: &str, text: &str) -> Result<ParticipantId, Status> {
    if let Ok(member) = text.parse::<Member>() {
        return ParticipantId::try_from(member).map_err(|error| invalid(field, &error));
    }
    text.parse()
        .map(ParticipantId::new)
        .map_err(|error: <UniqueIdentifier as FromStr>::Err| invalid(field, &error))
}

/// The unique identifier of a member, with or without its code.
pub(crate) fn member_uid(field: &str, text: &str) -> Result<UniqueIdentifier, Status> {
    match text.parse::<Member>() {
        Ok(member) => Ok(member.uid().clone()),
        Err(_) => self::text(field, text),
    }
}

/// A point in time.
pub(crate) fn timestamp(field: &str, time: &prost_types::Timestamp) -> Result<Timestamp, Status> {
    Timestamp::new(time.seconds, time.nanos).map_err(|error| invalid(field, &error))
}

/// A point in time, for an answer.
pub(crate) fn to_timestamp(time: Timestamp) -> prost_types::Timestamp {
    let (mut seconds, mut nanos) = (time.as_second(), time.subsec_nanosecond());
    if nanos < 0 {
        (seconds, nanos) = (seconds - 1, nanos + 1_000_000_000);
    }
    prost_types::Timestamp { seconds, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_is_read_with_and_without_its_code() {
        let bare = participant("p", "a::1220ff").unwrap();
        assert_eq!(participant("p", "PAR::a::1220ff").unwrap(), bare);
        let error = participant("p", "MED::a::1220ff").unwrap_err();
        assert!(error.message().contains("field p"), "{error}");
    }

    #[test]
    fn times_before_1970_keep_a_positive_fraction() {
        let time = Timestamp::new(-1, -500_000_000).unwrap();
        let message = to_timestamp(time);
        assert_eq!((message.seconds, message.nanos), (-2, 500_000_000));
        assert_eq!(timestamp("t", &message).unwrap(), time);
    }
}
