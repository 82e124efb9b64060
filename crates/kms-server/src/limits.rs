//! AWS's request quotas: token buckets by account, Region and group of operations.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html> (us-east-1's numbers)

use std::{collections::HashMap, str::FromStr, time::Instant};

use parking_lot::Mutex;

use crate::{error::KmsError, keys::spec::KeySpec, model::operation::Operation};

/// Whether AWS's request quotas hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateLimits {
    /// No quotas.
    #[default]
    Off,
    /// AWS's documented quotas; more is a `ThrottlingException`.
    Aws,
}

impl FromStr for RateLimits {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "aws" => Ok(Self::Aws),
            _ => Err("rate limits are `off` or `aws`"),
        }
    }
}

/// Operations that share a quota, by its name.
type Quota = (&'static str, f64);

/// The shared quotas of cryptographic operations depend on the key.
pub(crate) fn cryptographic(spec: KeySpec) -> Quota {
    match spec {
        KeySpec::SymmetricDefault
        | KeySpec::Hmac224
        | KeySpec::Hmac256
        | KeySpec::Hmac384
        | KeySpec::Hmac512 => ("symmetric", 100_000.0),
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => ("RSA", 1_000.0),
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => ("ML-DSA", 1_000.0),
        _ => ("ECC", 1_000.0),
    }
}

/// The quota of an operation by itself; `None` for those that share one by the key.
pub(crate) fn own(operation: Operation) -> Option<Quota> {
    use Operation as Op;
    let rate = match operation {
        Op::Decrypt
        | Op::DeriveSharedSecret
        | Op::Encrypt
        | Op::GenerateDataKey
        | Op::GenerateDataKeyWithoutPlaintext
        | Op::GenerateMac
        | Op::ReEncrypt
        | Op::Sign
        | Op::Verify
        | Op::VerifyMac => return None,
        Op::GenerateRandom => return Some(("symmetric", 100_000.0)),
        Op::DescribeKey | Op::GetPublicKey => 2_000.0,
        Op::GetKeyPolicy | Op::GetKeyRotationStatus => 1_000.0,
        Op::ListResourceTags => 2_000.0,
        Op::ListAliases | Op::ListKeys => 500.0,
        Op::ListGrants | Op::ListKeyPolicies | Op::ListKeyRotations | Op::ListRetirableGrants => 100.0,
        Op::GenerateDataKeyPair | Op::GenerateDataKeyPairWithoutPlaintext => 100.0,
        Op::CreateGrant => 50.0,
        Op::RetireGrant | Op::RevokeGrant => 30.0,
        Op::CancelKeyDeletion
        | Op::DeleteAlias
        | Op::DisableKeyRotation
        | Op::EnableKeyRotation
        | Op::ImportKeyMaterial
        | Op::PutKeyPolicy
        | Op::ScheduleKeyDeletion => 15.0,
        Op::GetParametersForImport => 1.0,
        Op::TagResource | Op::UntagResource => 10.0,
        _ => 5.0,
    };
    Some((operation.as_str(), rate))
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Limits {
    mode: RateLimits,
    buckets: Mutex<HashMap<(String, String, &'static str), Bucket>>,
}

impl Limits {
    pub(crate) fn new(mode: RateLimits) -> Self {
        Self { mode, buckets: Mutex::default() }
    }

    /// Takes one token of a quota. The caller's account pays, whoever owns the key.
    pub(crate) fn take(&self, account: &str, region: &str, quota: Quota) -> Result<(), KmsError> {
        self.take_at(account, region, quota, Instant::now())
    }

    fn take_at(
        &self,
        account: &str,
        region: &str,
        (name, rate): Quota,
        now: Instant,
    ) -> Result<(), KmsError> {
        if self.mode == RateLimits::Off {
            return Ok(());
        }
        let mut buckets = self.buckets.lock();
        let bucket = buckets
            .entry((account.to_owned(), region.to_owned(), name))
            .or_insert_with(|| Bucket { tokens: rate, at: now });
        let elapsed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * rate).min(rate);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(KmsError::throttling(
                "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
            ));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn more_than_the_quota_is_throttled_until_time_passes() {
        let limits = Limits::new(RateLimits::Aws);
        let now = Instant::now();
        let quota = own(Operation::CreateKey).unwrap();
        for _ in 0..5 {
            limits.take_at("1", "r", quota, now).unwrap();
        }
        assert_eq!(limits.take_at("1", "r", quota, now).unwrap_err().code, "ThrottlingException");
        limits.take_at("2", "r", quota, now).unwrap();
        limits.take_at("1", "s", quota, now).unwrap();
        limits.take_at("1", "r", quota, now + Duration::from_millis(200)).unwrap();
        assert!(limits.take_at("1", "r", quota, now + Duration::from_millis(200)).is_err());
    }

    #[test]
    fn off_means_off() {
        let limits = Limits::new(RateLimits::Off);
        assert!((0..10_000).all(|_| limits.take("1", "r", ("x", 1.0)).is_ok()));
    }
}
