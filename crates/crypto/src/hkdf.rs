//! HKDF with HMAC-SHA256 and an empty salt, as everywhere in Canton.
//!
//! Source: RFC 5869, <https://www.rfc-editor.org/rfc/rfc5869>.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use thiserror::Error;
use zeroize::Zeroizing;

/// The longest output: 255 digests of 32 bytes.
const LENGTH_MAX: usize = 255 * 32;

/// A length that HKDF cannot give.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("HKDF-SHA256 gives 1 to {LENGTH_MAX} bytes, asked for {length}")]
pub struct HkdfError {
    /// The length that was asked for.
    pub length: usize,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Derives `length` bytes (1 to 8160) from `secret`, bound to `info`.
///
/// # Errors
/// When the length is 0 or too long.
pub fn hkdf(secret: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, HkdfError> {
    let refused = |_| HkdfError { length };
    if length == 0 {
        return Err(HkdfError { length });
    }
    let key = Salt::none(HKDF_SHA256).extract(secret);
    let mut output = Zeroizing::new(Vec::new());
    let info = [info];
    let derived = key.expand(&info, Length(length)).map_err(refused)?;
    output.resize(length, 0);
    derived.fill(&mut output).map_err(refused)?;
    Ok(output)
}
