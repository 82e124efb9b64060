//! To come.
use crate::{
    call::{Answer, Call},
    error::KmsError,
};
pub(super) fn disable_key_rotation(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
pub(super) fn enable_key_rotation(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
pub(super) fn get_key_rotation_status(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
pub(super) fn list_key_rotations(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
pub(super) fn rotate_key_on_demand(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
