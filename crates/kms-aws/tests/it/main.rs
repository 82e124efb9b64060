//! [`AwsKms`](cantle_kms_aws::AwsKms) against the loopback service, against canned answers, and in other environments.

mod canned;
mod environment;
mod errors;
mod service;
mod tls;
