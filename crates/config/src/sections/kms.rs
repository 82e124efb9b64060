//! `crypto.kms`: the key management service, AWS KMS.
//!
//! Canton's keys, and ours for credentials. What only AWS can say (whether a key, a role or a Region exists) is not
//! checked here; the form of everything is.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/kms/kms_aws_setup.html>

use std::time::Duration;

use super::server::finite;
use super::tags;
use crate::cursor::Cursor;
use crate::fault::Problem;
use crate::schema::{FINITE, Kind, POSITIVE, POSITIVE_DURATION, Section, Span, TEXTS, Tagged, used};

/// `crypto.kms`
pub(crate) static KMS: Tagged = Tagged::new(&[("aws", &AWS)]).refusing(&[
    ("gcp", "only AWS KMS is; write type = aws and move the keys, or stay with Canton for Google Cloud KMS"),
    ("driver", "drivers are code for the JVM; write type = aws, or stay with Canton for another KMS"),
]);

static AWS: Section = Section::new(&[
    used("region", Kind::Text),
    used("multi-region-key", Kind::Bool),
    used("failover-regions", TEXTS),
    used("audit-logging", Kind::Bool),
    used("endpoint-override", Kind::Text),
    used("disable-ssl-verification", Kind::Bool),
    used("custom-tags", Kind::Map(&Kind::Text)),
    used("request-timeout", POSITIVE_DURATION),
    used("retries", Kind::Section(&RETRIES)),
    used("limits", Kind::Section(&LIMITS)),
    used("credentials", Kind::Section(&CREDENTIALS)),
]);

static RETRIES: Section = Section::new(&[
    used("failures", Kind::Section(&BACKOFF)),
    used("throttling", Kind::Section(&BACKOFF)),
    used("create-key-check", Kind::Section(&BACKOFF)),
]);

static LIMITS: Section = Section::new(&[
    used("quota-percent", Kind::Int(1, 100)),
    used("quotas", Kind::Section(&QUOTAS)),
    used("max-concurrent-requests", Kind::Int(1, 10_000)),
    used("max-waiting-requests", Kind::Int(0, 1_000_000)),
    used("max-wait", POSITIVE_DURATION),
]);

static QUOTAS: Section = Section::new(&[
    used("create-key", POSITIVE),
    used("describe-key", POSITIVE),
    used("get-public-key", POSITIVE),
    used("ecc", POSITIVE),
    used("rsa", POSITIVE),
]);

static BACKOFF: Section = Section::new(&[
    used("initial-delay", FINITE),
    used("max-delay", FINITE),
    used("max-retries", Kind::Text),
]);

static CREDENTIALS: Section =
    Section::new(&[used("profile", Kind::Text), used("assume-role", Kind::Section(&ASSUME_ROLE))]);

static ASSUME_ROLE: Section = Section::new(&[
    used("role-arn", Kind::Text).required(),
    used("external-id", Kind::Text),
    used("session-name", Kind::Text),
]);

/// AWS KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsConfig {
    /// The Region of the keys, as `us-east-1`.
    pub region: String,
    /// Whether new keys can be replicated to other Regions. Default no.
    pub multi_region_key: bool,
    /// Regions to go to, in this order, while `region` is out. The keys have replicas there.
    pub failover_regions: Vec<String>,
    /// Whether every request and answer is logged, without contents. Default no.
    pub audit_logging: bool,
    /// Another endpoint than the Region's.
    pub endpoint_override: Option<String>,
    /// Whether the endpoint's certificate is checked.
    pub ssl_verification: SslVerification,
    /// Tags of new keys besides Cantle's own, by their keys.
    pub custom_tags: Vec<(String, String)>,
    /// How long an answer is waited for, connecting included.
    pub request_timeout: Duration,
    /// Retries of requests that failed for a passing reason, but for throttling.
    pub failures: RetryConfig,
    /// Retries of requests that AWS throttled.
    pub throttling: RetryConfig,
    /// Polling of a new key until it can be used.
    pub create_key_check: RetryConfig,
    /// Bounds on the node's requests.
    pub limits: LimitsConfig,
    /// Where credentials come from; the AWS default chain where nothing is set.
    pub credentials: KmsCredentials,
}

