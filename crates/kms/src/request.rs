//! One request to the service, and its answer, as values: what wraps a [`Kms`](crate::Kms) handles every request alike.
//!
//! Not a wire format, and nothing that callers build: they call the methods of [`Kms`](crate::Kms).

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    CallMode, CreateKey, EncryptionAlgorithm, FailedCall, ImportParameters, KeyMetadata, KmsError, KmsKeyId,
    KmsPublicKey, Operation, Reply, SigningAlgorithm,
};

/// How many days a deletion can be made to wait: AWS's bounds.
pub const PENDING_WINDOW_DAYS: std::ops::RangeInclusive<u8> = 7..=30;

/// One request. The methods of [`Kms`](crate::Kms) say what each means and which action permits it.
///
/// # Security
/// Its `Debug` form has the operation and the key, never a message, plaintext or ciphertext.
#[derive(Clone, Copy)]
pub enum KmsRequest<'a> {
    /// [`Kms::create_key`](crate::Kms::create_key).
    CreateKey(&'a CreateKey),
    /// [`Kms::describe_key`](crate::Kms::describe_key).
    DescribeKey {
        /// The key.
        key: &'a KmsKeyId,
    },
    /// [`Kms::public_key`](crate::Kms::public_key).
    GetPublicKey {
        /// The key.
        key: &'a KmsKeyId,
    },
    /// [`Kms::sign`](crate::Kms::sign).
    Sign {
        /// The key.
        key: &'a KmsKeyId,
        /// What is signed: 1 to 4096 bytes.
        message: &'a [u8],
        /// How.
        algorithm: SigningAlgorithm,
        /// Whether it is done or only checked.
        mode: CallMode,
    },
    /// [`Kms::decrypt`](crate::Kms::decrypt).
    Decrypt {
        /// The key.
        key: &'a KmsKeyId,
        /// What is decrypted.
        ciphertext: &'a [u8],
        /// How.
        algorithm: EncryptionAlgorithm,
        /// Whether it is done or only checked.
        mode: CallMode,
    },
    /// [`Kms::encrypt`](crate::Kms::encrypt).
    Encrypt {
        /// The key.
        key: &'a KmsKeyId,
        /// What is encrypted: 1 to 4096 bytes.
        plaintext: &'a [u8],
        /// How.
        algorithm: EncryptionAlgorithm,
        /// Whether it is done or only checked.
        mode: CallMode,
    },
    /// [`Kms::parameters_for_import`](crate::Kms::parameters_for_import).
    GetParametersForImport {
        /// The key.
        key: &'a KmsKeyId,
    },
    /// [`Kms::import_key_material`](crate::Kms::import_key_material).
    ImportKeyMaterial {
        /// The key.
        key: &'a KmsKeyId,
        /// The token of the parameters.
        token: &'a [u8],
        /// The material, wrapped.
        wrapped: &'a [u8],
    },
    /// [`Kms::list_keys`](crate::Kms::list_keys).
    ListKeys {
        /// Where the page before ended.
        marker: Option<&'a str>,
    },
    /// [`Kms::list_resource_tags`](crate::Kms::list_resource_tags).
    ListResourceTags {
        /// The key.
        key: &'a KmsKeyId,
        /// Where the page before ended.
        marker: Option<&'a str>,
    },
    /// [`Kms::schedule_key_deletion`](crate::Kms::schedule_key_deletion).
    ScheduleKeyDeletion {
        /// The key.
        key: &'a KmsKeyId,
        /// How long it can be taken back, within [`PENDING_WINDOW_DAYS`].
        pending_window_days: u8,
    },
    /// [`Kms::cancel_key_deletion`](crate::Kms::cancel_key_deletion).
    CancelKeyDeletion {
        /// The key.
        key: &'a KmsKeyId,
    },
    /// [`Kms::enable_key`](crate::Kms::enable_key).
    EnableKey {
        /// The key.
        key: &'a KmsKeyId,
    },
}

