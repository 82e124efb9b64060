//! Looking for keys by a tag: ListKeys, then ListResourceTags for each key.
//!
//! AWS KMS has no search of its own. The cost is one request a key of the account and Region, so the search is bounded
//! and says when it did not see everything. Tags and lists are eventually consistent: a key made a moment ago may be
//! missing, so that nothing found is not yet proof that there is nothing.

use futures::{StreamExt, stream};
use tracing::debug;

use crate::{Kms, KmsError, KmsKeyId};

/// The most keys that are looked at.
const MOST_KEYS: usize = 10_000;
/// How many requests are under way at once.
const SIDE_BY_SIDE: usize = 8;

/// What a search saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagSearch {
    /// The keys with the tag, each with all its tags.
    pub found: Vec<TaggedKey>,
    /// Keys whose tags could not be read, or that were too many to be looked at.
    pub unseen: usize,
}

/// A key and its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedKey {
    /// The key's id.
    pub key: KmsKeyId,
    /// Names and values.
    pub tags: Vec<(String, String)>,
}

impl TaggedKey {
    /// Whether it has a tag of that name and value.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.tags.iter().any(|(is_name, is_value)| is_name == name && is_value == value)
    }
}

/// Looks for the keys with a tag.
///
/// A key whose tags the caller may not read is passed over and counted: a policy may show it its own keys alone.
///
/// # Errors
/// When the keys cannot be listed, when the tags of none of them can be read, or when the service fails on the way.
pub async fn find_by_tag(kms: &dyn Kms, name: &str, value: &str) -> Result<TagSearch, KmsError> {
    let mut keys = Vec::new();
    let mut marker: Option<String> = None;
    let mut search = TagSearch::default();
    loop {
        let page = kms.list_keys(marker.as_deref()).await?.value;
        keys.extend(page.items);
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
        if keys.len() >= MOST_KEYS {
            // How many more there are is not known; that there are some is.
            search.unseen = 1;
            break;
        }
    }
    let mut readable = 0_usize;
    let mut refusal = None;
    let mut looks = stream::iter(keys).map(|key| tagged(kms, key)).buffer_unordered(SIDE_BY_SIDE);
    while let Some(looked) = looks.next().await {
        match looked {
            Ok(tagged) => {
                readable += 1;
                if tagged.has(name, value) {
                    search.found.push(tagged);
                }
            }
            // Deleted since it was listed.
            Err(KmsError::NotFound { .. }) => {}
            Err(error @ (KmsError::AccessDenied { .. } | KmsError::UnsupportedOperation { .. })) => {
                debug!("the tags of a key cannot be read: {error}");
                search.unseen += 1;
                refusal = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match refusal {
        Some(error) if readable == 0 => Err(error),
        _ => Ok(search),
    }
}

async fn tagged(kms: &dyn Kms, key: KmsKeyId) -> Result<TaggedKey, KmsError> {
    let mut tags = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = kms.list_resource_tags(&key, marker.as_deref()).await?.value;
        tags.extend(page.items);
        marker = page.next_marker;
        if marker.is_none() {
            return Ok(TaggedKey { key, tags });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeKms;
    use crate::{CreateKey, KeySpec, Operation};

    async fn tagged_key(fake: &FakeKms, value: &str) -> KmsKeyId {
        let tags = vec![("Other".to_owned(), "x".to_owned()), ("Tag".to_owned(), value.to_owned())];
        let request = CreateKey { tags, ..CreateKey::signing(KeySpec::EccNistP256) };
        fake.create_key(&request).await.unwrap().value.key_id
    }

    #[tokio::test]
    async fn keys_are_found_by_name_and_value_over_all_pages() {
        let fake = FakeKms::new();
        for number in 0..5 {
            tagged_key(&fake, &number.to_string()).await;
        }
        let wanted = tagged_key(&fake, "wanted").await;
        let search = find_by_tag(&fake, "Tag", "wanted").await.unwrap();
        assert_eq!(search.found.iter().map(|found| &found.key).collect::<Vec<_>>(), [&wanted]);
        assert!(search.found[0].has("Other", "x") && search.unseen == 0);
        let none = find_by_tag(&fake, "Other", "wanted").await.unwrap();
        assert_eq!(none, TagSearch::default());
    }

    #[tokio::test]
    async fn keys_that_may_not_be_read_are_counted_and_passed_over() {
        let fake = FakeKms::new();
        let hidden = tagged_key(&fake, "wanted").await;
        let shown = tagged_key(&fake, "wanted").await;
        fake.hide_tags(&hidden);
        let search = find_by_tag(&fake, "Tag", "wanted").await.unwrap();
        assert_eq!((search.found.len(), &search.found[0].key, search.unseen), (1, &shown, 1));
        fake.hide_tags(&shown);
        let error = find_by_tag(&fake, "Tag", "wanted").await.unwrap_err();
        assert_eq!(error.iam_action(), "kms:ListResourceTags");
    }

    #[tokio::test]
    async fn without_the_permission_to_list_the_search_fails_with_its_name() {
        let fake = FakeKms::new();
        fake.deny(Operation::ListKeys);
        let error = find_by_tag(&fake, "Tag", "wanted").await.unwrap_err();
        assert!(matches!(error, KmsError::AccessDenied { .. }));
        assert_eq!(error.iam_action(), "kms:ListKeys");
    }
}
