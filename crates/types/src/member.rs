//! The members of a sync domain: a three-letter code in front of a unique identifier.
//!
//! Not the domain itself, which has no code ([`crate::DomainId`]).
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{IdentifierError, shortened};
use crate::identifier::UniqueIdentifier;
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

/// A participant node. Its text is that of its member, `PAR::identifier::namespace`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(Member);

impl ParticipantId {
    /// The participant with this unique identifier.
    #[must_use]
    pub fn new(uid: UniqueIdentifier) -> Self {
        Self(Member::new(MemberCode::Participant, uid))
    }

    /// Its unique identifier.
    #[must_use]
    pub fn uid(&self) -> &UniqueIdentifier {
        self.0.uid()
    }

    /// The participant as a member of a domain.
    #[must_use]
    pub fn member(&self) -> &Member {
        &self.0
    }

    /// The text `PAR::identifier::namespace`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<UniqueIdentifier> for ParticipantId {
    fn from(uid: UniqueIdentifier) -> Self {
        Self::new(uid)
    }
}

impl From<ParticipantId> for Member {
    fn from(participant: ParticipantId) -> Self {
        participant.0
    }
}

impl TryFrom<Member> for ParticipantId {
    type Error = IdentifierError;

    fn try_from(member: Member) -> Result<Self, Self::Error> {
        match member.code() {
            MemberCode::Participant => Ok(Self(member)),
            other => Err(IdentifierError::WrongMemberCode {
                expected: MemberCode::Participant.code(),
                found: other.code(),
            }),
        }
    }
}

impl FromStr for ParticipantId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Member>()?.try_into()
    }
}

string_impls!(ParticipantId);
