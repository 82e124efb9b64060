//! Encrypt, Decrypt, ReEncrypt.

use serde_json::{Value, json};

use super::describe::{base64, material_identifier};
use crate::{
    call::{Answer, Call, Found, wrong_algorithm, wrong_usage},
    error::KmsError,
    keys::{
        blob::{self, BlobKey, EncryptionContext},
        material::{Parsed, SecretBytes},
        signing,
        spec::{EncryptionAlgorithm, KeyUsage},
    },
    model::fields::{Fields, KEY_ID, Need},
    state::key::{Key, MaterialState},
};

const ALGORITHM_SET: &str = "[SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]";

fn algorithm(fields: &Fields<'_>, name: &str) -> EncryptionAlgorithm {
    fields
        .one_of(name, EncryptionAlgorithm::parse, ALGORITHM_SET, Need::Optional)
        .unwrap_or(EncryptionAlgorithm::SymmetricDefault)
}

/// A ciphertext and the identifier of the material it is under (symmetric keys).
pub(super) struct Sealed {
    pub(super) ciphertext: Vec<u8>,
    pub(super) material: Option<[u8; 32]>,
}

/// What a ciphertext holds.
struct Opened {
    plaintext: SecretBytes,
    material: Option<[u8; 32]>,
}

/// Whether a key can encrypt with an algorithm under a context.
fn check(
    call: &Call,
    key: &Key,
    algorithm: EncryptionAlgorithm,
    context: &EncryptionContext,
) -> Result<(), KmsError> {
    if key.usage != KeyUsage::EncryptDecrypt {
        return Err(wrong_usage(key, call.operation));
    }
    if !key.spec.encryption_algorithms().contains(&algorithm) {
        return Err(wrong_algorithm(key, algorithm.as_str()));
    }
    if algorithm != EncryptionAlgorithm::SymmetricDefault && !context.is_empty() {
        return Err(KmsError::validation(
            "Encryption context is only supported for the SYMMETRIC_DEFAULT encryption algorithm.",
        ));
    }
    Ok(())
}

fn check_length(key: &Key, algorithm: EncryptionAlgorithm, length: usize) -> Result<(), KmsError> {
    let max = algorithm.max_plaintext(key.spec);
    if length > max {
        return Err(KmsError::validation(format!(
            "Algorithm {} and key spec {} cannot encrypt data larger than {max} bytes.",
            algorithm.as_str(),
            key.spec.as_str()
        )));
    }
    Ok(())
}

const fn oaep(algorithm: EncryptionAlgorithm) -> &'static aws_lc_rs::rsa::OaepAlgorithm {
    match algorithm {
        EncryptionAlgorithm::OaepSha1 => &aws_lc_rs::rsa::OAEP_SHA1_MGF1SHA1,
        _ => &aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256,
    }
}

