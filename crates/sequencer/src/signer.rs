//! Signing what was ordered: all events of a submission at once, and submissions side by side.
//!
//! A signature is made once, before the event is stored, and delivered with it ever after.

use std::sync::Arc;

use bytes::Bytes;
use cantle_crypto::{Hash, Signature};
use cantle_protocol::{SequencedEvent, SequencerCounter, Signable, SignedContent};
use cantle_store::SequencerEvent;
use cantle_types::{DomainId, Member};
use cantle_vault::{KeyUseError, SignError, Vault};
use futures::future::try_join_all;

use crate::order::{Unit, Unsigned};
use crate::topology::Moment;

/// Why an event has no signature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventSignError {
    /// None of the keys that the topology gives the sequencer is here.
    #[error(
        "none of the {known} signing keys that the domain's topology gives {sequencer} is with this node"
    )]
    NoKey { sequencer: Member, known: usize },
    /// The key could not be used.
    #[error("{sequencer} could not sign an event")]
    Sign {
        sequencer: Member,
        #[source]
        source: SignError,
    },
}

/// Who signs events.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) domain: DomainId,
    pub(crate) sequencer: Member,
    pub(crate) vault: Vault,
}

/// An event and whose it is.
pub(crate) type Signed = (Member, Arc<SequencerEvent>);

impl Signer {
    /// Signs the events of a submission.
    pub(crate) async fn sign_unit(&self, unit: &mut Unit) -> Result<Vec<Signed>, EventSignError> {
        let events = std::mem::take(&mut unit.events);
        let unit = &*unit;
        match <[Unsigned; 1]>::try_from(events) {
            Ok([event]) => Ok(vec![self.sign_event(unit, event).await?]),
            Err(events) => try_join_all(events.into_iter().map(|event| self.sign_event(unit, event))).await,
        }
    }

    /// Whether a key of the sequencer in a topology is with this node.
    pub(crate) async fn has_key(&self, moment: &Moment) -> bool {
        for key in moment.signing_keys(&self.sequencer).iter() {
            if matches!(self.vault.private_key(key.fingerprint()).await, Ok(Some(_))) {
                return true;
            }
        }
        false
    }

    async fn sign_event(&self, unit: &Unit, event: Unsigned) -> Result<Signed, EventSignError> {
        let Unsigned { member, number, counter, content } = event;
        // A counter is counted up from 0.
        let place = SequencerCounter::new(counter).unwrap_or(SequencerCounter::GENESIS);
        let event = SequencedEvent::new(place, unit.time, self.domain.clone(), content);
        let signature = self.sign(&unit.signing, &event.hash()).await?;
        let signed = SignedContent::assemble(event, signature, unit.timestamp_of_signing_key);
        let stored = SequencerEvent {
            member: number,
            counter,
            sequenced: unit.time.to_timestamp(),
            signed: Bytes::from_owner(signed.shared_bytes()),
            traceparent: unit.trace.child().ok().and_then(|trace| trace.traceparent()),
        };
        Ok((member, Arc::new(stored)))
    }

    /// Signs with the last of the sequencer's keys that is here.
    async fn sign(&self, moment: &Moment, hash: &Hash) -> Result<Signature, EventSignError> {
        let keys = moment.signing_keys(&self.sequencer);
        for key in keys.iter().rev() {
            match self.vault.sign(hash, key.fingerprint()).await {
                Err(SignError::Key(KeyUseError::Unknown { .. })) => {}
                signed => {
                    return signed.map_err(|source| EventSignError::Sign {
                        sequencer: self.sequencer.clone(),
                        source,
                    });
                }
            }
        }
        Err(EventSignError::NoKey { sequencer: self.sequencer.clone(), known: keys.len() })
    }
}
