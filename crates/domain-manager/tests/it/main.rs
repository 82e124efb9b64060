//! The domain manager role, over real stores and vaults.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod initialize;
mod onboarding;
