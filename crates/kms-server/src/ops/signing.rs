//! Sign and Verify.

use serde_json::json;

use super::describe::base64;
use crate::{
    call::{Answer, Call, wrong_algorithm, wrong_usage},
    error::KmsError,
    keys::{
        signing,
        spec::{KeyUsage, MessageType, SigningAlgorithm},
    },
    model::fields::{Fields, Need},
    state::key::Key,
};

const ALGORITHM_SET: &str = "[RSASSA_PKCS1_V1_5_SHA_384, ECDSA_SHA_512, RSASSA_PSS_SHA_512, ECDSA_SHA_256, \
     RSASSA_PKCS1_V1_5_SHA_256, RSASSA_PSS_SHA_256, RSASSA_PKCS1_V1_5_SHA_512, ECDSA_SHA_384, RSASSA_PSS_SHA_384, \
     ED25519_SHA_512, ED25519_PH_SHA_512, ML_DSA_SHAKE_256]";
const MESSAGE_TYPE_SET: &str = "[RAW, DIGEST, EXTERNAL_MU]";

struct Signed {
    message: Vec<u8>,
    message_type: MessageType,
    algorithm: SigningAlgorithm,
}

fn read(fields: &Fields<'_>) -> Signed {
    let message = fields.plaintext("Message", 4096, Need::Required);
    let message_type = fields.one_of("MessageType", MessageType::parse, MESSAGE_TYPE_SET, Need::Optional);
    let algorithm = fields.one_of("SigningAlgorithm", SigningAlgorithm::parse, ALGORITHM_SET, Need::Required);
    Signed {
        message,
        message_type: message_type.unwrap_or(MessageType::Raw),
        algorithm: algorithm.unwrap_or(SigningAlgorithm::EcdsaSha256),
    }
}

/// Whether key, algorithm and message go together.
fn check(call: &Call, key: &Key, signed: &Signed) -> Result<(), KmsError> {
    if key.usage != KeyUsage::SignVerify {
        return Err(wrong_usage(key, call.operation));
    }
    let algorithm = signed.algorithm;
    if !key.spec.signing_algorithms().contains(&algorithm) {
        return Err(wrong_algorithm(key, algorithm.as_str()));
    }
    let fits = match (algorithm, signed.message_type) {
        (SigningAlgorithm::MlDsaShake256, message_type) => message_type != MessageType::Digest,
        (SigningAlgorithm::Ed25519Sha512, message_type) => message_type == MessageType::Raw,
        (SigningAlgorithm::Ed25519PhSha512, message_type) => message_type == MessageType::Digest,
        (_, message_type) => message_type != MessageType::ExternalMu,
    };
    if !fits {
        return Err(KmsError::validation(format!(
            "MessageType {} is not supported for algorithm {}.",
            signed.message_type.as_str(),
            algorithm.as_str()
        )));
    }
    let wanted = match signed.message_type {
        MessageType::Raw => return Ok(()),
        MessageType::Digest => algorithm.digest_len(),
        MessageType::ExternalMu => 64,
    };
    if signed.message.len() != wanted {
        return Err(KmsError::validation(format!(
            "Digest is invalid length for algorithm {}.",
            algorithm.as_str()
        )));
    }
    Ok(())
}

pub(super) fn sign(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let signed = read(&fields);
    fields.grant_tokens();
    let dry_run = fields.dry_run();
    fields.finish()?;
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    call.check_usable(key)?;
    check(call, key, &signed)?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let parsed = call.parsed(key)?;
    let signature = signing::sign(&parsed, key.spec, signed.algorithm, signed.message_type, &signed.message)
        .ok_or_else(|| KmsError::internal("The message could not be signed."))?;
    Ok(json!({
        "KeyId": key.arn(),
        "Signature": base64(&signature),
        "SigningAlgorithm": signed.algorithm.as_str(),
    }))
}

pub(super) fn verify(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let signed = read(&fields);
    let signature = fields.blob("Signature", 6144, Need::Required).unwrap_or_default();
    fields.grant_tokens();
    let dry_run = fields.dry_run();
    fields.finish()?;
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    call.check_usable(key)?;
    check(call, key, &signed)?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let parsed = call.parsed(key)?;
    let valid = signing::verify(
        &parsed,
        key.spec,
        signed.algorithm,
        signed.message_type,
        &signed.message,
        &signature,
    );
    if !valid {
        return Err(KmsError::bare("KMSInvalidSignatureException"));
    }
    Ok(json!({
        "KeyId": key.arn(),
        "SignatureValid": true,
        "SigningAlgorithm": signed.algorithm.as_str(),
    }))
}
