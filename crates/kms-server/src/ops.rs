//! The operations: what each reads, checks, does and answers.

mod agreement;
mod aliases;
mod data_keys;
mod describe;
mod encryption;
mod grants;
mod import;
mod lifecycle;
mod listing;
mod macs;
mod multi_region;
mod policies;
pub(crate) mod rotation;
mod signing;
mod tags;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod wycheproof;

use crate::{
    call::{Answer, Call},
    error::KmsError,
    model::operation::Operation,
};

/// Whether a text has the form of a grant token.
pub(crate) fn is_grant_token(text: &str) -> bool {
    grants::read_token(text).is_some()
}

/// Does one operation.
pub(crate) fn dispatch(call: &Call) -> Answer {
    use Operation as Op;
    match call.operation {
        Op::CancelKeyDeletion => lifecycle::cancel_key_deletion(call),
        Op::CreateAlias => aliases::create_alias(call),
        Op::CreateGrant => grants::create_grant(call),
        Op::CreateKey => lifecycle::create_key(call),
        Op::Decrypt => encryption::decrypt(call),
        Op::DeleteAlias => aliases::delete_alias(call),
        Op::DeleteImportedKeyMaterial => import::delete_imported_key_material(call),
        Op::DeriveSharedSecret => agreement::derive_shared_secret(call),
        Op::DescribeKey => describe::describe_key(call),
        Op::DisableKey => lifecycle::disable_key(call),
        Op::DisableKeyRotation => rotation::disable_key_rotation(call),
        Op::EnableKey => lifecycle::enable_key(call),
        Op::EnableKeyRotation => rotation::enable_key_rotation(call),
        Op::Encrypt => encryption::encrypt(call),
        Op::GenerateDataKey | Op::GenerateDataKeyWithoutPlaintext => data_keys::generate_data_key(call),
        Op::GenerateDataKeyPair | Op::GenerateDataKeyPairWithoutPlaintext => {
            data_keys::generate_data_key_pair(call)
        }
        Op::GenerateMac => macs::generate_mac(call),
        Op::GenerateRandom => data_keys::generate_random(call),
        Op::GetKeyPolicy => policies::get_key_policy(call),
        Op::GetKeyRotationStatus => rotation::get_key_rotation_status(call),
        Op::GetParametersForImport => import::get_parameters_for_import(call),
        Op::GetPublicKey => describe::get_public_key(call),
        Op::ImportKeyMaterial => import::import_key_material(call),
        Op::ListAliases => aliases::list_aliases(call),
        Op::ListGrants => grants::list_grants(call),
        Op::ListKeyPolicies => policies::list_key_policies(call),
        Op::ListKeyRotations => rotation::list_key_rotations(call),
        Op::ListKeys => describe::list_keys(call),
        Op::ListResourceTags => tags::list_resource_tags(call),
        Op::ListRetirableGrants => grants::list_retirable_grants(call),
        Op::PutKeyPolicy => policies::put_key_policy(call),
        Op::ReEncrypt => encryption::re_encrypt(call),
        Op::ReplicateKey => multi_region::replicate_key(call),
        Op::RetireGrant => grants::retire_grant(call),
        Op::RevokeGrant => grants::revoke_grant(call),
        Op::RotateKeyOnDemand => rotation::rotate_key_on_demand(call),
        Op::ScheduleKeyDeletion => lifecycle::schedule_key_deletion(call),
        Op::Sign => signing::sign(call),
        Op::TagResource => tags::tag_resource(call),
        Op::UntagResource => tags::untag_resource(call),
        Op::UpdateAlias => aliases::update_alias(call),
        Op::UpdateKeyDescription => lifecycle::update_key_description(call),
        Op::UpdatePrimaryRegion => multi_region::update_primary_region(call),
        Op::Verify => signing::verify(call),
        Op::VerifyMac => macs::verify_mac(call),
        Op::ConnectCustomKeyStore
        | Op::CreateCustomKeyStore
        | Op::Decapsulate
        | Op::DeleteCustomKeyStore
        | Op::DescribeCustomKeyStores
        | Op::DisconnectCustomKeyStore
        | Op::Encapsulate
        | Op::GetKeyLastUsage
        | Op::UpdateCustomKeyStore => {
            call.authorize(call.operation.action(), "*")?;
            Err(KmsError::unsupported_operation(format!(
                "{} is not supported here.",
                call.operation.as_str()
            )))
        }
    }
}
