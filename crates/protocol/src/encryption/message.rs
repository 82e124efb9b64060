//! An encrypted view, and the keys to it, each for one receiver.

use cantle_crypto::{
    DecryptError, EncryptError, EncryptionPublicKey, Hash, RandomnessError, Signature, SymmetricKeyScheme,
};
use cantle_proto::protocol::{v1, v2};
use cantle_types::{DomainId, Fingerprint, ProtocolVersion};
use thiserror::Error;

use super::secret::{SessionKey, SessionKeyRandomness, ViewSeed};
use crate::error::ParseError;
use crate::root_hash::ViewType;
use crate::sequencing::{BatchError, gunzip, gzip};
use crate::tree::LightTransactionViewTree;
use crate::wire::field;

const MESSAGE: &str = "EncryptedViewMessage";
/// How many receivers a view may have.
const RECEIVERS_MAX: usize = 10_000;

/// A view that cannot be encrypted or decrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ViewEncryptionError {
    /// A view without receivers.
    #[error("the view has no receivers")]
    NoReceivers,
    /// There is no randomness to be had.
    #[error("the view cannot be encrypted")]
    Randomness(#[from] RandomnessError),
    /// It cannot be encrypted to a receiver.
    #[error("the view cannot be encrypted")]
    Encrypt(#[from] EncryptError),
    /// It was not encrypted under this key, or changed.
    #[error("the view {view_hash} cannot be decrypted")]
    Decrypt {
        /// The hash that the message states.
        view_hash: Hash,
        /// Why.
        #[source]
        source: DecryptError,
    },
    /// What was decrypted cannot be decompressed, or is too large.
    #[error("the view {view_hash} cannot be decompressed")]
    Decompress {
        /// The hash that the message states.
        view_hash: Hash,
        /// Why.
        #[source]
        source: Box<BatchError>,
    },
    /// What was decrypted is not a light tree.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The tree is that of another view.
    #[error("the message says that it holds the view {stated}, it holds {found}")]
    WrongView {
        /// The hash that the message states.
        stated: Hash,
        /// The hash of the view.
        found: Hash,
    },
    /// The tree is one of another domain.
    #[error("the view {view_hash} is one of another domain than its message")]
    WrongDomain {
        /// The hash of the view.
        view_hash: Hash,
    },
    /// A session key where the protocol version has none.
    #[error("at this protocol version views have no session keys")]
    NoSessionKey,
}

/// A secret, encrypted to one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RandomnessLookup {
    /// The key.
    pub fingerprint: Fingerprint,
    /// The encrypted secret. A receiver that keeps decrypted session keys keeps them under these bytes.
    pub ciphertext: Vec<u8>,
}

impl RandomnessLookup {
    pub(super) fn encrypt_to_all(
        secret: &[u8],
        receivers: &[EncryptionPublicKey],
    ) -> Result<Vec<Self>, ViewEncryptionError> {
        if receivers.is_empty() {
            return Err(ViewEncryptionError::NoReceivers);
        }
        let lookups = receivers
            .iter()
            .map(|key| Ok(Self { fingerprint: key.fingerprint().clone(), ciphertext: key.encrypt(secret)? }));
        lookups.collect()
    }
}

/// How the receivers get to the seed of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewKeys {
    /// Protocol version 5: the seed, encrypted to each receiver.
    Seed(Vec<RandomnessLookup>),
    /// Protocol version 7: the seed, encrypted under a session key, and that to each receiver.
    SessionKey {
        /// The encrypted seed.
        encrypted_seed: Vec<u8>,
        /// The randomness of the session key, encrypted to each receiver; at least one.
        lookups: Vec<RandomnessLookup>,
    },
}

/// An encrypted view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedViewMessage {
    view_tree: Vec<u8>,
    submitter_signature: Option<Signature>,
    view_hash: Hash,
    keys: ViewKeys,
    domain_id: DomainId,
    view_type: ViewType,
}

impl EncryptedViewMessage {
    /// Encrypts a view as protocol version 5 does.
    ///
    /// `signature` is that of the submitting participant over the bare root hash; only root views carry it.
    ///
    /// # Errors
    /// When there is no receiver, or it cannot be encrypted to one.
    pub fn with_seed(
        tree: &LightTransactionViewTree,
        seed: &ViewSeed,
        receivers: &[EncryptionPublicKey],
        signature: Option<Signature>,
    ) -> Result<Self, ViewEncryptionError> {
        let keys = ViewKeys::Seed(RandomnessLookup::encrypt_to_all(seed.as_bytes(), receivers)?);
        Self::with_keys(tree, seed, keys, signature)
    }

