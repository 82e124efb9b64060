//! The domain manager role: the identity of a sync domain, who is on it, and who hears of it.
//!
//! Not here: how a key is made (`cantle-vault`), how a transaction is authorized (`cantle-identity`), how the domain is
//! reached (`cantle-sequencing`), or when this runs (`cantle-node`).
//!
//! Invariants: a domain's unique identifier is stored last, so one that was interrupted goes on where it stopped and
//! makes nothing twice; every authorized transaction reaches every member, in order; nobody joins who does not bring all
//! that makes a member.
//! Source: <https://docs.daml.com/canton/usermanual/manage_domains.html>

mod dispatch;
mod initialize;
mod node;
mod onboarding;
mod requests;
mod running;

pub use dispatch::{DispatchError, DispatchStatus};
pub use initialize::{DomainRoles, InitializeError, founding_mappings, initialize};
pub use node::{DomainManagerError, DomainManagerNode, DomainManagerOptions, Phase};
pub use onboarding::{
    Admission, Decision, OnboardingPolicy, ParticipantCertificate, Step, decide, result_of,
};
pub use running::RunError;
