//! GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial.
//!
//! The import token holds the wrapping private key, sealed under the server's secret: nothing is kept between the two
//! requests, and a token is good for one key for 24 hours.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys.html>

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    key_wrap::{AES_128, AES_256, AesKek, KeyWrapPadded},
    rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::describe::{base64, date, material_identifier};
use crate::{
    call::{Answer, Call},
    error::KmsError,
    keys::{
        material::{Parsed, SecretBytes, import, parse, random_bytes},
        signing,
        spec::{KeySpec, Origin},
    },
    model::fields::{MATERIAL_DESCRIPTION, MATERIAL_ID, Need},
    state::key::{Import, Key, KeyId, Material, MaterialEntry, MaterialState, Place, RotationKind, Status},
};

const TOKEN_LIFE_MS: i64 = 24 * 3_600_000;
const MAX_LIFE_MS: i64 = 365 * 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Wrapping {
    Pkcs1,
    OaepSha1,
    OaepSha256,
    AesSha1,
    AesSha256,
}

fn wrapping(name: &str) -> Option<Wrapping> {
    Some(match name {
        "RSAES_PKCS1_V1_5" => Wrapping::Pkcs1,
        "RSAES_OAEP_SHA_1" => Wrapping::OaepSha1,
        "RSAES_OAEP_SHA_256" => Wrapping::OaepSha256,
        "RSA_AES_KEY_WRAP_SHA_1" => Wrapping::AesSha1,
        "RSA_AES_KEY_WRAP_SHA_256" => Wrapping::AesSha256,
        _ => return None,
    })
}

const WRAPPING_SET: &str = "[RSAES_PKCS1_V1_5, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, RSA_AES_KEY_WRAP_SHA_1, \
     RSA_AES_KEY_WRAP_SHA_256]";

#[derive(Serialize, Deserialize)]
struct Token<'a> {
    account: &'a str,
    region: &'a str,
    key: KeyId,
    wrapping: Wrapping,
    spec: KeySpec,
    until_ms: i64,
    private: &'a [u8],
}

fn check_external(call: &Call, key: &Key) -> Result<(), KmsError> {
    if key.origin != Origin::External {
        return Err(KmsError::unsupported_operation(format!(
            "{} origin is {} which is not valid for this operation.",
            key.arn(),
            key.origin.as_str()
        )));
    }
    call.check_not_deleting(key)
}

pub(super) fn get_parameters_for_import(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let wrapping = fields.one_of("WrappingAlgorithm", wrapping, WRAPPING_SET, Need::Required);
    let spec = |name: &str| KeySpec::parse(name).filter(|spec| spec.is_rsa());
    let spec = fields.one_of("WrappingKeySpec", spec, "[RSA_2048, RSA_3072, RSA_4096]", Need::Required);
    fields.finish()?;
    let (wrapping, spec) = (wrapping.unwrap_or(Wrapping::AesSha256), spec.unwrap_or(KeySpec::Rsa2048));
    let key = call.permitted(key_id)?.key;
    check_external(call, &key)?;
    if key.spec.is_rsa() && !matches!(wrapping, Wrapping::AesSha1 | Wrapping::AesSha256) {
        return Err(KmsError::validation(
            "RSA private keys must be wrapped with RSA_AES_KEY_WRAP_SHA_256 or RSA_AES_KEY_WRAP_SHA_1.",
        ));
    }
    let failed = || KmsError::internal("The import parameters could not be made.");
    let private = call.service.spare.take_or_generate(spec).map_err(|_| failed())?;
    let parsed = parse(spec, &private).map_err(|_| failed())?;
    let until_ms = call.now_ms + TOKEN_LIFE_MS;
    let token = Token {
        account: &key.home.account,
        region: &key.home.region,
        key: key.id,
        wrapping,
        spec,
        until_ms,
        private: &private,
    };
    let token = seal(call.service.store.secret(), &token).ok_or_else(failed)?;
    Ok(json!({
        "KeyId": key.arn(),
        "ImportToken": base64(&token),
        "PublicKey": base64(parsed.public().unwrap_or_default()),
        "ParametersValidTo": date(until_ms),
    }))
}

