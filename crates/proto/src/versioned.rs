//! The wrapper that says which version of a message its bytes hold.
//!
//! It is `{ data = 1: bytes, version = 2: int32 }`, where the data are always written, even when empty, and the
//! version only when it is not 0. The wrapper knows nothing of the message inside; whoever unwraps decides which
//! versions it can read. Wrapping what [`unwrap`] gave restores the bytes, if they were written canonically;
//! signatures and hashes therefore keep the bytes that were received.

use prost::Message;
use prost::bytes::Bytes;

/// Why bytes are not a versioned message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VersionedError {
    /// The bytes are not a protobuf message of the wrapper's shape.
    #[error("not a versioned message")]
    Malformed(#[source] prost::DecodeError),
    /// The wrapper holds no data.
    #[error("a versioned message without data")]
    MissingData,
}

/// The wrapper itself; optional bytes are written whenever they are set, as those of a oneof are.
#[derive(Clone, PartialEq, Eq, Message)]
struct Wrapper {
    #[prost(bytes = "vec", optional, tag = "1")]
    data: Option<Vec<u8>>,
    #[prost(int32, tag = "2")]
    version: i32,
}

/// Wraps the bytes of a message of the given proto version.
#[must_use]
pub fn wrap(data: &[u8], version: i32) -> Vec<u8> {
    Wrapper { data: Some(data.to_vec()), version }.encode_to_vec()
}

/// The wrapper around bytes that are shared.
#[derive(Clone, PartialEq, Eq, Message)]
struct SharedWrapper {
    #[prost(bytes = "bytes", optional, tag = "1")]
    data: Option<Bytes>,
    #[prost(int32, tag = "2")]
    version: i32,
}

/// As [`unwrap`], without a copy: the message's bytes are a part of the given ones.
///
/// # Errors
/// When the bytes are not a wrapper, or one without data.
pub fn unwrap_shared(bytes: Bytes) -> Result<(Bytes, i32), VersionedError> {
    let SharedWrapper { data, version } = SharedWrapper::decode(bytes).map_err(VersionedError::Malformed)?;
    Ok((data.ok_or(VersionedError::MissingData)?, version))
}

/// Takes the message's bytes and its proto version out of the wrapper.
///
/// # Errors
/// When the bytes are not a wrapper, or one without data.
pub fn unwrap(bytes: &[u8]) -> Result<(Vec<u8>, i32), VersionedError> {
    let Wrapper { data, version } = Wrapper::decode(bytes).map_err(VersionedError::Malformed)?;
    Ok((data.ok_or(VersionedError::MissingData)?, version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn version_zero_is_not_written() {
        assert_eq!(wrap(&[1, 2, 3], 0), [0x0a, 3, 1, 2, 3]);
    }

    #[test]
    fn version_follows_the_data() {
        assert_eq!(wrap(&[9], 3), [0x0a, 1, 9, 0x10, 3]);
    }

    #[test]
    fn empty_data_are_written() {
        assert_eq!(wrap(&[], 1), [0x0a, 0, 0x10, 1]);
        let (data, version) = unwrap(&[0x0a, 0, 0x10, 1]).unwrap();
        assert!(data.is_empty());
        assert_eq!(version, 1);
    }

    #[test]
    fn wrapper_without_data_is_refused() {
        assert!(matches!(unwrap(&[]), Err(VersionedError::MissingData)));
        assert!(matches!(unwrap(&[0x10, 1]), Err(VersionedError::MissingData)));
    }

    #[test]
    fn truncated_wrapper_is_refused() {
        assert!(matches!(unwrap(&[0x0a, 5, 1]), Err(VersionedError::Malformed(_))));
    }

    #[test]
    fn data_of_another_type_are_refused() {
        assert!(matches!(unwrap(&[0x08, 1]), Err(VersionedError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn unwrap_reverses_wrap(data: Vec<u8>, version: i32) {
            prop_assert_eq!(unwrap(&wrap(&data, version)).unwrap(), (data, version));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let shared = unwrap_shared(Bytes::from(bytes.clone())).ok();
            let copied = unwrap(&bytes).ok();
            prop_assert_eq!(shared.map(|(data, version)| (data.to_vec(), version)), copied.clone());
            if let Some((data, version)) = copied {
                prop_assert_eq!(unwrap(&wrap(&data, version)).unwrap(), (data, version));
            }
        }
    }
}
