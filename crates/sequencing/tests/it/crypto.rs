//! Whose keys count, and when.

use cantle_crypto::{Hash, HashPurpose, SigningKeyScheme, digest};
use cantle_protocol::StaticDomainParameters;
use cantle_sequencing::testing::TestMember;
use cantle_sequencing::{
    CryptoHandshakeError, SyncCrypto, SyncEncryptError, SyncSignError, SyncVerifyError, check_crypto,
};
use cantle_topology::TopologyView;
use cantle_types::ProtocolVersion;

use crate::support::World;

fn hash() -> Hash {
    digest(HashPurpose::MediatorResponseSignature, b"answer")
}

fn crypto(member: &TestMember, parameters: &StaticDomainParameters) -> SyncCrypto {
    SyncCrypto::new(member.member(), member.vault.clone(), parameters)
}

async fn two() -> (World, TestMember, TestMember, TopologyView) {
    let world = World::new();
    let (alice, bob) = (world.stranger("alice").await, world.stranger("bob").await);
    world.sequencer.onboard(&[&alice, &bob]);
    let view = world.sequencer.topology();
    (world, alice, bob, view)
}

#[tokio::test]
async fn a_members_signature_is_taken_from_it_alone() {
    let (world, alice, bob, view) = two().await;
    let (alices, bobs) = (crypto(&alice, &world.domain.parameters), crypto(&bob, &world.domain.parameters));
    let signature = alices.sign(&view, &hash()).await.unwrap();
    assert_eq!(bobs.verify(&view, &alice.member(), &hash(), &signature), Ok(()));
    let other = digest(HashPurpose::TransactionResultSignature, b"answer");
    assert!(matches!(
        bobs.verify(&view, &alice.member(), &other, &signature),
        Err(SyncVerifyError::Invalid { .. })
    ));
    assert!(matches!(
        bobs.verify(&view, &bob.member(), &hash(), &signature),
        Err(SyncVerifyError::NotAKeyOf { .. })
    ));
}

#[tokio::test]
async fn the_key_registered_last_signs_and_both_count() {
    let (world, alice, bob, before) = two().await;
    let (key, transaction) = alice.new_signing_key(&world.domain).await;
    world.sequencer.publish_topology(vec![transaction], &[alice.member(), bob.member()]);
    let after = world.sequencer.topology();
    let crypto = crypto(&alice, &world.domain.parameters);
    let (old, new) =
        (crypto.sign(&before, &hash()).await.unwrap(), crypto.sign(&after, &hash()).await.unwrap());
    assert_eq!(new.signed_by(), key.fingerprint());
    assert_ne!(old.signed_by(), new.signed_by());
    assert_eq!(crypto.verify(&after, &alice.member(), &hash(), &old), Ok(()));
    assert_eq!(crypto.verify(&after, &alice.member(), &hash(), &new), Ok(()));
    let early = crypto.verify(&before, &alice.member(), &hash(), &new);
    assert!(matches!(early, Err(SyncVerifyError::NotAKeyOf { known: 1, .. })));
}

#[tokio::test]
async fn a_node_without_the_private_key_cannot_sign() {
    let (world, alice, bob, view) = two().await;
    let wrong = SyncCrypto::new(alice.member(), bob.vault.clone(), &world.domain.parameters);
    let error = wrong.sign(&view, &hash()).await.unwrap_err();
    assert!(matches!(error, SyncSignError::NoKey { known: 1, .. }));
    assert!(!error.retryable());
}

#[tokio::test]
async fn schemes_that_the_domain_does_not_require_do_not_count() {
    let (world, alice, bob, view) = two().await;
    let mut parameters = world.domain.parameters.clone();
    parameters.required_signing_key_schemes = vec![SigningKeyScheme::Ed25519];
    parameters.required_encryption_key_schemes.truncate(0);
    let signature = crypto(&alice, &parameters).sign(&view, &hash()).await.unwrap();
    let bobs = crypto(&bob, &parameters);
    assert!(matches!(
        bobs.verify(&view, &alice.member(), &hash(), &signature),
        Err(SyncVerifyError::Scheme { scheme: SigningKeyScheme::EcDsaP256, .. })
    ));
    assert!(matches!(bobs.encryption_key(&view, &alice.member()), Err(SyncEncryptError::Scheme { .. })));
}

#[tokio::test]
async fn what_is_encrypted_for_members_only_they_decrypt() {
    let (world, alice, bob, view) = two().await;
    let (alices, bobs) = (crypto(&alice, &world.domain.parameters), crypto(&bob, &world.domain.parameters));
    let members = [alice.member(), bob.member()];
    let encrypted = alices.encrypt_for(&view, &members, b"seed").unwrap();
    assert_eq!(encrypted.iter().map(|one| one.member.clone()).collect::<Vec<_>>(), members);
    let keys = || encrypted.iter().map(|one| &one.key);
    let mine = bobs.own_encryption_key(&view, keys()).unwrap();
    assert_eq!(mine, &encrypted[1].key);
    assert_eq!(&**bobs.decrypt(&encrypted[1].ciphertext, mine).await.unwrap(), b"seed");
    assert!(bobs.decrypt(&encrypted[0].ciphertext, &encrypted[0].key).await.is_err());
    let stranger = world.stranger("carol").await;
    let error = alices.encrypt_for(&view, [&stranger.member()], b"seed").unwrap_err();
    assert!(matches!(error, SyncEncryptError::NoKey { .. }));
}

#[tokio::test]
async fn a_node_fits_a_domain_that_requires_what_it_makes() {
    let world = World::new();
    let alice = world.stranger("alice").await;
    let node = alice.vault.options();
    let all = StaticDomainParameters::all_schemes(ProtocolVersion::V7);
    assert_eq!(check_crypto(&all, node), Ok(()));
    let mut other = all.clone();
    other.required_signing_key_schemes = vec![SigningKeyScheme::EcDsaP384];
    assert!(matches!(
        check_crypto(&other, node),
        Err(CryptoHandshakeError::DefaultNotRequired { kind: "signing", .. })
    ));
    let mut narrow = node.clone();
    let provider = cantle_store::CryptoProvider::Jce;
    narrow.signing =
        cantle_vault::Schemes::new(provider, None, Some(vec![SigningKeyScheme::Ed25519])).unwrap();
    assert!(matches!(
        check_crypto(&all, &narrow),
        Err(CryptoHandshakeError::NotAllowed { kind: "signing", scheme: "ECDSA-P256" })
    ));
}
