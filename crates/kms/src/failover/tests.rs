use super::*;
use crate::testing::{ACCOUNT, FakeKms, Fault};
use crate::{CallMode, Counted, CreateKey, KeySpec, MultiRegion, Operation, Regional, SigningAlgorithm};

const SOON: Duration = Duration::from_secs(30);
const SHA256: SigningAlgorithm = SigningAlgorithm::EcdsaSha256;

/// Two Regions, each a service of its own.
struct World {
    first: Arc<FakeKms>,
    second: Arc<FakeKms>,
    counts: [Counted; 2],
    kms: FailingOver,
}

fn world() -> World {
    let (first, second) = (Arc::new(FakeKms::new()), Arc::new(FakeKms::new()));
    let counts = [Counted::new(first.clone()), Counted::new(second.clone())];
    let regions = vec![
        ("us-east-1".to_owned(), Arc::new(counts[0].clone()) as Arc<dyn Kms>),
        ("us-west-2".to_owned(), Arc::new(counts[1].clone()) as Arc<dyn Kms>),
    ];
    let kms = FailingOver::asking_again(regions, None, Duration::from_millis(1));
    World { first, second, counts, kms }
}

impl World {
    /// A multi-Region key that both Regions have under the same id.
    async fn key(&self) -> KmsKeyId {
        let request =
            CreateKey { multi_region: MultiRegion::Yes, ..CreateKey::signing(KeySpec::EccNistP256) };
        let made = self.first.create_key(&request).await.unwrap().value.key_id;
        // A fake numbers its keys: the first one has the same id everywhere, as a replica has.
        assert_eq!(self.second.create_key(&request).await.unwrap().value.key_id, made);
        made
    }

    fn break_first(&self, fault: Fault) {
        for operation in Operation::ALL {
            self.first.fail_next(operation, usize::MAX, fault);
        }
    }

