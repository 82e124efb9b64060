//! A signature by a KMS key that belongs to no node here: a root key in another account.
//!
//! The key is looked at as strictly as one that is registered, and its signature is verified before anybody gets it.
//! Nothing is stored.

use std::sync::Arc;

use cantle_crypto::{Hash, PublicKey, Signature, SigningPublicKey};
use cantle_kms::{CallMode, Kms, KmsKeyId};
use cantle_types::KeyPurpose;

use crate::key_scheme::KeyScheme;
use crate::register::{RegisterError, check_usable, kept_name, read_public_key, signing_algorithm};
use crate::use_key::SignError;

/// A signing key in a KMS.
#[derive(Debug)]
pub struct DetachedKmsKey {
    kms: Arc<dyn Kms>,
    key: KmsKeyId,
    public: SigningPublicKey,
}

impl DetachedKmsKey {
    /// Looks at a key, by its id, ARN or alias. Sends DescribeKey and GetPublicKey (`kms:DescribeKey`, `kms:GetPublicKey`).
    ///
    /// # Errors
    /// [`RegisterError`]: it is not there, cannot be used, or is no signing key that a node may have.
    pub async fn open(kms: Arc<dyn Kms>, key: &KmsKeyId) -> Result<Self, RegisterError> {
        const PURPOSE: KeyPurpose = KeyPurpose::Signing;
        let of_kms = |error| RegisterError::of_kms(key, PURPOSE, error);
        let described = kms.describe_key(key).await.map_err(of_kms)?.value;
        check_usable(key, PURPOSE, &described)?;
        let Some(scheme) = KeyScheme::of_spec(PURPOSE, &described.spec) else {
            return Err(RegisterError::WrongSpec {
                key: key.clone(),
                spec: described.spec,
                purpose: PURPOSE,
            });
        };
        let kept = kept_name(key, &described);
        let answer = kms.public_key(&kept).await.map_err(of_kms)?.value;
        match read_public_key(scheme, &described.spec, answer) {
            Ok(PublicKey::Signing(public)) => Ok(Self { kms, key: kept, public }),
            Ok(PublicKey::Encryption(_)) => unreachable!("the scheme was one of signing"),
            Err(source) => Err(RegisterError::PublicKey { key: key.clone(), source }),
        }
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &SigningPublicKey {
        &self.public
    }

    /// Signs a hash. Sends Sign (`kms:Sign`).
    ///
    /// # Errors
    /// [`SignError`], also when the signature does not verify.
    pub async fn sign(&self, hash: &Hash) -> Result<Signature, SignError> {
        let fingerprint = self.public.fingerprint();
        let algorithm = signing_algorithm(&self.public);
        let answer = self.kms.sign(&self.key, &hash.evidence(), algorithm, CallMode::Execute).await;
        let bytes = answer.map_err(|source| SignError::Kms {
            fingerprint: fingerprint.clone(),
            kms_key_id: self.key.clone(),
            source: Box::new(source),
        })?;
        let signature = Signature::new(bytes.value, fingerprint.clone());
        match self.public.verify_hash(hash, &signature) {
            Ok(()) => Ok(signature),
            Err(source) => Err(SignError::SignatureMismatch {
                fingerprint: fingerprint.clone(),
                kms_key_id: self.key.clone(),
                source,
            }),
        }
    }
}
