//! A JSON Web Token as it is sent: header, payload and signature. Nothing of it is believed before it is verified.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc7515#section-7.1>.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::Rejection;

/// A token in its three parts.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// What is signed.
    pub(super) signed: &'a str,
    /// The algorithm that it claims.
    pub(super) algorithm: String,
    /// The key that it names.
    pub(super) key_id: Option<String>,
    pub(super) signature: Vec<u8>,
    payload: &'a str,
}

impl<'a> Token<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, Rejection> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejection::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Rejection::Malformed)?;
        let header = object(header)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            signed,
            algorithm: text("alg").ok_or(Rejection::Malformed)?,
            key_id: text("kid"),
            signature: decode(signature)?,
            payload,
        })
    }

    /// What it says.
    pub(super) fn payload(&self) -> Result<super::claims::Payload, Rejection> {
        Ok(super::claims::Payload(object(self.payload)?))
    }
}

fn object(part: &str) -> Result<Map<String, Value>, Rejection> {
    serde_json::from_slice(&decode(part)?).map_err(|_| Rejection::Malformed)
}

/// Base64 for URLs, without padding or with it.
pub(super) fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).map_err(|_| Rejection::Malformed)
}
