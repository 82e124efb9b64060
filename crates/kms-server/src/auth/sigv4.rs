//! AWS Signature Version 4, the checking side.
//!
//! A request is its caller's if the signature over method, path, query, the signed headers and the body's hash comes
//! out the same, is not older or newer than five minutes, and covers the host. As with AWS, a request
//! sent again within those minutes is taken again. Comparison is in constant time; derived keys are kept.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::{borrow::Cow, collections::HashMap, fmt::Write as _, sync::Arc};

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, request::Parts};
use jiff::Timestamp;
use parking_lot::RwLock;
use subtle::ConstantTimeEq;

use super::callers::{Callers, Principal};
use crate::error::KmsError;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SKEW_MS: i64 = 5 * 60 * 1000;
const MAX_CACHED_KEYS: usize = 1024;

/// A request that is its caller's.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) principal: Arc<Principal>,
    pub(crate) region: String,
}

/// What the request claims.
#[derive(Debug)]
struct Claim<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    timestamp: Cow<'a, str>,
    token: Option<Cow<'a, str>>,
    /// Presigned: how long it is good, in seconds.
    expires: Option<i64>,
}

/// The checker, with its derived keys.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    keys: RwLock<HashMap<String, Arc<hmac::Key>>>,
}

impl Verifier {
    /// Checks a request for the named service.
    pub(crate) fn verify(
        &self,
        callers: &Callers,
        parts: &Parts,
        body: &[u8],
        service: &'static str,
        now_ms: i64,
    ) -> Result<Authenticated, KmsError> {
        let query = query_pairs(parts.uri.query().unwrap_or_default());
        let credential;
        let claim = if let Some(header) = parts.headers.get(http::header::AUTHORIZATION) {
            let header = header
                .to_str()
                .map_err(|_| KmsError::incomplete_signature("Authorization header is not text."))?;
            claim_of_header(header, &parts.headers)?
        } else if let Some(found) = value_of(&query, "X-Amz-Credential") {
            credential = found.to_owned();
            claim_of_query(&credential, &query)?
        } else {
            return Err(KmsError::missing_authentication_token("Missing Authentication Token"));
        };
        let at_ms = check_scope(&claim, service)?;
        let principal = callers.find(claim.access_key_id).ok_or_else(|| {
            KmsError::invalid_client_token("The security token included in the request is invalid.")
        })?;
        check_token(&principal, claim.token.as_deref(), now_ms)?;
        check_time(&claim, at_ms, now_ms)?;
        check_signed_headers(&claim)?;
        let canonical =
            canonical_request(parts, &query, &claim.signed_headers, body, claim.expires.is_some());
        let expected = self.signature(&principal, &claim, &canonical);
        if bool::from(expected.as_bytes().ct_eq(claim.signature.as_bytes())) {
            return Ok(Authenticated { principal, region: claim.region.to_owned() });
        }
        Err(KmsError::invalid_signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ))
    }

    fn signature(&self, principal: &Principal, claim: &Claim<'_>, canonical: &str) -> String {
        let mut to_sign = String::with_capacity(160);
        let hashed = digest::digest(&digest::SHA256, canonical.as_bytes());
        // Writing to a string cannot fail.
        let _ = write!(
            to_sign,
            "{ALGORITHM}\n{}\n{}/{}/{}/{}\n{}",
            claim.timestamp,
            claim.date,
            claim.region,
            claim.service,
            claim.terminator,
            hex::encode(hashed)
        );
        hex::encode(hmac::sign(&self.signing_key(principal, claim), to_sign.as_bytes()))
    }

    fn signing_key(&self, principal: &Principal, claim: &Claim<'_>) -> Arc<hmac::Key> {
        let name = format!("{}/{}/{}/{}", claim.access_key_id, claim.date, claim.region, claim.service);
        if let Some(key) = self.keys.read().get(&name) {
            return Arc::clone(key);
        }
        let key = Arc::new(derive_key(&principal.secret, claim.date, claim.region, claim.service));
        let mut keys = self.keys.write();
        if keys.len() >= MAX_CACHED_KEYS {
            keys.clear();
        }
        keys.insert(name, Arc::clone(&key));
        key
    }
}

/// The signing key of a day, a Region and a service.
fn derive_key(secret: &str, date: &str, region: &str, service: &str) -> hmac::Key {
    let first = zeroize::Zeroizing::new(format!("AWS4{secret}"));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
    for part in [date, region, service, "aws4_request"] {
        let derived = hmac::sign(&key, part.as_bytes());
        key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
    }
    key
}

