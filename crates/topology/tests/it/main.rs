//! Topology against what Canton 2.10 wrote and signed, against a model, and change by change.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod authorization;
mod checks;
mod domain_checks;
mod histories;
mod hostile;
mod mappings;
mod recorded;
mod registration;
mod signed;
mod support;
mod timeline;
mod vectors;
mod view;
