//! The state that a further sequencer begins with, as scripts carry it: `SequencerSnapshot`.

use cantle_proto::domain::admin::v0 as wire;
use prost::Message;

use super::files::{read_function, write_function};
use super::time::time_data;
use super::{Data, Function, Instance};
use crate::failure::Failure;

/// A sequencer's state at a time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot(wire::SequencerSnapshot);

impl Snapshot {
    pub(crate) fn new(snapshot: wire::SequencerSnapshot) -> Self {
        Self(snapshot)
    }

    pub(crate) fn wire(&self) -> wire::SequencerSnapshot {
        self.0.clone()
    }

    fn file_bytes(&self) -> Vec<u8> {
        cantle_proto::versioned::wrap(&self.0.encode_to_vec(), 0)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Data, Failure> {
        Self::read(bytes).map(|snapshot| Data::object(Self(snapshot)))
    }

    /// The snapshot in a versioned wrapper.
    pub(crate) fn read(bytes: &[u8]) -> Result<wire::SequencerSnapshot, Failure> {
        let unreadable = || Failure::value("these bytes are no snapshot of a sequencer");
        let (inner, version) = cantle_proto::versioned::unwrap(bytes).map_err(|_| unreadable())?;
        let snapshot = wire::SequencerSnapshot::decode(inner.as_slice()).map_err(|_| unreadable())?;
        if version != 0 || snapshot.latest_timestamp.is_none() {
            return Err(unreadable());
        }
        Ok(snapshot)
    }
}

impl Instance for Snapshot {
    fn kind(&self) -> String {
        "SequencerSnapshot".to_owned()
    }

    fn text(&self) -> String {
        format!(
            "SequencerSnapshot(lastTs = {}, members = {})",
            super::record::shown(&time_data(self.0.latest_timestamp)),
            self.0.head_member_counters.len()
        )
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        Ok(match name {
            "lastTs" => Some(time_data(self.0.latest_timestamp)),
            "writeToFile" => Some(Data::object(write_function(self.file_bytes().into()))),
            "toByteString" => Some(Data::bytes(self.file_bytes())),
            _ => None,
        })
    }

    fn attr_names(&self) -> Vec<String> {
        ["lastTs", "writeToFile", "toByteString"].map(str::to_owned).to_vec()
    }

    fn identity(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// `SequencerSnapshot`.
pub(crate) fn companion() -> (&'static str, Data) {
    let holder = Function::holder("SequencerSnapshot")
        .with("tryReadFromFile", read_function("SequencerSnapshot", Snapshot::from_bytes));
    ("SequencerSnapshot", Data::object(holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_written_and_read_back() {
        let snapshot = Snapshot(wire::SequencerSnapshot {
            latest_timestamp: Some(prost_types::Timestamp { seconds: 1, nanos: 2_000 }),
            head_member_counters: [("MED::d::1220aa".to_owned(), 3)].into(),
            ..wire::SequencerSnapshot::default()
        });
        let read = Snapshot::from_bytes(&snapshot.file_bytes()).unwrap();
        assert_eq!(read.downcast::<Snapshot>(), Some(&snapshot));
        assert!(Snapshot::from_bytes(b"\x0a\x00").is_err());
    }
}
