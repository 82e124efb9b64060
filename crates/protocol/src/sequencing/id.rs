//! How submissions are named and events are counted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use cantle_types::IdentifierError;

const MESSAGE_ID_MAX: usize = 73;

/// What a sender calls a submission, to know its event by: at most 73 characters (UTF-16 units).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// A new one, a random UUID.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string().into())
    }

    /// A new one: the prefix (at most 37 ASCII characters) and a random UUID.
    pub(crate) fn random_with_prefix(prefix: &'static str) -> Self {
        Self(format!("{prefix}{}", Uuid::new_v4()).into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A text has at most as many UTF-16 units as bytes.
        if text.len() > MESSAGE_ID_MAX {
            let length = text.encode_utf16().count();
            if length > MESSAGE_ID_MAX {
                return Err(IdentifierError::TooLong { what: "message id", length, max: MESSAGE_ID_MAX });
            }
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({:?})", &*self.0)
    }
}

/// A counter below 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is below 0, at which the events of a member begin")]
pub struct NegativeCounter(pub i64);

/// The number of an event among those of one member; the first is 0, and none is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequencerCounter(i64);

impl SequencerCounter {
    /// The first.
    pub const GENESIS: Self = Self(0);

    /// The counter with this number.
    ///
    /// # Errors
    /// When it is negative.
    pub fn new(number: i64) -> Result<Self, NegativeCounter> {
        if number < 0 { Err(NegativeCounter(number)) } else { Ok(Self(number)) }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// The next one. After the last, which no member reaches, it stays.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for SequencerCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_bounded_as_the_jvm_counts() {
        assert!("x".repeat(73).parse::<MessageId>().is_ok());
        assert!("x".repeat(74).parse::<MessageId>().is_err());
        assert!("é".repeat(73).parse::<MessageId>().is_ok());
        assert!("".parse::<MessageId>().is_ok());
    }

    #[test]
    fn random_message_ids_differ_and_fit() {
        let id = MessageId::random_with_prefix("tick-");
        assert_ne!(id, MessageId::random_with_prefix("tick-"));
        assert_eq!(id.as_str().parse::<MessageId>().unwrap(), id);
        assert_eq!(MessageId::random().as_str().len(), 36);
    }

    #[test]
    fn counters_begin_at_zero() {
        assert!(SequencerCounter::new(-1).is_err());
        assert_eq!(SequencerCounter::new(0), Ok(SequencerCounter::GENESIS));
        assert_eq!(SequencerCounter::GENESIS.next().get(), 1);
    }
}
