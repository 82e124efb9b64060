//! Requests about keys rather than with them: which there are, what tags they have, and their end.
//!
//! No node needs them to make a key, to sign or to decrypt. They serve to find a key whose making was interrupted, and
//! to end one when an operator says so. A caller without the permission is told AccessDenied, and a backend that cannot
//! do it answers UnsupportedOperation.
//! Sources: <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html>,
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html>,
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>.

use jiff::Timestamp;

use crate::{FailedCall, Kms, KmsError, KmsKeyId, Operation, Reply};

/// How many days a deletion can be made to wait: AWS's bounds.
pub const PENDING_WINDOW_DAYS: std::ops::RangeInclusive<u8> = 7..=30;

/// One request. All but ListKeys name a key, by id or ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upkeep {
    /// The keys of the account in the Region (`kms:ListKeys`), at most 1000.
    ListKeys {
        /// Where the page before ended.
        marker: Option<String>,
    },
    /// A key's tags (`kms:ListResourceTags`).
    ListResourceTags {
        /// The key.
        key: KmsKeyId,
        /// Where the page before ended.
        marker: Option<String>,
    },
    /// Has a key deleted after a waiting period, during which it cannot be used (`kms:ScheduleKeyDeletion`).
    ScheduleKeyDeletion {
        /// The key.
        key: KmsKeyId,
        /// How long it can be taken back, within [`PENDING_WINDOW_DAYS`].
        pending_window_days: u8,
    },
    /// Takes a deletion back; the key is disabled then (`kms:CancelKeyDeletion`).
    CancelKeyDeletion {
        /// The key.
        key: KmsKeyId,
    },
    /// Switches a key on (`kms:EnableKey`).
    EnableKey {
        /// The key.
        key: KmsKeyId,
    },
}

/// The answer, of the kind that the request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpkeepAnswer {
    /// To ListKeys: ids, never ARNs.
    Keys(Page<KmsKeyId>),
    /// To ListResourceTags: names and values.
    Tags(Page<(String, String)>),
    /// To ScheduleKeyDeletion: when the key will be gone, where the service says so.
    DeletionDate(Option<Timestamp>),
    /// To the others.
    Done,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// What asks for the next part, if there is one.
    pub next_marker: Option<String>,
}

impl Upkeep {
    /// The operation.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::ListKeys { .. } => Operation::ListKeys,
            Self::ListResourceTags { .. } => Operation::ListResourceTags,
            Self::ScheduleKeyDeletion { .. } => Operation::ScheduleKeyDeletion,
            Self::CancelKeyDeletion { .. } => Operation::CancelKeyDeletion,
            Self::EnableKey { .. } => Operation::EnableKey,
        }
    }

    /// The key that it names; none for ListKeys.
    pub const fn key(&self) -> Option<&KmsKeyId> {
        match self {
            Self::ListKeys { .. } => None,
            Self::ListResourceTags { key, .. }
            | Self::ScheduleKeyDeletion { key, .. }
            | Self::CancelKeyDeletion { key }
            | Self::EnableKey { key } => Some(key),
        }
    }

    /// The same of the key under another name of it; ListKeys names none.
    #[must_use]
    pub fn under(&self, name: &KmsKeyId) -> Self {
        let mut renamed = self.clone();
        match &mut renamed {
            Self::ListKeys { .. } => {}
            Self::ListResourceTags { key, .. }
            | Self::ScheduleKeyDeletion { key, .. }
            | Self::CancelKeyDeletion { key }
            | Self::EnableKey { key } => key.clone_from(name),
        }
        renamed
    }

    /// The call, for errors.
    pub fn call(&self) -> FailedCall {
        FailedCall::new(self.operation(), self.key())
    }

    /// What a backend answers that cannot do it.
    pub fn unsupported(&self) -> KmsError {
        KmsError::UnsupportedOperation { call: self.call(), message: "this KMS has no such operation".into() }
    }
}

/// A page of the account's keys.
///
/// # Errors
/// The service's, and [`KmsError::MalformedAnswer`] for an answer of another kind.
pub async fn list_keys(kms: &dyn Kms, marker: Option<String>) -> Result<Page<KmsKeyId>, KmsError> {
    let request = Upkeep::ListKeys { marker };
    match kms.upkeep(&request).await?.value {
        UpkeepAnswer::Keys(page) => Ok(page),
        _ => Err(other_kind(&request)),
    }
}

/// A page of a key's tags.
///
/// # Errors
/// As [`list_keys`].
pub async fn list_resource_tags(
    kms: &dyn Kms,
    key: &KmsKeyId,
    marker: Option<String>,
) -> Result<Page<(String, String)>, KmsError> {
    let request = Upkeep::ListResourceTags { key: key.clone(), marker };
    match kms.upkeep(&request).await?.value {
        UpkeepAnswer::Tags(page) => Ok(page),
        _ => Err(other_kind(&request)),
    }
}

