//! Parsed keys in memory, a bounded number of them.
//!
//! Material never changes under its number, so an entry is never stale; when the cache is full, a part of it is
//! dropped and parsed again on demand.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::{
    material::{MaterialError, Parsed, parse},
    spec::KeySpec,
};

const CAPACITY: usize = 8192;

/// Parsed keys by the number of their material.
#[derive(Debug, Default)]
pub(crate) struct ParsedKeys {
    entries: RwLock<HashMap<u64, Arc<Parsed>>>,
}

impl ParsedKeys {
    /// The parsed key of a material; `secret` is asked for only if it is not here.
    pub(crate) fn parsed(
        &self,
        number: u64,
        spec: KeySpec,
        secret: impl FnOnce() -> Option<super::material::SecretBytes>,
    ) -> Result<Arc<Parsed>, MaterialError> {
        if let Some(found) = self.entries.read().get(&number) {
            return Ok(Arc::clone(found));
        }
        let secret = secret().ok_or(MaterialError::Parse(spec))?;
        let parsed = Arc::new(parse(spec, &secret)?);
        let mut entries = self.entries.write();
        if entries.len() >= CAPACITY {
            let mut index = 0_u32;
            entries.retain(|_, _| {
                index += 1;
                !index.is_multiple_of(4)
            });
        }
        entries.insert(number, Arc::clone(&parsed));
        Ok(parsed)
    }

    /// Puts another key in the place of a material's: how tests bring keys whose private half nobody has.
    #[cfg(test)]
    pub(crate) fn put(&self, number: u64, parsed: Parsed) {
        self.entries.write().insert(number, Arc::new(parsed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::material::random_bytes;

    #[test]
    fn a_key_is_parsed_once_and_the_cache_stays_bounded() {
        let keys = ParsedKeys::default();
        let first = keys.parsed(1, KeySpec::Hmac256, || random_bytes(32)).unwrap();
        let again = keys.parsed(1, KeySpec::Hmac256, || None).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        for number in 0..20_000 {
            keys.parsed(number, KeySpec::Hmac256, || random_bytes(32)).unwrap();
        }
        assert!(keys.entries.read().len() <= CAPACITY);
        assert!(keys.parsed(1 << 40, KeySpec::Hmac256, || None).is_err());
    }
}
