//! Several Regions of the service, and the wrappers that make one of them.

use std::sync::Arc;

use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use cantle_kms::{
    CallMode, CreateKey, FailingOver, KeySpec, Kms, KmsError, KmsKeyId, MultiRegion, Regional,
    SigningAlgorithm,
};
use cantle_kms_aws::{AwsKms, AwsKmsOptions, StaticCredentials};
use cantle_kms_server::{Fault, FaultKind, Server, ServerOptions};

const HOME: &str = "us-east-1";
const AWAY: &str = "eu-west-1";

async fn in_region(server: &Server, region: &str) -> Arc<dyn Kms> {
    let mut options = AwsKmsOptions::new(region);
    options.endpoint_override = Some(server.endpoint());
    options.static_credentials = Some(StaticCredentials::new("test", "test"));
    Arc::new(Regional::new(Arc::new(AwsKms::connect(options).await.unwrap()), region))
}

/// A multi-Region signing key with a replica, by the ARN of its primary.
async fn replicated_key(server: &Server) -> KmsKeyId {
    let request = CreateKey { multi_region: MultiRegion::Yes, ..CreateKey::signing(KeySpec::EccNistP256) };
    let made = in_region(server, HOME).await.create_key(&request).await.unwrap().value;
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(HOME))
        .endpoint_url(server.endpoint())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .build();
    let owner = aws_sdk_kms::Client::from_conf(config);
    owner.replicate_key().key_id(made.key_id.as_str()).replica_region(AWAY).send().await.unwrap();
    made.arn.unwrap()
}

#[tokio::test]
async fn a_replica_is_found_by_the_arn_of_its_primary() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let key = replicated_key(&server).await;
    let away = in_region(&server, AWAY).await;
    let described = away.describe_key(&key).await.unwrap().value;
    assert_eq!(described.arn.as_ref().and_then(KmsKeyId::region), Some(AWAY));
    let (here, there) = (in_region(&server, HOME).await, away.public_key(&key).await.unwrap().value);
    assert_eq!(here.public_key(&key).await.unwrap().value.der, there.der);
    away.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap();
    // Where there is no replica there is nothing to find.
    let nowhere = in_region(&server, "ap-south-1").await;
    assert!(matches!(nowhere.describe_key(&key).await, Err(KmsError::NotFound { .. })));
    server.shutdown().await;
}

#[tokio::test]
async fn while_a_region_is_out_another_one_signs() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let key = replicated_key(&server).await;
    let regions = vec![
        (HOME.to_owned(), in_region(&server, HOME).await),
        (AWAY.to_owned(), in_region(&server, AWAY).await),
    ];
    let kms = FailingOver::new(regions, None);
    let sign = || kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute);
    let signed_in = |reply: Option<KmsKeyId>| reply.unwrap().region().map(str::to_owned);
    assert_eq!(signed_in(sign().await.unwrap().key).as_deref(), Some(HOME));
    for kind in [FaultKind::ResetBefore, FaultKind::InternalError] {
        server.set_faults([Fault::new("*", kind).region(HOME)]);
        assert_eq!(signed_in(sign().await.unwrap().key).as_deref(), Some(AWAY));
    }
    let request = CreateKey { multi_region: MultiRegion::Yes, ..CreateKey::signing(KeySpec::EccNistP256) };
    kms.create_key(&request).await.expect_err("keys are made at home alone");
    server.shutdown().await;
}