/// Encrypts under a key that was checked.
pub(super) fn seal(
    call: &Call,
    key: &Key,
    algorithm: EncryptionAlgorithm,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Sealed, KmsError> {
    let failed = || KmsError::internal("The plaintext could not be encrypted.");
    match &*call.parsed(key)? {
        Parsed::Symmetric(secret) => {
            let identifier = material_identifier(&key.id, secret);
            let mut material = [0; 16];
            material.copy_from_slice(&identifier[..16]);
            let account = key.home.account.parse().map_err(|_| failed())?;
            let under = BlobKey { account, key: key.id, material };
            let ciphertext = blob::seal(secret, &under, context, plaintext).ok_or_else(failed)?;
            Ok(Sealed { ciphertext, material: Some(identifier) })
        }
        Parsed::Rsa(rsa) => {
            let ciphertext = signing::oaep_encrypt(rsa, oaep(algorithm), plaintext).ok_or_else(failed)?;
            Ok(Sealed { ciphertext, material: None })
        }
        _ => Err(failed()),
    }
}

/// Decrypts under a key that was checked: with the material that the ciphertext names, old ones included.
fn open(
    call: &Call,
    key: &Key,
    algorithm: EncryptionAlgorithm,
    context: &EncryptionContext,
    ciphertext: &[u8],
) -> Result<Opened, KmsError> {
    if algorithm != EncryptionAlgorithm::SymmetricDefault {
        let parsed = call.parsed(key)?;
        let Parsed::Rsa(rsa) = &*parsed else { return Err(KmsError::invalid_ciphertext()) };
        return signing::oaep_decrypt(rsa, oaep(algorithm), ciphertext)
            .map(|plaintext| Opened { plaintext, material: None })
            .ok_or_else(KmsError::invalid_ciphertext);
    }
    let named = blob::named_key(ciphertext).ok_or_else(KmsError::invalid_ciphertext)?;
    let history = key.extra.iter().flat_map(|extra| &extra.history);
    let old = history
        .filter(|entry| entry.present && entry.state != MaterialState::PendingRotation)
        .map(|entry| &entry.material);
    for material in key.material.iter().chain(old) {
        let parsed = call.service.store.parsed(key.spec, material)?;
        let Parsed::Symmetric(secret) = &*parsed else { continue };
        let identifier = material_identifier(&key.id, secret);
        if identifier[..16] != named.material {
            continue;
        }
        return blob::open(secret, context, ciphertext)
            .map(|plaintext| Opened { plaintext, material: Some(identifier) })
            .ok_or_else(KmsError::invalid_ciphertext);
    }
    Err(KmsError::invalid_ciphertext())
}

/// Finds the key of a ciphertext: the one the request names, or the one the ciphertext does.
fn source(
    call: &Call,
    key_id: Option<&str>,
    algorithm: EncryptionAlgorithm,
    ciphertext: &[u8],
    action: &str,
    context_member: &'static str,
) -> Result<Found, KmsError> {
    let Some(key_id) = key_id else {
        if algorithm != EncryptionAlgorithm::SymmetricDefault {
            return Err(KmsError::validation("A KeyId is required to decrypt with an asymmetric KMS key."));
        }
        let named = blob::named_key(ciphertext).ok_or_else(KmsError::invalid_ciphertext)?;
        let unknown = || {
            KmsError::access_denied(
                "The ciphertext refers to a customer master key that does not exist, does not exist in this region, \
                 or you are not allowed to access.",
            )
        };
        let found =
            call.find_in(&format!("{:012}", named.account), &named.key, None).map_err(|_| unknown())?;
        call.authorize_key(&found, action, context_member).map_err(|_| unknown())?;
        return Ok(found);
    };
    let found = call.find(key_id)?;
    call.authorize_key(&found, action, context_member)?;
    Ok(found)
}

/// A ciphertext of another key is told apart from a wrong usage: it says which key it wants.
fn check_named(key: &Key, algorithm: EncryptionAlgorithm, ciphertext: &[u8]) -> Result<(), KmsError> {
    if algorithm == EncryptionAlgorithm::SymmetricDefault
        && blob::named_key(ciphertext).is_some_and(|named| named.key != key.id)
    {
        return Err(KmsError::incorrect_key(
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ));
    }
    Ok(())
}

pub(super) fn encrypt(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let plaintext = zeroize::Zeroizing::new(fields.plaintext("Plaintext", 4096, Need::Required));
    let context = fields.context("EncryptionContext");
    let algorithm = algorithm(&fields, "EncryptionAlgorithm");
    fields.grant_tokens();
    let dry_run = fields.dry_run();
    fields.finish()?;
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    call.check_usable(key)?;
    check(call, key, algorithm, &context)?;
    check_length(key, algorithm, plaintext.len())?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let sealed = seal(call, key, algorithm, &context, &plaintext)?;
    Ok(json!({
        "CiphertextBlob": base64(&sealed.ciphertext),
        "KeyId": key.arn(),
        "EncryptionAlgorithm": algorithm.as_str(),
    }))
}

/// With `IGNORE_CIPHERTEXT` a dry run needs none.
fn ciphertext(fields: &Fields<'_>, dry_run: bool) -> Vec<u8> {
    let modifiers = fields.names("DryRunModifiers", &["IGNORE_CIPHERTEXT"], usize::MAX, Need::Optional);
    let ignored = dry_run && modifiers.contains(&"IGNORE_CIPHERTEXT");
    let need = if ignored { Need::Optional } else { Need::Required };
    fields.blob("CiphertextBlob", 6144, need).unwrap_or_default()
}

fn no_recipient(fields: &Fields<'_>) -> Result<(), KmsError> {
    if fields.has("Recipient") {
        return Err(KmsError::unsupported_operation("Recipient is not supported here."));
    }
    Ok(())
}

pub(super) fn decrypt(call: &Call) -> Answer {
    let fields = call.fields();
    let dry_run = fields.dry_run();
    let ciphertext = ciphertext(&fields, dry_run);
    let context = fields.context("EncryptionContext");
    let key_id = fields.text("KeyId", KEY_ID, Need::Optional);
    let algorithm = algorithm(&fields, "EncryptionAlgorithm");
    fields.grant_tokens();
    fields.finish()?;
    no_recipient(&fields)?;
    let found = source(call, key_id, algorithm, &ciphertext, "kms:Decrypt", "EncryptionContext")?;
    let key = &*found.key;
    call.check_usable(key)?;
    check_named(key, algorithm, &ciphertext)?;
    check(call, key, algorithm, &context)?;
    if dry_run && ciphertext.is_empty() {
        return Err(KmsError::dry_run());
    }
    let opened = open(call, key, algorithm, &context, &ciphertext)?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let mut answer = json!({
        "KeyId": key.arn(),
        "Plaintext": base64(&opened.plaintext),
        "EncryptionAlgorithm": algorithm.as_str(),
    });
    put_material(&mut answer, "KeyMaterialId", opened.material);
    Ok(answer)
}

pub(super) fn put_material(answer: &mut Value, name: &str, material: Option<[u8; 32]>) {
    if let Some(material) = material {
        answer[name] = hex::encode(material).into();
    }
}

pub(super) fn re_encrypt(call: &Call) -> Answer {
    let fields = call.fields();
    let dry_run = fields.dry_run();
    let ciphertext = ciphertext(&fields, dry_run);
    let source_context = fields.context("SourceEncryptionContext");
    let source_id = fields.text("SourceKeyId", KEY_ID, Need::Optional);
    let destination_id = fields.text("DestinationKeyId", KEY_ID, Need::Required).unwrap_or_default();
    let destination_context = fields.context("DestinationEncryptionContext");
    let source_algorithm = algorithm(&fields, "SourceEncryptionAlgorithm");
    let destination_algorithm = algorithm(&fields, "DestinationEncryptionAlgorithm");
    fields.grant_tokens();
    fields.finish()?;
    let from = source(
        call,
        source_id,
        source_algorithm,
        &ciphertext,
        "kms:ReEncryptFrom",
        "SourceEncryptionContext",
    )?;
    let to = call.find(destination_id)?;
    call.authorize_key(&to, "kms:ReEncryptTo", "DestinationEncryptionContext")?;
    let (from, to) = (&*from.key, &*to.key);
    call.check_usable(from)?;
    call.check_usable(to)?;
    check_named(from, source_algorithm, &ciphertext)?;
    check(call, from, source_algorithm, &source_context)?;
    check(call, to, destination_algorithm, &destination_context)?;
    if dry_run && ciphertext.is_empty() {
        return Err(KmsError::dry_run());
    }
    let opened = open(call, from, source_algorithm, &source_context, &ciphertext)?;
    check_length(to, destination_algorithm, opened.plaintext.len())?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let sealed = seal(call, to, destination_algorithm, &destination_context, &opened.plaintext)?;
    let mut answer = json!({
        "CiphertextBlob": base64(&sealed.ciphertext),
        "SourceKeyId": from.arn(),
        "KeyId": to.arn(),
        "SourceEncryptionAlgorithm": source_algorithm.as_str(),
        "DestinationEncryptionAlgorithm": destination_algorithm.as_str(),
    });
    put_material(&mut answer, "SourceKeyMaterialId", opened.material);
    put_material(&mut answer, "DestinationKeyMaterialId", sealed.material);
    Ok(answer)
}