impl<'a> KmsRequest<'a> {
    /// The operation.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::CreateKey(_) => Operation::CreateKey,
            Self::DescribeKey { .. } => Operation::DescribeKey,
            Self::GetPublicKey { .. } => Operation::GetPublicKey,
            Self::Sign { .. } => Operation::Sign,
            Self::Decrypt { .. } => Operation::Decrypt,
            Self::Encrypt { .. } => Operation::Encrypt,
            Self::GetParametersForImport { .. } => Operation::GetParametersForImport,
            Self::ImportKeyMaterial { .. } => Operation::ImportKeyMaterial,
            Self::ListKeys { .. } => Operation::ListKeys,
            Self::ListResourceTags { .. } => Operation::ListResourceTags,
            Self::ScheduleKeyDeletion { .. } => Operation::ScheduleKeyDeletion,
            Self::CancelKeyDeletion { .. } => Operation::CancelKeyDeletion,
            Self::EnableKey { .. } => Operation::EnableKey,
        }
    }

    /// The key that it names; none for CreateKey and ListKeys.
    pub fn key(&self) -> Option<&'a KmsKeyId> {
        let mut named = *self;
        named.key_mut().copied()
    }

    /// The same about the key under another name of it.
    #[must_use]
    pub fn under(mut self, name: &'a KmsKeyId) -> Self {
        if let Some(key) = self.key_mut() {
            *key = name;
        }
        self
    }

    fn key_mut(&mut self) -> Option<&mut &'a KmsKeyId> {
        match self {
            Self::CreateKey(_) | Self::ListKeys { .. } => None,
            Self::DescribeKey { key }
            | Self::GetPublicKey { key }
            | Self::Sign { key, .. }
            | Self::Decrypt { key, .. }
            | Self::Encrypt { key, .. }
            | Self::GetParametersForImport { key }
            | Self::ImportKeyMaterial { key, .. }
            | Self::ListResourceTags { key, .. }
            | Self::ScheduleKeyDeletion { key, .. }
            | Self::CancelKeyDeletion { key }
            | Self::EnableKey { key } => Some(key),
        }
    }

    /// The call, for errors.
    pub fn call(&self) -> FailedCall {
        FailedCall::new(self.operation(), self.key())
    }

    /// What a backend answers that does not have the operation.
    pub fn unsupported(&self) -> KmsError {
        let message = "this key management service does not have the operation".into();
        KmsError::UnsupportedOperation { call: self.call(), message }
    }
}

impl fmt::Debug for KmsRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.operation().as_str()).field("key", &self.key()).finish_non_exhaustive()
    }
}

/// The answer, of the kind that the request has.
///
/// # Security
/// It holds plaintexts and has no `Debug` form but its kind.
pub enum KmsAnswer {
    /// To CreateKey and DescribeKey.
    Metadata(KeyMetadata),
    /// To GetPublicKey.
    PublicKey(KmsPublicKey),
    /// To Sign.
    Signature(Vec<u8>),
    /// To Decrypt.
    Plaintext(Zeroizing<Vec<u8>>),
    /// To Encrypt.
    Ciphertext(Vec<u8>),
    /// To GetParametersForImport.
    ImportParameters(ImportParameters),
    /// To ListKeys: ids, never ARNs.
    Keys(Page<KmsKeyId>),
    /// To ListResourceTags: names and values.
    Tags(Page<(String, String)>),
    /// To ScheduleKeyDeletion: when the key will be gone, where the service says so.
    DeletionDate(Option<Timestamp>),
    /// To the others.
    Done,
}

impl fmt::Debug for KmsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata(_) => "Metadata",
            Self::PublicKey(_) => "PublicKey",
            Self::Signature(_) => "Signature",
            Self::Plaintext(_) => "Plaintext",
            Self::Ciphertext(_) => "Ciphertext",
            Self::ImportParameters(_) => "ImportParameters",
            Self::Keys(_) => "Keys",
            Self::Tags(_) => "Tags",
            Self::DeletionDate(_) => "DeletionDate",
            Self::Done => "Done",
        })
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// What asks for the next part, if there is one.
    pub next_marker: Option<String>,
}

