//! What participants answer to confirmation requests, and what mediators make of the answers.

mod malformed;
mod reject;
mod response;
mod result;
mod verdict;

pub use malformed::MalformedMediatorRequestResult;
pub use reject::{ErrorCategory, LocalReject, MediatorReject};
pub use response::{LocalVerdict, MediatorResponse};
pub use result::TransactionResultMessage;
pub use verdict::{RejectionReason, Verdict};
