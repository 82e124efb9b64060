//! What the in-memory service answers to each request.

use aws_lc_rs::encoding::AsDer;
use jiff::{Timestamp, ToSpan};
use zeroize::Zeroizing;

use super::store::{FakeKey, Store};
use super::{ACCOUNT, Material, material};
use crate::{
    CallMode, CreateKey, EncryptionAlgorithm, FailedCall, ImportParameters, KeyState, KeyUsage, KmsAnswer,
    KmsError, KmsKeyId, KmsPublicKey, KmsRequest, Operation, PENDING_WINDOW_DAYS, Page, Reply,
    SigningAlgorithm,
};

/// A small page, so that callers meet more than one.
const PAGE: usize = 3;

type Answer = Result<Reply<KmsAnswer>, KmsError>;

impl Store {
    /// Carries a request out, if it can be.
    pub(super) fn answer(&mut self, request: KmsRequest<'_>, call: &FailedCall) -> Answer {
        match request {
            KmsRequest::CreateKey(request) => self.create_key(request, call),
            KmsRequest::DescribeKey { key } => {
                let key = self.look_up(key, call)?;
                Ok(about(key, KmsAnswer::Metadata(key.metadata.clone())))
            }
            KmsRequest::GetPublicKey { key } => self.public_key(key, call),
            KmsRequest::Sign { key, message, algorithm, mode } => {
                self.sign(key, message, algorithm, mode, call)
            }
            KmsRequest::Decrypt { key, ciphertext, algorithm, mode } => {
                self.decrypt(key, ciphertext, algorithm, mode, call)
            }
            KmsRequest::Encrypt { key, plaintext, algorithm, mode } => {
                self.encrypt(key, plaintext, algorithm, mode, call)
            }
            KmsRequest::GetParametersForImport { key } => self.parameters_for_import(key, call),
            KmsRequest::ImportKeyMaterial { key, token, wrapped } => {
                self.import_key_material(key, token, wrapped, call)
            }
            KmsRequest::ListKeys { marker } => {
                let own = |key: &&FakeKey| key.metadata.account.as_deref() == Some(ACCOUNT) && !key.unlisted;
                let keys: Vec<_> =
                    self.keys.iter().filter(own).map(|key| key.metadata.key_id.clone()).collect();
                Ok(Reply::new(KmsAnswer::Keys(page(&keys, marker))))
            }
            KmsRequest::ListResourceTags { key, marker } => self.tags(key, marker, call),
            KmsRequest::ScheduleKeyDeletion { key, pending_window_days } => {
                if !PENDING_WINDOW_DAYS.contains(&pending_window_days) {
                    let message = "PendingWindowInDays must be between 7 and 30".into();
                    return Err(KmsError::Validation { call: call.clone(), message });
                }
                self.change(key, call, KeyState::PendingDeletion, |state| {
                    *state != KeyState::PendingDeletion
                })?;
                let date = Timestamp::now().checked_add((i64::from(pending_window_days) * 24).hours()).ok();
                Ok(Reply::new(KmsAnswer::DeletionDate(date)))
            }
            KmsRequest::CancelKeyDeletion { key } => {
                self.change(key, call, KeyState::Disabled, |state| *state == KeyState::PendingDeletion)
            }
            KmsRequest::EnableKey { key } => {
                self.change(key, call, KeyState::Enabled, |state| *state != KeyState::PendingDeletion)
            }
        }
    }

    fn create_key(&mut self, request: &CreateKey, call: &FailedCall) -> Answer {
        if !request.tags.is_empty() {
            self.check_allowed("kms:TagResource", call)?;
        }
        let metadata = self
            .add(request, ACCOUNT)
            .map_err(|message| KmsError::Validation { call: call.clone(), message: message.into() })?;
        let hidden = self.hidden_looks;
        if let Some(key) = self.keys.last_mut() {
            key.hidden_looks = hidden;
        }
        Ok(Reply::new(KmsAnswer::Metadata(metadata)))
    }

    fn public_key(&mut self, key: &KmsKeyId, call: &FailedCall) -> Answer {
        let key = self.look_up(key, call)?;
        key.check_enabled(call)?;
        if let Material::Symmetric(_) = key.material {
            let message = "a symmetric key has no public key".into();
            return Err(KmsError::UnsupportedOperation { call: call.clone(), message });
        }
        let public_key = KmsPublicKey {
            key_id: key.name().clone(),
            spec: key.metadata.spec.clone(),
            usage: key.metadata.usage.clone(),
            der: key.material.public_der(),
        };
        Ok(about(key, KmsAnswer::PublicKey(public_key)))
    }

    fn sign(
        &mut self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
        call: &FailedCall,
    ) -> Answer {
        check_length("message", message, call)?;
        let key = self.look_up(key, call)?;
        key.check_enabled(call)?;
        let fits = key.metadata.spec.signing_algorithm() == Some(algorithm);
        let signature = match &key.material {
            Material::Ecdsa(pair) if fits => match mode {
                CallMode::DryRun => Vec::new(),
                CallMode::Execute => material::sign(pair, message),
            },
            Material::Ed25519(pair) if fits => match mode {
                CallMode::DryRun => Vec::new(),
                CallMode::Execute => pair.sign(message).as_ref().to_vec(),
            },
            _ => return Err(key.wrong_usage(call, algorithm.as_str())),
        };
        Ok(about(key, KmsAnswer::Signature(signature)))
    }

