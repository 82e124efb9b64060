//! The members of a sync domain: a three-letter code in front of a unique identifier.
//!
//! Not the domain itself, which has no code ([`crate::DomainId`]).
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{IdentifierError, shortened};
use crate::identifier::{PartyId, UniqueIdentifier};
use crate::text::{SEPARATOR, check_length, string_impls};

const MEMBER_MAX: usize = 300;

/// What a member of a domain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberCode {
    /// A participant node, `PAR`.
    Participant,
    /// A mediator, `MED`.
    Mediator,
    /// A sequencer, `SEQ`.
    Sequencer,
    /// The topology manager of a domain, `DOM`.
    DomainTopologyManager,
    /// A member before it has authenticated itself, `UNM`.
    Unauthenticated,
}

impl MemberCode {
    /// Every code.
    pub const ALL: [Self; 5] = [
        Self::Participant,
        Self::Mediator,
        Self::Sequencer,
        Self::DomainTopologyManager,
        Self::Unauthenticated,
    ];

    /// The three letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Participant => "PAR",
            Self::Mediator => "MED",
            Self::Sequencer => "SEQ",
            Self::DomainTopologyManager => "DOM",
            Self::Unauthenticated => "UNM",
        }
    }
}

impl fmt::Display for MemberCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for MemberCode {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|code| code.code() == text);
        known.ok_or_else(|| IdentifierError::UnknownMemberCode { code: shortened(text) })
    }
}

/// A member of a domain, which owns keys: written `PAR::identifier::namespace`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    text: Arc<str>,
    code: MemberCode,
    uid: UniqueIdentifier,
}

impl Member {
    /// Puts the code in front of the unique identifier.
    #[must_use]
    pub fn new(code: MemberCode, uid: UniqueIdentifier) -> Self {
        Self { text: format!("{code}{SEPARATOR}{uid}").into(), code, uid }
    }

    /// What the member is.
    #[must_use]
    pub fn code(&self) -> MemberCode {
        self.code
    }

    /// Who the member is.
    #[must_use]
    pub fn uid(&self) -> &UniqueIdentifier {
        &self.uid
    }

    /// The text `CCC::identifier::namespace`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Member {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "member";
        check_length(WHAT, text, MEMBER_MAX)?;
        let Some((code, uid)) = text.split_once(SEPARATOR) else {
            return Err(IdentifierError::MissingSeparator {
                what: WHAT,
                text: shortened(text),
                expected: "CODE::identifier::namespace",
            });
        };
        Ok(Self { text: text.into(), code: code.parse()?, uid: uid.parse()? })
    }
}

string_impls!(Member);

/// A newtype over [`Member`] for the members of one code.
macro_rules! member_newtype {
    ($(#[$doc:meta])* $name:ident, $code:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Member);

        impl $name {
            /// The one with this unique identifier.
            #[must_use]
            pub fn new(uid: UniqueIdentifier) -> Self {
                Self(Member::new($code, uid))
            }

            /// Its unique identifier.
            #[must_use]
            pub fn uid(&self) -> &UniqueIdentifier {
                self.0.uid()
            }

            /// The same as a member of a domain.
            #[must_use]
            pub fn member(&self) -> &Member {
                &self.0
            }

            /// The text, that of the member: code, identifier and namespace.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl From<UniqueIdentifier> for $name {
            fn from(uid: UniqueIdentifier) -> Self {
                Self::new(uid)
            }
        }

        impl From<$name> for Member {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl TryFrom<Member> for $name {
            type Error = IdentifierError;

            fn try_from(member: Member) -> Result<Self, Self::Error> {
                if member.code() == $code {
                    return Ok(Self(member));
                }
                let (expected, found) = ($code.code(), member.code().code());
                Err(IdentifierError::WrongMemberCode { expected, found })
            }
        }

        impl FromStr for $name {
            type Err = IdentifierError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse::<Member>()?.try_into()
            }
        }

        string_impls!($name);
    };
}

member_newtype! {
    /// A participant node. Its text is that of its member, `PAR::identifier::namespace`.
    ParticipantId,
    MemberCode::Participant
}

member_newtype! {
    /// A mediator. Its text is that of its member, `MED::identifier::namespace`.
    MediatorId,
    MemberCode::Mediator
}

member_newtype! {
    /// A sequencer. Its text is that of its member, `SEQ::identifier::namespace`.
    SequencerId,
    MemberCode::Sequencer
}

member_newtype! {
    /// The topology manager of a domain. Its text is that of its member, `DOM::identifier::namespace`.
    DomainManagerId,
    MemberCode::DomainTopologyManager
}

impl ParticipantId {
    /// The participant's own party, which has its unique identifier.
    #[must_use]
    pub fn admin_party(&self) -> PartyId {
        PartyId::new(self.uid().clone())
    }
}
