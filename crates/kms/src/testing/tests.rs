use std::sync::Arc;

use super::*;
use crate::{CallMode, SigningAlgorithm};

#[tokio::test]
async fn keeps_the_contract() {
    let report = crate::contract::check(Arc::new(FakeKms::new())).await;
    assert!(report.checks().len() >= 12, "{report}");
}

#[tokio::test]
async fn a_key_in_another_account_is_reached_by_arn_only() {
    let fake = FakeKms::new();
    let key = fake.add_foreign_key(KeySpec::EccNistP256, KeyUsage::SignVerify, "444455556666");
    let error = fake.describe_key(&key.key_id).await.unwrap_err();
    assert!(matches!(error, KmsError::NotFound { .. }));
    assert!(error.to_string().contains("named by its key ARN"), "{error}");
    assert_eq!(fake.describe_key(key.arn.as_ref().unwrap()).await.unwrap().value, key);
}

#[tokio::test]
async fn states_other_than_enabled_refuse_to_sign() {
    let fake = FakeKms::new();
    let key = fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
    let sign = || fake.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::DryRun);
    fake.set_state(&key, KeyState::Disabled);
    assert!(matches!(sign().await.unwrap_err(), KmsError::Disabled { .. }));
    fake.set_state(&key, KeyState::PendingDeletion);
    let error = sign().await.unwrap_err();
    assert!(matches!(error, KmsError::InvalidState { .. }) && error.to_string().contains("pending deletion"));
    fake.set_state(&key, KeyState::Enabled);
    assert!(sign().await.unwrap().value.is_empty());
}

#[tokio::test]
async fn denied_actions_are_refused_and_named() {
    let fake = FakeKms::new();
    let key = fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
    fake.deny(Operation::Sign);
    let error = fake.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::DryRun).await.unwrap_err();
    assert_eq!(error.iam_action(), "kms:Sign");
    fake.deny_tag_resource();
    let tagged = CreateKey {
        tags: vec![("a".to_owned(), "b".to_owned())],
        ..CreateKey::signing(KeySpec::EccNistP256)
    };
    assert_eq!(fake.create_key(&tagged).await.unwrap_err().iam_action(), "kms:TagResource");
    fake.allow_all();
    let made = fake.create_key(&tagged).await.unwrap().value;
    assert_eq!(fake.tags(&made.key_id), tagged.tags);
}

#[tokio::test]
async fn a_lost_answer_leaves_a_key_behind() {
    let fake = FakeKms::new();
    fake.fail_next(Operation::CreateKey, 1, Fault::AnswerLost);
    let error = fake.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await.unwrap_err();
    assert!(!error.surely_not_executed());
    assert_eq!(fake.keys().len(), 1);
}

#[tokio::test]
async fn an_alias_can_be_pointed_elsewhere() {
    let fake = FakeKms::new();
    let first = fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify);
    let second = fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify);
    let alias = KmsKeyId::parse("alias/namespace").unwrap();
    fake.set_alias("alias/namespace", &first.key_id);
    assert_eq!(fake.public_key(&alias).await.unwrap().value.key_id, *first.arn.as_ref().unwrap());
    fake.set_alias("alias/namespace", &second.key_id);
    let arn = KmsKeyId::parse("arn:aws:kms:us-east-1:111122223333:alias/namespace").unwrap();
    assert_eq!(fake.describe_key(&arn).await.unwrap().value, second);
}

#[tokio::test]
async fn a_blocked_operation_goes_on_when_unblocked() {
    let fake = Arc::new(FakeKms::new());
    let key = fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
    fake.block(Operation::DescribeKey);
    let call = tokio::spawn({
        let (fake, key) = (fake.clone(), key.clone());
        async move { fake.describe_key(&key).await }
    });
    fake.public_key(&key).await.unwrap();
    assert!(!call.is_finished());
    fake.unblock(Operation::DescribeKey);
    call.await.unwrap().unwrap();
}
