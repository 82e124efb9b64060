//! What the other roles keep: cursors, connections and single values.

use cantle_types::{DomainAlias, DomainId, Member};

use super::samples::time;
use crate::{ClientCursor, Conflict, DomainConnection, NodeStore, RoleSetting, StoreError};

fn domain(name: &str) -> DomainId {
    format!("{name}::1220aa").parse().expect("the sample is a domain id")
}

fn alias(name: &str) -> DomainAlias {
    name.parse().expect("the sample is an alias")
}

pub(super) async fn cursors_never_go_back(store: &dyn NodeStore) {
    let member = |text: &str| text.parse::<Member>().expect("the sample is a member");
    let (first, second) = (member("PAR::p::1220bb"), member("MED::domain::1220aa"));
    let cursor = |counter, at| ClientCursor { counter, sequenced: time(at), event_hash: vec![1; 34] };
    let find = |domain: DomainId, member: Member| async move {
        store.cursor_find(&domain, &member).await.expect("a cursor can be read")
    };
    assert_eq!(find(domain("a"), first.clone()).await, None);
    for cursor in [cursor(0, 10), cursor(7, 70), cursor(7, 71), cursor(3, 30)] {
        store.cursor_advance(&domain("a"), &first, &cursor).await.expect("a cursor can be moved");
    }
    store.cursor_advance(&domain("a"), &second, &cursor(1, 5)).await.expect("a cursor can be moved");
    store.cursor_advance(&domain("b"), &first, &cursor(2, 6)).await.expect("a cursor can be moved");
    assert_eq!(find(domain("a"), first.clone()).await, Some(cursor(7, 70)));
    assert_eq!(find(domain("a"), second).await, Some(cursor(1, 5)));
    assert_eq!(find(domain("b"), first).await, Some(cursor(2, 6)));
}

pub(super) async fn connections_keep_alias_and_domain(store: &dyn NodeStore) {
    let connection = |name: &str, config: &[u8]| DomainConnection {
        alias: alias(name),
        domain: None,
        config: config.to_vec(),
    };
    let sample = connection("my domain", b"one");
    store.connection_insert(&sample).await.expect("a domain can be registered");
    store.connection_insert(&connection("other", b"two")).await.expect("a domain can be registered");
    let error =
        store.connection_insert(&connection("other", b"three")).await.expect_err("the alias is taken");
    assert!(matches!(error, StoreError::Conflict(Conflict::Connection { .. })), "{error:?}");
    assert_eq!(store.connection_find(&sample.alias).await.expect("it can be read"), Some(sample.clone()));
    assert_eq!(store.connection_find(&alias("third")).await.expect("it can be read"), None);

    store.connection_update(&sample.alias, b"new").await.expect("a registered domain can be changed");
    for _ in 0..2 {
        store
            .connection_identify(&sample.alias, &domain("a"))
            .await
            .expect("the domain can be noted, twice too");
    }
    let error = store.connection_identify(&sample.alias, &domain("b")).await.expect_err("another domain");
    let StoreError::Conflict(Conflict::ConnectionDomain { recorded, wanted, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!((recorded, wanted), (&domain("a"), &domain("b")));
    let changed = DomainConnection { domain: Some(domain("a")), config: b"new".to_vec(), ..sample };
    let all = store.connection_list().await.expect("connections can be listed");
    assert_eq!(all, [changed, connection("other", b"two")]);

    let third = alias("third");
    let update = store.connection_update(&third, b"").await;
    let identify = store.connection_identify(&third, &domain("a")).await;
    for result in [update, identify] {
        assert!(matches!(result, Err(StoreError::UnknownConnection { .. })), "{result:?}");
    }
}

pub(super) async fn role_settings_are_told_apart(store: &dyn NodeStore) {
    let settings = [
        RoleSetting::SequencerDomain,
        RoleSetting::MediatorDomain,
        RoleSetting::StaticDomainParameters(domain("a")),
        RoleSetting::StaticDomainParameters(domain("b")),
        RoleSetting::SequencerConnections(domain("a")),
        RoleSetting::DispatchWatermark(domain("a")),
        RoleSetting::AcceptedAgreement(domain("a")),
    ];
    for (index, setting) in settings.iter().enumerate() {
        assert_eq!(store.setting_find(setting).await.expect("a value can be read"), None);
        let value = vec![u8::try_from(index).expect("few settings"); index];
        store.setting_put(setting, b"old").await.expect("a value can be put");
        store.setting_put(setting, &value).await.expect("a value can be put again");
    }
    for (index, setting) in settings.iter().enumerate() {
        let value = store.setting_find(setting).await.expect("a value can be read");
        assert_eq!(value.map(|value| value.len()), Some(index), "{setting:?}");
    }
    let new = RoleSetting::DispatchWatermark(domain("b"));
    for (claimed, expected) in [(b"first", b"first"), (b"other", b"first")] {
        let there = store.setting_claim(&new, claimed).await.expect("a value can be claimed");
        assert_eq!(there, expected);
    }
}