    fn decrypt(
        &mut self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
        call: &FailedCall,
    ) -> Answer {
        let key = self.look_up(key, call)?;
        key.check_enabled(call)?;
        let fits = key.metadata.usage == KeyUsage::EncryptDecrypt;
        let opened = match (&key.material, algorithm) {
            (Material::Rsa(_), EncryptionAlgorithm::RsaesOaepSha256) if fits && mode == CallMode::DryRun => {
                Some(Zeroizing::default())
            }
            (Material::Rsa(private), EncryptionAlgorithm::RsaesOaepSha256) if fits => {
                material::decrypt(private, ciphertext)
            }
            (Material::Symmetric(secret), EncryptionAlgorithm::SymmetricDefault) => {
                let opened = material::open(secret, key.name().as_str(), ciphertext);
                opened.map(|text| if mode == CallMode::DryRun { Zeroizing::default() } else { text })
            }
            _ => return Err(key.wrong_usage(call, algorithm.as_str())),
        };
        let plaintext = opened.ok_or_else(|| invalid_ciphertext(call))?;
        Ok(about(key, KmsAnswer::Plaintext(plaintext)))
    }

    fn encrypt(
        &mut self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
        call: &FailedCall,
    ) -> Answer {
        check_length("plaintext", plaintext, call)?;
        let key = self.look_up(key, call)?;
        key.check_enabled(call)?;
        let ciphertext = match (&key.material, algorithm) {
            (Material::Symmetric(secret), EncryptionAlgorithm::SymmetricDefault) => match mode {
                CallMode::DryRun => Vec::new(),
                CallMode::Execute => material::seal(secret, key.name().as_str(), plaintext),
            },
            _ => return Err(key.wrong_usage(call, algorithm.as_str())),
        };
        Ok(about(key, KmsAnswer::Ciphertext(ciphertext)))
    }

    fn parameters_for_import(&mut self, key: &KmsKeyId, call: &FailedCall) -> Answer {
        let found = self.look_up(key, call)?;
        found.check_external(call)?;
        let (token, arn) = (found.name().as_str().as_bytes().to_vec(), found.metadata.arn.clone());
        let der = self.wrapping_key().public_key().as_der();
        let wrapping_key = der.expect("a generated key has an encoding").as_ref().to_vec();
        let parameters = ImportParameters { wrapping_key, token };
        Ok(Reply::new(KmsAnswer::ImportParameters(parameters)).with_key(arn))
    }

    fn import_key_material(
        &mut self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
        call: &FailedCall,
    ) -> Answer {
        let found = self.look_up(key, call)?;
        found.check_external(call)?;
        let refused = |name: &str| KmsError::Unexpected {
            call: call.clone(),
            name: Some(name.to_owned()),
            status: Some(400),
            message: "".into(),
        };
        if token != found.name().as_str().as_bytes() {
            return Err(refused("InvalidImportTokenException"));
        }
        let spec = found.metadata.spec.clone();
        let before = found.material.public_der();
        let opened =
            material::unwrap(self.wrapping_key(), wrapped).ok_or_else(|| invalid_ciphertext(call))?;
        let imported = Material::import(&spec, &opened)
            .filter(|new| before.is_empty() || before == new.public_der())
            .ok_or_else(|| refused("IncorrectKeyMaterialException"))?;
        let arn = self.import(key, imported);
        Ok(Reply::new(KmsAnswer::Done).with_key(arn))
    }

    fn tags(&mut self, key: &KmsKeyId, marker: Option<&str>, call: &FailedCall) -> Answer {
        let key = self.look_up(key, call)?;
        if key.tags_hidden {
            let message = format!(
                "User is not authorized to perform: {} on resource: {}",
                Operation::ListResourceTags.iam_action(),
                key.name()
            );
            return Err(KmsError::AccessDenied { call: call.clone(), message: message.as_str().into() });
        }
        Ok(Reply::new(KmsAnswer::Tags(page(&key.tags, marker))))
    }

    fn change(
        &mut self,
        key: &KmsKeyId,
        call: &FailedCall,
        to: KeyState,
        allowed: impl FnOnce(&KeyState) -> bool,
    ) -> Answer {
        let found = self.look_up(key, call)?;
        let (name, state) = (found.name().clone(), found.metadata.state.clone());
        if !allowed(&state) {
            let words = if state == KeyState::PendingDeletion { "pending deletion" } else { state.as_str() };
            let message = format!("{name} is {words}.");
            return Err(KmsError::InvalidState { call: call.clone(), message: message.as_str().into() });
        }
        if let Some(index) = self.find(key) {
            self.keys[index].metadata.state = to;
        }
        Ok(Reply::new(KmsAnswer::Done))
    }
}

/// An answer that names its key.
fn about(key: &FakeKey, answer: KmsAnswer) -> Reply<KmsAnswer> {
    Reply::new(answer).with_key(key.metadata.arn.clone())
}

fn check_length(what: &str, content: &[u8], call: &FailedCall) -> Result<(), KmsError> {
    if (1..=4096).contains(&content.len()) {
        return Ok(());
    }
    let message = format!("1 validation error detected: '{what}' must have length between 1 and 4096");
    Err(KmsError::Validation { call: call.clone(), message: message.as_str().into() })
}

fn invalid_ciphertext(call: &FailedCall) -> KmsError {
    KmsError::InvalidCiphertext { call: call.clone(), message: "".into() }
}

fn page<T: Clone>(all: &[T], marker: Option<&str>) -> Page<T> {
    let start = marker.and_then(|marker| marker.parse().ok()).unwrap_or(0);
    let end = all.len().min(start + PAGE);
    let items = all.get(start..end).unwrap_or_default().to_vec();
    Page { items, next_marker: (end < all.len()).then(|| end.to_string()) }
}
