//! The API's model: its operations, and the constraints on what they are given.

pub(crate) mod fields;
pub(crate) mod operation;
