//! A confirmation request as it comes out of an event: root hash messages and encrypted views, then decrypted ones.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cantle_crypto::{Hash, Signature};
use cantle_protocol::{
    EncryptedViewMessage, ExpiringCache, FullView, LightTransactionViewTree, Recipients, RootHashMessage,
    SessionKeyRandomness, ViewEncryptionError, ViewKeys, reconstruct,
};
use cantle_sequencing::SyncCrypto;
use cantle_topology::TopologyView;
use cantle_types::{Fingerprint, KeyPurpose, ProtocolVersion};
use cantle_vault::{DecryptError, KeyFilter};
use thiserror::Error;

/// The largest view, decompressed.
const VIEW_LIMIT: usize = 16 * 1024 * 1024;

/// What an event holds of a request.
#[derive(Debug, Default)]
pub(crate) struct RawRequest {
    pub(crate) roots: Vec<(RootHashMessage, Recipients)>,
    pub(crate) views: Vec<EncryptedViewMessage>,
}

/// A request whose views were decrypted as far as they could be.
#[derive(Debug)]
pub(crate) struct OpenedRequest {
    pub(crate) roots: Vec<(RootHashMessage, Recipients)>,
    /// Whole views, with the submitter's signature of the root views.
    pub(crate) views: Vec<(FullView, Option<Signature>)>,
    /// What could not be decrypted, read or put together.
    pub(crate) unreadable: Vec<ViewError>,
}

/// A view that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ViewError {
    /// It is not encrypted to any key of this participant.
    #[error("view {view} is not encrypted to a key of this participant")]
    NotForUs {
        /// Its hash.
        view: Hash,
    },
    /// The KMS, or the store, could not decrypt now.
    #[error("view {view} cannot be decrypted with key {key}")]
    Key {
        /// Its hash.
        view: Hash,
        /// The key.
        key: Fingerprint,
        /// Why.
        #[source]
        source: DecryptError,
    },
    /// It is not what it says.
    #[error("view {view} cannot be read")]
    View {
        /// Its hash.
        view: Hash,
        /// Why.
        #[source]
        source: ViewEncryptionError,
    },
    /// Views below it are missing.
    #[error("the views below view {view} are missing")]
    Incomplete {
        /// Its hash.
        view: Hash,
    },
    /// It came more than once.
    #[error("view {view} came more than once")]
    Duplicate {
        /// Its hash.
        view: Hash,
    },
}

impl ViewError {
    /// Whether the sender is to blame.
    pub(crate) fn is_malformed(&self) -> bool {
        !matches!(self, Self::Key { source, .. } if !matches!(source, DecryptError::Ciphertext { .. } | DecryptError::Length { .. }))
    }
}

/// Decrypts the views of one participant's requests.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) crypto: SyncCrypto,
    pub(crate) version: ProtocolVersion,
    /// Session keys that were decrypted, by their ciphertexts.
    pub(crate) session_keys: Option<ExpiringCache<Vec<u8>, SessionKeyRandomness>>,
}

impl Opener {
    /// Decrypts all views of a request side by side. One KMS request a view at protocol version 5, and one a new session
    /// key at 7.
    pub(crate) async fn open(self: Arc<Self>, request: RawRequest, topology: TopologyView) -> OpenedRequest {
        let opened = request.views.iter().map(|view| self.open_view(view, &topology));
        let opened = futures::future::join_all(opened).await;
        let mut unreadable = Vec::new();
        let mut lights = Vec::new();
        let mut signatures = HashMap::new();
        for (message, opened) in request.views.into_iter().zip(opened) {
            match opened {
                Ok(light) => {
                    signatures.insert(light.view_hash(), message.submitter_signature().cloned());
                    lights.push(light);
                }
                Err(error) => unreadable.push(error),
            }
        }
        let whole = reconstruct(lights);
        unreadable.extend(whole.incomplete.into_iter().map(|view| ViewError::Incomplete { view }));
        unreadable.extend(whole.duplicates.into_iter().map(|view| ViewError::Duplicate { view }));
        let signed = |view: FullView| {
            let signature = signatures.remove(&view.view().view_hash()).flatten();
            (view, signature)
        };
        OpenedRequest {
            roots: request.roots,
            views: whole.views.into_iter().map(signed).collect(),
            unreadable,
        }
    }

    async fn open_view(
        &self,
        message: &EncryptedViewMessage,
        topology: &TopologyView,
    ) -> Result<LightTransactionViewTree, ViewError> {
        let view = message.view_hash();
        let wrong = |source| ViewError::View { view, source };
        let lookups = match message.keys() {
            ViewKeys::Seed(lookups) | ViewKeys::SessionKey { lookups, .. } => lookups,
        };
        let fingerprints = || lookups.iter().map(|lookup| &lookup.fingerprint);
        let key = match self.crypto.own_encryption_key(topology, fingerprints()) {
            Some(key) => key.clone(),
            None => self.retired_key(fingerprints()).await.ok_or(ViewError::NotForUs { view })?,
        };
        let lookup = message.lookup(|fingerprint| *fingerprint == key).ok_or(ViewError::NotForUs { view })?;
        let kept = self.session_keys.as_ref().and_then(|cache| cache.get(&lookup.ciphertext));
        let seed = match kept {
            Some(session_key) => message.seed_under(&session_key).map_err(wrong)?,
            None => {
                let decrypted = self.crypto.decrypt(&lookup.ciphertext, &key).await;
                let decrypted =
                    decrypted.map_err(|source| ViewError::Key { view, key: key.clone(), source })?;
                if let (Some(cache), ViewKeys::SessionKey { .. }) = (&self.session_keys, message.keys())
                    && let Ok(session_key) = SessionKeyRandomness::from_bytes(&decrypted)
                {
                    cache.insert(lookup.ciphertext.clone(), session_key);
                }
                message.seed(&decrypted).map_err(wrong)?
            }
        };
        message.decrypt(&seed, self.version, VIEW_LIMIT).map_err(wrong)
    }

    /// A key that the topology does not give to this participant any more, while what was encrypted to it is under way.
    async fn retired_key<'a>(&self, keys: impl Iterator<Item = &'a Fingerprint>) -> Option<Fingerprint> {
        let own = self.crypto.vault().private_keys(&KeyFilter::purpose(KeyPurpose::Encryption)).await;
        let own: HashSet<Fingerprint> =
            own.ok()?.into_iter().map(|key| key.public.fingerprint().clone()).collect();
        keys.into_iter().find(|key| own.contains(*key)).cloned()
    }
}
