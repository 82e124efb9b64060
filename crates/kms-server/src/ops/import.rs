//! To come.
use crate::{
    call::{Answer, Call},
    error::KmsError,
};
pub(super) fn delete_imported_key_material(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
pub(super) fn get_parameters_for_import(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
pub(super) fn import_key_material(call: &Call) -> Answer {
    Err(KmsError::unsupported_operation(call.operation.as_str()))
}
