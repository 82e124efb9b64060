//! Provider and identity.

use cantle_types::UniqueIdentifier;

use crate::{Conflict, CryptoProvider, NodeStore, StoreError};

pub(super) async fn provider_is_claimed_once(store: &dyn NodeStore) {
    assert_eq!(store.provider_find().await.expect("the provider can be read"), None);
    for claimed in [CryptoProvider::Kms, CryptoProvider::Jce, CryptoProvider::Kms] {
        let recorded = store.provider_claim(claimed).await.expect("a provider can be claimed");
        assert_eq!(recorded, CryptoProvider::Kms, "the first claim stays");
    }
    assert_eq!(store.provider_find().await.expect("the provider can be read"), Some(CryptoProvider::Kms));
}

pub(super) async fn uid_is_written_once(store: &dyn NodeStore) {
    let uid = |text: &str| text.parse::<UniqueIdentifier>().expect("the sample is a uid");
    let (first, second) = (uid("participant1::abc"), uid("participant1::def"));
    assert_eq!(store.uid_find().await.expect("the uid can be read"), None);
    store.uid_insert(&first).await.expect("a uid can be written");
    store.uid_insert(&first).await.expect("the same uid is no error");
    let error = store.uid_insert(&second).await.expect_err("another uid");
    assert!(
        matches!(&error, StoreError::Conflict(Conflict::Uid { recorded, wanted }) if *recorded == first && *wanted == second),
        "{error:?}"
    );
    assert_eq!(store.uid_find().await.expect("the uid can be read"), Some(first));
}
