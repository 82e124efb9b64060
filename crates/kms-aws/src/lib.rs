//! The [`Kms`](cantle_kms::Kms) trait over the AWS SDK.
//!
//! [`AwsKms`] sends each request once: the SDK's own retries are off, and
//! [`Retrying`](cantle_kms::Retrying) is the one place that repeats. Two layers would multiply their attempts, and only
//! one of them knows that CreateKey must not be repeated after a lost answer.
//!
//! It works against AWS and, by [`AwsKmsOptions::endpoint_override`], against compatible services; what those leave
//! out is filled in where that is safe. Proxies come from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. Errors of the SDK
//! become [`KmsError`](cantle_kms::KmsError) in one file. Nothing here logs a payload; the SDK does at its levels DEBUG
//! and TRACE, so that a node keeps the targets `aws_*` at INFO.

mod answers;
mod connect;
mod errors;
mod kms;
mod options;
mod probe;
mod unverified;

pub use aws_smithy_runtime_api::client::dns::SharedDnsResolver;
pub use kms::AwsKms;
pub use options::{AssumeRole, AwsKmsOptions, ConnectError, SslVerification, StaticCredentials};
pub use probe::Probe;
