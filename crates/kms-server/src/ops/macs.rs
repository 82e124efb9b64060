//! GenerateMac and VerifyMac.

use aws_lc_rs::hmac;
use serde_json::json;

use super::describe::base64;
use crate::{
    call::{Answer, Call, wrong_algorithm, wrong_usage},
    error::KmsError,
    keys::{
        material::Parsed,
        signing,
        spec::{KeyUsage, MacAlgorithm},
    },
    model::fields::Need,
    state::key::Key,
};

const ALGORITHM_SET: &str = "[HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]";

fn check(call: &Call, key: &Key, algorithm: MacAlgorithm) -> Result<(), KmsError> {
    call.check_usable(key)?;
    if key.usage != KeyUsage::GenerateVerifyMac {
        return Err(wrong_usage(key, call.operation));
    }
    if key.spec.mac_algorithm() != Some(algorithm) {
        return Err(wrong_algorithm(key, algorithm.as_str()));
    }
    Ok(())
}

fn with_key<T>(call: &Call, key: &Key, use_key: impl FnOnce(&hmac::Key) -> T) -> Result<T, KmsError> {
    match &*call.parsed(key)? {
        Parsed::Hmac(secret) => Ok(use_key(secret)),
        _ => Err(KmsError::internal("The key is not an HMAC key.")),
    }
}

pub(super) fn generate_mac(call: &Call) -> Answer {
    let fields = call.fields();
    let message = fields.plaintext("Message", 4096, Need::Required);
    let key_id = fields.key_id();
    let algorithm = fields.one_of("MacAlgorithm", MacAlgorithm::parse, ALGORITHM_SET, Need::Required);
    fields.grant_tokens();
    let dry_run = fields.dry_run();
    fields.finish()?;
    let algorithm = algorithm.unwrap_or(MacAlgorithm::Sha256);
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    check(call, key, algorithm)?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let mac = with_key(call, key, |secret| signing::mac(secret, &message))?;
    Ok(json!({"Mac": base64(&mac), "MacAlgorithm": algorithm.as_str(), "KeyId": key.arn()}))
}

pub(super) fn verify_mac(call: &Call) -> Answer {
    let fields = call.fields();
    let message = fields.plaintext("Message", 4096, Need::Required);
    let key_id = fields.key_id();
    let algorithm = fields.one_of("MacAlgorithm", MacAlgorithm::parse, ALGORITHM_SET, Need::Required);
    let mac = fields.blob("Mac", 6144, Need::Required).unwrap_or_default();
    fields.grant_tokens();
    let dry_run = fields.dry_run();
    fields.finish()?;
    let algorithm = algorithm.unwrap_or(MacAlgorithm::Sha256);
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    check(call, key, algorithm)?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let valid = with_key(call, key, |secret| hmac::verify(secret, &message, &mac).is_ok())?;
    if !valid {
        return Err(KmsError::bare("KMSInvalidMacException"));
    }
    Ok(json!({"KeyId": key.arn(), "MacValid": true, "MacAlgorithm": algorithm.as_str()}))
}
