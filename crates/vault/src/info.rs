//! What a caller learns of a key, and how lists are filtered.

use cantle_crypto::PublicKey;
use cantle_store::{CryptoProvider, KeyDeletion, KmsMetadata, StoredPublicKey};
use cantle_types::{Fingerprint, KeyName, KeyPurpose};

/// A key whose private part is with this node.
#[derive(Debug, Clone)]
pub struct PrivateKeyInfo {
    /// Its public part.
    pub public: PublicKey,
    /// Its name.
    pub name: Option<KeyName>,
    /// The KMS key behind it; provider kms only.
    pub kms: Option<KmsMetadata>,
    /// The deletion of the KMS key, if one is under way: the key is not used any more.
    pub deletion: Option<KeyDeletion>,
    /// Who holds the private part.
    pub provider: CryptoProvider,
    /// The wrapper key that encrypts the stored private part; only where that is in the store.
    pub wrapper_key_id: Option<String>,
}

impl PrivateKeyInfo {
    /// The fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        self.public.fingerprint()
    }

    /// What the key is for.
    #[must_use]
    pub fn purpose(&self) -> KeyPurpose {
        self.public.purpose()
    }
}

/// Which keys to list. The default lets all pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyFilter {
    /// Fingerprints that start so.
    pub fingerprint_prefix: String,
    /// Names that contain this; a key without a name has the empty one.
    pub name_substring: String,
    /// Every one must be the key's purpose: two different ones let nothing pass, as in Canton.
    pub purposes: Vec<KeyPurpose>,
}

impl KeyFilter {
    /// Lets keys of one purpose pass.
    #[must_use]
    pub fn purpose(purpose: KeyPurpose) -> Self {
        Self { purposes: vec![purpose], ..Self::default() }
    }

    /// Whether a key passes.
    #[must_use]
    pub fn matches(&self, fingerprint: &Fingerprint, name: Option<&KeyName>, purpose: KeyPurpose) -> bool {
        fingerprint.as_str().starts_with(&self.fingerprint_prefix)
            && name.map_or("", KeyName::as_str).contains(&self.name_substring)
            && self.purposes.iter().all(|&wanted| wanted == purpose)
    }

    pub(crate) fn matches_public(&self, stored: &StoredPublicKey) -> bool {
        self.matches(stored.key.fingerprint(), stored.name.as_ref(), stored.key.purpose())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn purposes() -> impl Strategy<Value = KeyPurpose> {
        prop_oneof![Just(KeyPurpose::Signing), Just(KeyPurpose::Encryption)]
    }

    proptest! {
        #[test]
        fn a_filter_passes_what_all_its_parts_pass(
            fingerprint in "[0-9a-f]{1,12}",
            name in proptest::option::of("[a-c.]{1,6}"),
            purpose in purposes(),
            prefix in "[0-9a-f]{0,2}",
            substring in "[a-c.]{0,2}",
            wanted in proptest::collection::vec(purposes(), 0..3),
        ) {
            let filter = KeyFilter {
                fingerprint_prefix: prefix.clone(),
                name_substring: substring.clone(),
                purposes: wanted.clone(),
            };
            let key_name = name.as_deref().map(|name| name.parse().unwrap());
            let found = filter.matches(&fingerprint.parse().unwrap(), key_name.as_ref(), purpose);
            let by_fingerprint = fingerprint.get(..prefix.len()) == Some(prefix.as_str());
            let text = name.unwrap_or_default();
            let by_name = substring.is_empty() || text.match_indices(substring.as_str()).next().is_some();
            let by_purpose = !wanted.contains(&other(purpose));
            prop_assert_eq!(found, by_fingerprint && by_name && by_purpose);
        }

        #[test]
        fn two_different_purposes_pass_nothing(fingerprint in "[0-9a-f]{1,12}", purpose in purposes()) {
            let filter = KeyFilter {
                purposes: vec![KeyPurpose::Signing, KeyPurpose::Encryption],
                ..KeyFilter::default()
            };
            prop_assert!(!filter.matches(&fingerprint.parse().unwrap(), None, purpose));
            prop_assert!(KeyFilter::default().matches(&fingerprint.parse().unwrap(), None, purpose));
        }
    }

    fn other(purpose: KeyPurpose) -> KeyPurpose {
        match purpose {
            KeyPurpose::Signing => KeyPurpose::Encryption,
            KeyPurpose::Encryption => KeyPurpose::Signing,
        }
    }
}
