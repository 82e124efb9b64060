//! The KMS of a node: the backend that its configuration names, and what wraps it.
//!
//! From the inside out: the backend in its Region, the audit log if it is wanted, counting, metrics, the bounds on its
//! requests; other Regions likewise, if there are any to go to; retries, and the node's name for the log. Every attempt
//! takes its turn, and what is sent is logged, counted and measured.

use std::sync::Arc;

use async_trait::async_trait;
use cantle_config::{KmsConfig, LimitsConfig, RetryConfig, SslVerification as ConfiguredSsl};
use cantle_kms::{
    Audited, Backoff, Counted, CreationPoll, FailingOver, Kms, KmsAnswer, KmsError, KmsMetrics, KmsRequest,
    LimitOptions, Limited, Metered, QuotaClass, Regional, Reply, RetryOptions, Retrying, Waits,
};
use cantle_kms_aws::{
    AssumeRole, AwsKms, AwsKmsOptions, ConnectError, SharedDnsResolver, SslVerification, StaticCredentials,
};
use cantle_store::NodeIdentity;
use tracing::{Instrument, Span, info_span};

/// How the KMS is reached, where that is not for the configuration to say.
#[derive(Clone, Debug, Default)]
pub struct KmsAccess {
    /// Credentials instead of those that the configuration or the environment names.
    pub credentials: Option<StaticCredentials>,
    /// What gives the endpoint's name an address, instead of the system.
    pub resolver: Option<SharedDnsResolver>,
}

impl From<Option<StaticCredentials>> for KmsAccess {
    fn from(credentials: Option<StaticCredentials>) -> Self {
        Self { credentials, resolver: None }
    }
}

/// A node's KMS, and the count of what was asked of it.
#[derive(Clone, Debug)]
pub struct NodeKms {
    /// What the node's vault uses.
    pub kms: Arc<dyn Kms>,
    /// Counts every attempt that is sent.
    pub counted: Counted,
    /// What is being repeated, or waits for its turn.
    pub waits: Waits,
}

/// Sets up the KMS that the configuration names, as a node does. Sends nothing.
///
/// # Errors
/// When the configuration cannot be a client's.
pub async fn connect_kms(
    node: &NodeIdentity,
    config: &KmsConfig,
    access: impl Into<KmsAccess>,
) -> Result<NodeKms, ConnectError> {
    let access = access.into();
    let metrics = KmsMetrics::of(node.name.as_str());
    let waits = Waits::default();
    let bounded = |counted: Counted| -> Arc<dyn Kms> {
        let metered = Arc::new(Metered::new(Arc::new(counted), metrics.clone()));
        let limited = Limited::new(metered, &limits(&config.limits), waits.clone());
        Arc::new(limited.metered(metrics.clone()))
    };
    let counted = Counted::new(audited(config, &config.region, access.clone()).await?);
    let mut regions = vec![(config.region.clone(), bounded(counted.clone()))];
    for region in &config.failover_regions {
        let there = audited(config, region, access.clone()).await?;
        regions.push((region.clone(), bounded(counted.together_with(there))));
    }
    let somewhere: Arc<dyn Kms> = match regions.as_slice() {
        [(_, alone)] => alone.clone(),
        _ => Arc::new(FailingOver::new(regions, Some(metrics.clone()))),
    };
    let retrying = Retrying::new(somewhere, retry_options(config)).metered(metrics).listing(waits.clone());
    let span = info_span!("kms", node = %node);
    Ok(NodeKms { kms: Arc::new(InSpan { inner: Arc::new(retrying), span }), counted, waits })
}

/// The KMS for a look at a node's keys: asked once, without an audit log of the node's.
pub(crate) async fn connect_for_inspection(
    config: &KmsConfig,
    credentials: Option<StaticCredentials>,
) -> Result<Arc<dyn Kms>, ConnectError> {
    let backend = Arc::new(connect_backend(config, &config.region, credentials).await?);
    Ok(Arc::new(Regional::new(backend, &config.region)))
}

/// The service in a Region, with the audit log if it is wanted.
async fn audited(config: &KmsConfig, region: &str, access: KmsAccess) -> Result<Arc<dyn Kms>, ConnectError> {
    let backend: Arc<dyn Kms> = Arc::new(connect_backend(config, region, access).await?);
    // The log has the key as the service was asked for it.
    let logged: Arc<dyn Kms> = if config.audit_logging { Arc::new(Audited::new(backend)) } else { backend };
    Ok(Arc::new(Regional::new(logged, region)))
}

/// The service itself in a Region, without anything around it.
pub(crate) async fn connect_backend(
    config: &KmsConfig,
    region: &str,
    access: impl Into<KmsAccess>,
) -> Result<AwsKms, ConnectError> {
    AwsKms::connect(options(config, region, access.into())).await
}

fn options(config: &KmsConfig, region: &str, access: KmsAccess) -> AwsKmsOptions {
    let mut options = AwsKmsOptions::new(region);
    options.endpoint_override = config.endpoint_override.clone();
    options.ssl_verification = match config.ssl_verification {
        ConfiguredSsl::On => SslVerification::On,
        ConfiguredSsl::Off => SslVerification::Off,
    };
    options.profile = config.credentials.profile.clone();
    options.assume_role = config.credentials.assume_role.as_ref().map(|role| AssumeRole {
        role_arn: role.role_arn.clone(),
        external_id: role.external_id.clone(),
        session_name: role.session_name.clone(),
    });
    options.attempt_timeout = config.request_timeout;
    options.connect_timeout = options.connect_timeout.min(config.request_timeout);
    options.static_credentials = access.credentials;
    options.resolver = access.resolver;
    options
}

fn retry_options(config: &KmsConfig) -> RetryOptions {
    let backoff = |retries: &RetryConfig| Backoff {
        initial_delay: retries.initial_delay,
        max_delay: retries.max_delay,
        max_retries: retries.max_retries,
    };
    RetryOptions {
        failures: backoff(&config.failures),
        throttling: backoff(&config.throttling),
        deadline: None,
    }
}

fn limits(config: &LimitsConfig) -> LimitOptions {
    let options = LimitOptions {
        rates: Vec::new(),
        max_concurrent: config.max_concurrent_requests,
        max_waiting: config.max_waiting_requests,
        max_wait: config.max_wait,
    };
    let Some(percent) = config.quota_percent else { return options };
    let configured = |class: QuotaClass| match class {
        QuotaClass::CreateKey => config.quotas.create_key,
        QuotaClass::DescribeKey => config.quotas.describe_key,
        QuotaClass::GetPublicKey => config.quotas.get_public_key,
        QuotaClass::Ecc => config.quotas.ecc,
        QuotaClass::Rsa => config.quotas.rsa,
    };
    options.with_share(f64::from(percent) / 100.0, |class| {
        configured(class).unwrap_or_else(|| class.documented())
    })
}

/// How long a key that was just made is waited for.
pub(crate) fn creation_poll(config: &RetryConfig) -> CreationPoll {
    CreationPoll {
        initial_delay: config.initial_delay,
        max_delay: config.max_delay,
        max_retries: config.max_retries.unwrap_or(u32::MAX),
    }
}

/// Puts the node's name on every log line below it, also where the caller is a task without it.
#[derive(Debug)]
struct InSpan {
    inner: Arc<dyn Kms>,
    span: Span,
}

#[async_trait]
impl Kms for InSpan {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        self.inner.ask(request).instrument(self.span.clone()).await
    }
}
