//! Making a key and waiting for it. AWS KMS is eventually consistent: a key just made may be NotFound for a while.
//!
//! Not here: any record of the key. Whoever calls this keeps one, so that no key is forgotten.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency>.

use std::time::Duration;

use thiserror::Error;
use tracing::info;

use crate::{CreateKey, KeyMetadata, KeyState, Kms, KmsError, KmsKeyId, KmsPublicKey, OriginType, backoff};

/// How long to wait for a key just made: Canton's `crypto.kms.retries.create-key-check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreationPoll {
    /// The wait after the first look; it doubles with each further one. Half of a wait is random.
    pub initial_delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
    /// How many further looks.
    pub max_retries: u32,
}

impl Default for CreationPoll {
    /// 100 ms, 10 s, 20.
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(10),
            max_retries: 20,
        }
    }
}

/// A key that is made, enabled and readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedKey {
    /// What DescribeKey says of it.
    pub metadata: KeyMetadata,
    /// Its public half.
    pub public_key: KmsPublicKey,
    /// AWS's request id of the CreateKey.
    pub request_id: Option<String>,
}

/// Why there is no new key to use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// CreateKey failed. Unless [`KmsError::surely_not_executed`] holds, a key may exist all the same.
    #[error("no KMS key was made: {source}")]
    NotCreated {
        /// Why.
        source: KmsError,
    },
    /// The key exists, and is billed, but cannot be read.
    #[error(
        "the KMS key {created} was made but could not be read after {attempts} attempts: {source}; register it later, or \
         delete it in AWS KMS"
    )]
    NotReadable {
        /// The key.
        created: KmsKeyId,
        /// How often it was looked for.
        attempts: u32,
        /// What the last look gave.
        source: KmsError,
    },
    /// The key exists, and is billed, but is not enabled.
    #[error(
        "the KMS key {created} was made but is {state} after {attempts} attempts, not Enabled; register it later, or delete \
         it in AWS KMS"
    )]
    NotEnabled {
        /// The key.
        created: KmsKeyId,
        /// How often it was looked for.
        attempts: u32,
        /// Its state.
        state: KeyState,
    },
}

impl CreateError {
    /// The key that exists without being used, if one is known.
    pub fn created(&self) -> Option<&KmsKeyId> {
        match self {
            Self::NotCreated { .. } => None,
            Self::NotReadable { created, .. } | Self::NotEnabled { created, .. } => Some(created),
        }
    }

    /// The failure of the service below, if there was one.
    pub const fn kms_error(&self) -> Option<&KmsError> {
        match self {
            Self::NotCreated { source } | Self::NotReadable { source, .. } => Some(source),
            Self::NotEnabled { .. } => None,
        }
    }
}

/// Makes a key, then looks for it with DescribeKey and GetPublicKey side by side until both answer and it is enabled.
///
/// Takes two round trips if the key is there at once. Only what is missing is asked again.
///
/// # Cancel safety
/// Dropped after CreateKey was sent, it leaves a key that nobody knows. Run it in a task of its own where that matters.
///
/// # Errors
/// [`CreateError`] says whether a key was made, and which.
pub async fn create_and_wait(
    kms: &dyn Kms,
    request: &CreateKey,
    poll: &CreationPoll,
) -> Result<CreatedKey, CreateError> {
    let reply = kms.create_key(request).await.map_err(|source| CreateError::NotCreated { source })?;
    let (metadata, public_key) = wait_until_ready(kms, &reply.value.key_id, poll).await?;
    Ok(CreatedKey { metadata, public_key, request_id: reply.request_id })
}

/// The second half of [`create_and_wait`]: looks for a key that was made, or whose material was imported, until it is
/// enabled and its public half can be read.
///
/// # Errors
/// [`CreateError`], never that the key was not made.
pub async fn wait_until_ready(
    kms: &dyn Kms,
    created: &KmsKeyId,
    poll: &CreationPoll,
) -> Result<(KeyMetadata, KmsPublicKey), CreateError> {
    let look = Look::new(KeyState::Enabled, true);
    match wait(kms, created, poll, look).await? {
        (metadata, Some(public_key)) => Ok((metadata, public_key)),
        (_, None) => unreachable!("the public key was looked for"),
    }
}

