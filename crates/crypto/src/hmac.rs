//! HMAC-SHA256, by which salts are derived.
//!
//! Source: RFC 2104, <https://www.rfc-editor.org/rfc/rfc2104>.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

/// The HMAC-SHA256 of `message` under `key`.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = sign(&Key::new(HMAC_SHA256, key), message);
    tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_case_of_rfc_4231_holds() {
        let tag = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(tag), expected);
    }
}
