//! Reading fields: each helper names the message and the field in its error.

use std::collections::BTreeSet;
use std::str::FromStr;

use bytes::Bytes;
use cantle_crypto::{Hash, Signature};
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::versioned;
use cantle_types::{CantonTimestamp, IdentifierError, PartyId};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::error::ParseError;

/// A field of a message, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    message: &'static str,
    name: &'static str,
}

/// The field `name` of `message`.
pub(crate) const fn field(message: &'static str, name: &'static str) -> Field {
    Field { message, name }
}

impl Field {
    pub(crate) fn missing(self) -> ParseError {
        ParseError::Missing { message: self.message, field: self.name }
    }

    pub(crate) fn required<T>(self, value: Option<T>) -> Result<T, ParseError> {
        value.ok_or_else(|| self.missing())
    }

    pub(crate) fn number(self, number: impl Into<i64>) -> ParseError {
        ParseError::Number { message: self.message, field: self.name, number: number.into() }
    }

    pub(crate) fn text<T: FromStr<Err = IdentifierError>>(self, text: &str) -> Result<T, ParseError> {
        text.parse().map_err(|source| ParseError::Identifier {
            message: self.message,
            field: self.name,
            source,
        })
    }

    pub(crate) fn time(self, time: &prost_types::Timestamp) -> Result<CantonTimestamp, ParseError> {
        CantonTimestamp::from_seconds_and_nanos(time.seconds, time.nanos).map_err(|source| ParseError::Time {
            message: self.message,
            field: self.name,
            source,
        })
    }

    pub(crate) fn required_time(
        self,
        time: Option<&prost_types::Timestamp>,
    ) -> Result<CantonTimestamp, ParseError> {
        self.time(self.required(time)?)
    }

    pub(crate) fn optional_time(
        self,
        time: Option<&prost_types::Timestamp>,
    ) -> Result<Option<CantonTimestamp>, ParseError> {
        time.map(|time| self.time(time)).transpose()
    }

    pub(crate) fn signature(self, signature: Option<&crypto::Signature>) -> Result<Signature, ParseError> {
        Signature::from_proto(self.required(signature)?).map_err(|source| ParseError::Signature {
            message: self.message,
            field: self.name,
            source,
        })
    }

    pub(crate) fn hash(self, evidence: &[u8]) -> Result<Hash, ParseError> {
        Hash::from_evidence(evidence).map_err(|source| ParseError::Hash {
            message: self.message,
            field: self.name,
            source,
        })
    }

    pub(crate) fn wrong_length(self, length: usize, expected: usize) -> ParseError {
        ParseError::Length { message: self.message, field: self.name, length, expected }
    }

    pub(crate) fn party(self, text: &str) -> Result<PartyId, ParseError> {
        self.text(text)
    }

    pub(crate) fn parties(self, texts: &[String]) -> Result<BTreeSet<PartyId>, ParseError> {
        texts.iter().map(|text| self.party(text)).collect()
    }

    pub(crate) fn at_most(self, length: usize, max: usize) -> Result<(), ParseError> {
        if length > max {
            return Err(ParseError::TooLong { message: self.message, field: self.name, length, max });
        }
        Ok(())
    }
}

/// How many fields a message may have, lists counted by their entries.
///
/// An empty entry takes 2 bytes on the wire and up to 56 in memory: without a limit a message that is small enough to be
/// sent could take 28 times its size to read.
const FIELDS_MAX: usize = 200_000;

pub(crate) fn decode<M: Message + Default>(message: &'static str, bytes: &[u8]) -> Result<M, ParseError> {
    check_field_count(message, count_fields(bytes))?;
    M::decode(bytes).map_err(|source| ParseError::Decode { message, source })
}

/// Decodes bytes of which the message's shared fields become parts.
pub(crate) fn decode_shared<M: Message + Default>(
    message: &'static str,
    bytes: Bytes,
) -> Result<M, ParseError> {
    check_field_count(message, count_fields(&bytes))?;
    M::decode(bytes).map_err(|source| ParseError::Decode { message, source })
}

/// Fails when there are too many fields.
pub(crate) fn check_field_count(message: &'static str, count: usize) -> Result<(), ParseError> {
    field(message, "*").at_most(count, FIELDS_MAX)
}

/// How many fields the message has, up to the first that is malformed. What is inside of them is not looked at.
pub(crate) fn count_fields(bytes: &[u8]) -> usize {
    fields(bytes).count()
}

/// The fields of a message up to the first that is malformed: its number, and the bytes of one that has a length.
pub(crate) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, wire_type) = decode_key(&mut bytes).ok()?;
        if wire_type != WireType::LengthDelimited {
            skip_field(wire_type, tag, &mut bytes, DecodeContext::default()).ok()?;
            return Some((tag, &[][..]));
        }
        let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
        let (value, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        Some((tag, value))
    })
}

/// Unwraps a message, which must have this version, without a copy.
pub(crate) fn unwrap_shared(message: &'static str, bytes: Bytes, expected: i32) -> Result<Bytes, ParseError> {
    let (data, version) =
        versioned::unwrap_shared(bytes).map_err(|source| ParseError::Versioned { message, source })?;
    if version == expected { Ok(data) } else { Err(ParseError::Version { message, version, expected }) }
}

pub(crate) fn unwrap(message: &'static str, bytes: &[u8]) -> Result<(Vec<u8>, i32), ParseError> {
    versioned::unwrap(bytes).map_err(|source| ParseError::Versioned { message, source })
}

/// Unwraps and decodes a message, which must have this version.
pub(crate) fn decode_version<M: Message + Default>(
    message: &'static str,
    bytes: &[u8],
    expected: i32,
) -> Result<M, ParseError> {
    let (data, version) = unwrap(message, bytes)?;
    if version != expected {
        return Err(ParseError::Version { message, version, expected });
    }
    decode(message, &data)
}

/// Unwraps and decodes a message that has only version 0.
pub(crate) fn decode_version_0<M: Message + Default>(
    message: &'static str,
    bytes: &[u8],
) -> Result<M, ParseError> {
    decode_version(message, bytes, 0)
}

pub(crate) fn wrap(message: &impl Message, version: i32) -> Vec<u8> {
    versioned::wrap(&message.encode_to_vec(), version)
}

pub(crate) fn time_to_proto(time: CantonTimestamp) -> prost_types::Timestamp {
    let (seconds, nanos) = time.seconds_and_nanos();
    prost_types::Timestamp { seconds, nanos }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_counted_up_to_the_first_malformed_one() {
        assert_eq!(count_fields(&[]), 0);
        // A varint, an empty text, a text of two bytes, a fixed 32-bit number, and one that is cut off.
        let bytes = [0x08, 5, 0x12, 0, 0x1a, 2, 7, 7, 0x25, 1, 2, 3, 4, 0x2a, 9, 1];
        let found: Vec<_> = fields(&bytes).collect();
        assert_eq!(found, [(1, &[][..]), (2, &[]), (3, &[7, 7]), (4, &[])]);
    }

    #[test]
    fn a_message_of_countless_fields_is_refused() {
        let bytes = [0x0a, 0].repeat(FIELDS_MAX + 1);
        let error = decode::<cantle_proto::protocol::v2::ParticipantReject>("X", &bytes).unwrap_err();
        assert!(matches!(error, ParseError::TooLong { max: FIELDS_MAX, .. }));
    }

    proptest! {
        #[test]
        fn any_bytes_have_fewer_fields_than_bytes(bytes: Vec<u8>) {
            prop_assert!(count_fields(&bytes) <= bytes.len());
        }
    }
}
