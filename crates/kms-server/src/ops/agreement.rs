//! DeriveSharedSecret.

use serde_json::json;

use super::describe::base64;
use crate::{
    call::{Answer, Call, wrong_usage},
    error::KmsError,
    keys::{
        material::{Parsed, agree},
        spec::KeyUsage,
    },
    model::fields::Need,
};

pub(super) fn derive_shared_secret(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let ecdh = |name: &str| (name == "ECDH").then_some(());
    fields.one_of("KeyAgreementAlgorithm", ecdh, "[ECDH]", Need::Required);
    let peer = fields.blob("PublicKey", 8192, Need::Required).unwrap_or_default();
    fields.grant_tokens();
    let dry_run = fields.dry_run();
    fields.finish()?;
    if fields.has("Recipient") {
        return Err(KmsError::unsupported_operation("Recipient is not supported here."));
    }
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    call.check_usable(key)?;
    if key.usage != KeyUsage::KeyAgreement {
        return Err(wrong_usage(key, call.operation));
    }
    let parsed = call.parsed(key)?;
    let Parsed::Ecdsa { pkcs8, .. } = &*parsed else {
        return Err(KmsError::internal("The key is not an elliptic curve key."));
    };
    // AWS sends no text for a public key that is none, or is on another curve.
    let secret = agree(key.spec, pkcs8, &peer).ok_or_else(|| KmsError::bare("ValidationException"))?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    Ok(json!({
        "KeyId": key.arn(),
        "SharedSecret": base64(&secret),
        "KeyAgreementAlgorithm": "ECDH",
        "KeyOrigin": key.origin.as_str(),
    }))
}