fn seal(secret: &[u8], token: &Token<'_>) -> Option<Vec<u8>> {
    let mut sealed = postcard::to_stdvec(token).ok()?;
    let mut bytes = random_bytes(NONCE_LEN)?.to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(&bytes).ok()?;
    key.seal_in_place_append_tag(nonce, Aad::from(b"import token"), &mut sealed).ok()?;
    bytes.append(&mut sealed);
    Some(bytes)
}

fn unseal(secret: &[u8], token: &[u8]) -> Option<SecretBytes> {
    let (nonce, sealed) = token.split_at_checked(NONCE_LEN)?;
    let mut opened = Zeroizing::new(sealed.to_vec());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let length = key.open_in_place(nonce, Aad::from(b"import token"), &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}

/// Takes the material out of its wrapping.
fn unwrap(token: &Token<'_>, wrapped: &[u8]) -> Option<SecretBytes> {
    let parsed = parse(token.spec, token.private).ok()?;
    let Parsed::Rsa(rsa) = &parsed else { return None };
    let oaep = match token.wrapping {
        Wrapping::Pkcs1 => {
            let private = PrivateDecryptingKey::from_pkcs8(token.private).ok()?;
            let private = Pkcs1PrivateDecryptingKey::new(private).ok()?;
            let mut plaintext = Zeroizing::new(vec![0; private.min_output_size()]);
            let length = private.decrypt(wrapped, &mut plaintext).ok()?.len();
            plaintext.truncate(length);
            return Some(plaintext);
        }
        Wrapping::OaepSha1 | Wrapping::AesSha1 => &OAEP_SHA1_MGF1SHA1,
        Wrapping::OaepSha256 | Wrapping::AesSha256 => &OAEP_SHA256_MGF1SHA256,
    };
    if matches!(token.wrapping, Wrapping::OaepSha1 | Wrapping::OaepSha256) {
        return signing::oaep_decrypt(rsa, oaep, wrapped);
    }
    let (wrapped_key, wrapped) = wrapped.split_at_checked(token.spec.modulus_len())?;
    let kek = signing::oaep_decrypt(rsa, oaep, wrapped_key)?;
    let kek = AesKek::new(if kek.len() == 16 { &AES_128 } else { &AES_256 }, &kek).ok()?;
    let mut material = Zeroizing::new(vec![0; wrapped.len() + 8]);
    let length = kek.unwrap_with_padding(wrapped, &mut material).ok()?.len();
    material.truncate(length);
    Some(material)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImportType {
    New,
    Existing,
}

struct Given<'a> {
    valid_to_ms: Option<i64>,
    import_type: Option<ImportType>,
    description: Option<&'a str>,
    material_id: Option<&'a str>,
}

fn check_expiry(call: &Call, expires: bool, valid_to: Option<i64>) -> Result<Option<i64>, KmsError> {
    match (expires, valid_to) {
        (true, None) => Err(KmsError::validation(
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        )),
        (false, Some(_)) => Err(KmsError::validation(
            "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
        )),
        (true, Some(at)) if at <= call.now_ms || at > call.now_ms.saturating_add(MAX_LIFE_MS) => {
            Err(KmsError::validation("The validTo date must be in the future and within 365 days."))
        }
        (_, valid_to) => Ok(valid_to),
    }
}

pub(super) fn import_key_material(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let token = fields.blob("ImportToken", 6144, Need::Required).unwrap_or_default();
    let wrapped = fields.blob("EncryptedKeyMaterial", 6144, Need::Required).unwrap_or_default();
    let valid_to = fields.date_ms("ValidTo");
    let expires = |name: &str| match name {
        "KEY_MATERIAL_EXPIRES" => Some(true),
        "KEY_MATERIAL_DOES_NOT_EXPIRE" => Some(false),
        _ => None,
    };
    let models = "[KEY_MATERIAL_DOES_NOT_EXPIRE, KEY_MATERIAL_EXPIRES]";
    let expires = fields.one_of("ExpirationModel", expires, models, Need::Optional).unwrap_or(true);
    let import_type = |name: &str| match name {
        "NEW_KEY_MATERIAL" => Some(ImportType::New),
        "EXISTING_KEY_MATERIAL" => Some(ImportType::Existing),
        _ => None,
    };
    let types = "[NEW_KEY_MATERIAL, EXISTING_KEY_MATERIAL]";
    let import_type = fields.one_of("ImportType", import_type, types, Need::Optional);
    let description = fields.text("KeyMaterialDescription", MATERIAL_DESCRIPTION, Need::Optional);
    let material_id = fields.text("KeyMaterialId", MATERIAL_ID, Need::Optional);
    fields.finish()?;
    let valid_to_ms = check_expiry(call, expires, valid_to)?;
    let key = call.permitted(key_id)?.key;
    check_external(call, &key)?;
    let given = Given { valid_to_ms, import_type, description, material_id };
    if key.spec != KeySpec::SymmetricDefault
        && (import_type.is_some() || description.is_some() || material_id.is_some())
    {
        return Err(KmsError::validation(
            "ImportType, KeyMaterialDescription and KeyMaterialId are only valid for symmetric encryption keys.",
        ));
    }

    let invalid = || KmsError::invalid_import_token("The import token is not valid for this key.");
    let opened = unseal(call.service.store.secret(), &token).ok_or_else(invalid)?;
    let token: Token<'_> = postcard::from_bytes(&opened).map_err(|_| invalid())?;
    if token.key != key.id || *token.account != *key.home.account || *token.region != *key.home.region {
        return Err(invalid());
    }
    if token.until_ms <= call.now_ms {
        return Err(KmsError::expired_import_token("The import token is expired."));
    }
    let material = unwrap(&token, &wrapped).ok_or_else(KmsError::invalid_ciphertext)?;
    let secret = import(key.spec, &material).map_err(|_| {
        KmsError::incorrect_key_material(format!(
            "The key material is not valid for key spec {}.",
            key.spec.as_str()
        ))
    })?;
    let identifier = material_identifier(&key.id, &secret);
    call.service.store.write(|transaction| {
        let mut current = (*transaction.key(&key.home, &key.id)?).clone();
        check_external(call, &current)?;
        if key.spec == KeySpec::SymmetricDefault {
            let material = transaction.add_material(secret);
            import_symmetric(call, &mut current, material, identifier, &given)?;
        } else {
            let known = current.extra.as_ref().and_then(|extra| extra.import);
            if known.is_some_and(|known| known.identifier != identifier) {
                return Err(incorrect());
            }
            current.material = Some(transaction.add_material(secret));
            current.extra_mut().import = Some(Import { valid_to_ms, identifier });
        }
        settle(&mut current);
        let mut answer = json!({"KeyId": current.arn()});
        if current.spec == KeySpec::SymmetricDefault {
            answer["KeyMaterialId"] = hex::encode(identifier).into();
        }
        transaction.put_key(current);
        Ok(answer)
    })
}

fn incorrect() -> KmsError {
    KmsError::incorrect_key_material(
        "The key material is not the material previously imported into the KMS key.",
    )
}

fn import_symmetric(
    call: &Call,
    key: &mut Key,
    material: Material,
    identifier: [u8; 32],
    given: &Given<'_>,
) -> Result<(), KmsError> {
    let id = hex::encode(identifier);
    if given.material_id.is_some_and(|wanted| wanted != id) {
        return Err(incorrect());
    }
    let arn = key.arn();
    let extra = key.extra_mut();
    let first = extra.history.is_empty();
    let import_type = given.import_type.unwrap_or(if first { ImportType::New } else { ImportType::Existing });
    let known = extra.history.iter_mut().find(|entry| entry.identifier == identifier);
    match (import_type, known) {
        (ImportType::New, Some(_)) | (ImportType::Existing, None) => return Err(incorrect()),
        (ImportType::Existing, Some(entry)) => {
            entry.material = material;
            entry.present = true;
            entry.valid_to_ms = given.valid_to_ms;
            if let Some(description) = given.description {
                entry.description = description.into();
            }
        }
        (ImportType::New, None) => {
            let pending = extra.history.iter().find(|entry| entry.state == MaterialState::PendingRotation);
            if let Some(pending) = pending {
                return Err(KmsError::invalid_state(format!(
                    "New key material (id: {id}) cannot be imported into KMS key {arn}, because another key material \
                     (id: {}) is pending rotation.",
                    hex::encode(pending.identifier)
                )));
            }
            extra.history.push(MaterialEntry {
                material,
                identifier,
                state: if first { MaterialState::Current } else { MaterialState::PendingRotation },
                kind: if first { RotationKind::First } else { RotationKind::OnDemand },
                at_ms: call.now_ms,
                description: given.description.unwrap_or_default().into(),
                present: true,
                valid_to_ms: given.valid_to_ms,
            });
        }
    }
    follow_history(key);
    Ok(())
}

/// Makes the key's current material that of its history.
fn follow_history(key: &mut Key) {
    let Some(extra) = &mut key.extra else { return };
    let Some(current) = extra.history.iter().find(|entry| entry.state == MaterialState::Current) else {
        return;
    };
    // Material that decrypts must be there too, or the key waits for it.
    let used = || extra.history.iter().filter(|entry| entry.state != MaterialState::PendingRotation);
    let whole = used().all(|entry| entry.present);
    let valid_to_ms = used().filter_map(|entry| entry.valid_to_ms).min();
    extra.import = Some(Import { valid_to_ms, identifier: current.identifier });
    key.material = whole.then(|| current.material.clone());
}

/// The state follows from whether the material is there.
fn settle(key: &mut Key) {
    key.status = match (key.status, &key.material) {
        (Status::PendingImport, Some(_)) => Status::Enabled,
        (Status::Enabled | Status::Disabled, None) => Status::PendingImport,
        (status, _) => status,
    };
}

pub(super) fn delete_imported_key_material(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let material_id = fields.text("KeyMaterialId", MATERIAL_ID, Need::Optional);
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    if key.origin != Origin::External {
        check_external(call, &key)?;
    }
    call.service.store.write(|transaction| {
        let mut key = (*transaction.key(&key.home, &key.id)?).clone();
        let mut answer = json!({"KeyId": key.arn()});
        if key.spec == KeySpec::SymmetricDefault {
            let extra = key.extra_mut();
            let entry = extra.history.iter_mut().find(|entry| match material_id {
                Some(wanted) => hex::encode(entry.identifier) == wanted,
                None => entry.state == MaterialState::Current,
            });
            let Some(entry) = entry else {
                if material_id.is_some() {
                    return Err(KmsError::not_found("The key has no such key material."));
                }
                return Ok(answer);
            };
            answer["KeyMaterialId"] = hex::encode(entry.identifier).into();
            entry.present = false;
            entry.valid_to_ms = None;
            transaction.forget_material(entry.material.number);
            entry.material.place = Place::Unknown;
            // Material that was only waiting for its rotation goes altogether.
            extra.history.retain(|entry| entry.present || entry.state != MaterialState::PendingRotation);
            follow_history(&mut key);
        } else if let Some(material) = key.material.take() {
            transaction.forget_material(material.number);
            if let Some(import) = &mut key.extra_mut().import {
                import.valid_to_ms = None;
            }
        }
        settle(&mut key);
        transaction.put_key(key);
        Ok(answer)
    })
}
