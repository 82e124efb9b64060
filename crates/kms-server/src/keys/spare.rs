//! One RSA_2048 key pair made ahead, so that `CreateKey` need not wait for primes.
//!
//! The spare is taken at most once and replaced in the background; without one, the caller makes its own.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{
    material::{MaterialError, SecretBytes, generate},
    spec::KeySpec,
};

/// The spare key pair.
#[derive(Debug, Default, Clone)]
pub(crate) struct Spare {
    slot: Arc<Mutex<Slot>>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Filling,
    Full(SecretBytes),
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "Empty",
            Self::Filling => "Filling",
            Self::Full(_) => "Full([REDACTED])",
        })
    }
}

impl Spare {
    /// Starts making a spare if there is none.
    pub(crate) fn refill(&self) {
        let mut slot = self.slot.lock();
        if !matches!(*slot, Slot::Empty) {
            return;
        }
        let target = Arc::clone(&self.slot);
        let spawned = std::thread::Builder::new().name("kms-server-spare-key".to_owned()).spawn(move || {
            let made = generate(KeySpec::Rsa2048);
            *target.lock() = made.map_or(Slot::Empty, Slot::Full);
        });
        if spawned.is_ok() {
            *slot = Slot::Filling;
        }
    }

    /// Material of that spec: the spare if it fits, else made now.
    pub(crate) fn take_or_generate(&self, spec: KeySpec) -> Result<SecretBytes, MaterialError> {
        if spec != KeySpec::Rsa2048 {
            return generate(spec);
        }
        let taken = {
            let mut slot = self.slot.lock();
            match std::mem::take(&mut *slot) {
                Slot::Full(secret) => Some(secret),
                other => {
                    *slot = other;
                    None
                }
            }
        };
        let secret = taken.map_or_else(|| generate(spec), Ok);
        self.refill();
        secret
    }
}
