//! Topology transactions that are signed away from the node: on a machine without a network, or in another account.
//!
//! One is prepared as the bytes that are hashed ([`OfflineMapping::prepare`]), said in words ([`Words`]), signed by a key that
//! no node has ([`OfflineKey`]), and put together with its signature ([`Prepared::assemble`]): then it is a signed topology transaction
//! in Canton's bytes, which the node loads. Reading arguments, asking and printing are the command's business.
//! Invariant: what is assembled verifies with the key that goes with it.

mod error;
mod files;
mod words;

use std::path::Path;

use cantle_config::{Config, KmsConfig};
use cantle_crypto::{KeyPair, PublicKey, Signature, SigningPrivateKey, SigningPublicKey};
use cantle_kms::KmsKeyId;
use cantle_topology::{
    IdentifierDelegation, MediatorDomainState, NamespaceDelegation, OwnerToKeyMapping, ParticipantPermission,
    ParticipantState, PartyToParticipant, RequestSide, SignedTopologyTransaction, TopologyMapping,
    TopologyTransaction, TrustLevel,
};
use cantle_types::{
    DomainId, Fingerprint, Member, Namespace, ParticipantId, PartyId, ProtocolVersion, UniqueIdentifier,
};
use cantle_vault::DetachedKmsKey;

use crate::inspect::named;
use crate::kms;
use crate::migrate::read_export;
pub use error::OfflineError;
pub use files::{check_new, read_public_key, read_signature, write_new};
pub use words::Words;

/// How an export file of `cantle migrate to-kms` begins.
const ENCRYPTED: &[u8] = b"age-encryption.org/";

/// What a new topology transaction says. The fields are those of the mapping.
#[derive(Debug, Clone)]
pub enum OfflineMapping {
    /// A key may act for a namespace; with its own key, the namespace's root certificate.
    NamespaceDelegation {
        /// The namespace.
        namespace: Namespace,
        /// The key.
        key: SigningPublicKey,
        /// Whether the key may delegate further.
        root_delegation: bool,
    },
    /// A key may act for one identifier.
    IdentifierDelegation {
        /// The identifier.
        identifier: UniqueIdentifier,
        /// The key.
        key: SigningPublicKey,
    },
    /// A member has a key.
    OwnerToKey {
        /// The member.
        owner: Member,
        /// The key.
        key: PublicKey,
    },
    /// A participant hosts a party.
    PartyToParticipant {
        /// Who agrees.
        side: RequestSide,
        /// The party.
        party: PartyId,
        /// The participant.
        participant: ParticipantId,
        /// What it may do for the party.
        permission: ParticipantPermission,
    },
    /// A participant is on a domain.
    ParticipantState {
        /// Who agrees.
        side: RequestSide,
        /// The domain.
        domain: DomainId,
        /// The participant.
        participant: ParticipantId,
        /// What it may do there.
        permission: ParticipantPermission,
        /// How it is trusted.
        trust_level: TrustLevel,
    },
    /// A mediator is on a domain.
    MediatorState {
        /// Who agrees.
        side: RequestSide,
        /// The domain.
        domain: DomainId,
        /// The mediator.
        mediator: UniqueIdentifier,
    },
}