/// Whether a certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslVerification {
    /// It is.
    On,
    /// It is not. For tests; needs `canton.parameters.non-standard-config = yes`.
    Off,
}

/// Bounds on the requests of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    /// The share of the account's request quotas that the node keeps to, in percent; `None`: no bound.
    pub quota_percent: Option<u8>,
    /// The account's quotas where they are not AWS's defaults.
    pub quotas: QuotasConfig,
    /// Requests under way at once.
    pub max_concurrent_requests: usize,
    /// Requests that wait for their turn.
    pub max_waiting_requests: usize,
    /// How long a request waits for its turn.
    pub max_wait: Duration,
}

/// An account's request quotas in a Region, in requests a second; `None`: AWS's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotasConfig {
    /// CreateKey.
    pub create_key: Option<u32>,
    /// DescribeKey.
    pub describe_key: Option<u32>,
    /// GetPublicKey.
    pub get_public_key: Option<u32>,
    /// Cryptographic operations with elliptic curves.
    pub ecc: Option<u32>,
    /// Cryptographic operations with RSA keys.
    pub rsa: Option<u32>,
}

/// Exponential back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryConfig {
    /// The first pause.
    pub initial_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
    /// How many retries; `None`: for ever.
    pub max_retries: Option<u32>,
}

/// Where AWS credentials come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KmsCredentials {
    /// A profile of the AWS configuration files.
    pub profile: Option<String>,
    /// A role to assume with what the profile or the default chain gives.
    pub assume_role: Option<AssumeRole>,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// The ARN of the role.
    pub role_arn: String,
    /// What the role's trust policy asks for.
    pub external_id: Option<String>,
    /// The name of the session, as CloudTrail shows it.
    pub session_name: Option<String>,
}

pub(crate) fn kms(kms: &Cursor<'_>, non_standard: bool) -> Option<KmsConfig> {
    kms.tag(&KMS)?;
    let endpoint_override = endpoint(&kms.at("endpoint-override"));
    let retries = kms.at("retries");
    let region = region(kms, endpoint_override.is_some()).unwrap_or_default();
    let multi_region_key = kms.at("multi-region-key").bool().unwrap_or(false);
    let config = KmsConfig {
        failover_regions: failover_regions(kms, &region, multi_region_key, endpoint_override.is_some()),
        region,
        multi_region_key,
        audit_logging: kms.at("audit-logging").bool().unwrap_or(false),
        endpoint_override,
        ssl_verification: ssl_verification(&kms.at("disable-ssl-verification"), non_standard),
        custom_tags: tags::custom_tags(&kms.at("custom-tags")),
        request_timeout: kms
            .at("request-timeout")
            .duration(Span::Positive)
            .unwrap_or(Duration::from_secs(15)),
        failures: retry(
            &retries.at("failures"),
            RetryConfig {
                initial_delay: Duration::from_millis(500),
                max_delay: Duration::from_secs(10),
                max_retries: None,
            },
        ),
        throttling: retry(
            &retries.at("throttling"),
            RetryConfig {
                initial_delay: Duration::from_millis(200),
                max_delay: Duration::from_secs(10),
                max_retries: Some(20),
            },
        ),
        limits: limits(&kms.at("limits")),
        create_key_check: retry(
            &retries.at("create-key-check"),
            RetryConfig {
                initial_delay: Duration::from_millis(100),
                max_delay: Duration::from_secs(10),
                max_retries: Some(20),
            },
        ),
        credentials: credentials(&kms.at("credentials")),
    };
    Some(config)
}

