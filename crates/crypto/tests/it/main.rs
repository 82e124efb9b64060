//! Keys, hashes, signatures and ciphertexts, compared with Canton 2.10, the JDK, Tink and BouncyCastle.
//!
//! The provenance of the vectors stands in the files in `fixtures/`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

mod age;
mod canton;
mod edge_cases;
mod hostile;
mod java_libraries;
mod jdk_keys;
mod key_pairs;
mod strict;
mod support;