    async fn until_in(&self, region: &str) {
        let there = tokio::time::timeout(SOON, async {
            while self.kms.region() != region {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        there.await.expect(region);
    }
}

#[tokio::test]
async fn an_outage_is_not_noticed_but_by_its_region_and_ends_by_itself() {
    for fault in [Fault::Timeout, Fault::AnswerLost, Fault::Internal, Fault::ConnectionRefused] {
        let world = world();
        let key = world.key().await;
        world.kms.sign(&key, b"x", SHA256, CallMode::Execute).await.unwrap();
        assert_eq!((world.kms.region(), world.counts[1].counts().total()), ("us-east-1", 0), "{fault:?}");
        world.break_first(fault);
        for _ in 0..3 {
            world.kms.sign(&key, b"x", SHA256, CallMode::Execute).await.unwrap();
        }
        assert_eq!(world.kms.region(), "us-west-2", "{fault:?}");
        let [first, second] = [0, 1].map(|region: usize| world.counts[region].counts().of(Operation::Sign));
        assert_eq!(
            (first, second),
            (2, 3),
            "{fault:?}: the Region that is out is tried by the first request alone"
        );
        world.first.clear_faults();
        world.until_in("us-east-1").await;
        world.kms.sign(&key, b"x", SHA256, CallMode::Execute).await.unwrap();
        assert_eq!(world.counts[1].counts().of(Operation::Sign), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_no_outage_stays_in_its_region() {
    let world = world();
    let key = world.key().await;
    world.first.fail_next(Operation::Sign, 1, Fault::Throttled);
    let error = world.kms.sign(&key, b"x", SHA256, CallMode::Execute).await.unwrap_err();
    assert!(matches!(error, KmsError::Throttled { .. }), "{error}");
    world.first.deny(Operation::Sign);
    let error = world.kms.sign(&key, b"x", SHA256, CallMode::Execute).await.unwrap_err();
    assert!(matches!(error, KmsError::AccessDenied { .. }), "{error}");
    assert_eq!((world.kms.region(), world.counts[1].counts().total()), ("us-east-1", 0));
}

#[tokio::test]
async fn keys_are_made_in_the_first_region_alone() {
    let world = world();
    world.break_first(Fault::ConnectionRefused);
    let request = CreateKey { multi_region: MultiRegion::Yes, ..CreateKey::signing(KeySpec::EccNistP256) };
    let error = world.kms.create_key(&request).await.unwrap_err();
    assert!(matches!(error, KmsError::Network { .. }), "{error}");
    let error = world.kms.create_key(&request).await.unwrap_err();
    assert!(matches!(error, KmsError::Network { .. }), "{error}");
    assert_eq!(world.counts[1].counts().of(Operation::CreateKey), 0);
    assert_eq!(world.kms.region(), "us-west-2", "others go elsewhere");
}

#[tokio::test]
async fn keys_of_one_region_and_aliases_go_nowhere_else() {
    let world = world();
    let single = world.first.add_key(KeySpec::EccNistP256, crate::KeyUsage::SignVerify).key_id;
    world.break_first(Fault::Timeout);
    for key in [single, KmsKeyId::parse("alias/x").unwrap()] {
        let error = world.kms.describe_key(&key).await.unwrap_err();
        assert!(matches!(error, KmsError::Timeout { .. }), "{error}");
    }
    assert_eq!(world.counts[1].counts().total(), 0);
}

#[tokio::test]
async fn a_region_without_a_replica_leaves_the_outage_to_be_told() {
    let world = world();
    let request = CreateKey { multi_region: MultiRegion::Yes, ..CreateKey::signing(KeySpec::EccNistP256) };
    let key = world.first.create_key(&request).await.unwrap().value.key_id;
    world.break_first(Fault::Timeout);
    for _ in 0..2 {
        let error = world.kms.sign(&key, b"x", SHA256, CallMode::Execute).await.unwrap_err();
        assert!(matches!(error, KmsError::Timeout { .. }) && error.retryable(), "{error}");
    }
}

#[tokio::test]
async fn when_every_region_is_out_the_first_is_asked_and_told_of() {
    let world = world();
    let key = world.key().await;
    world.break_first(Fault::Timeout);
    for operation in Operation::ALL {
        world.second.fail_next(operation, usize::MAX, Fault::ConnectionRefused);
    }
    for _ in 0..2 {
        let error = world.kms.sign(&key, b"x", SHA256, CallMode::Execute).await.unwrap_err();
        assert!(matches!(error, KmsError::Timeout { .. }), "{error}");
    }
    assert_eq!(world.counts[1].counts().of(Operation::Sign), 1);
    world.second.clear_faults();
    world.until_in("us-west-2").await;
    world.kms.sign(&key, b"x", SHA256, CallMode::Execute).await.unwrap();
}

#[tokio::test]
async fn an_arn_of_another_region_is_asked_for_in_this_one() {
    let fake = Arc::new(FakeKms::new());
    let request = CreateKey { multi_region: MultiRegion::Yes, ..CreateKey::signing(KeySpec::EccNistP256) };
    let made = fake.create_key(&request).await.unwrap().value;
    let here = Regional::new(fake.clone(), "us-east-1");
    let id = made.key_id.as_str();
    let elsewhere = KmsKeyId::parse(&format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{id}")).unwrap();
    assert!(fake.describe_key(&elsewhere).await.is_err(), "the service knows its own Region alone");
    assert_eq!(here.describe_key(&elsewhere).await.unwrap().value.arn, made.arn);
    here.sign(&elsewhere, b"x", SHA256, CallMode::Execute).await.unwrap();
    let single = fake.add_key(KeySpec::EccNistP256, crate::KeyUsage::SignVerify).key_id;
    let single = KmsKeyId::parse(&format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{single}")).unwrap();
    assert!(matches!(here.describe_key(&single).await, Err(KmsError::NotFound { .. })));
}
