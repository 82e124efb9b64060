//! Faults on request: what goes wrong, for which operation, how often.
//!
//! A fault is armed until its count is used up; the first armed fault that strikes a request is the one it meets. They
//! come from a file at the start and can be read and replaced while the server runs (the admin endpoint).

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// A faults file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaultsError {
    /// The file cannot be read.
    #[error("cannot read the faults file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a list of faults.
    #[error("{} is not a list of faults", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
}

/// One fault.
///
/// In JSON: `{"operation": "Sign", "skip": 2, "count": 1, "kind": "delay", "ms": 500}`. `operation` is a name of
/// AWS's or `*`; `region` left out means every Region; the first `skip` requests that fit are spared, and with
/// `spare_every` each so-manieth after them; `count` left out means for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The operation it strikes, or `*`.
    #[serde(default = "every")]
    pub operation: String,
    /// The Region it strikes; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How many fitting requests are spared first.
    #[serde(default)]
    pub skip: u64,
    /// Of so many fitting requests the last one is spared, again and again: 10 lets a tenth through. None: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare_every: Option<NonZeroU64>,
    /// How many it strikes; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What happens.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// How many fitting requests there were since one was spared.
    #[serde(skip)]
    since: u64,
}

impl Fault {
    /// A fault of an operation, or of all with `*`, in every Region and for ever.
    #[must_use]
    pub fn new(operation: impl Into<String>, kind: FaultKind) -> Self {
        let operation = operation.into();
        Self { operation, region: None, skip: 0, spare_every: None, count: None, kind, since: 0 }
    }

    /// The same, in one Region alone.
    #[must_use]
    pub fn region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// The same, so many times.
    #[must_use]
    pub fn count(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Whether a request that fits is spared this time.
    fn spares(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return true;
        }
        let Some(every) = self.spare_every else { return false };
        self.since += 1;
        let is_spared = self.since == every.get();
        if is_spared {
            self.since = 0;
        }
        is_spared
    }
}

fn every() -> String {
    "*".to_owned()
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The work is done after this time.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The work is done, the answer comes after this time.
    DelayAnswer {
        /// Milliseconds.
        ms: u64,
    },
    /// The connection is reset and nothing was done.
    ResetBefore,
    /// The work is done, then the connection is reset without an answer.
    ResetAfter,
    /// The work is done; half of the answer comes, then the connection is reset.
    HalfAnswer,
    /// `KMSInternalException`, status 500; nothing was done.
    InternalError,
    /// The signature is checked by a clock that is off, as if the caller's were.
    ClockSkew {
        /// By how many seconds the server's clock is ahead.
        seconds: i32,
    },
    /// `ThrottlingException`; nothing was done.
    Throttle,
    /// Any error; nothing was done.
    Error {
        /// The exception's name.
        code: String,
        /// The HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
        /// The text.
        #[serde(default)]
        message: String,
    },
    /// The answer's body comes in pieces.
    SlowBody {
        /// Bytes a piece.
        chunk: usize,
        /// Milliseconds between pieces.
        ms: u64,
    },
}

const fn bad_request() -> u16 {
    400
}

impl FaultKind {
    pub(crate) fn delay_before(&self) -> Option<Duration> {
        match self {
            Self::Delay { ms } => Some(Duration::from_millis(*ms)),
            _ => None,
        }
    }

    /// How far the clock is ahead that a signature is checked by, in milliseconds.
    pub(crate) fn skew_ms(&self) -> i64 {
        match self {
            Self::ClockSkew { seconds } => i64::from(*seconds) * 1000,
            _ => 0,
        }
    }

    pub(crate) fn delay_after(&self) -> Option<Duration> {
        match self {
            Self::DelayAnswer { ms } => Some(Duration::from_millis(*ms)),
            _ => None,
        }
    }
}

/// The armed faults.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Fault>>,
}

impl Faults {
    pub(crate) fn from_file(path: &Path) -> Result<Self, FaultsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| FaultsError::Read { path: path.to_owned(), source })?;
        let faults = serde_json::from_str(&text)
            .map_err(|source| FaultsError::Json { path: path.to_owned(), source })?;
        Ok(Self { armed: Mutex::new(faults) })
    }

    pub(crate) fn set(&self, faults: Vec<Fault>) {
        *self.armed.lock() = faults;
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<Fault>)) {
        change(&mut self.armed.lock());
    }

    pub(crate) fn snapshot(&self) -> Vec<Fault> {
        self.armed.lock().clone()
    }

    /// The fault that this request meets.
    pub(crate) fn strike(&self, operation: &str, region: &str) -> Option<FaultKind> {
        let mut armed = self.armed.lock();
        let mut struck = None;
        for (index, fault) in armed.iter_mut().enumerate() {
            let fits = (fault.operation == "*" || fault.operation == operation)
                && fault.region.as_deref().is_none_or(|only| only == region);
            if !fits {
                continue;
            }
            if fault.spares() {
                continue;
            }
            if let Some(count) = &mut fault.count {
                if *count == 0 {
                    continue;
                }
                *count -= 1;
            }
            struck = Some((index, fault.kind.clone()));
            break;
        }
        let (index, kind) = struck?;
        if armed[index].count == Some(0) {
            armed.remove(index);
        }
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_read_from_json_and_strike_in_order() {
        let faults: Vec<Fault> = serde_json::from_str(
            r#"[{"operation":"Sign","skip":1,"count":2,"kind":"throttle"},{"kind":"delay","ms":5}]"#,
        )
        .unwrap();
        let armed = Faults::default();
        armed.set(faults);
        assert_eq!(armed.strike("Decrypt", "us-east-1"), Some(FaultKind::Delay { ms: 5 }));
        assert_eq!(armed.strike("Sign", "us-east-1"), Some(FaultKind::Delay { ms: 5 }));
        assert_eq!(armed.strike("Sign", "us-east-1"), Some(FaultKind::Throttle));
        assert_eq!(armed.strike("Sign", "us-east-1"), Some(FaultKind::Throttle));
        assert_eq!(armed.strike("Sign", "us-east-1"), Some(FaultKind::Delay { ms: 5 }));
        assert_eq!(armed.snapshot().len(), 1);
    }

    #[test]
    fn a_share_of_the_requests_is_spared() {
        let faults: Vec<Fault> =
            serde_json::from_str(r#"[{"spare_every":3,"skip":1,"kind":"throttle"}]"#).unwrap();
        let armed = Faults::default();
        armed.set(faults);
        let struck: Vec<bool> = (0..7).map(|_| armed.strike("Sign", "us-east-1").is_some()).collect();
        assert_eq!(struck, [false, true, true, false, true, true, false]);
        assert!(serde_json::from_str::<Fault>(r#"{"spare_every":0,"kind":"throttle"}"#).is_err());
    }

    #[test]
    fn a_fault_of_a_region_spares_the_others() {
        let faults: Vec<Fault> =
            serde_json::from_str(r#"[{"region":"us-east-1","kind":"reset_before"}]"#).unwrap();
        let armed = Faults::default();
        armed.set(faults);
        assert_eq!(armed.strike("Sign", "eu-west-1"), None);
        assert_eq!(armed.strike("Sign", "us-east-1"), Some(FaultKind::ResetBefore));
    }
}
