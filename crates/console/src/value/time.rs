//! Times as scripts see them: texts in RFC 3339.

use super::{Data, ids};
use crate::failure::Failure;

/// A time from its text.
pub(crate) fn from_text(text: &str) -> Result<prost_types::Timestamp, String> {
    let time: jiff::Timestamp =
        text.parse().map_err(|error: jiff::Error| format!("is not a time: {error}"))?;
    Ok(prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
}

/// A time from a value.
pub(crate) fn from_data(data: &Data) -> Result<prost_types::Timestamp, Failure> {
    let text = ids::text_of(data).ok_or_else(|| {
        Failure::value(format!("must be a time, such as \"2024-01-31T12:00:00Z\", found: {}", data.kind()))
    })?;
    from_text(&text).map_err(Failure::value)
}

/// The text of a time.
pub(crate) fn time_data(time: Option<prost_types::Timestamp>) -> Data {
    time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok())
        .map_or(Data::None, |time| Data::text(time.to_string()))
}
