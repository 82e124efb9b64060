//! The small words of topology: what a transaction does, whose side it is, what a participant may do.
//!
//! The numbers of the wire stay in here; one that names nothing is refused, and so is the missing one.

use std::fmt;

use cantle_proto::protocol::v0;

use crate::error::ParseError;

/// An enum of the wire whose number 0, where it means that the value is missing, is refused.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name, as Canton writes it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                }
            }

            /// The number on the wire.
            #[must_use]
            pub fn to_proto(self) -> v0::$name {
                match self {
                    $(Self::$variant => v0::$name::$variant,)+
                }
            }

            /// Reads the number of the wire.
            ///
            /// # Errors
            /// When the number is 0 for a missing value, or names nothing.
            pub fn from_proto(number: i32) -> Result<Self, ParseError> {
                let known = Self::ALL.iter().copied().find(|value| i32::from(value.to_proto()) == number);
                known.ok_or(ParseError::Number { what: stringify!($name), number })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

wire_enum! {
    /// What a topology transaction does.
    TopologyChangeOp {
        /// Adds a mapping, valid until it is removed.
        Add,
        /// Takes back an addition, named by its element id.
        Remove,
        /// Takes the place of the mapping before it; domain parameters only.
        Replace,
    }
}

wire_enum! {
    /// Which of the two that a mapping concerns agrees with it.
    RequestSide {
        /// Both, by one signature.
        Both,
        /// The first: the domain or the party.
        From,
        /// The second: the participant or the mediator.
        To,
    }
}

wire_enum! {
    /// What a participant may do, for a party or on a domain.
    ParticipantPermission {
        /// Submit, confirm and observe transactions.
        Submission,
        /// Confirm and observe transactions.
        Confirmation,
        /// Observe transactions.
        Observation,
        /// Nothing.
        Disabled,
    }
}

impl ParticipantPermission {
    /// Whether the participant may confirm transactions.
    #[must_use]
    pub fn can_confirm(self) -> bool {
        matches!(self, Self::Submission | Self::Confirmation)
    }

    /// The one that allows less.
    #[must_use]
    pub fn lower_of(self, other: Self) -> Self {
        // The variants stand from the one that allows most to the one that allows nothing.
        self.max(other)
    }

    /// Whether the participant may do anything.
    #[must_use]
    pub fn is_active(self) -> bool {
        self != Self::Disabled
    }
}

wire_enum! {
    /// How far a domain trusts a participant.
    TrustLevel {
        /// Its confirmations alone do not suffice where VIPs are asked for.
        Ordinary,
        /// Its confirmation suffices.
        Vip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_canton_s() {
        assert_eq!(
            TopologyChangeOp::ALL.iter().map(|op| i32::from(op.to_proto())).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(
            RequestSide::ALL.iter().map(|side| i32::from(side.to_proto())).collect::<Vec<_>>(),
            [1, 2, 3]
        );
        let permissions =
            ParticipantPermission::ALL.iter().map(|permission| i32::from(permission.to_proto()));
        assert_eq!(permissions.collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(
            TrustLevel::ALL.iter().map(|level| i32::from(level.to_proto())).collect::<Vec<_>>(),
            [1, 2]
        );
    }

    #[test]
    fn missing_and_unknown_numbers_are_refused() {
        assert!(RequestSide::from_proto(0).is_err());
        assert!(ParticipantPermission::from_proto(0).is_err());
        assert!(TrustLevel::from_proto(0).is_err());
        for number in [-1, 5, i32::MAX] {
            assert!(TopologyChangeOp::from_proto(number).is_err());
            assert!(ParticipantPermission::from_proto(number).is_err());
        }
    }

    #[test]
    fn the_lower_permission_allows_less() {
        use ParticipantPermission::{Confirmation, Disabled, Observation, Submission};
        assert_eq!(Submission.lower_of(Submission), Submission);
        assert_eq!(Submission.lower_of(Confirmation), Confirmation);
        assert_eq!(Observation.lower_of(Confirmation), Observation);
        assert_eq!(Disabled.lower_of(Submission), Disabled);
    }

    #[test]
    fn every_value_is_read_back() {
        for &op in TopologyChangeOp::ALL {
            assert_eq!(TopologyChangeOp::from_proto(op.to_proto().into()).unwrap(), op);
        }
        for &permission in ParticipantPermission::ALL {
            assert_eq!(ParticipantPermission::from_proto(permission.to_proto().into()).unwrap(), permission);
        }
    }
}
