//! Encrypted views, from sender to receiver.

use std::sync::Arc;
use std::time::Duration;

use cantle_crypto::{
    EncryptionKeyScheme, EncryptionPrivateKey, EncryptionPublicKey, Signature, SigningKeyScheme,
    SigningPrivateKey,
};
use cantle_protocol::{
    EncryptedViewMessage, ExpiringCache, LightTransactionViewTree, ProtocolMessage, SessionKey,
    SessionKeyRandomness, ViewEncryptionError, ViewKeys, ViewSeed,
};
use cantle_types::{ManualClock, ProtocolVersion};
use jiff::Timestamp;

use crate::recording::LIMIT;
use crate::support::{Shape, transaction};

fn keys() -> (Vec<EncryptionPrivateKey>, Vec<EncryptionPublicKey>) {
    let schemes = [
        EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm,
        EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc,
    ];
    let private: Vec<_> =
        schemes.into_iter().map(|scheme| EncryptionPrivateKey::generate(scheme).unwrap()).collect();
    let public = private.iter().map(|key| key.public().clone()).collect();
    (private, public)
}

fn signature(tree: &LightTransactionViewTree) -> (SigningPrivateKey, Signature) {
    let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
    let signature = key.sign_hash(&tree.root_hash()).unwrap();
    (key, signature)
}

/// Sends the message, and gives what arrives.
fn sent(message: EncryptedViewMessage, version: ProtocolVersion) -> EncryptedViewMessage {
    let message = ProtocolMessage::EncryptedView(Box::new(message));
    let bytes = message.to_bytes(version).unwrap();
    let read = ProtocolMessage::from_bytes(bytes, version).unwrap();
    assert_eq!(read, message);
    match read {
        ProtocolMessage::EncryptedView(message) => *message,
        other => panic!("not the message that was sent: {other:?}"),
    }
}

#[test]
fn every_receiver_reads_a_view_of_protocol_version_5() {
    let (private, public) = keys();
    let tree = transaction(&[Shape::leaf()], ProtocolVersion::V5).light_trees().unwrap().remove(0);
    let seed = ViewSeed::random().unwrap();
    let (key, signature) = signature(&tree);
    let message = EncryptedViewMessage::with_seed(&tree, &seed, &public, Some(signature)).unwrap();
    let message = sent(message, ProtocolVersion::V5);
    key.public().verify_hash(&tree.root_hash(), message.submitter_signature().unwrap()).unwrap();
    for private in &private {
        let lookup = message.lookup(|fingerprint| fingerprint == private.fingerprint()).unwrap();
        let seed = message.seed(&private.decrypt(&lookup.ciphertext).unwrap()).unwrap();
        assert_eq!(message.decrypt(&seed, ProtocolVersion::V5, LIMIT).unwrap(), tree);
    }
    assert!(message.lookup(|_| false).is_none());
    assert!(matches!(
        message.seed_under(&SessionKeyRandomness::random().unwrap()),
        Err(ViewEncryptionError::NoSessionKey)
    ));
}

#[test]
fn every_receiver_reads_a_view_of_protocol_version_7() {
    let (private, public) = keys();
    let session_key = SessionKey::generate(&public).unwrap();
    let trees = transaction(&[Shape::leaf(), Shape::leaf()], ProtocolVersion::V7).light_trees().unwrap();
    let mut decrypted = None;
    for tree in trees {
        let seed = ViewSeed::random().unwrap();
        let message = EncryptedViewMessage::with_session_key(&tree, &seed, &session_key, None).unwrap();
        let message = sent(message, ProtocolVersion::V7);
        // The second view needs no private key.
        let randomness = decrypted.get_or_insert_with(|| {
            let lookup = message.lookup(|fingerprint| fingerprint == private[1].fingerprint()).unwrap();
            let bytes = private[1].decrypt(&lookup.ciphertext).unwrap();
            assert_eq!(message.seed(&bytes).unwrap(), seed);
            SessionKeyRandomness::from_bytes(&bytes).unwrap()
        });
        assert_eq!(message.seed_under(randomness).unwrap(), seed);
        assert_eq!(message.decrypt(&seed, ProtocolVersion::V7, LIMIT).unwrap(), tree);
    }
}

