//! Nonces, tokens, and who has them taken away.

use std::time::Duration;

use cantle_crypto::Signature;
use cantle_sequencer::{AuthFailure, Sequencer, SubscriptionEnd};
use cantle_sequencing::{Challenge, authentication_hash};
use cantle_topology::{ParticipantPermission, RequestSide};
use cantle_types::Member;

use super::support::{Keyed, World, in_time, to};

const VERSIONS: [&str; 2] = ["5.0.0", "7.0.0"];

fn versions() -> Vec<String> {
    VERSIONS.map(str::to_owned).to_vec()
}

fn challenge(sequencer: &Sequencer, member: &Member) -> Challenge {
    sequencer.challenge(member, &versions()).unwrap()
}

fn signature(world: &World, keyed: &Keyed, nonce: &[u8]) -> Signature {
    keyed.key.sign_hash(&authentication_hash(nonce, &world.domain, None)).unwrap()
}

#[tokio::test]
async fn a_signed_nonce_is_good_for_one_token() {
    let world = World::new();
    let sequencer = world.running().await;
    for keyed in [world.one(), &world.mediator, &world.manager] {
        let Challenge { nonce, fingerprints } = challenge(&sequencer, &keyed.member);
        assert_eq!(nonce.len(), 20);
        assert_eq!(fingerprints, [keyed.key.fingerprint().clone()]);
        let signature = signature(&world, keyed, &nonce);
        let issued = sequencer.authenticate(&keyed.member, &signature, &nonce).unwrap();
        assert_eq!(issued.token.expose().len(), 20);
        assert_eq!(
            issued.expires,
            world.now().to_timestamp().checked_add(Duration::from_secs(3600)).unwrap()
        );
        let again = sequencer.authenticate(&keyed.member, &signature, &nonce).unwrap_err();
        assert_eq!(again, AuthFailure::Nonce(keyed.member.clone()));
    }
}

#[tokio::test]
async fn a_wrong_signature_does_not_use_the_nonce_up() {
    let world = World::new();
    let sequencer = world.running().await;
    let one = world.one();
    let nonce = challenge(&sequencer, &one.member).nonce;
    let empty = Signature::new(Vec::new(), one.key.fingerprint().clone());
    let foreign = signature(&world, world.two(), &nonce);
    let of_agreement =
        one.key.sign_hash(&authentication_hash(&nonce, &world.domain, Some("agreement"))).unwrap();
    for wrong in [empty, foreign, of_agreement] {
        let failure = sequencer.authenticate(&one.member, &wrong, &nonce).unwrap_err();
        assert_eq!(failure, AuthFailure::Signature(one.member.clone()));
    }
    sequencer.authenticate(&one.member, &signature(&world, one, &nonce), &nonce).unwrap();
}

#[tokio::test]
async fn nonces_of_others_old_ones_and_made_up_ones_are_refused() {
    let world = World::new();
    let sequencer = world.running().await;
    let (one, two) = (world.one(), world.two());
    let of_two = challenge(&sequencer, &two.member).nonce;
    let mut changed = challenge(&sequencer, &one.member).nonce;
    changed[19] ^= 1;
    let old = challenge(&sequencer, &one.member).nonce;
    world.clock.advance(Duration::from_secs(62));
    for nonce in [of_two, changed, old, vec![0; 20], Vec::new(), vec![0; 10_000]] {
        let failure =
            sequencer.authenticate(&one.member, &signature(&world, one, &nonce), &nonce).unwrap_err();
        assert_eq!(failure, AuthFailure::Nonce(one.member.clone()), "{} bytes", nonce.len());
    }
}

#[tokio::test]
async fn who_is_not_on_the_domain_gets_no_nonce() {
    let world = World::new();
    let sequencer = world.running().await;
    let stranger = Keyed::participant("stranger");
    let failed = |member: &Member| sequencer.challenge(member, &versions()).unwrap_err();
    assert_eq!(failed(&stranger.member), AuthFailure::ParticipantDisabled(stranger.member.clone()));
    let mediator: Member = "MED::other::1220aa".parse().unwrap();
    assert_eq!(failed(&mediator), AuthFailure::MediatorDisabled(mediator.clone()));
    for unsupported in [world.sequencer_id().member().clone(), "UNM::aa::1220aa".parse().unwrap()] {
        assert_eq!(failed(&unsupported), AuthFailure::Unsupported(unsupported.clone()));
    }
    let failure = sequencer.challenge(&world.one().member, &["5.0.0".to_owned()]).unwrap_err();
    assert!(matches!(failure, AuthFailure::Version(_)), "{failure:?}");
}

#[tokio::test]
async fn a_deactivated_participant_loses_its_subscriptions_and_cannot_come_back() {
    let world = World::new();
    let sequencer = world.running().await;
    let one = world.one();
    let nonce = challenge(&sequencer, &one.member).nonce;
    sequencer.authenticate(&one.member, &signature(&world, one, &nonce), &nonce).unwrap();
    let mut subscription = sequencer.subscribe(&one.member, 1).unwrap();
    let mut other = sequencer.subscribe(&world.two().member, 0).unwrap();

    let disabled = world.state(one, RequestSide::From, ParticipantPermission::Disabled);
    let message = world.topology_message(vec![disabled]);
    world.send(&sequencer, &world.manager, vec![to(&message, &[&world.manager.member])]).await.unwrap();
    let end = in_time(subscription.next()).await.unwrap_err();
    assert!(matches!(end, SubscriptionEnd::Deactivated), "{end:?}");
    let failure = sequencer.challenge(&one.member, &versions()).unwrap_err();
    assert_eq!(failure, AuthFailure::ParticipantDisabled(one.member.clone()));
    assert!(other.next().await.is_ok(), "others are left alone");
}
