//! Answers that are none: each is an error, and none a panic.

use proptest::prelude::*;
use prost::Message;

use super::*;

const CALL: &str = "Call";

fn is_unreadable<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> bool {
    matches!(answer, Err(ApiError::Answer { call: CALL, .. }))
}

#[test]
fn an_identity_names_a_domain_and_a_sequencer() {
    let response = |domain: &str, sequencer: &str| get_domain_id::Response {
        domain_id: domain.to_owned(),
        sequencer_id: sequencer.to_owned(),
    };
    let own = identity(CALL, &response("d::ns", "")).unwrap();
    assert_eq!(own.sequencer.as_str(), "SEQ::d::ns");
    let other = identity(CALL, &response("d::ns", "SEQ::s::ns")).unwrap();
    assert_eq!(other.sequencer.as_str(), "SEQ::s::ns");
    for (domain, sequencer) in [("", ""), ("d", ""), ("d::ns", "s"), ("d::ns", "MED::d::ns")] {
        assert!(is_unreadable(identity(CALL, &response(domain, sequencer))), "{domain} {sequencer}");
    }
}

#[test]
fn empty_answers_are_none() {
    assert!(is_unreadable(domain_parameters(CALL, get_domain_parameters::Response::default())));
    assert!(is_unreadable(is_active(CALL, verify_active::Response::default())));
    assert!(is_unreadable(challenge(CALL, challenge::Response::default())));
    assert!(is_unreadable(token(CALL, authentication::Response::default())));
    assert!(is_unreadable(event(CALL, VersionedSubscriptionResponse::default())));
    assert_eq!(service_agreement(GetServiceAgreementResponse::default()), None);
    assert_eq!(sent(SendAsyncSignedResponse::default()), Ok(()));
}

#[test]
fn parameters_of_old_protocol_versions_are_refused() {
    let parameters = get_domain_parameters::response::Parameters::ParametersV0(Default::default());
    assert!(is_unreadable(domain_parameters(
        CALL,
        get_domain_parameters::Response { parameters: Some(parameters) }
    )));
}

#[test]
fn failures_keep_their_code_and_are_never_ok() {
    for (number, expected) in
        [(7, Code::PermissionDenied), (0, Code::Unknown), (99, Code::Unknown), (u32::MAX, Code::Unknown)]
    {
        let failure = challenge::Failure { code: number, reason: "no".to_owned() };
        let value = Some(challenge::response::Value::Failure(failure));
        let error = challenge(CALL, challenge::Response { value }).unwrap_err();
        assert!(matches!(error, ApiError::Status { code, .. } if code == expected), "{number}: {error:?}");
    }
}

#[test]
fn a_token_is_bounded_and_says_until_when() {
    let answer = |length: usize, expires_at: Option<prost_types::Timestamp>| {
        let success = authentication::Success { token: vec![1; length], expires_at };
        authentication::Response { value: Some(authentication::response::Value::Success(success)) }
    };
    let time = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5000 };
    assert_eq!(token(CALL, answer(20, Some(time))).unwrap().expires.as_second(), 1_700_000_000);
    assert!(is_unreadable(token(CALL, answer(0, Some(time)))));
    assert!(is_unreadable(token(CALL, answer(MAX_TOKEN + 1, Some(time)))));
    assert!(is_unreadable(token(CALL, answer(20, None))));
    assert!(is_unreadable(token(
        CALL,
        answer(20, Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }))
    )));
}

#[test]
fn a_challenge_does_not_name_endless_keys() {
    let success = |fingerprints: Vec<String>| {
        let success = challenge::Success { domain_version: "7.0.0".into(), nonce: vec![0; 20], fingerprints };
        challenge::Response { value: Some(challenge::response::Value::Success(success)) }
    };
    assert!(challenge(CALL, success(vec!["1220ab".into()])).is_ok());
    assert!(is_unreadable(challenge(CALL, success(vec!["no.fingerprint".into()]))));
    assert!(is_unreadable(challenge(CALL, success(vec!["1220ab".into(); MAX_FINGERPRINTS + 1]))));
}

#[test]
fn every_refusal_has_its_reason() {
    use send_async_signed_response::error::Reason;
    let reasons: [(Option<Reason>, RefusalReason); 10] = [
        (Some(Reason::RequestInvalid("x".into())), RefusalReason::RequestInvalid),
        (Some(Reason::RequestRefused("x".into())), RefusalReason::RequestRefused),
        (Some(Reason::Overloaded("x".into())), RefusalReason::Overloaded),
        (Some(Reason::SenderUnknown("x".into())), RefusalReason::SenderUnknown),
        (Some(Reason::ShuttingDown("x".into())), RefusalReason::ShuttingDown),
        (Some(Reason::Unavailable("x".into())), RefusalReason::Unavailable),
        (Some(Reason::UnknownRecipients("x".into())), RefusalReason::UnknownRecipients),
        (Some(Reason::Internal("x".into())), RefusalReason::Internal),
        (Some(Reason::Generic("x".into())), RefusalReason::Generic),
        (None, RefusalReason::Generic),
    ];
    for (reason, expected) in reasons {
        let error = Some(send_async_signed_response::Error { reason });
        let refusal = sent(SendAsyncSignedResponse { error }).unwrap_err();
        assert_eq!(refusal.reason, expected);
        let passes = matches!(
            expected,
            RefusalReason::Overloaded | RefusalReason::ShuttingDown | RefusalReason::Unavailable
        );
        assert_eq!(refusal.retryable(), passes);
    }
}

#[test]
fn long_texts_of_others_are_shortened() {
    let reason = "x".repeat(1 << 20);
    let value = Some(verify_active::response::Value::Failure(verify_active::Failure { reason }));
    let error = is_active(CALL, verify_active::Response { value }).unwrap_err();
    assert!(error.to_string().len() < 600);
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let answer = VersionedSubscriptionResponse { signed_sequenced_event: bytes, ..Default::default() };
        let _ = event(CALL, answer);
    }

    #[test]
    fn any_message_is_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(answer) = challenge::Response::decode(&*bytes) {
            let _ = challenge(CALL, answer);
        }
        if let Ok(answer) = authentication::Response::decode(&*bytes) {
            let _ = token(CALL, answer);
        }
        if let Ok(answer) = get_domain_id::Response::decode(&*bytes) {
            let _ = identity(CALL, &answer);
        }
    }
}