/// Makes a key without a public half, or one that waits for its material, and looks for it with DescribeKey until it is
/// what it should be: enabled, or pending import with [`OriginType::External`].
///
/// # Cancel safety
/// As [`create_and_wait`].
///
/// # Errors
/// [`CreateError`] says whether a key was made, and which.
pub async fn create_and_describe(
    kms: &dyn Kms,
    request: &CreateKey,
    poll: &CreationPoll,
) -> Result<KeyMetadata, CreateError> {
    let reply = kms.create_key(request).await.map_err(|source| CreateError::NotCreated { source })?;
    let wanted = match request.origin {
        OriginType::External => KeyState::PendingImport,
        _ => KeyState::Enabled,
    };
    wait_until_there(kms, &reply.value.key_id, wanted, poll).await
}

/// The second half of [`create_and_describe`]: looks for a key that was made until it is in a state.
///
/// # Errors
/// [`CreateError`], never that the key was not made.
pub async fn wait_until_there(
    kms: &dyn Kms,
    created: &KmsKeyId,
    state: KeyState,
    poll: &CreationPoll,
) -> Result<KeyMetadata, CreateError> {
    Ok(wait(kms, created, poll, Look::new(state, false)).await?.0)
}

async fn wait(
    kms: &dyn Kms,
    created: &KmsKeyId,
    poll: &CreationPoll,
    mut look: Look,
) -> Result<(KeyMetadata, Option<KmsPublicKey>), CreateError> {
    for attempt in 0..=poll.max_retries {
        if attempt > 0 {
            let delay = backoff::delay(poll.initial_delay, poll.max_delay, attempt - 1);
            info!(
                key = created.as_str(),
                attempt,
                "the KMS key just made is not ready everywhere; looking again in {} ms",
                delay.as_millis()
            );
            tokio::time::sleep(delay).await;
        }
        look.again(kms, created).await;
        let attempts = attempt + 1;
        match look.verdict(attempt == poll.max_retries) {
            Verdict::Wait => {}
            Verdict::Ready(metadata, public_key) => return Ok((metadata, public_key)),
            Verdict::Failed(source) => {
                return Err(CreateError::NotReadable { created: created.clone(), attempts, source });
            }
            Verdict::NotEnabled(state) => {
                return Err(CreateError::NotEnabled { created: created.clone(), attempts, state });
            }
        }
    }
    unreachable!("the last attempt never waits")
}

/// What is wanted of the new key, and what is known of it so far.
struct Look {
    state: KeyState,
    read: bool,
    metadata: Option<Result<KeyMetadata, KmsError>>,
    public_key: Option<Result<Option<KmsPublicKey>, KmsError>>,
}

enum Verdict {
    Wait,
    Ready(KeyMetadata, Option<KmsPublicKey>),
    Failed(KmsError),
    NotEnabled(KeyState),
}

impl Look {
    /// For a key in that state, and its public half where it is to be read.
    fn new(state: KeyState, read: bool) -> Self {
        Self { state, read, metadata: None, public_key: None }
    }

    /// Asks for what is missing.
    async fn again(&mut self, kms: &dyn Kms, key: &KmsKeyId) {
        let describe = async {
            match self.metadata.take() {
                Some(Ok(metadata)) if metadata.state == self.state => Ok(metadata),
                _ => kms.describe_key(key).await.map(|reply| reply.value),
            }
        };
        let read = async {
            match self.public_key.take() {
                Some(Ok(public_key)) => Ok(public_key),
                _ if !self.read => Ok(None),
                _ => kms.public_key(key).await.map(|reply| Some(reply.value)),
            }
        };
        let (metadata, public_key) = tokio::join!(describe, read);
        self.metadata = Some(metadata);
        self.public_key = Some(public_key);
    }

