//! Randomness from the cryptographic library.

use thiserror::Error;

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no randomness to be had")]
pub struct RandomnessError;

/// `N` random bytes, fit for keys and nonces.
///
/// # Errors
/// When there is no randomness to be had.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], RandomnessError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| RandomnessError)?;
    Ok(bytes)
}
