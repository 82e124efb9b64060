use super::*;
use crate::testing::FakeKms;
use crate::{CallMode, Counted, CreateKey, KeySpec, KmsKeyId, SigningAlgorithm};

/// Long enough for anything; nothing waits for it when all is well.
const SOON: Duration = Duration::from_secs(30);

fn limited(fake: &Arc<FakeKms>, options: &LimitOptions) -> Limited {
    Limited::new(fake.clone(), options, Waits::default())
}

async fn key(fake: &FakeKms) -> KmsKeyId {
    fake.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await.unwrap().value.key_id
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let reached = tokio::time::timeout(SOON, async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    });
    reached.await.expect(what);
}

#[tokio::test]
async fn so_many_requests_are_under_way_and_the_others_wait() {
    let fake = Arc::new(FakeKms::new());
    let key = key(&fake).await;
    fake.block(Operation::DescribeKey);
    let options = LimitOptions { max_concurrent: 2, max_waiting: 3, ..LimitOptions::default() };
    let kms = limited(&fake, &options);
    let ask = || {
        let (kms, key) = (kms.clone(), key.clone());
        tokio::spawn(async move { kms.describe_key(&key).await })
    };
    let asked: Vec<_> = (0..5).map(|_| ask()).collect();
    until("three wait", || kms.waits.list().len() == 3).await;
    // The queue is full: one more is refused at once.
    let error = kms.describe_key(&key).await.unwrap_err();
    assert!(matches!(error, KmsError::Overloaded { limit: OverloadLimit::Waiting(3), .. }), "{error}");
    assert!(error.surely_not_executed());
    fake.unblock(Operation::DescribeKey);
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert!(kms.waits.list().is_empty());
    kms.describe_key(&key).await.unwrap();
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline_with_a_clear_error() {
    let fake = Arc::new(FakeKms::new());
    let key = key(&fake).await;
    fake.block(Operation::DescribeKey);
    let options =
        LimitOptions { max_concurrent: 1, max_wait: Duration::from_millis(20), ..LimitOptions::default() };
    let kms = limited(&fake, &options);
    let first = tokio::spawn({
        let (kms, key) = (kms.clone(), key.clone());
        async move { kms.describe_key(&key).await }
    });
    until("the first is under way", || kms.bounds.under_way.available_permits() == 0).await;
    let error = kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap_err();
    assert!(matches!(error, KmsError::Overloaded { limit: OverloadLimit::Wait(_), .. }), "{error}");
    assert_eq!((error.code(), error.operation()), ("Overloaded", Operation::Sign));
    assert!(error.to_string().contains("crypto.kms.limits"), "{error}");
    fake.unblock(Operation::DescribeKey);
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_its_turn_to_others() {
    let fake = Arc::new(FakeKms::new());
    let key = key(&fake).await;
    // One signature in an hour, and no burst to speak of.
    let options = LimitOptions { rates: vec![(QuotaClass::Ecc, 1.0 / 3600.0)], ..LimitOptions::default() };
    let kms = limited(&fake, &options);
    let sign = || kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute);
    sign().await.unwrap();
    for _ in 0..3 {
        let given_up = tokio::time::timeout(Duration::from_millis(1), sign()).await;
        assert!(given_up.is_err());
    }
    assert_eq!(kms.bounds.waiting.load(Ordering::Relaxed), 0);
    assert!(kms.waits.list().is_empty());
    // Other classes have a pace of their own.
    kms.describe_key(&key).await.unwrap();
}

/// Signs so many times side by side; each answers when it was done.
fn times(kms: &Limited, key: &KmsKeyId, requests: usize) -> Vec<tokio::task::JoinHandle<Instant>> {
    let sign = |kms: Limited, key: KmsKeyId| async move {
        kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap();
        Instant::now()
    };
    (0..requests).map(|_| tokio::spawn(sign(kms.clone(), key.clone()))).collect()
}

#[tokio::test]
async fn the_pace_of_a_class_is_kept_whatever_comes_at_once() {
    const REQUESTS: usize = 150;
    let fake = Arc::new(FakeKms::new());
    let key = key(&fake).await;
    let counted = Counted::new(fake.clone());
    let options = LimitOptions::default().with_share(0.5, QuotaClass::documented);
    let kms = Limited::new(Arc::new(counted.clone()), &options, Waits::default());
    let started = Instant::now();
    let mut done = Vec::new();
    for asked in times(&kms, &key, REQUESTS) {
        done.push(asked.await.unwrap());
    }
    done.sort();
    // Half of 1,000 a second is one in 2 ms, and a tenth of a second's worth at once.
    for (time, due) in done.iter().zip((0..).map(|number| Duration::from_millis(2 * number))) {
        let earliest = due.saturating_sub(Duration::from_millis(100));
        assert!(*time >= started + earliest, "one came {:?} after the start", *time - started);
    }
    assert_eq!(counted.counts().of(Operation::Sign), 150);
}

#[tokio::test]
async fn what_gathered_while_the_service_was_silent_keeps_the_pace() {
    let fake = Arc::new(FakeKms::new());
    let key = key(&fake).await;
    // One in 20 ms, five at once.
    let options =
        LimitOptions { rates: vec![(QuotaClass::Ecc, 50.0)], max_concurrent: 4, ..LimitOptions::default() };
    let kms = limited(&fake, &options);
    fake.block(Operation::Sign);
    let asked = times(&kms, &key, 24);
    // The silence itself: long enough for the turns of all to have come.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let back = Instant::now();
    fake.unblock(Operation::Sign);
    let mut last = back;
    for asked in asked {
        last = last.max(asked.await.unwrap());
    }
    // Four were under way; of the other twenty five come at once and the rest one by one.
    assert!(last - back >= Duration::from_millis(280), "all were there after {:?}", last - back);
}
