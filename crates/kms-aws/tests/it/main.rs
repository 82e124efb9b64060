//! [`AwsKms`](cantle_kms_aws::AwsKms) against the loopback service, against canned answers, and in other environments.
#![expect(clippy::unwrap_used, reason = "what a test sets up must be there")]

mod canned;
mod environment;
mod errors;
mod regions;
mod service;
mod tls;
