//! Tokens: got once, renewed in time, by one caller at a time.

use std::sync::Arc;
use std::time::Duration;

use cantle_sequencing::testing::{Call, Fault, TestMember};
use cantle_sequencing::{ApiError, AuthError, AuthErrorCode, AuthOptions, AuthSubject, Authenticator};
use cantle_types::{ManualClock, Member, ProtocolVersion};
use tonic::Code;

use crate::support::World;

const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    world: World,
    clock: Arc<ManualClock>,
    alice: TestMember,
    authenticator: Arc<Authenticator>,
}

impl Fixture {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2024-01-01T00:00:00Z".parse().unwrap()));
        let world = World::with_clock(clock.clone());
        let alice = world.member("alice").await;
        let authenticator = Arc::new(authenticator(&world, &alice, alice.member()));
        Self { world, clock, alice, authenticator }
    }

    fn authentications(&self) -> usize {
        self.world.sequencer.calls(Call::Authenticate)
    }
}

fn authenticator(world: &World, keys: &TestMember, member: Member) -> Authenticator {
    let subject = AuthSubject {
        member,
        domain: world.domain.id.clone(),
        versions: vec![ProtocolVersion::V5, ProtocolVersion::V7],
        agreement: None,
    };
    let options = AuthOptions { pause: Duration::from_millis(1), ..AuthOptions::default() };
    Authenticator::new(world.sequencer.api(), keys.vault.clone(), subject, Arc::clone(&world.clock), options)
}

#[tokio::test]
async fn a_token_is_got_once_and_used_until_it_ages() {
    let fixture = Fixture::new().await;
    let first = fixture.authenticator.caller().await.unwrap();
    assert_eq!(first.member, fixture.alice.member());
    fixture.clock.advance(HOUR - Duration::from_secs(21));
    assert_eq!(fixture.authenticator.caller().await.unwrap().token, first.token);
    assert_eq!(fixture.authentications(), 1);
    fixture.clock.advance(Duration::from_secs(1));
    assert_ne!(fixture.authenticator.caller().await.unwrap().token, first.token);
    assert_eq!(fixture.authentications(), 2);
}

#[tokio::test]
async fn many_callers_authenticate_once() {
    let fixture = Fixture::new().await;
    let callers = (0..50).map(|_| {
        let authenticator = Arc::clone(&fixture.authenticator);
        tokio::spawn(async move { authenticator.caller().await.unwrap().token })
    });
    let tokens = futures::future::join_all(callers).await;
    let first = tokens[0].as_ref().unwrap().clone();
    assert!(tokens.into_iter().all(|token| token.unwrap() == first));
    assert_eq!(fixture.authentications(), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_as_long_as_it_is_good() {
    let fixture = Fixture::new().await;
    let first = fixture.authenticator.caller().await.unwrap();
    fixture.clock.advance(HOUR - Duration::from_secs(10));
    fixture.world.sequencer.fail(Call::Challenge, vec![Fault::Unreachable; 1000]);
    assert_eq!(fixture.authenticator.caller().await.unwrap().token, first.token);
    fixture.clock.advance(Duration::from_secs(10));
    assert!(fixture.authenticator.caller().await.is_err());
}

#[tokio::test]
async fn only_the_token_in_use_is_invalidated() {
    let fixture = Fixture::new().await;
    let first = fixture.authenticator.caller().await.unwrap();
    fixture.authenticator.invalidate(&first);
    let second = fixture.authenticator.caller().await.unwrap();
    assert_ne!(first.token, second.token);
    fixture.authenticator.invalidate(&first);
    assert_eq!(fixture.authenticator.caller().await.unwrap().token, second.token);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let fixture = Fixture::new().await;
    let faults =
        [Fault::Unreachable, Fault::Status(Code::Unavailable, ""), Fault::Status(Code::Internal, "")];
    fixture.world.sequencer.fail(Call::Challenge, faults.clone());
    fixture.world.sequencer.fail(Call::Authenticate, faults);
    assert!(fixture.authenticator.caller().await.is_ok());
    assert_eq!(fixture.world.sequencer.calls(Call::Challenge), 7);
}

#[tokio::test]
async fn a_disabled_participant_is_not_tried_again() {
    let fixture = Fixture::new().await;
    fixture.world.sequencer.fail(Call::Challenge, [Fault::Status(Code::PermissionDenied, "disabled")]);
    let error = fixture.authenticator.caller().await.unwrap_err();
    assert!(!error.retryable());
    assert_eq!(fixture.world.sequencer.calls(Call::Challenge), 1);
}

#[tokio::test]
async fn a_member_without_a_known_key_is_told_so() {
    let fixture = Fixture::new().await;
    let eve = fixture.world.stranger("eve").await;
    let error = authenticator(&fixture.world, &eve, fixture.alice.member()).caller().await.unwrap_err();
    assert!(matches!(error, AuthError::NoKey { ref known, .. } if known.len() == 1), "{error:?}");
}

#[tokio::test]
async fn a_version_that_the_domain_does_not_know_is_left_out() {
    let domain = cantle_sequencing::testing::TestDomain::new(ProtocolVersion::V5);
    let world = World::new();
    let sequencer =
        cantle_sequencing::testing::TestSequencer::new(Arc::new(domain), Arc::clone(&world.clock));
    let alice = TestMember::new("alice", sequencer.domain(), Arc::clone(&world.clock)).await;
    sequencer.onboard(&[&alice]);
    let subject = AuthSubject {
        member: alice.member(),
        domain: sequencer.domain().id.clone(),
        versions: vec![ProtocolVersion::V5, ProtocolVersion::V7],
        agreement: None,
    };
    let authenticator = Authenticator::new(
        sequencer.api(),
        alice.vault.clone(),
        subject,
        world.clock,
        AuthOptions::default(),
    );
    assert!(authenticator.caller().await.is_ok());
    assert_eq!(sequencer.calls(Call::Challenge), 2);
}

#[tokio::test]
async fn a_challenge_that_is_no_nonce_is_not_signed() {
    let fixture = Fixture::new().await;
    fixture.world.sequencer.challenge_with(vec![0; 21]);
    let error = fixture.authenticator.caller().await.unwrap_err();
    assert!(matches!(error, AuthError::Nonce { length: 21, .. }));
    assert_eq!(fixture.authentications(), 0);
}

#[test]
fn codes_are_read_as_they_are_written() {
    for text in ["MissingToken", "PassiveSequencer", "InvalidSignature", "ServiceAgreementAcceptanceError"] {
        assert_eq!(AuthErrorCode::parse(text).as_str(), text);
    }
    assert_eq!(AuthErrorCode::parse("New"), AuthErrorCode::Other("New".to_owned()));
    let long = "x".repeat(1000);
    assert!(AuthErrorCode::parse(&long).as_str().len() < 500);
    let error = ApiError::status("Send", Code::Internal, &long);
    assert!(error.to_string().len() < 500);
}

#[test]
fn a_token_does_not_show() {
    let token = cantle_sequencing::AuthToken::new(b"secret".to_vec());
    assert_eq!(format!("{token:?}"), "[REDACTED]");
}