impl OfflineMapping {
    fn into_mapping(self) -> Result<TopologyMapping, OfflineError> {
        Ok(match self {
            Self::NamespaceDelegation { namespace, key, root_delegation } => {
                let delegation = NamespaceDelegation::new(namespace, key, root_delegation.into())?;
                TopologyMapping::NamespaceDelegation(delegation)
            }
            Self::IdentifierDelegation { identifier, key } => {
                TopologyMapping::IdentifierDelegation(IdentifierDelegation { identifier, target: key })
            }
            Self::OwnerToKey { owner, key } => {
                TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key })
            }
            Self::PartyToParticipant { side, party, participant, permission } => {
                let mapping = PartyToParticipant::new(side, party, participant, permission)?;
                TopologyMapping::PartyToParticipant(mapping)
            }
            Self::ParticipantState { side, domain, participant, permission, trust_level } => {
                let state = ParticipantState::new(side, domain, participant, permission, trust_level)?;
                TopologyMapping::ParticipantState(state)
            }
            Self::MediatorState { side, domain, mediator } => {
                TopologyMapping::MediatorDomainState(MediatorDomainState { side, domain, mediator })
            }
        })
    }

    /// The transaction that adds it, with a new element id.
    ///
    /// # Errors
    /// When the mapping cannot be.
    pub fn prepare(self, version: ProtocolVersion) -> Result<Prepared, OfflineError> {
        Ok(Prepared(TopologyTransaction::add(self.into_mapping()?, version)?))
    }
}

/// A topology transaction without a signature.
#[derive(Debug, Clone)]
pub struct Prepared(TopologyTransaction);

impl Prepared {
    /// Reads one, or takes the one in a file with a signed transaction, the signature left aside.
    ///
    /// # Errors
    /// When the file is neither.
    pub fn read(path: &Path) -> Result<Self, OfflineError> {
        let bytes = files::read(path, "a topology transaction")?;
        TopologyTransaction::from_bytes(&bytes).map(Self).or_else(|error| {
            let signed = SignedTopologyTransaction::from_bytes(&bytes);
            signed
                .map(|signed| Self(signed.transaction().clone()))
                .map_err(|_| OfflineError::Transaction { path: path.to_owned(), source: Box::new(error) })
        })
    }

    /// The transaction that takes this one back.
    ///
    /// # Errors
    /// When it adds nothing.
    pub fn reverse(&self) -> Result<Self, OfflineError> {
        Ok(Self(self.0.reverse()?))
    }

    /// The same at another protocol version, which needs a signature of its own.
    ///
    /// # Errors
    /// When that version cannot say it.
    pub fn at_version(&self, version: ProtocolVersion) -> Result<Self, OfflineError> {
        Ok(Self(self.0.at_version(version)?))
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// What is signed: the multihash of the transaction, 34 bytes. ECDSA and Ed25519 sign it as a message.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        self.0.hash().evidence().to_vec()
    }

    /// What it does.
    #[must_use]
    pub fn words(&self) -> Words<'_> {
        Words(&self.0)
    }

    /// The protocol version.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.0.version()
    }

    /// Whether the key is that of a namespace whose signature is needed. Another one may hold a delegation.
    #[must_use]
    pub fn is_of_namespace(&self, key: &Fingerprint) -> bool {
        words::needed(self.0.mapping()).iter().any(|namespace| namespace.fingerprint() == key)
    }

    /// Puts it together with its signature: the bytes of a signed topology transaction, as Canton and the console's
    /// `topology.load_transaction` take them.
    ///
    /// # Errors
    /// When the signature is not that key's for this transaction.
    pub fn assemble(&self, key: &SigningPublicKey, signature: Signature) -> Result<Vec<u8>, OfflineError> {
        let signed = SignedTopologyTransaction::assemble(self.0.clone(), key.clone(), signature);
        signed.verify().map_err(|source| OfflineError::Invalid { key: key.fingerprint().clone(), source })?;
        Ok(signed.to_bytes())
    }
}

/// A private key that no node has.
#[derive(Debug)]
pub struct OfflineKey(Where);

#[derive(Debug)]
enum Where {
    File(SigningPrivateKey),
    Kms(DetachedKmsKey),
}