fn region(kms: &Cursor<'_>, own_endpoint: bool) -> Option<String> {
    let region = kms.at("region");
    let Some(text) = region.text() else {
        if !region.is_set() {
            kms.missing("region", "write the AWS Region of the keys, as region = us-east-1");
        }
        return None;
    };
    // Another implementation behind its own endpoint has whatever Regions it likes.
    let legal = if own_endpoint { is_host_label(text) } else { is_region(text) };
    if !legal {
        region.malformed(text, "an AWS Region, as us-east-1 or us-gov-west-1");
    }
    Some(text.to_owned())
}

fn failover_regions(kms: &Cursor<'_>, home: &str, multi_region_key: bool, own_endpoint: bool) -> Vec<String> {
    let list = kms.at("failover-regions");
    let mut regions: Vec<String> = Vec::new();
    for item in list.items().unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        let legal = if own_endpoint { is_host_label(text) } else { is_region(text) };
        if !legal {
            item.malformed(text, "an AWS Region, as eu-west-1");
        } else if text == home || regions.iter().any(|other| other == text) {
            item.contradiction(
                format!("{text} is named twice"),
                "name each other Region once, without `region`",
            );
        }
        regions.push(text.to_owned());
    }
    if !regions.is_empty() && !multi_region_key {
        list.contradiction(
            "only multi-Region keys can be used in another Region",
            "set multi-region-key = true and replicate the keys, or remove failover-regions",
        );
    }
    if !regions.is_empty() && own_endpoint {
        list.warn("requests for every Region go to endpoint-override, which has to serve them all");
    }
    regions
}

