//! Lists of signed transactions with the times of their validity: the file of a topology snapshot.
//!
//! The file is a wrapped `TopologyTransactions` message, as written by `topology.all.list(…).writeToFile`.

use cantle_proto::protocol::v0;
use cantle_proto::versioned;
use jiff::Timestamp;
use prost::Message;

use crate::error::ParseError;
use crate::signed::SignedTopologyTransaction;
use crate::wire::{decode, unwrap};

const MESSAGE: &str = "TopologyTransactions";
const VERSION: i32 = 0;

/// A signed transaction and when it was valid: from `valid_from` on, until and with `valid_until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTransaction {
    /// When it was sequenced, or added.
    pub sequenced: Timestamp,
    /// From when on it is valid.
    pub valid_from: Timestamp,
    /// Until when; nothing while it is valid.
    pub valid_until: Option<Timestamp>,
    /// The transaction.
    pub transaction: SignedTopologyTransaction,
}

impl StoredTransaction {
    /// The item of the message.
    #[must_use]
    pub fn to_proto(&self) -> v0::topology_transactions::Item {
        v0::topology_transactions::Item {
            sequenced: Some(to_proto(self.sequenced)),
            valid_from: Some(to_proto(self.valid_from)),
            valid_until: self.valid_until.map(to_proto),
            transaction: self.transaction.to_bytes(),
        }
    }

    /// Reads an item of the message; one without the time of sequencing was sequenced when it became valid.
    ///
    /// # Errors
    /// When a time is missing or out of range, or the transaction cannot be read.
    pub fn from_proto(item: &v0::topology_transactions::Item) -> Result<Self, ParseError> {
        let valid_from = item.valid_from.as_ref();
        let valid_from = valid_from.ok_or(ParseError::Missing { message: MESSAGE, field: "valid_from" })?;
        let valid_from = from_proto("valid_from", valid_from)?;
        let sequenced = item.sequenced.as_ref().map(|time| from_proto("sequenced", time)).transpose()?;
        Ok(Self {
            sequenced: sequenced.unwrap_or(valid_from),
            valid_from,
            valid_until: item.valid_until.as_ref().map(|time| from_proto("valid_until", time)).transpose()?,
            transaction: SignedTopologyTransaction::from_bytes(&item.transaction)?,
        })
    }
}

/// A list of signed transactions, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopologySnapshot {
    /// The transactions.
    pub items: Vec<StoredTransaction>,
}

impl TopologySnapshot {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::TopologyTransactions {
        v0::TopologyTransactions { items: self.items.iter().map(StoredTransaction::to_proto).collect() }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When an item cannot be read.
    pub fn from_proto(message: &v0::TopologyTransactions) -> Result<Self, ParseError> {
        let items = message.items.iter().map(StoredTransaction::from_proto).collect::<Result<_, _>>()?;
        Ok(Self { items })
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        versioned::wrap(&self.to_proto().encode_to_vec(), VERSION)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// When they are not a snapshot, or an item cannot be read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        let (data, version) = unwrap(MESSAGE, bytes)?;
        if version != VERSION {
            return Err(ParseError::Version { message: MESSAGE, version });
        }
        Self::from_proto(&decode(MESSAGE, &data)?)
    }
}

fn to_proto(time: Timestamp) -> prost_types::Timestamp {
    const NANOS: i128 = 1_000_000_000;
    let nanos = time.as_nanosecond();
    // Euclidean, so that the part of a second is never negative; both are within bounds for every time.
    prost_types::Timestamp {
        seconds: i64::try_from(nanos.div_euclid(NANOS)).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos.rem_euclid(NANOS)).unwrap_or(0),
    }
}

fn from_proto(field: &'static str, time: &prost_types::Timestamp) -> Result<Timestamp, ParseError> {
    Timestamp::new(time.seconds, time.nanos).map_err(|_| ParseError::Time { field })
}
