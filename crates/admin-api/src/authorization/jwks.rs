//! The keys that a URL serves (JWKS), kept for a while.
//!
//! Invariant: the URL is asked at most once in ten seconds, whatever tokens come; keys are forgotten after ten hours, so that
//! one that was withdrawn does not count for ever.
//! Source: <https://www.rfc-editor.org/rfc/rfc7517#section-5>.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::signature::RsaPublicKeyComponents;
use cantle_transport::{ClientTls, ClientTlsOptions, FetchError, Trust, fetch};
use cantle_types::Clock;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use tonic::codegen::http::Uri;

use super::{
    AuthorizationSetupError, Rejection,
    token::{Token, decode},
    verifier::Key,
};

/// As long keys are believed.
const KEPT: SignedDuration = SignedDuration::from_hours(10);
/// The URL is not asked again sooner.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// As long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any key set needs.
const LONGEST: usize = 1 << 20;
/// As many keys are kept.
const MOST: usize = 1_000;

/// The keys behind a URL.
#[derive(Debug)]
pub(super) struct KeySet {
    uri: Uri,
    tls: ClientTls,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<String, Key>,
    /// When they were read.
    read: Option<Timestamp>,
    /// When the URL was asked last, and why it did not answer.
    asked: Option<(Timestamp, Option<Arc<FetchError>>)>,
}

/// A key set as it is served. Members that are not known are left alone.
#[derive(Deserialize)]
struct Served {
    keys: Vec<ServedKey>,
}

#[derive(Deserialize)]
struct ServedKey {
    kid: Option<String>,
    kty: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    pub(super) fn new(url: &str) -> Result<Self, AuthorizationSetupError> {
        let wrong = || AuthorizationSetupError::Url { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(wrong());
        }
        let tls = ClientTls::new(&ClientTlsOptions { trust: Trust::System, identity: None })?;
        Ok(Self { uri, tls, known: Mutex::default() })
    }

    pub(super) async fn verify(&self, token: &Token<'_>, clock: &dyn Clock) -> Result<(), Rejection> {
        let id = token.key_id.as_deref().ok_or(Rejection::NoKeyId)?;
        // Whoever waits here wants the same answer.
        let mut known = self.known.lock().await;
        let now = clock.now();
        let since = |time: Option<Timestamp>| time.map(|time| now.duration_since(time));
        if since(known.read).is_some_and(|age| age > KEPT) {
            known.keys.clear();
        }
        let pause = since(known.asked.as_ref().map(|(at, _)| *at));
        if !known.keys.contains_key(id) && pause.is_none_or(|pause| pause >= PAUSE || pause.is_negative()) {
            let served = fetch(&self.uri, &self.tls, LONGEST, PATIENCE).await;
            let failure = match served {
                Ok(document) => {
                    (known.keys, known.read) = (read(&document), Some(now));
                    None
                }
                Err(error) => Some(Arc::new(error)),
            };
            known.asked = Some((now, failure));
        }
        match (known.keys.get(id), &known.asked) {
            (Some(key), _) => key.verify(token),
            (None, Some((_, Some(failure)))) => Err(Rejection::Keys(Arc::clone(failure))),
            (None, _) => Err(Rejection::UnknownKey(id.chars().take(64).collect())),
        }
    }
}

/// The keys of a document that can be used; a document that is none has none.
pub(super) fn read(document: &[u8]) -> HashMap<String, Key> {
    let Ok(served) = serde_json::from_slice::<Served>(document) else { return HashMap::new() };
    let usable = served.keys.into_iter().filter_map(|mut key| Some((key.kid.take()?, key.usable()?)));
    usable.take(MOST).collect()
}

impl ServedKey {
    fn usable(&self) -> Option<Key> {
        let number = |text: &Option<String>| decode(text.as_deref()?).ok();
        match (self.kty.as_deref()?, self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (without_zeros(&number(&self.n)?), without_zeros(&number(&self.e)?));
                Some(Key::RsaParts(RsaPublicKeyComponents { n, e }))
            }
            ("EC", Some("P-256")) => Some(Key::P256(point(&number(&self.x)?, &number(&self.y)?, 32)?)),
            ("EC", Some("P-521")) => Some(Key::P521(point(&number(&self.x)?, &number(&self.y)?, 66)?)),
            _ => None,
        }
    }
}

/// Some writers put a zero for the sign before a number.
fn without_zeros(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    number[first..].to_vec()
}

/// An uncompressed point of two numbers, each filled up to its length.
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for number in [x, y] {
        let number = without_zeros(number);
        let zeros = length.checked_sub(number.len())?;
        point.resize(point.len() + zeros, 0);
        point.extend(number);
    }
    Some(point)
}