fn claim_of_header<'a>(header: &'a str, headers: &'a HeaderMap) -> Result<Claim<'a>, KmsError> {
    let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for part in rest.split(',') {
        match part.trim().split_once('=') {
            Some(("Credential", value)) => credential = Some(value),
            Some(("SignedHeaders", value)) => signed_headers = Some(value),
            Some(("Signature", value)) => signature = Some(value),
            _ => {}
        }
    }
    let timestamp = text(headers, "x-amz-date").or_else(|| text(headers, "date"));
    let mut missing = String::new();
    if algorithm != ALGORITHM {
        let _ = write!(missing, "Unsupported AWS 'algorithm': '{}'. ", excerpt(algorithm));
    }
    for (name, found) in
        [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)]
    {
        if found.is_none_or(str::is_empty) {
            let _ = write!(missing, "Authorization header requires '{name}' parameter. ");
        }
    }
    if timestamp.is_none() {
        missing.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    let (Some(credential), Some(signed), Some(signature), Some(timestamp), true) =
        (credential, signed_headers, signature, timestamp, missing.is_empty())
    else {
        return Err(KmsError::incomplete_signature(format!("{missing}Authorization={}", excerpt(algorithm))));
    };
    let [access_key_id, date, region, service, terminator] = scope(credential)?;
    Ok(Claim {
        access_key_id,
        date,
        region,
        service,
        terminator,
        signed_headers: signed.into(),
        signature: signature.into(),
        timestamp: timestamp.into(),
        token: text(headers, "x-amz-security-token").map(Cow::Borrowed),
        expires: None,
    })
}

fn claim_of_query<'a>(credential: &'a str, query: &[(String, String)]) -> Result<Claim<'a>, KmsError> {
    let wanted = |name: &str| {
        value_of(query, name).map(str::to_owned).ok_or_else(|| {
            KmsError::incomplete_signature(format!("AWS query-string parameters must include '{name}'."))
        })
    };
    if wanted("X-Amz-Algorithm")? != ALGORITHM {
        return Err(KmsError::incomplete_signature("Unsupported AWS 'algorithm'."));
    }
    let [access_key_id, date, region, service, terminator] = scope(credential)?;
    let expires = value_of(query, "X-Amz-Expires").unwrap_or("300");
    let expires =
        expires.parse::<i64>().ok().filter(|seconds| (0..=604_800).contains(seconds)).ok_or_else(|| {
            KmsError::incomplete_signature(format!(
                "X-Amz-Expires must be a number of seconds, got '{}'.",
                excerpt(expires)
            ))
        })?;
    Ok(Claim {
        access_key_id,
        date,
        region,
        service,
        terminator,
        signed_headers: wanted("X-Amz-SignedHeaders")?.into(),
        signature: wanted("X-Amz-Signature")?.into(),
        timestamp: wanted("X-Amz-Date")?.into(),
        token: value_of(query, "X-Amz-Security-Token").map(|token| token.to_owned().into()),
        expires: Some(expires),
    })
}

/// The five parts of a credential; the access key comes first and has no slash.
fn scope(credential: &str) -> Result<[&str; 5], KmsError> {
    let parts: Vec<&str> = credential.split('/').collect();
    parts.try_into().map_err(|_| {
        KmsError::incomplete_signature(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
            excerpt(credential)
        ))
    })
}

/// Checks the scope and gives back the time of signing.
fn check_scope(claim: &Claim<'_>, service: &str) -> Result<i64, KmsError> {
    let at_ms = parse_basic(&claim.timestamp).ok_or_else(|| {
        KmsError::incomplete_signature(format!(
            "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
            excerpt(&claim.timestamp)
        ))
    })?;
    let mut wrong = String::new();
    if claim.region.is_empty() || claim.region.len() > 32 {
        wrong.push_str("Credential should be scoped to a valid region. ");
    }
    if claim.service != service {
        let _ = write!(wrong, "Credential should be scoped to correct service: '{service}'. ");
    }
    if claim.terminator != "aws4_request" {
        let _ = write!(
            wrong,
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'. ",
            excerpt(claim.terminator)
        );
    }
    if !claim.timestamp.starts_with(claim.date) || claim.date.len() != 8 {
        let _ = write!(
            wrong,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != \
             '{}', from '{}'. ",
            excerpt(claim.date),
            claim.timestamp.get(..8).unwrap_or_default(),
            excerpt(&claim.timestamp)
        );
    }
    if wrong.is_empty() { Ok(at_ms) } else { Err(KmsError::invalid_signature(wrong.trim_end().to_owned())) }
}

fn check_token(principal: &Principal, token: Option<&str>, now_ms: i64) -> Result<(), KmsError> {
    let invalid = || KmsError::invalid_client_token("The security token included in the request is invalid.");
    match (&principal.token, token) {
        (None, None) => {}
        (Some(expected), Some(token)) => {
            if !bool::from(expected.as_bytes().ct_eq(token.as_bytes())) {
                return Err(invalid());
            }
        }
        _ => return Err(invalid()),
    }
    if principal.expires_ms.is_some_and(|expires| expires <= now_ms) {
        return Err(KmsError::expired_token("The security token included in the request is expired"));
    }
    Ok(())
}

