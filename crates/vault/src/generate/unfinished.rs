//! Creations of KMS keys that were begun and are not known to have ended: after a crash, or after a lost answer.
//!
//! A key whose id is in the journal is used. Where only the intent is there, the key may have been made or not: it is
//! looked for by the tag that it alone has, if the caller may list keys and tags. What is found is used if it is in all
//! what was asked for. Otherwise the creation is lost: it stays in the journal as a possible orphan until the operator
//! forgets it, or until a later search shows that there is no such key. CreateKey is never simply sent again.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency>.

use std::sync::Arc;
use std::time::Duration;

use cantle_kms::{
    CreateError, KeyMetadata, KeySpec, KeyState, Kms, KmsError, KmsKeyId, OriginType, TagSearch, TaggedKey,
    find_by_tag,
};
use cantle_store::{KeyCreation, StoreError};
use cantle_types::{KeyName, KeyPurpose};
use tokio::time::{Instant, sleep};

use super::{GenerateError, shown};
use crate::key_scheme::{KeyScheme, key_usage};
use crate::migration::is_import;
use crate::options::{CREATION_TAG, KeyRole, OWN_TAGS};
use crate::vault::{Creating, Inner};

/// How long a key may take to be known everywhere. AWS speaks of seconds, at times a few minutes.
const SETTLES: Duration = Duration::from_secs(600);
/// Between two searches.
const SEARCH_AGAIN: Duration = Duration::from_millis(500);

/// Where the key of a creation is.
#[derive(Debug)]
pub(crate) enum Location {
    /// Here, and as it was asked for.
    Found(KmsKeyId),
    /// The node has it already.
    Stored(KmsKeyId),
    /// The KMS shows no key with the tag.
    Absent,
    /// It could not be looked for, or what was found is not what was asked for.
    Unknown(String),
}

/// What becomes of a creation.
#[derive(Debug)]
pub(crate) enum Settled {
    /// It goes on with this key.
    Key(KmsKeyId),
    /// Nothing goes on with it.
    Over,
}

/// Why it is not known what becomes of a creation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    #[error(transparent)]
    Kms(#[from] KmsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Generate(#[from] Box<GenerateError>),
}

impl Inner {
    /// A creation that an earlier attempt began for the same name and kind, and that can go on.
    pub(super) async fn take_unfinished(
        self: &Arc<Self>,
        kms: &Arc<dyn Kms>,
        purpose: KeyPurpose,
        spec: &KeySpec,
        name: Option<&KeyName>,
    ) -> Result<Option<(KeyCreation, Creating)>, GenerateError> {
        for creation in self.store.creation_list().await? {
            let fits = creation.purpose == purpose
                && creation.key_spec == spec.as_str()
                && creation.name.as_ref() == name
                && creation.lost_at.is_none();
            let Some(mark) = fits.then(|| self.mark_creating(&creation.id)).flatten() else { continue };
            // Whoever had the mark before may have just finished with that key.
            if !self.store.creation_list().await?.iter().any(|listed| listed.id == creation.id) {
                continue;
            }
            match self.settle(kms, &creation).await {
                Ok(Settled::Key(key)) => {
                    tracing::info!(kms_key_id = %key, "using the KMS key that an earlier attempt made");
                    let kms_key_id = Some(key.as_str().to_owned());
                    return Ok(Some((KeyCreation { kms_key_id, ..creation }, mark)));
                }
                Ok(Settled::Over) => {}
                Err(SettleError::Store(error)) => return Err(error.into()),
                Err(SettleError::Kms(source)) => {
                    let source = Box::new(CreateError::NotCreated { source });
                    return Err(GenerateError::Kms {
                        purpose,
                        name: shown(name),
                        creation: creation.id,
                        source,
                    });
                }
                Err(SettleError::Generate(error)) => return Err(*error),
            }
        }
        Ok(None)
    }

    /// Finishes a creation of an earlier process, or gives it up.
    pub(crate) async fn resume(
        self: &Arc<Self>,
        kms: &Arc<dyn Kms>,
        creation: KeyCreation,
    ) -> Result<(), SettleError> {
        if is_import(&creation) {
            return Ok(self.lose(&creation, "the node's keys have moved without it").await?);
        }
        let Some(scheme) = KeyScheme::of_spec(creation.purpose, &KeySpec::from_name(&creation.key_spec))
        else {
            return Ok(self.lose(&creation, "this version has no keys of its spec").await?);
        };
        if let Settled::Key(key) = self.settle(kms, &creation).await? {
            let creation = KeyCreation { kms_key_id: Some(key.as_str().to_owned()), ..creation };
            // The role is in the tags of a key that is still to be made; this one is there.
            self.finish(kms, scheme, creation, KeyRole::Other).await.map_err(Box::new)?;
        }
        Ok(())
    }