#[test]
fn whoever_reads_a_view_reads_those_below() {
    let shape = Shape(vec![Shape::leaf(), Shape::leaf()]);
    let trees = transaction(&[shape], ProtocolVersion::V5).light_trees().unwrap();
    let (_, public) = keys();
    let seed = ViewSeed::random().unwrap();
    for tree in &trees[1..] {
        let seed_below = seed.subview(&tree.position().indices()[0]);
        let message = EncryptedViewMessage::with_seed(tree, &seed_below, &public, None).unwrap();
        assert_eq!(&message.decrypt(&seed_below, ProtocolVersion::V5, LIMIT).unwrap(), tree);
        assert!(matches!(
            message.decrypt(&seed, ProtocolVersion::V5, LIMIT),
            Err(ViewEncryptionError::Decrypt { .. })
        ));
    }
}

#[test]
fn a_view_is_not_sent_in_the_form_of_another_protocol_version() {
    let (_, public) = keys();
    let tree = transaction(&[Shape::leaf()], ProtocolVersion::V5).light_trees().unwrap().remove(0);
    let seed = ViewSeed::random().unwrap();
    let message = EncryptedViewMessage::with_seed(&tree, &seed, &public, None).unwrap();
    assert!(ProtocolMessage::EncryptedView(Box::new(message)).to_bytes(ProtocolVersion::V7).is_err());
    let session_key = SessionKey::generate(&public).unwrap();
    let message = EncryptedViewMessage::with_session_key(&tree, &seed, &session_key, None).unwrap();
    assert!(matches!(message.keys(), ViewKeys::SessionKey { lookups, .. } if lookups.len() == 2));
    assert!(ProtocolMessage::EncryptedView(Box::new(message)).to_bytes(ProtocolVersion::V5).is_err());
}

#[test]
fn what_is_not_the_stated_view_is_refused() {
    let (_, public) = keys();
    let trees = transaction(&[Shape::leaf(), Shape::leaf()], ProtocolVersion::V5).light_trees().unwrap();
    let seed = ViewSeed::random().unwrap();
    let encrypt = |tree| EncryptedViewMessage::with_seed(tree, &seed, &public, None).unwrap();
    let (first, second) = (encrypt(&trees[0]), encrypt(&trees[1]));
    let bytes =
        |message| ProtocolMessage::EncryptedView(Box::new(message)).to_bytes(ProtocolVersion::V5).unwrap();
    // The hash of one view in the message of the other.
    let from = second.view_hash().evidence();
    let forged = bytes(first.clone());
    let place = forged.windows(34).position(|window| window == first.view_hash().evidence()).unwrap();
    let mut forged = forged;
    forged[place..place + 34].copy_from_slice(&from);
    let ProtocolMessage::EncryptedView(forged) =
        ProtocolMessage::from_bytes(forged, ProtocolVersion::V5).unwrap()
    else {
        panic!("an encrypted view")
    };
    let error = forged.decrypt(&seed, ProtocolVersion::V5, LIMIT).unwrap_err();
    assert!(matches!(error, ViewEncryptionError::WrongView { .. }));
    let error = first.decrypt(&seed, ProtocolVersion::V5, 10).unwrap_err();
    assert!(matches!(error, ViewEncryptionError::Decompress { .. }));
    let error = first.decrypt(&seed, ProtocolVersion::V7, LIMIT).unwrap_err();
    assert!(matches!(error, ViewEncryptionError::Parse(_)));
}

#[test]
fn a_view_without_receivers_is_refused() {
    let tree = transaction(&[Shape::leaf()], ProtocolVersion::V5).light_trees().unwrap().remove(0);
    let seed = ViewSeed::random().unwrap();
    let error = EncryptedViewMessage::with_seed(&tree, &seed, &[], None).unwrap_err();
    assert!(matches!(error, ViewEncryptionError::NoReceivers));
    assert!(matches!(SessionKey::generate(&[]), Err(ViewEncryptionError::NoReceivers)));
}

#[test]
fn session_keys_are_kept_by_their_receivers() {
    let (_, public) = keys();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let cache = ExpiringCache::new(clock.clone(), 10, Duration::from_secs(10));
    let receivers = SessionKey::receivers(&public);
    cache.insert(receivers.clone(), Arc::new(SessionKey::generate(&public).unwrap()));
    let reversed: Vec<_> = public.iter().rev().cloned().collect();
    assert!(cache.get(&SessionKey::receivers(&reversed)).is_some());
    assert!(cache.get(&SessionKey::receivers(&public[..1])).is_none());
    clock.advance(Duration::from_secs(10));
    assert!(cache.get(&receivers).is_none());
}