/// Has a key deleted after a waiting period; answers when it will be gone.
///
/// # Errors
/// As [`list_keys`].
pub async fn schedule_key_deletion(
    kms: &dyn Kms,
    key: &KmsKeyId,
    pending_window_days: u8,
) -> Result<Option<Timestamp>, KmsError> {
    let request = Upkeep::ScheduleKeyDeletion { key: key.clone(), pending_window_days };
    match kms.upkeep(&request).await?.value {
        UpkeepAnswer::DeletionDate(date) => Ok(date),
        _ => Err(other_kind(&request)),
    }
}

/// Takes a deletion back.
///
/// # Errors
/// As [`list_keys`].
pub async fn cancel_key_deletion(kms: &dyn Kms, key: &KmsKeyId) -> Result<Reply<()>, KmsError> {
    let reply = kms.upkeep(&Upkeep::CancelKeyDeletion { key: key.clone() }).await?;
    Ok(reply.map(|_| ()))
}

/// Switches a key on.
///
/// # Errors
/// As [`list_keys`].
pub async fn enable_key(kms: &dyn Kms, key: &KmsKeyId) -> Result<Reply<()>, KmsError> {
    let reply = kms.upkeep(&Upkeep::EnableKey { key: key.clone() }).await?;
    Ok(reply.map(|_| ()))
}

fn other_kind(request: &Upkeep) -> KmsError {
    KmsError::MalformedAnswer { call: request.call(), problem: "it answers another request".into() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::FakeKms;
    use crate::{
        Audited, Counted, CreateKey, KeySpec, KeyState, KmsMetrics, LimitOptions, Limited, Metered,
        RetryOptions, Retrying, Waits,
    };

    #[tokio::test]
    async fn every_wrapper_passes_the_requests_on() {
        let fake = Arc::new(FakeKms::new());
        let counted = Counted::new(Arc::new(Audited::new(fake.clone())));
        let metered = Metered::new(Arc::new(counted.clone()), KmsMetrics::of("n"));
        let limited = Limited::new(Arc::new(metered), &LimitOptions::default(), Waits::default());
        let kms = Arc::new(Retrying::new(Arc::new(limited), RetryOptions::default()));
        let tags = vec![("Name".to_owned(), "Value".to_owned())];
        let request = CreateKey { tags: tags.clone(), ..CreateKey::signing(KeySpec::EccNistP256) };
        let key = kms.create_key(&request).await.unwrap().value.key_id;
        let state = || fake.keys()[0].state.clone();

        assert_eq!(
            list_keys(&kms, None).await.unwrap(),
            Page { items: vec![key.clone()], next_marker: None }
        );
        let page = list_resource_tags(&kms, &key, None).await.unwrap();
        assert_eq!(page, Page { items: tags, next_marker: None });
        assert!(schedule_key_deletion(&kms, &key, 7).await.unwrap().is_some());
        assert_eq!(state(), KeyState::PendingDeletion);
        cancel_key_deletion(&kms, &key).await.unwrap();
        assert_eq!(state(), KeyState::Disabled);
        enable_key(&kms, &key).await.unwrap();
        assert_eq!(state(), KeyState::Enabled);
        let operations = [
            Operation::ListKeys,
            Operation::ListResourceTags,
            Operation::ScheduleKeyDeletion,
            Operation::CancelKeyDeletion,
            Operation::EnableKey,
        ];
        for operation in operations {
            assert_eq!(counted.counts().of(operation), 1, "{operation}");
        }
        let error = schedule_key_deletion(&kms, &key, 6).await.unwrap_err();
        assert!(error.to_string().contains("7 to 30"), "{error}");
    }

    #[tokio::test]
    async fn a_backend_without_them_says_so() {
        #[derive(Debug)]
        struct Bare(FakeKms);

        #[async_trait::async_trait]
        impl Kms for Bare {
            fn endpoint(&self) -> &str {
                self.0.endpoint()
            }
            async fn create_key(&self, request: &CreateKey) -> Result<Reply<crate::KeyMetadata>, KmsError> {
                self.0.create_key(request).await
            }
            async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<crate::KeyMetadata>, KmsError> {
                self.0.describe_key(key).await
            }
            async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<crate::KmsPublicKey>, KmsError> {
                self.0.public_key(key).await
            }
            async fn sign(
                &self,
                key: &KmsKeyId,
                message: &[u8],
                algorithm: crate::SigningAlgorithm,
                mode: crate::CallMode,
            ) -> Result<Reply<Vec<u8>>, KmsError> {
                self.0.sign(key, message, algorithm, mode).await
            }
            async fn decrypt(
                &self,
                key: &KmsKeyId,
                ciphertext: &[u8],
                algorithm: crate::EncryptionAlgorithm,
                mode: crate::CallMode,
            ) -> Result<Reply<zeroize::Zeroizing<Vec<u8>>>, KmsError> {
                self.0.decrypt(key, ciphertext, algorithm, mode).await
            }
        }

        let error = list_keys(&Bare(FakeKms::new()), None).await.unwrap_err();
        assert!(matches!(error, KmsError::UnsupportedOperation { .. }) && !error.retryable(), "{error}");
        assert!(error.surely_not_executed());
    }
}