fn is_host_label(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(legal)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Two letters or more, one or more words, a number: `us-east-1`, `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let word = |word: &&str| word.len() >= 2 && word.chars().all(|c| c.is_ascii_lowercase());
    is_host_label(text)
        && words.len() >= 2
        && words.iter().all(word)
        && (1..=2).contains(&number.len())
        && number.chars().all(|c| c.is_ascii_digit())
}

fn endpoint(endpoint: &Cursor<'_>) -> Option<String> {
    const EXPECTED: &str = "a URL of scheme, host and port, as \"http://localhost:4599\"";
    let text = endpoint.text()?;
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => {
            endpoint.malformed(&without_user(text), EXPECTED);
            return None;
        }
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        endpoint
            .contradiction("the URL has a user in it", "remove it: requests are signed with AWS credentials");
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':');
    let legal = matches!(scheme.as_str(), "http" | "https")
        && !host.is_empty()
        && host.chars().all(host_legal)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#'));
    if !legal {
        endpoint.malformed(text, EXPECTED);
        return None;
    }
    let loopback = host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if scheme == "http" && !loopback {
        endpoint.warn("requests to the KMS go over the network in clear, what it decrypts too; write https");
    }
    Some(text.to_owned())
}

/// What stands before an `@` may be a password.
fn without_user(text: &str) -> String {
    text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("…@{rest}"))
}

fn ssl_verification(disable: &Cursor<'_>, non_standard: bool) -> SslVerification {
    if !disable.bool().unwrap_or(false) {
        return SslVerification::On;
    }
    if !non_standard {
        let what = "without verification anybody on the way can pose as the KMS".to_owned();
        disable.fault(Problem::NeedsNonStandardConfig { what });
    }
    SslVerification::Off
}

fn retry(section: &Cursor<'_>, default: RetryConfig) -> RetryConfig {
    let config = RetryConfig {
        initial_delay: finite(section, "initial-delay", default.initial_delay),
        max_delay: finite(section, "max-delay", default.max_delay),
        max_retries: max_retries(&section.at("max-retries"), default.max_retries),
    };
    if config.initial_delay > config.max_delay {
        section.contradiction(
            format!("initial-delay is {:?} and max-delay only {:?}", config.initial_delay, config.max_delay),
            "set max-delay to at least initial-delay",
        );
    }
    config
}

fn limits(limits: &Cursor<'_>) -> LimitsConfig {
    let quotas = limits.at("quotas");
    let quota_percent = limits.at("quota-percent").int();
    if quotas.is_set() && quota_percent.is_none() {
        quotas.warn("these quotas are not kept to without limits.quota-percent, the node's share of them");
    }
    LimitsConfig {
        quota_percent,
        quotas: QuotasConfig {
            create_key: quotas.at("create-key").int(),
            describe_key: quotas.at("describe-key").int(),
            get_public_key: quotas.at("get-public-key").int(),
            ecc: quotas.at("ecc").int(),
            rsa: quotas.at("rsa").int(),
        },
        max_concurrent_requests: limits.at("max-concurrent-requests").int().unwrap_or(256),
        max_waiting_requests: limits.at("max-waiting-requests").int().unwrap_or(4_096),
        max_wait: limits.at("max-wait").duration(Span::Positive).unwrap_or(Duration::from_secs(30)),
    }
}

fn max_retries(retries: &Cursor<'_>, default: Option<u32>) -> Option<u32> {
    // Canton's own word for ever is its greatest integer.
    const FOREVER: u32 = i32::MAX as u32;
    let Some(text) = retries.text() else { return default };
    match text.parse::<u32>() {
        Ok(FOREVER) => None,
        Ok(count) if count < FOREVER => Some(count),
        _ if matches!(text, "forever" | "Inf" | "infinity") => None,
        _ => {
            retries.malformed(text, "a whole number that is not negative, or forever");
            default
        }
    }
}

fn credentials(credentials: &Cursor<'_>) -> KmsCredentials {
    let profile = credentials.at("profile");
    if profile.text().is_some_and(|name| name.trim().is_empty()) {
        profile.malformed("", "the name of a profile in the AWS configuration files");
    }
    let assume_role = credentials.at("assume-role").set().map(|role| AssumeRole {
        role_arn: role_arn(&role.at("role-arn")),
        external_id: bounded(&role.at("external-id"), 2..=1224, "+=,.@:/-_", "an external id"),
        session_name: bounded(&role.at("session-name"), 2..=64, "+=,.@-_", "a session name"),
    });
    KmsCredentials { profile: profile.string(), assume_role }
}

fn role_arn(arn: &Cursor<'_>) -> String {
    let Some(text) = arn.text() else { return String::new() };
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let legal = matches!(parts[..], ["arn", partition, "iam", "", account, resource]
        if partition.starts_with("aws")
            && account.len() == 12
            && account.chars().all(|c| c.is_ascii_digit())
            && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()));
    if !legal || text.len() > 2048 || !text.chars().all(|c| c.is_ascii_graphic()) {
        arn.malformed(text, "the ARN of a role, as \"arn:aws:iam::123456789012:role/cantle\"");
    }
    text.to_owned()
}

/// Letters, digits and some punctuation of a bounded length, as the STS API takes them.
fn bounded(
    value: &Cursor<'_>,
    length: std::ops::RangeInclusive<usize>,
    punctuation: &str,
    what: &str,
) -> Option<String> {
    let text = value.text()?;
    let legal = |c: char| c.is_ascii_alphanumeric() || punctuation.contains(c);
    if !length.contains(&text.chars().count()) || !text.chars().all(legal) {
        let (least, most) = length.into_inner();
        value.fault(Problem::MalformedSecret {
            expected: format!("{what}: {least} to {most} letters, digits and {punctuation}"),
        });
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_all_partitions_are_regions() {
        for region in
            ["us-east-1", "eu-central-2", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1"]
        {
            assert!(is_region(region), "{region}");
        }
    }

    #[test]
    fn other_words_are_no_regions() {
        for text in [
            "",
            "us-east",
            "US-EAST-1",
            "us_east_1",
            "us-east-1a",
            "east-1",
            "us--1",
            "us-east-",
            "us east 1",
        ] {
            assert!(!is_region(text), "{text}");
        }
    }
}
