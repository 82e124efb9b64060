//! GenerateDataKey and its variants, GenerateRandom.

use serde_json::json;

use super::{
    describe::base64,
    encryption::{put_material, seal},
};
use crate::{
    call::{Answer, Call, wrong_usage},
    error::KmsError,
    keys::{
        material::{generate, parse, private_der, random_bytes},
        spec::{EncryptionAlgorithm, KeySpec, KeyUsage},
    },
    model::{fields::Need, operation::Operation},
    state::key::Key,
};

const DATA_KEY_SET: &str = "[AES_256, AES_128]";
const PAIR_SET: &str = "[RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, \
     ECC_SECG_P256K1, ECC_NIST_EDWARDS25519]";

fn check(call: &Call, key: &Key) -> Result<(), KmsError> {
    if key.usage != KeyUsage::EncryptDecrypt {
        return Err(wrong_usage(key, call.operation));
    }
    if key.spec != KeySpec::SymmetricDefault {
        return Err(KmsError::invalid_key_usage(format!(
            "{} key KeySpec is {} which is not valid for {}.",
            key.arn(),
            key.spec.as_str(),
            call.operation.as_str()
        )));
    }
    Ok(())
}

pub(super) fn generate_data_key(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let context = fields.context("EncryptionContext");
    let bytes = fields.integer("NumberOfBytes", 1, 1024);
    let spec = |name: &str| match name {
        "AES_256" => Some(32),
        "AES_128" => Some(16),
        _ => None,
    };
    let spec = fields.one_of("KeySpec", spec, DATA_KEY_SET, Need::Optional);
    fields.grant_tokens();
    let dry_run = fields.dry_run();
    fields.finish()?;
    let length = match (bytes, spec) {
        (Some(bytes), None) => usize::try_from(bytes).unwrap_or_default(),
        (None, Some(length)) => length,
        _ => return Err(KmsError::validation("Please specify either number of bytes or key spec.")),
    };
    if fields.has("Recipient") {
        return Err(KmsError::unsupported_operation("Recipient is not supported here."));
    }
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    call.check_usable(key)?;
    check(call, key)?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let plaintext = random_bytes(length).ok_or_else(no_random)?;
    let sealed = seal(call, key, EncryptionAlgorithm::SymmetricDefault, &context, &plaintext)?;
    let mut answer = json!({"CiphertextBlob": base64(&sealed.ciphertext)});
    if call.operation == Operation::GenerateDataKey {
        answer["Plaintext"] = base64(&plaintext);
    }
    answer["KeyId"] = key.arn().into();
    put_material(&mut answer, "KeyMaterialId", sealed.material);
    Ok(answer)
}

pub(super) fn generate_data_key_pair(call: &Call) -> Answer {
    let fields = call.fields();
    let context = fields.context("EncryptionContext");
    let key_id = fields.key_id();
    let pair = |name: &str| KeySpec::parse(name).filter(|spec| !spec.is_symmetric() && !spec.is_ml_dsa());
    let pair = fields.one_of("KeyPairSpec", pair, PAIR_SET, Need::Required).unwrap_or(KeySpec::EccNistP256);
    fields.grant_tokens();
    let dry_run = fields.dry_run();
    fields.finish()?;
    if fields.has("Recipient") {
        return Err(KmsError::unsupported_operation("Recipient is not supported here."));
    }
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    call.check_usable(key)?;
    check(call, key)?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let failed = |_| KmsError::internal("The key pair could not be generated.");
    let secret = generate(pair).map_err(failed)?;
    let parsed = parse(pair, &secret).map_err(failed)?;
    let private = private_der(pair, &secret).map_err(failed)?;
    let sealed = seal(call, key, EncryptionAlgorithm::SymmetricDefault, &context, &private)?;
    let mut answer = json!({"PrivateKeyCiphertextBlob": base64(&sealed.ciphertext)});
    if call.operation == Operation::GenerateDataKeyPair {
        answer["PrivateKeyPlaintext"] = base64(&private);
    }
    answer["PublicKey"] = base64(parsed.public().unwrap_or_default());
    answer["KeyId"] = key.arn().into();
    answer["KeyPairSpec"] = pair.as_str().into();
    put_material(&mut answer, "KeyMaterialId", sealed.material);
    Ok(answer)
}

pub(super) fn generate_random(call: &Call) -> Answer {
    let fields = call.fields();
    let bytes = fields.integer("NumberOfBytes", 1, 1024);
    fields.finish()?;
    let bytes = bytes.ok_or_else(|| KmsError::validation("NumberOfBytes is required."))?;
    if fields.has("CustomKeyStoreId") || fields.has("Recipient") {
        return Err(KmsError::unsupported_operation(
            "Custom key stores and recipients are not supported here.",
        ));
    }
    call.authorize("kms:GenerateRandom", "*")?;
    let random = random_bytes(usize::try_from(bytes).unwrap_or_default()).ok_or_else(no_random)?;
    Ok(json!({"Plaintext": base64(&random)}))
}

fn no_random() -> KmsError {
    KmsError::internal("The random source failed.")
}
