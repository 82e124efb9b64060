//! From options to an SDK client: Region, endpoint, credentials, timeouts. Reads AWS's files and environment; sends
//! nothing until the first request.
//!
//! Source: <https://docs.aws.amazon.com/sdk-for-rust/latest/dg/configure.html>.

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kms::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{AppName, IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_types::service_config::ServiceConfigKey;
use tracing::warn;

use crate::options::{self, AwsKmsOptions, ConnectError, SslVerification};
use crate::unverified;

/// The name in the user agent, which CloudTrail shows.
const APP_NAME: &str = concat!("cantle-", env!("CARGO_PKG_VERSION"));
/// The longest search for credentials: the default chain may wait for an instance metadata service that is not there.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);
/// The session name of an assumed role where none is configured.
const SESSION_NAME: &str = "cantle";

/// A client, and where it sends its requests: a URL that ends in a slash.
pub(crate) async fn client(options: &AwsKmsOptions) -> Result<(aws_sdk_kms::Client, String), ConnectError> {
    options.check()?;
    let sdk = sdk_config(options).await;
    let endpoint = endpoint(options, &sdk).await?;
    let mut config = aws_sdk_kms::config::Builder::from(&sdk)
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(options.connect_timeout)
                .operation_attempt_timeout(options.attempt_timeout)
                .build(),
        )
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(url) = &options.endpoint_override {
        config = config.endpoint_url(url.trim_end_matches('/'));
    }
    if let Some(resolver) = &options.resolver {
        let tls = Provider::Rustls(CryptoMode::AwsLc);
        config = config.http_client(Builder::new().tls_provider(tls).build_with_resolver(resolver.clone()));
    }
    if options.ssl_verification == SslVerification::Off && endpoint.starts_with("https:") {
        warn!(
            "the certificate of {endpoint} is not checked (crypto.kms.disable-ssl-verification): for tests only"
        );
        config = config.http_client(unverified::http_client(&endpoint, options.connect_timeout)?);
    }
    Ok((aws_sdk_kms::Client::from_conf(config.build()), endpoint))
}

async fn sdk_config(options: &AwsKmsOptions) -> SdkConfig {
    let region = Region::new(options.region.clone());
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region.clone());
    if let Ok(name) = AppName::new(APP_NAME) {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(fixed) = &options.static_credentials {
        loader = loader.credentials_provider(Credentials::new(
            fixed.access_key_id.clone(),
            fixed.secret_access_key.as_str(),
            fixed.session_token.as_ref().map(|token| token.to_string()),
            None,
            "static",
        ));
    } else if let Some(profile) = &options.profile {
        // The default chain would look at the environment first: a profile named in the configuration wins.
        let provider = ProfileFileCredentialsProvider::builder()
            .profile_name(profile)
            .configure(&ProviderConfig::without_region().with_region(Some(region.clone())))
            .build();
        loader = loader.credentials_provider(provider);
    }
    let sdk = loader.load().await;
    let Some(role) = &options.assume_role else { return sdk };
    let mut assume = AssumeRoleProvider::builder(&role.role_arn)
        .configure(&sdk)
        .region(region)
        .session_name(role.session_name.as_deref().unwrap_or(SESSION_NAME));
    if let Some(external_id) = &role.external_id {
        assume = assume.external_id(external_id);
    }
    let provider = SharedCredentialsProvider::new(assume.build().await);
    sdk.into_builder().credentials_provider(provider).build()
}

/// Where the SDK will send requests, by the same rules.
async fn endpoint(options: &AwsKmsOptions, sdk: &SdkConfig) -> Result<String, ConnectError> {
    if let Some(url) = &options.endpoint_override {
        return options::endpoint(url);
    }
    let of_service = || {
        let key = ServiceConfigKey::builder()
            .service_id("KMS")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        sdk.service_config()?.load_config(key)
    };
    if let Some(url) = of_service().or_else(|| sdk.endpoint_url().map(str::to_owned)) {
        return options::endpoint(&url);
    }
    let no_endpoint = |source| ConnectError::NoEndpoint { region: options.region.clone(), source };
    let params = Params::builder()
        .region(&options.region)
        .set_use_fips(sdk.use_fips())
        .set_use_dual_stack(sdk.use_dual_stack())
        .build()
        .map_err(|error| no_endpoint(error.into()))?;
    let resolver = DefaultResolver::new();
    let endpoint = ResolveEndpoint::resolve_endpoint(&resolver, &params).await.map_err(no_endpoint)?;
    options::endpoint(endpoint.url())
}