impl OfflineKey {
    /// Whether a key file is encrypted under a passphrase.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn needs_passphrase(path: &Path) -> Result<bool, OfflineError> {
        Ok(files::read(path, "a private key")?.starts_with(ENCRYPTED))
    }

    /// A key in a file: a key pair, as `keys.secret.download_to` writes it, or an export file of `cantle migrate to-kms`
    /// with its passphrase. Of several keys it is the named one, or the one of a namespace that the transaction needs.
    ///
    /// # Errors
    /// When the file holds no such key.
    pub fn in_file(
        path: &Path,
        passphrase: Option<&str>,
        named: Option<&Fingerprint>,
        transaction: &Prepared,
    ) -> Result<Self, OfflineError> {
        let wrong = |problem: String| OfflineError::KeyFile {
            path: path.to_owned(),
            wanted: "a private signing key, as keys.secret.download_to or cantle migrate to-kms writes it",
            problem,
        };
        let pairs = match passphrase {
            None => vec![files::read(path, "a private key")?],
            Some(passphrase) => {
                let archive =
                    read_export(path, passphrase).map_err(|error| OfflineError::Export(Box::new(error)))?;
                archive.keys.into_iter().map(|key| key.pair).collect()
            }
        };
        let mut keys = Vec::new();
        for pair in pairs {
            match KeyPair::from_versioned_or_bare_bytes(&pair).map_err(|error| wrong(error.to_string()))? {
                KeyPair::Signing(key) => keys.push(key),
                KeyPair::Encryption(_) => {}
            }
        }
        let wanted = |key: &SigningPrivateKey| match named {
            Some(named) => key.fingerprint() == named,
            None => transaction.is_of_namespace(key.fingerprint()),
        };
        let known: Vec<_> = keys.iter().map(|key| key.fingerprint().to_string()).collect();
        let mut suitable = keys.iter().filter(|key| wanted(key));
        match (suitable.next(), keys.as_slice(), named) {
            (Some(key), _, _) => Ok(Self(Where::File(key.clone()))),
            // It may hold a delegation, which is not known here.
            (None, [only], None) => Ok(Self(Where::File(only.clone()))),
            (None, [], _) => Err(wrong("it holds no signing key".to_owned())),
            (None, _, Some(named)) => Err(OfflineError::WrongKey {
                problem: format!(
                    "{} does not hold the signing key {named}; it holds {}",
                    path.display(),
                    known.join(", ")
                ),
            }),
            (None, _, None) => Err(OfflineError::WrongKey {
                problem: format!(
                    "none of the signing keys in {} is the namespace's own; name one with --fingerprint: {}",
                    path.display(),
                    known.join(", ")
                ),
            }),
        }
    }

    /// A KMS key, reached as the configuration of a node says. Sends DescribeKey and GetPublicKey.
    ///
    /// # Errors
    /// When there is no such node or key, or it cannot be used.
    pub async fn in_kms(config: &Config, node: &str, key: &KmsKeyId) -> Result<Self, OfflineError> {
        let kms = kms::connect_for_inspection(kms_of(config, node)?, None).await?;
        Ok(Self(Where::Kms(DetachedKmsKey::open(kms, key).await.map_err(Box::new)?)))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &SigningPublicKey {
        match &self.0 {
            Where::File(key) => key.public(),
            Where::Kms(key) => key.public(),
        }
    }

    /// Signs, and verifies what was signed. A KMS key sends Sign.
    ///
    /// # Errors
    /// When it does not sign, or the signature does not hold.
    pub async fn sign(&self, transaction: &Prepared) -> Result<Signature, OfflineError> {
        let hash = transaction.0.hash();
        let signature = match &self.0 {
            Where::File(key) => key.sign_hash(&hash)?,
            Where::Kms(key) => key.sign(&hash).await.map_err(Box::new)?,
        };
        transaction.assemble(self.public(), signature.clone())?;
        Ok(signature)
    }
}

fn kms_of<'a>(config: &'a Config, name: &str) -> Result<&'a KmsConfig, OfflineError> {
    let (node, _) = named(config, name).map_err(|error| OfflineError::Kms { problem: error.to_string() })?;
    node.crypto.kms.as_ref().ok_or_else(|| OfflineError::Kms {
        problem: format!("the node {name} has no crypto.kms in this configuration"),
    })
}
