//! `<node>.caching`: sizes of Canton's caches, known and ignored.
//!
//! Only tables: Cantle sizes its own.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/performance.html#configure-cache-sizes>

use crate::schema::{FINITE, Kind, POSITIVE_DURATION, POSITIVE_LONG, Section, used};

/// `<node>.caching`
pub(crate) static CACHING: Section = Section::new(&[
    used("indexed-strings", CACHE),
    used("contract-store", CACHE),
    used("topology-snapshot", CACHE),
    used("party-cache", CACHE),
    used("participant-cache", CACHE),
    used("key-cache", CACHE),
    used("session-key-cache-config", Kind::Section(&SESSION_KEY_CACHE)),
    used("package-vetting-cache", CACHE),
    used("check-only-package-cache", CACHE),
    used("package-dependency-cache", CACHE),
    used("my-signing-key-cache", CACHE),
    used("traffic-status-cache", CACHE),
    used("member-cache", CACHE),
    used("kms-metadata-cache", CACHE),
    used("finalized-mediator-requests", CACHE),
]);

const CACHE: Kind = Kind::Section(&CACHE_KEYS);

static CACHE_KEYS: Section =
    Section::new(&[used("maximum-size", POSITIVE_LONG).required(), used("expire-after-access", FINITE)]);

static SESSION_KEY_CACHE: Section = Section::new(&[
    used("enabled", Kind::Bool).required(),
    used("sender-cache", Kind::Section(&TIMED_CACHE)).required(),
    used("receiver-cache", Kind::Section(&TIMED_CACHE)).required(),
]);

static TIMED_CACHE: Section = Section::new(&[
    used("maximum-size", POSITIVE_LONG).required(),
    used("expire-after-timeout", POSITIVE_DURATION),
]);