fn check_time(claim: &Claim<'_>, at_ms: i64, now_ms: i64) -> Result<(), KmsError> {
    let life_ms = claim.expires.map_or(SKEW_MS, |seconds| seconds * 1000);
    if at_ms + life_ms < now_ms {
        return Err(KmsError::invalid_signature(format!(
            "Signature expired: {} is now earlier than {} ({} - {} min.)",
            claim.timestamp,
            format_basic(now_ms - life_ms),
            format_basic(now_ms),
            life_ms / 60_000
        )));
    }
    if at_ms - SKEW_MS > now_ms {
        return Err(KmsError::invalid_signature(format!(
            "Signature not yet current: {} is still later than {} ({} + 5 min.)",
            claim.timestamp,
            format_basic(now_ms + SKEW_MS),
            format_basic(now_ms)
        )));
    }
    Ok(())
}

/// The host must be signed. AWS asks for no other header: not all clients sign the operation's.
fn check_signed_headers(claim: &Claim<'_>) -> Result<(), KmsError> {
    if claim.signed_headers.split(';').any(|listed| listed.eq_ignore_ascii_case("host")) {
        return Ok(());
    }
    Err(KmsError::invalid_signature(
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    ))
}

fn canonical_request(
    parts: &Parts,
    query: &[(String, String)],
    signed_headers: &str,
    body: &[u8],
    presigned: bool,
) -> String {
    let mut canonical = String::with_capacity(512);
    let _ = write!(canonical, "{}\n{}\n", parts.method, canonical_path(parts.uri.path()));
    let mut pairs: Vec<(String, String)> = query
        .iter()
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let _ = write!(canonical, "{}{name}={value}", if index == 0 { "" } else { "&" });
    }
    canonical.push('\n');
    for name in signed_headers.split(';') {
        canonical.push_str(name);
        canonical.push(':');
        for (index, value) in parts.headers.get_all(name).iter().enumerate() {
            if index > 0 {
                canonical.push(',');
            }
            push_trimmed(&mut canonical, &String::from_utf8_lossy(value.as_bytes()));
        }
        canonical.push('\n');
    }
    let hashed = digest::digest(&digest::SHA256, body);
    let _ = write!(canonical, "\n{signed_headers}\n{}", hex::encode(hashed));
    canonical
}

/// Trims, and makes one blank of several.
fn push_trimmed(target: &mut String, value: &str) {
    let value = value.trim();
    if !value.contains("  ") {
        target.push_str(value);
        return;
    }
    for (index, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if index > 0 {
            target.push(' ');
        }
        target.push_str(word);
    }
}

/// The path without `.`, `..` and empty segments, each segment encoded once more than on the wire.
fn canonical_path(path: &str) -> Cow<'_, str> {
    if path == "/" || path.is_empty() {
        return Cow::Borrowed("/");
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut canonical = String::with_capacity(path.len() + 1);
    for segment in &segments {
        canonical.push('/');
        canonical.push_str(&encode(segment));
    }
    if canonical.is_empty() || path.ends_with('/') {
        canonical.push('/');
    }
    Cow::Owned(canonical)
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The pairs of a query string or a form, decoded.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let hexadecimal = bytes.get(index + 1..index + 3).and_then(|digits| {
            std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
        });
        match (byte, hexadecimal) {
            (b'%', Some(value)) => {
                decoded.push(value);
                index += 3;
                continue;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn value_of<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Enough of what the caller sent to recognize it.
fn excerpt(text: &str) -> &str {
    let mut end = text.len().min(256);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `20150830T123600Z` as milliseconds since 1970.
fn parse_basic(text: &str) -> Option<i64> {
    if text.len() != 16 || !text.ends_with('Z') || text.as_bytes()[8] != b'T' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i16>().ok()).flatten()
    };
    let small = |range| number(range).and_then(|value| i8::try_from(value).ok());
    let date = jiff::civil::Date::new(number(0..4)?, small(4..6)?, small(6..8)?).ok()?;
    let time = jiff::civil::Time::new(small(9..11)?, small(11..13)?, small(13..15)?, 0).ok()?;
    let at = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?;
    Some(at.as_millisecond())
}

fn format_basic(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .map_or_else(|_| at_ms.to_string(), |at| at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// The access key and Region that a request's credential names, unchecked: for servers that check no signatures, and for
/// faults.
pub(crate) fn claimed(headers: &HeaderMap) -> Option<(&str, &str)> {
    let header = text(headers, "authorization")?;
    let (_, rest) = header.split_once("Credential=")?;
    let mut parts = rest.split([',', ' ']).next()?.split('/');
    let access_key_id = parts.next()?;
    parts.next()?;
    Some((access_key_id, parts.next()?))
}

#[cfg(test)]
mod tests;
