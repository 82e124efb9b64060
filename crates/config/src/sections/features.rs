//! `canton.features`: groups of commands that are off until asked for.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/console.html>

use crate::cursor::Cursor;
use crate::fault::Problem;
use crate::schema::{Kind, Section, later, used};

const ALL_ON: &str = "the commands that Cantle has can always be used";

/// `canton.features`
pub(crate) static FEATURES: Section = Section::new(&[
    later("enable-preview-commands", Kind::Bool, ALL_ON),
    later("enable-testing-commands", Kind::Bool, ALL_ON),
    later("enable-repair-commands", Kind::Bool, ALL_ON),
    used("skip-topology-manager-signature-validation", Kind::Bool),
]);

/// Groups of commands that are off until asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// Commands that may still change.
    pub preview_commands: bool,
    /// Commands for tests.
    pub testing_commands: bool,
    /// Commands that repair a broken store.
    pub repair_commands: bool,
}

pub(crate) fn features(features: &Cursor<'_>) -> Features {
    let skip = features.at("skip-topology-manager-signature-validation");
    if skip.bool() == Some(true) {
        skip.fault(Problem::Refused {
            reason: "signatures of topology transactions are always checked; remove it".to_owned(),
        });
    }
    let enabled = |key: &str| features.at(key).bool().unwrap_or(false);
    Features {
        preview_commands: enabled("enable-preview-commands"),
        testing_commands: enabled("enable-testing-commands"),
        repair_commands: enabled("enable-repair-commands"),
    }
}