    /// Looks again for what may be left of a creation that was given up; forgets it if that is nothing.
    pub(crate) async fn look_for_lost(
        &self,
        kms: &Arc<dyn Kms>,
        creation: &KeyCreation,
    ) -> Result<(), SettleError> {
        if let Some(key) = known_key(creation) {
            return match kms.describe_key(&key).await {
                Err(KmsError::NotFound { .. }) if !self.is_young(creation) => self.gone(creation, &key).await,
                Ok(reply) if reply.value.state == KeyState::PendingDeletion => {
                    self.gone(creation, &key).await
                }
                Ok(_) | Err(KmsError::NotFound { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        match self.search(kms, creation, &origin_of(creation)).await? {
            Location::Found(key) => {
                tracing::warn!(
                    kms_key_id = %key,
                    "the possible orphan {} is this KMS key; register it or delete it in AWS KMS", creation.id
                );
                self.store.creation_made(&creation.id, key.as_str()).await?;
            }
            Location::Stored(key) => self.gone(creation, &key).await?,
            Location::Absent if !self.is_young(creation) => {
                tracing::info!(
                    "the KMS shows no key with the tag {CREATION_TAG}={}: none was made",
                    creation.id
                );
                self.store.creation_end(&creation.id).await?;
            }
            Location::Absent | Location::Unknown(_) => {}
        }
        Ok(())
    }

    async fn gone(&self, creation: &KeyCreation, key: &KmsKeyId) -> Result<(), SettleError> {
        tracing::info!(kms_key_id = %key, "{} is no orphan any more: its key is this node's, or deleted", creation.id);
        Ok(self.store.creation_end(&creation.id).await?)
    }

    /// Which key a creation goes on with, if any; what it cannot go on with is given up.
    pub(crate) async fn settle(
        &self,
        kms: &Arc<dyn Kms>,
        creation: &KeyCreation,
    ) -> Result<Settled, SettleError> {
        let key = match known_key(creation) {
            Some(key) => key,
            None => match self.locate(kms, creation, &OriginType::AwsKms).await? {
                Location::Found(key) => {
                    self.store.creation_made(&creation.id, key.as_str()).await?;
                    tracing::info!(kms_key_id = %key, "found the KMS key of creation {} by its tag", creation.id);
                    key
                }
                Location::Stored(key) => {
                    self.gone(creation, &key).await?;
                    return Ok(Settled::Over);
                }
                Location::Absent => {
                    self.lose(creation, "the KMS shows no key with its tag").await?;
                    return Ok(Settled::Over);
                }
                Location::Unknown(why) => {
                    self.lose(creation, &why).await?;
                    return Ok(Settled::Over);
                }
            },
        };
        match kms.describe_key(&key).await {
            Ok(reply) => match reply.value.state {
                KeyState::Enabled | KeyState::Creating => Ok(Settled::Key(key)),
                KeyState::PendingDeletion => {
                    tracing::warn!(kms_key_id = %key, "the KMS key that an earlier attempt made is about to be deleted");
                    self.store.creation_end(&creation.id).await?;
                    Ok(Settled::Over)
                }
                state => {
                    self.lose(creation, &format!("the KMS key {key} has KeyState {state}")).await?;
                    Ok(Settled::Over)
                }
            },
            // Not known everywhere yet: it is waited for as every new key is.
            Err(KmsError::NotFound { .. }) if self.is_young(creation) => Ok(Settled::Key(key)),
            Err(KmsError::NotFound { .. }) => {
                tracing::warn!(kms_key_id = %key, "the KMS key that an earlier attempt made is gone");
                self.store.creation_end(&creation.id).await?;
                Ok(Settled::Over)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a creation up: it stays as a possible orphan.
    pub(crate) async fn lose(&self, creation: &KeyCreation, why: &str) -> Result<(), StoreError> {
        self.store.creation_lost(&creation.id, self.clock.now()).await?;
        tracing::warn!(
            creation = %creation.id,
            kms_key_id = creation.kms_key_id.as_deref().unwrap_or("unknown"),
            "a KMS key ({} {}, name {:?}) that was begun at {} may be left without an owner: {why}. If there is one it has \
             the tag {CREATION_TAG}={}; register it or delete it in AWS KMS, then \
             `cantle keys --orphans --forget {}`",
            creation.purpose,
            creation.key_spec,
            shown(creation.name.as_ref()),
            creation.started_at,
            creation.id,
            creation.id,
        );
        Ok(())
    }

    /// Looks for the key of a creation until there has been time for it to appear in lists.
    pub(crate) async fn locate(
        &self,
        kms: &Arc<dyn Kms>,
        creation: &KeyCreation,
        origin: &OriginType,
    ) -> Result<Location, KmsError> {
        let patience = self.options.search_patience.saturating_sub(self.age(creation));
        let deadline = Instant::now() + patience;
        loop {
            let location = self.search(kms, creation, origin).await?;
            if !matches!(location, Location::Absent) || Instant::now() >= deadline {
                return Ok(location);
            }
            sleep(SEARCH_AGAIN.min(patience)).await;
        }
    }

    /// Looks once.
    async fn search(
        &self,
        kms: &Arc<dyn Kms>,
        creation: &KeyCreation,
        asked: &OriginType,
    ) -> Result<Location, KmsError> {
        let TagSearch { found, unseen } = match find_by_tag(&**kms, CREATION_TAG, &creation.id).await {
            Ok(search) => search,
            Err(error @ (KmsError::AccessDenied { .. } | KmsError::UnsupportedOperation { .. })) => {
                let why = format!(
                    "it cannot be looked for without kms:ListKeys and kms:ListResourceTags ({error})"
                );
                return Ok(Location::Unknown(why));
            }
            Err(error) => return Err(error),
        };
        match found.as_slice() {
            [] if unseen == 0 => Ok(Location::Absent),
            [] => Ok(Location::Unknown(format!("the tags of {unseen} KMS keys or more could not be read"))),
            [tagged] => self.examine(kms, creation, tagged, asked).await,
            several => Ok(Location::Unknown(format!("{} KMS keys have its tag", several.len()))),
        }
    }

    /// Whether a key that was found is what was asked for. Whoever may tag keys could have marked another one.
    async fn examine(
        &self,
        kms: &Arc<dyn Kms>,
        creation: &KeyCreation,
        tagged: &TaggedKey,
        asked: &OriginType,
    ) -> Result<Location, KmsError> {
        let key = &tagged.key;
        match self.stores(key).await {
            Ok(true) => return Ok(Location::Stored(key.clone())),
            Ok(false) => {}
            Err(error) => return Ok(Location::Unknown(error.to_string())),
        }
        let tags = self.options.tags(KeyRole::Other, &creation.id);
        let own = tags.iter().filter(|(name, _)| OWN_TAGS.contains(&name.as_str()));
        if let Some((name, _)) = own.into_iter().find(|(name, value)| !tagged.has(name, value)) {
            return Ok(Location::Unknown(format!(
                "KMS key {key} has its tag, but another value of the tag {name}"
            )));
        }
        let KeyMetadata { spec, usage, origin, .. } = kms.describe_key(key).await?.value;
        let as_asked = match &origin {
            OriginType::Unknown(name) => name.is_empty(),
            origin => origin == asked,
        };
        if spec.as_str() != creation.key_spec || usage != key_usage(creation.purpose) || !as_asked {
            return Ok(Location::Unknown(format!(
                "KMS key {key} has its tag, but KeySpec {spec}, KeyUsage {usage} and Origin {origin}"
            )));
        }
        Ok(Location::Found(key.clone()))
    }

    /// Whether the node has the key, however it names it.
    pub(crate) async fn stores(&self, key: &KmsKeyId) -> Result<bool, StoreError> {
        let rows = self.store.kms_metadata_list().await?;
        let entries = self.store.private_key_list().await?;
        let names = rows.iter().flat_map(|row| [Some(row.kms_key_id.as_str()), row.kms_key_arn.as_deref()]);
        let wrappers = entries.iter().filter_map(|entry| entry.wrapper_key_id.as_deref());
        let mut ids = names.flatten().chain(wrappers).filter_map(|name| KmsKeyId::parse(name).ok());
        Ok(ids.any(|known| known.key_id() == key.key_id()))
    }

    fn is_young(&self, creation: &KeyCreation) -> bool {
        self.age(creation) < SETTLES
    }

    /// How long ago a creation began; a clock that was set back makes it new.
    fn age(&self, creation: &KeyCreation) -> Duration {
        let age = self.clock.now().duration_since(creation.started_at);
        Duration::try_from(age).unwrap_or_default()
    }
}

/// Where the material of a creation's key comes from.
fn origin_of(creation: &KeyCreation) -> OriginType {
    if is_import(creation) { OriginType::External } else { OriginType::AwsKms }
}

fn known_key(creation: &KeyCreation) -> Option<KmsKeyId> {
    creation.kms_key_id.as_deref().and_then(|key| KmsKeyId::parse(key).ok())
}