    fn verdict(&mut self, last: bool) -> Verdict {
        let (Some(metadata), Some(public_key)) = (self.metadata.take(), self.public_key.take()) else {
            return Verdict::Wait;
        };
        let passing = |error: &KmsError| {
            error.retryable() || matches!(error, KmsError::NotFound { .. } | KmsError::InvalidState { .. })
        };
        match (metadata, public_key) {
            (Ok(metadata), Ok(public_key)) if metadata.state == self.state => {
                Verdict::Ready(metadata, public_key)
            }
            (Err(error), _) | (_, Err(error)) if last || !passing(&error) => Verdict::Failed(error),
            (Ok(metadata), Ok(_)) if last => Verdict::NotEnabled(metadata.state),
            (metadata, public_key) => {
                self.metadata = Some(metadata);
                self.public_key = Some(public_key);
                Verdict::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::{FakeKms, Fault};
    use crate::{Counted, KeySpec, Operation};

    const FAST: CreationPoll = CreationPoll {
        initial_delay: Duration::from_micros(10),
        max_delay: Duration::from_micros(20),
        max_retries: 5,
    };

    #[tokio::test]
    async fn a_key_that_is_there_at_once_takes_three_requests() {
        let kms = Counted::new(Arc::new(FakeKms::new()));
        let created = create_and_wait(&kms, &CreateKey::signing(KeySpec::EccNistP256), &FAST).await.unwrap();
        assert_eq!(created.metadata.state, KeyState::Enabled);
        assert_eq!(created.public_key.spec, KeySpec::EccNistP256);
        assert!(created.request_id.is_some());
        assert_eq!(kms.counts().total(), 3);
    }

    #[tokio::test]
    async fn a_key_not_found_at_first_is_waited_for() {
        let fake = Arc::new(FakeKms::new());
        fake.hide_new_keys(3);
        let kms = Counted::new(fake.clone());
        create_and_wait(&kms, &CreateKey::encryption(KeySpec::Rsa2048), &FAST).await.unwrap();
        assert_eq!(fake.keys().len(), 1);
        assert!(kms.counts().of(Operation::DescribeKey) >= 2);
    }

    #[tokio::test]
    async fn what_has_answered_is_not_asked_again() {
        let fake = Arc::new(FakeKms::new());
        fake.fail_next(Operation::DescribeKey, 3, Fault::NotFound);
        let kms = Counted::new(fake);
        create_and_wait(&kms, &CreateKey::signing(KeySpec::EccNistP384), &FAST).await.unwrap();
        assert_eq!(kms.counts().of(Operation::DescribeKey), 4);
        assert_eq!(kms.counts().of(Operation::GetPublicKey), 1);
    }

    #[tokio::test]
    async fn a_key_that_stays_away_is_named() {
        let fake = FakeKms::new();
        fake.hide_new_keys(1000);
        let error =
            create_and_wait(&fake, &CreateKey::signing(KeySpec::EccNistP256), &FAST).await.unwrap_err();
        let key = fake.keys().remove(0).key_id;
        assert_eq!(error.created().unwrap(), &key);
        assert!(matches!(error, CreateError::NotReadable { attempts: 6, .. }), "{error}");
        assert!(error.to_string().contains(key.as_str()));
    }

    #[tokio::test]
    async fn a_lasting_error_ends_the_wait_at_once() {
        let fake = FakeKms::new();
        fake.deny(Operation::DescribeKey);
        let error =
            create_and_wait(&fake, &CreateKey::signing(KeySpec::EccNistP256), &FAST).await.unwrap_err();
        assert!(matches!(error, CreateError::NotReadable { attempts: 1, .. }), "{error}");
        assert_eq!(error.kms_error().unwrap().iam_action(), "kms:DescribeKey");
    }

    #[tokio::test]
    async fn a_wrapper_key_and_one_without_material_are_waited_for_without_a_public_key() {
        let fake = Arc::new(FakeKms::new());
        fake.hide_new_keys(2);
        let kms = Counted::new(fake);
        let wrapper = CreateKey::encryption(KeySpec::SymmetricDefault);
        let made = create_and_describe(&kms, &wrapper, &FAST).await.unwrap();
        assert_eq!(made.state, KeyState::Enabled);
        let empty = CreateKey { origin: OriginType::External, ..CreateKey::signing(KeySpec::EccNistP256) };
        let made = create_and_describe(&kms, &empty, &FAST).await.unwrap();
        assert_eq!((made.state, made.origin), (KeyState::PendingImport, OriginType::External));
        assert_eq!(kms.counts().of(Operation::GetPublicKey), 0);
    }

    #[tokio::test]
    async fn a_failed_create_key_leaves_nothing_to_name() {
        let fake = FakeKms::new();
        fake.deny(Operation::CreateKey);
        let error =
            create_and_wait(&fake, &CreateKey::signing(KeySpec::EccNistP256), &FAST).await.unwrap_err();
        assert!(matches!(error, CreateError::NotCreated { .. }) && error.created().is_none());
    }
}
