//! Paging: limits, markers, and what a truncated answer says.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{
    error::KmsError,
    model::fields::{Fields, MARKER, Need},
};

/// A page asked for.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) limit: usize,
    marker: Option<String>,
}

impl Page {
    /// Reads `Limit` and `Marker`.
    pub(super) fn read(fields: &Fields<'_>, default: usize, max: i64) -> Self {
        let limit = fields.integer("Limit", 1, max).and_then(|limit| usize::try_from(limit).ok());
        let marker = fields.text("Marker", MARKER, Need::Optional).map(str::to_owned);
        Self { limit: limit.unwrap_or(default), marker }
    }

    /// What the page comes behind; empty for the first.
    pub(super) fn after(&self) -> Result<String, KmsError> {
        let Some(marker) = &self.marker else { return Ok(String::new()) };
        let decoded = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.and_then(|text| text.strip_prefix("after:").map(str::to_owned)).ok_or_else(invalid_marker)
    }

    /// Makes the answer from one entry more than the page holds.
    pub(super) fn answer<T>(
        &self,
        list: &str,
        mut entries: Vec<T>,
        name: impl Fn(&T) -> String,
        render: impl Fn(&T) -> Value,
    ) -> Value {
        let truncated = entries.len() > self.limit;
        entries.truncate(self.limit);
        let mut answer = Map::new();
        answer.insert(list.to_owned(), entries.iter().map(render).collect());
        if truncated && let Some(last) = entries.last() {
            let marker = URL_SAFE_NO_PAD.encode(format!("after:{}", name(last)));
            answer.insert("NextMarker".to_owned(), marker.into());
        }
        answer.insert("Truncated".to_owned(), truncated.into());
        Value::Object(answer)
    }
}

pub(super) fn invalid_marker() -> KmsError {
    KmsError::invalid_marker("Marker is not valid.")
}
