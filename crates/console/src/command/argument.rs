//! Arguments, read as what the admin API wants.

use std::sync::Arc;
use std::time::Duration;

use cantle_types::{Member, UniqueIdentifier};

use super::{Bound, Call, Group, Kinds};
use crate::failure::Failure;
use crate::node::{Caller, Node};
use crate::value::{Data, Record, duration, files, ids, time};

impl Bound<'_> {
    /// A text, or an identifier's text.
    pub(crate) fn text(&self, name: &str) -> Result<String, Failure> {
        let data = self.value(name);
        ids::text_of(data).ok_or_else(|| self.refuse(name, format!("must be a text, found: {}", data.kind())))
    }

    /// A text that may be `None`, which is the empty one.
    pub(crate) fn optional_text(&self, name: &str) -> Result<String, Failure> {
        if matches!(self.value(name), Data::None) { Ok(String::new()) } else { self.text(name) }
    }

    pub(crate) fn truth(&self, name: &str) -> Result<bool, Failure> {
        match self.value(name) {
            Data::Bool(value) => Ok(*value),
            other => Err(self.refuse(name, format!("must be true or false, found: {}", other.kind()))),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<i64, Failure> {
        match self.value(name) {
            Data::Int(value) => Ok(*value),
            other => Err(self.refuse(name, format!("must be a number, found: {}", other.kind()))),
        }
    }

    pub(crate) fn fingerprint(&self, name: &str) -> Result<String, Failure> {
        ids::checked_fingerprint(self.value(name)).map_err(|failure| self.refuse(name, failure.to_string()))
    }

    /// A fingerprint that may be `None`, which is the empty text.
    pub(crate) fn optional_fingerprint(&self, name: &str) -> Result<String, Failure> {
        if matches!(self.value(name), Data::None) { Ok(String::new()) } else { self.fingerprint(name) }
    }

    pub(crate) fn uid(&self, name: &str) -> Result<UniqueIdentifier, Failure> {
        ids::unique_identifier(self.value(name)).map_err(|failure| self.refuse(name, failure.to_string()))
    }

    pub(crate) fn member(&self, name: &str) -> Result<Member, Failure> {
        ids::member(self.value(name)).map_err(|failure| self.refuse(name, failure.to_string()))
    }

    /// A constant of an enumeration, or its name as a text.
    pub(crate) fn constant(&self, name: &str, enumeration: &'static str) -> Result<&'static str, Failure> {
        self.constant_of(name, self.value(name), enumeration)
    }

    pub(crate) fn optional_constant(
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

    pub(crate) fn constant_of(
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
    pub(crate) fn items(&self, name: &str) -> Vec<Data> {
        match self.value(name) {
            Data::None => Vec::new(),
            Data::List(items) => items.to_vec(),
            single => vec![single.clone()],
        }
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        let text =
            |data: &Data| ids::text_of(data).ok_or_else(|| self.refuse(name, "must be a list of texts"));
        self.items(name).iter().map(text).collect()
    }

    /// Bytes, or the content of the file that is named.
    pub(crate) fn bytes_or_file(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match self.value(name) {
            Data::Bytes(bytes) => Ok(bytes.to_vec()),
            Data::Text(path) => files::read_file(path),
            other => match other.downcast::<crate::value::KeyRecord>() {
                Some(key) => Ok(key.file_bytes()),
                None => Err(self
                    .refuse(name, format!("must be bytes or the name of a file, found: {}", other.kind()))),
            },
        }
    }

    /// A time: a text in RFC 3339.
    pub(crate) fn optional_time(&self, name: &str) -> Result<Option<prost_types::Timestamp>, Failure> {
        if matches!(self.value(name), Data::None) {
            return Ok(None);
        }
        let text = self.text(name)?;
        time::from_text(&text).map(Some).map_err(|cause| self.refuse(name, cause))
    }

    /// A number that fits.
    pub(crate) fn small<T: TryFrom<i64>>(&self, name: &str) -> Result<T, Failure> {
        let number = self.number(name)?;
        T::try_from(number).map_err(|_| self.refuse(name, format!("is out of range: {number}")))
    }

    /// A duration: `10.seconds`, or a number of seconds; left out it is as long as any command may take.
    pub(crate) fn duration_within(&self, name: &str, caller: &Caller) -> Result<Duration, Failure> {
        match self.value(name) {
            Data::None => Ok(caller.deadline()),
            data if duration::is_bounded(data) => Ok(caller.deadline()),
            data if duration::is_ping(data) => Ok(caller.ping),
            data => {
                let nanos = duration::nanos_of(data).and_then(|nanos| u64::try_from(nanos).ok());
                nanos
                    .map(Duration::from_nanos)
                    .ok_or_else(|| self.refuse(name, "must be a duration, such as `10.seconds`"))
            }
        }
    }

    /// A node of one of the kinds.
    pub(crate) fn node(&self, name: &str, kinds: Kinds) -> Result<Arc<Node>, Failure> {
        self.node_in(name, self.value(name), kinds)
    }

    /// Nodes of one of the kinds.
    pub(crate) fn nodes(&self, name: &str, kinds: Kinds) -> Result<Vec<Arc<Node>>, Failure> {
        self.items(name).iter().map(|data| self.node_in(name, data, kinds)).collect()
    }

    pub(crate) fn node_in(&self, name: &str, data: &Data, kinds: Kinds) -> Result<Arc<Node>, Failure> {
        let node = node_of(data);
        let node = node.filter(|node| kinds.contains(node.kind));
        node.ok_or_else(|| {
            self.refuse(name, format!("must name nodes among the {}, found: {}", kinds.names(), data.kind()))
        })
    }
}

/// The node that a value is.
pub(crate) fn node_of(data: &Data) -> Option<Arc<Node>> {
    data.downcast::<Group>().and_then(Group::as_node).map(Arc::clone)
}

impl Call<'_> {
    /// A duration; see [`Bound::duration_within`].
    pub(crate) fn duration(&self, name: &str) -> Result<Duration, Failure> {
        self.duration_within(name, &self.node.caller)
    }

    /// How long to wait for something to spread; `None` is not to wait.
    pub(crate) fn wait_for(&self, name: &str) -> Result<Option<Duration>, Failure> {
        match self.value(name) {
            Data::None => Ok(None),
            _ => self.duration(name).map(Some),
        }
    }
}
