//! Arguments of commands, read as what the admin API wants.

use cantle_types::{Member, UniqueIdentifier};

use crate::command::Call;
use crate::failure::Failure;
use crate::value::{Data, Record, ids, keys};

impl Call<'_> {
    /// A text, or an identifier's text.
    pub(super) fn text(&self, name: &str) -> Result<String, Failure> {
        let data = self.value(name);
        ids::text_of(data).ok_or_else(|| self.refuse(name, format!("must be a text, found: {}", data.kind())))
    }

    /// A text that may be `None`, which is the empty one.
    pub(super) fn optional_text(&self, name: &str) -> Result<String, Failure> {
        if matches!(self.value(name), Data::None) { Ok(String::new()) } else { self.text(name) }
    }

    pub(super) fn truth(&self, name: &str) -> Result<bool, Failure> {
        match self.value(name) {
            Data::Bool(value) => Ok(*value),
            other => Err(self.refuse(name, format!("must be true or false, found: {}", other.kind()))),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<i64, Failure> {
        match self.value(name) {
            Data::Int(value) => Ok(*value),
            other => Err(self.refuse(name, format!("must be a number, found: {}", other.kind()))),
        }
    }

    pub(super) fn fingerprint(&self, name: &str) -> Result<String, Failure> {
        ids::checked_fingerprint(self.value(name)).map_err(|failure| self.refuse(name, failure.to_string()))
    }

    /// A fingerprint that may be `None`, which is the empty text.
    pub(super) fn optional_fingerprint(&self, name: &str) -> Result<String, Failure> {
        if matches!(self.value(name), Data::None) { Ok(String::new()) } else { self.fingerprint(name) }
    }

    pub(super) fn uid(&self, name: &str) -> Result<UniqueIdentifier, Failure> {
        ids::unique_identifier(self.value(name)).map_err(|failure| self.refuse(name, failure.to_string()))
    }

    pub(super) fn member(&self, name: &str) -> Result<Member, Failure> {
        ids::member(self.value(name)).map_err(|failure| self.refuse(name, failure.to_string()))
    }

    /// A constant of an enumeration, or its name as a text.
    pub(super) fn constant(&self, name: &str, enumeration: &'static str) -> Result<&'static str, Failure> {
        self.constant_of(name, self.value(name), enumeration)
    }

    pub(super) fn optional_constant(
        &self,
        name: &str,
        enumeration: &'static str,
    ) -> Result<Option<&'static str>, Failure> {
        if matches!(self.value(name), Data::None) {
            Ok(None)
        } else {
            self.constant(name, enumeration).map(Some)
        }
    }

    pub(super) fn constant_of(
        &self,
        name: &str,
        data: &Data,
        enumeration: &'static str,
    ) -> Result<&'static str, Failure> {
        let known = crate::value::constants(enumeration);
        let allowed = || {
            known.iter().map(|constant| format!("{enumeration}.{constant}")).collect::<Vec<_>>().join(", ")
        };
        if let Some(record) = data.downcast::<Record>()
            && record.type_name() != enumeration
        {
            return Err(
                self.refuse(name, format!("must be one of {}, found: {}", allowed(), record.type_name()))
            );
        }
        let text = ids::text_of(data).unwrap_or_default();
        let found = known.iter().find(|constant| **constant == text);
        found.copied().ok_or_else(|| self.refuse(name, format!("must be one of {}", allowed())))
    }

    /// A list; a single value is a list of one.
    pub(super) fn items(&self, name: &str) -> Vec<Data> {
        match self.value(name) {
            Data::None => Vec::new(),
            Data::List(items) => items.to_vec(),
            single => vec![single.clone()],
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        let text =
            |data: &Data| ids::text_of(data).ok_or_else(|| self.refuse(name, "must be a list of texts"));
        self.items(name).iter().map(text).collect()
    }

    /// Bytes, or the content of the file that is named.
    pub(super) fn bytes_or_file(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match self.value(name) {
            Data::Bytes(bytes) => Ok(bytes.to_vec()),
            Data::Text(path) => keys::read_file(path),
            other => match other.downcast::<crate::value::KeyRecord>() {
                Some(key) => Ok(key.file_bytes()),
                None => Err(self
                    .refuse(name, format!("must be bytes or the name of a file, found: {}", other.kind()))),
            },
        }
    }

    /// A time: a text in RFC 3339.
    pub(super) fn optional_time(&self, name: &str) -> Result<Option<prost_types::Timestamp>, Failure> {
        if matches!(self.value(name), Data::None) {
            return Ok(None);
        }
        let text = self.text(name)?;
        timestamp(&text).map(Some).map_err(|cause| self.refuse(name, cause))
    }

    /// A duration: `10.seconds`, or a number of seconds.
    pub(super) fn duration(&self, name: &str) -> Result<std::time::Duration, Failure> {
        let data = self.value(name);
        let millis = match data {
            Data::None => return Ok(self.node.caller.deadline),
            Data::Int(seconds) => seconds.checked_mul(1000),
            other => other.downcast::<Record>().and_then(|record| match record.field("millis") {
                Some(Data::Int(millis)) => Some(*millis),
                _ => None,
            }),
        };
        millis
            .and_then(|millis| u64::try_from(millis).ok())
            .map(std::time::Duration::from_millis)
            .ok_or_else(|| self.refuse(name, "must be a duration, such as `10.seconds`"))
    }
}

/// A time from its text.
pub(super) fn timestamp(text: &str) -> Result<prost_types::Timestamp, String> {
    let time: jiff::Timestamp =
        text.parse().map_err(|error: jiff::Error| format!("is not a time: {error}"))?;
    Ok(prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
}

/// The text of a time.
pub(super) fn time_data(time: Option<prost_types::Timestamp>) -> Data {
    time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok())
        .map_or(Data::None, |time| Data::text(time.to_string()))
}