    /// Encrypts a view as protocol version 7 does, to the receivers of the session key.
    ///
    /// `signature` is that of the submitting participant over the bare root hash; only root views carry it.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn with_session_key(
        tree: &LightTransactionViewTree,
        seed: &ViewSeed,
        session_key: &SessionKey,
        signature: Option<Signature>,
    ) -> Result<Self, ViewEncryptionError> {
        let encrypted_seed = session_key.randomness().key().encrypt(seed.as_bytes())?;
        let keys = ViewKeys::SessionKey { encrypted_seed, lookups: session_key.lookups().to_vec() };
        Self::with_keys(tree, seed, keys, signature)
    }

    fn with_keys(
        tree: &LightTransactionViewTree,
        seed: &ViewSeed,
        keys: ViewKeys,
        submitter_signature: Option<Signature>,
    ) -> Result<Self, ViewEncryptionError> {
        Ok(Self {
            view_tree: seed.view_key().encrypt(&gzip(&tree.to_bytes()))?,
            submitter_signature,
            view_hash: tree.view_hash(),
            keys,
            domain_id: tree.common_metadata().domain_id().clone(),
            view_type: ViewType::Transaction,
        })
    }

    /// The hash of the view, as the sender states it.
    #[must_use]
    pub fn view_hash(&self) -> Hash {
        self.view_hash
    }

    /// The signature of the submitting participant over the bare root hash of the transaction; of root views.
    #[must_use]
    pub fn submitter_signature(&self) -> Option<&Signature> {
        self.submitter_signature.as_ref()
    }

    /// How the receivers get to the seed.
    #[must_use]
    pub fn keys(&self) -> &ViewKeys {
        &self.keys
    }

    /// On which domain.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }

    /// What the request is about.
    #[must_use]
    pub fn view_type(&self) -> ViewType {
        self.view_type
    }

    /// What is encrypted to one of our keys: the seed at protocol version 5, the session key at 7.
    #[must_use]
    pub fn lookup(&self, is_ours: impl Fn(&Fingerprint) -> bool) -> Option<&RandomnessLookup> {
        let lookups = match &self.keys {
            ViewKeys::Seed(lookups) | ViewKeys::SessionKey { lookups, .. } => lookups,
        };
        lookups.iter().find(|lookup| is_ours(&lookup.fingerprint))
    }

    /// The seed of the view, from what was encrypted to one of our keys and has been decrypted.
    ///
    /// # Errors
    /// When it is not a seed, or not the session key that the seed is encrypted under.
    pub fn seed(&self, decrypted: &[u8]) -> Result<ViewSeed, ViewEncryptionError> {
        match &self.keys {
            ViewKeys::Seed(_) => Ok(ViewSeed::from_bytes(decrypted)?),
            ViewKeys::SessionKey { .. } => self.seed_under(&SessionKeyRandomness::from_bytes(decrypted)?),
        }
    }

    /// The seed of the view, from a session key that was kept.
    ///
    /// # Errors
    /// When it is not the session key that the seed is encrypted under, or there is none.
    pub fn seed_under(&self, session_key: &SessionKeyRandomness) -> Result<ViewSeed, ViewEncryptionError> {
        let ViewKeys::SessionKey { encrypted_seed, .. } = &self.keys else {
            return Err(ViewEncryptionError::NoSessionKey);
        };
        let seed = session_key.key().decrypt(encrypted_seed);
        Ok(ViewSeed::from_bytes(&seed.map_err(|source| self.undecryptable(source))?)?)
    }

    /// Decrypts the view, if it has at most `limit` bytes when it is decompressed.
    ///
    /// # Errors
    /// When the seed is not that of the view, or what was encrypted is not the view that the message states.
    pub fn decrypt(
        &self,
        seed: &ViewSeed,
        version: ProtocolVersion,
        limit: usize,
    ) -> Result<LightTransactionViewTree, ViewEncryptionError> {
        let view_hash = self.view_hash;
        let compressed =
            seed.view_key().decrypt(&self.view_tree).map_err(|source| self.undecryptable(source))?;
        let bytes = gunzip(&compressed, limit)
            .map_err(|source| ViewEncryptionError::Decompress { view_hash, source: Box::new(source) })?;
        let tree = LightTransactionViewTree::from_bytes(bytes, version)?;
        if tree.view_hash() != view_hash {
            return Err(ViewEncryptionError::WrongView { stated: view_hash, found: tree.view_hash() });
        }
        if tree.common_metadata().domain_id() != &self.domain_id {
            return Err(ViewEncryptionError::WrongDomain { view_hash });
        }
        Ok(tree)
    }

    fn undecryptable(&self, source: DecryptError) -> ViewEncryptionError {
        ViewEncryptionError::Decrypt { view_hash: self.view_hash, source }
    }

    pub(crate) fn to_proto_v1(&self, lookups: &[RandomnessLookup]) -> v1::EncryptedViewMessage {
        let randomness = lookups.iter().map(|lookup| v1::ParticipantRandomnessLookup {
            randomness: lookup.ciphertext.clone(),
            fingerprint: lookup.fingerprint.to_string(),
        });
        v1::EncryptedViewMessage {
            view_tree: self.view_tree.clone(),
            encryption_scheme: SymmetricKeyScheme::Aes128Gcm.number(),
            submitter_participant_signature: self.submitter_signature.as_ref().map(Signature::to_proto),
            view_hash: self.view_hash.evidence().to_vec(),
            randomness: randomness.collect(),
            domain_id: self.domain_id.to_string(),
            view_type: self.view_type.to_proto().into(),
        }
    }

    pub(crate) fn to_proto_v2(
        &self,
        encrypted_seed: &[u8],
        lookups: &[RandomnessLookup],
    ) -> v2::EncryptedViewMessage {
        let session_keys = lookups.iter().map(|lookup| v2::SessionKeyLookup {
            session_key_randomness: lookup.ciphertext.clone(),
            fingerprint: lookup.fingerprint.to_string(),
        });
        v2::EncryptedViewMessage {
            view_tree: self.view_tree.clone(),
            encryption_scheme: SymmetricKeyScheme::Aes128Gcm.number(),
            submitter_participant_signature: self.submitter_signature.as_ref().map(Signature::to_proto),
            view_hash: self.view_hash.evidence().to_vec(),
            randomness: encrypted_seed.to_vec(),
            session_key_randomness: session_keys.collect(),
            domain_id: self.domain_id.to_string(),
            view_type: self.view_type.to_proto().into(),
        }
    }

    pub(crate) fn from_proto_v1(message: v1::EncryptedViewMessage) -> Result<Self, ParseError> {
        field(MESSAGE, "randomness").at_most(message.randomness.len(), RECEIVERS_MAX)?;
        let lookups = message.randomness.into_iter().map(|lookup| {
            let fingerprint =
                field("ParticipantRandomnessLookup", "fingerprint").text(&lookup.fingerprint)?;
            Ok(RandomnessLookup { fingerprint, ciphertext: lookup.randomness })
        });
        let keys = ViewKeys::Seed(lookups.collect::<Result<_, ParseError>>()?);
        let signature = message.submitter_participant_signature;
        let view = (message.view_tree, message.encryption_scheme, message.view_hash);
        Self::from_parts(view, signature, keys, &message.domain_id, message.view_type)
    }

    pub(crate) fn from_proto_v2(message: v2::EncryptedViewMessage) -> Result<Self, ParseError> {
        let lookups = message.session_key_randomness;
        field(MESSAGE, "session_key_randomness").at_most(lookups.len(), RECEIVERS_MAX)?;
        if lookups.is_empty() {
            return Err(field(MESSAGE, "session_key_randomness").missing());
        }
        let lookups = lookups.into_iter().map(|lookup| {
            let fingerprint = field("SessionKeyLookup", "fingerprint").text(&lookup.fingerprint)?;
            Ok(RandomnessLookup { fingerprint, ciphertext: lookup.session_key_randomness })
        });
        let lookups = lookups.collect::<Result<_, ParseError>>()?;
        let keys = ViewKeys::SessionKey { encrypted_seed: message.randomness, lookups };
        let signature = message.submitter_participant_signature;
        let view = (message.view_tree, message.encryption_scheme, message.view_hash);
        Self::from_parts(view, signature, keys, &message.domain_id, message.view_type)
    }

    fn from_parts(
        (view_tree, scheme, view_hash): (Vec<u8>, i32, Vec<u8>),
        signature: Option<cantle_proto::crypto::v0::Signature>,
        keys: ViewKeys,
        domain_id: &str,
        view_type: i32,
    ) -> Result<Self, ParseError> {
        SymmetricKeyScheme::from_number(scheme)
            .map_err(|_| field(MESSAGE, "encryption_scheme").number(scheme))?;
        let signature_field = field(MESSAGE, "submitter_participant_signature");
        Ok(Self {
            view_tree,
            submitter_signature: signature
                .map(|signature| signature_field.signature(Some(&signature)))
                .transpose()?,
            view_hash: field(MESSAGE, "view_hash").hash(&view_hash)?,
            keys,
            domain_id: field(MESSAGE, "domain_id").text(domain_id)?,
            view_type: ViewType::from_proto(MESSAGE, view_type)?,
        })
    }
}
