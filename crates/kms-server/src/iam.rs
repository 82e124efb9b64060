//! IAM as far as KMS needs it: policy documents, conditions, and the decision over identity policies, key policies
//! and grants.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

pub(crate) mod condition;
pub(crate) mod context;
pub(crate) mod decision;
pub(crate) mod pattern;
pub(crate) mod policy;