/// The part of an answer that a request asked for.
///
/// # Errors
/// [`KmsError::MalformedAnswer`] for an answer of another kind.
pub(crate) fn expect<T>(
    request: KmsRequest<'_>,
    reply: Reply<KmsAnswer>,
    kind: impl FnOnce(KmsAnswer) -> Option<T>,
) -> Result<Reply<T>, KmsError> {
    let Reply { value, request_id, key } = reply;
    match kind(value) {
        Some(value) => Ok(Reply { value, request_id, key }),
        None => Err(KmsError::MalformedAnswer {
            call: request.call().with_request_id(request_id.as_deref()),
            problem: "it answers another request".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;

    use super::*;
    use crate::testing::FakeKms;
    use crate::{
        Audited, Counted, FailingOver, KeySpec, KeyState, Kms, KmsMetrics, LimitOptions, Limited, Metered,
        Regional, RetryOptions, Retrying, Waits, testing,
    };

    #[tokio::test]
    async fn every_wrapper_passes_the_optional_requests_on() {
        let fake = Arc::new(FakeKms::new());
        let counted = Counted::new(Arc::new(Audited::new(fake.clone())));
        let metered = Metered::new(Arc::new(counted.clone()), KmsMetrics::of("n"));
        let limited = Limited::new(Arc::new(metered), &LimitOptions::default(), Waits::default());
        let regional: Arc<dyn Kms> = Arc::new(Regional::new(Arc::new(limited), testing::REGION));
        let regions = FailingOver::new(vec![(testing::REGION.to_owned(), regional)], None);
        let kms = Arc::new(Retrying::new(Arc::new(regions), RetryOptions::default()));
        let tags = vec![("Name".to_owned(), "Value".to_owned())];
        let request = CreateKey { tags: tags.clone(), ..CreateKey::signing(KeySpec::EccNistP256) };
        let key = kms.create_key(&request).await.unwrap().value.key_id;
        let state = || fake.keys()[0].state.clone();

        let page = kms.list_keys(None).await.unwrap().value;
        assert_eq!(page, Page { items: vec![key.clone()], next_marker: None });
        let page = kms.list_resource_tags(&key, None).await.unwrap().value;
        assert_eq!(page, Page { items: tags, next_marker: None });
        assert!(kms.schedule_key_deletion(&key, 7).await.unwrap().value.is_some());
        assert_eq!(state(), KeyState::PendingDeletion);
        kms.cancel_key_deletion(&key).await.unwrap();
        assert_eq!(state(), KeyState::Disabled);
        kms.enable_key(&key).await.unwrap();
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
        let error = kms.schedule_key_deletion(&key, 6).await.unwrap_err();
        assert!(error.to_string().contains("7 to 30"), "{error}");
    }

    /// A service that has signing alone, and answers everything with a signature.
    #[derive(Debug)]
    struct Bare;

    #[async_trait]
    impl Kms for Bare {
        fn endpoint(&self) -> &str {
            testing::ENDPOINT
        }

        async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
            match request {
                KmsRequest::ListKeys { .. } => Err(request.unsupported()),
                _ => Ok(Reply::new(KmsAnswer::Signature(Vec::new()))),
            }
        }
    }

    #[tokio::test]
    async fn a_backend_without_an_operation_says_so() {
        let error = Bare.list_keys(None).await.unwrap_err();
        assert!(matches!(error, KmsError::UnsupportedOperation { .. }) && !error.retryable(), "{error}");
        assert!(error.surely_not_executed());
    }

    #[tokio::test]
    async fn an_answer_of_another_kind_is_malformed() {
        let key = KmsKeyId::parse("alias/any").unwrap();
        let error = Bare.describe_key(&key).await.unwrap_err();
        assert!(matches!(error, KmsError::MalformedAnswer { .. }), "{error}");
        assert_eq!(error.operation(), Operation::DescribeKey);
    }

    #[test]
    fn what_is_logged_of_a_request_has_no_content() {
        let key = KmsKeyId::parse("alias/any").unwrap();
        let request = KmsRequest::Encrypt {
            key: &key,
            plaintext: b"secret",
            algorithm: EncryptionAlgorithm::SymmetricDefault,
            mode: CallMode::Execute,
        };
        let other = KmsKeyId::parse("alias/other").unwrap();
        assert!(format!("{:?}", request.under(&other)).starts_with("Encrypt { key: Some("));
        let shown = format!("{request:?} {:?}", KmsAnswer::Plaintext(Zeroizing::new(b"secret".to_vec())));
        assert!(!shown.contains("115") && !shown.contains("secret"), "{shown}");
    }
}
