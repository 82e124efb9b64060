//! To come.
use crate::{
    call::{Answer, Call},
    error::KmsError,
};
pub(super) fn replicate_key(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
pub(super) fn update_primary_region(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
