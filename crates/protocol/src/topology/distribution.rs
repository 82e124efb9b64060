//! Topology transactions on their way from the domain's topology manager to all members.
//!
//! The domain topology manager signs the list together with the last time at which it may be sequenced, so that an
//! old message cannot be sent again. What is hashed differs between the protocol versions; the message does not.

use cantle_crypto::{Hash, HashBuilder, HashPurpose, Signature, SigningPublicKey, VerifyError};
use cantle_proto::protocol::v1;
use cantle_topology::SignedTopologyTransaction;
use cantle_types::{CantonTimestamp, DomainId, ProtocolVersion};

use super::{transaction_bytes, transactions};
use crate::error::ParseError;
use crate::wire::{field, time_to_proto};

const MESSAGE: &str = "DomainTopologyTransactionMessage";
/// The version that protocol version 7 hashes: that in which the hash was introduced.
const HASHED_VERSION: i32 = 6;

/// What a domain topology manager signs: transactions for the members of its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainTopologyTransactionMessage {
    signature: Signature,
    domain_id: DomainId,
    not_sequenced_after: CantonTimestamp,
    transactions: Vec<SignedTopologyTransaction>,
    version: ProtocolVersion,
}

impl DomainTopologyTransactionMessage {
    /// What the domain topology manager signs.
    #[must_use]
    pub fn hash_of(
        domain_id: &DomainId,
        not_sequenced_after: CantonTimestamp,
        transactions: &[SignedTopologyTransaction],
        version: ProtocolVersion,
    ) -> Hash {
        let purpose = HashPurpose::DomainTopologyTransactionMessageSignature;
        let builder = HashBuilder::new(purpose).add_str(domain_id.as_str());
        let micros = not_sequenced_after.micros();
        let builder = match version {
            ProtocolVersion::V5 => builder.add_long(micros.div_euclid(1000)),
            ProtocolVersion::V7 => {
                let count = i32::try_from(transactions.len()).unwrap_or(i32::MAX);
                builder.add_int(HASHED_VERSION).add_long(micros).add_int(count)
            }
        };
        let add = |builder: HashBuilder, transaction: &SignedTopologyTransaction| {
            builder.add_bytes(transaction.bytes())
        };
        transactions.iter().fold(builder, add).finish()
    }

    /// Puts transactions and the signature of their hash together. The signature is not verified.
    #[must_use]
    pub fn assemble(
        domain_id: DomainId,
        not_sequenced_after: CantonTimestamp,
        transactions: Vec<SignedTopologyTransaction>,
        signature: Signature,
        version: ProtocolVersion,
    ) -> Self {
        Self { signature, domain_id, not_sequenced_after, transactions, version }
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v1::DomainTopologyTransactionMessage {
        v1::DomainTopologyTransactionMessage {
            signature: Some(self.signature.to_proto()),
            domain_id: self.domain_id.to_string(),
            not_sequenced_after: Some(time_to_proto(self.not_sequenced_after)),
            transactions: transaction_bytes(&self.transactions),
        }
    }

    /// Reads the message as one of this protocol version. The signature is not verified.
    ///
    /// # Errors
    /// When a field is missing or wrong, or a transaction is one of another protocol version.
    pub fn from_proto(
        message: &v1::DomainTopologyTransactionMessage,
        version: ProtocolVersion,
    ) -> Result<Self, ParseError> {
        let transactions = transactions(MESSAGE, &message.transactions)?;
        if transactions.iter().any(|transaction| transaction.transaction().version() != version) {
            let rule = "its transactions are of the domain's protocol version";
            return Err(ParseError::Rule { message: MESSAGE, rule });
        }
        Ok(Self {
            signature: field(MESSAGE, "signature").signature(message.signature.as_ref())?,
            domain_id: field(MESSAGE, "domain_id").text(&message.domain_id)?,
            not_sequenced_after: field(MESSAGE, "not_sequenced_after")
                .required_time(message.not_sequenced_after.as_ref())?,
            transactions,
            version,
        })
    }

    /// What is signed.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Self::hash_of(&self.domain_id, self.not_sequenced_after, &self.transactions, self.version)
    }

    /// Whether `key` made the signature.
    ///
    /// # Errors
    /// When it did not, or the signature names another key.
    pub fn verify(&self, key: &SigningPublicKey) -> Result<(), VerifyError> {
        key.verify_hash(&self.hash(), &self.signature)
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whose members it is for.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }

    /// Sequenced later it must be ignored.
    #[must_use]
    pub fn not_sequenced_after(&self) -> CantonTimestamp {
        self.not_sequenced_after
    }

    /// The transactions, in the order in which they are to be applied.
    #[must_use]
    pub fn transactions(&self) -> &[SignedTopologyTransaction] {
        &self.transactions
    }

    /// The protocol version.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }
}
