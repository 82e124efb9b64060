//! The faults: what is armed for an operation, and how it ends.

use std::{num::NonZeroU64, time::Duration};

use cantle_kms_server::{Fault, FaultKind};

/// One fault, which is one row of each table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    Silence,
    ResetBefore,
    ResetAfter,
    HalfAnswer,
    InternalError,
    TenthPasses,
    SlowAnswers,
    ClockSkew,
    ExpiredCredentials,
    Disabled,
    PendingDeletion,
    NoAddress,
}

/// How often a fault strikes that does not last.
const TWICE: u64 = 2;
/// More connections than a client keeps: none of them is left, and the name is asked for.
const CONNECTIONS: u64 = 12;

impl Row {
    pub(crate) const ALL: [Self; 12] = [
        Self::Silence,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::HalfAnswer,
        Self::InternalError,
        Self::TenthPasses,
        Self::SlowAnswers,
        Self::ClockSkew,
        Self::ExpiredCredentials,
        Self::Disabled,
        Self::PendingDeletion,
        Self::NoAddress,
    ];

    /// As the tables have it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Silence => "no answer",
            Self::ResetBefore => "reset before the work",
            Self::ResetAfter => "reset after the work",
            Self::HalfAnswer => "half an answer",
            Self::InternalError => "status 500",
            Self::TenthPasses => "throttled to a tenth",
            Self::SlowAnswers => "slow answers",
            Self::ClockSkew => "clock ten minutes off",
            Self::ExpiredCredentials => "expired credentials",
            Self::Disabled => "key disabled",
            Self::PendingDeletion => "key pending deletion",
            Self::NoAddress => "name without address",
        }
    }

    /// As part of a Region's name, which must be short.
    pub(crate) fn word(self) -> String {
        let letters = format!("{self:?}").to_lowercase();
        letters.chars().take(12).collect()
    }

    /// The state that a key is put into, if that is the fault.
    pub(crate) const fn is_of_keys(self) -> bool {
        matches!(self, Self::Disabled | Self::PendingDeletion)
    }

    /// Whether the fault only takes time.
    pub(crate) const fn is_harmless(self) -> bool {
        matches!(self, Self::SlowAnswers | Self::TenthPasses)
    }

    /// How long an answer is waited for.
    pub(crate) const fn request_timeout(self) -> Duration {
        match self {
            Self::Silence => Duration::from_secs(2),
            _ => Duration::from_secs(15),
        }
    }

    /// What is armed at the KMS for an operation; nothing where the fault is elsewhere.
    fn kind(self) -> Option<FaultKind> {
        Some(match self {
            Self::Silence => FaultKind::Delay { ms: 60_000 },
            Self::ResetBefore => FaultKind::ResetBefore,
            Self::ResetAfter => FaultKind::ResetAfter,
            Self::HalfAnswer => FaultKind::HalfAnswer,
            Self::InternalError => FaultKind::InternalError,
            Self::TenthPasses => FaultKind::Throttle,
            Self::SlowAnswers => FaultKind::DelayAnswer { ms: 700 },
            Self::ClockSkew => FaultKind::ClockSkew { seconds: 600 },
            Self::ExpiredCredentials => FaultKind::Error {
                code: "ExpiredTokenException".to_owned(),
                status: 400,
                message: "The security token included in the request is expired".to_owned(),
            },
            Self::Disabled | Self::PendingDeletion => return None,
            // A connection that is there needs no name.
            Self::NoAddress => FaultKind::ResetBefore,
        })
    }

    /// Strikes some requests of an operation.
    pub(crate) fn passing(self, operation: &str, region: &str) -> Option<Fault> {
        let fault = self.lasting(operation, region)?;
        Some(match self {
            Self::SlowAnswers | Self::TenthPasses => fault,
            Self::NoAddress => fault.count(CONNECTIONS),
            _ => fault.count(TWICE),
        })
    }

    /// Strikes until it is taken away.
    pub(crate) fn lasting(self, operation: &str, region: &str) -> Option<Fault> {
        let mut fault = Fault::new(operation, self.kind()?).region(region);
        if self == Self::TenthPasses {
            fault.spare_every = NonZeroU64::new(10);
        }
        Some(fault)
    }

    /// How many names find no address.
    pub(crate) const fn lookups(self) -> u64 {
        match self {
            Self::NoAddress => TWICE,
            _ => 0,
        }
    }
}
