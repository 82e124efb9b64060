//! A topology transaction: one change to one mapping, in the bytes that are hashed and signed.
//!
//! The bytes are made once, or kept as they were received; nothing writes them again. The same change at another
//! protocol version has other bytes, and so needs another signature.

use std::fmt;
use std::hash::{Hash as StdHash, Hasher};
use std::sync::Arc;

use cantle_crypto::{Hash, HashPurpose, digest};
use cantle_proto::protocol::{v1, v2, v3};
use cantle_proto::versioned;
use cantle_types::{ProtocolVersion, TopologyElementId};
use prost::Message;

use crate::change::TopologyChangeOp;
use crate::error::{MappingError, ParseError};
use crate::mapping::TopologyMapping;
use crate::parameters::{DomainParametersChange, DynamicDomainParameters};
use crate::path::UniquePath;
use crate::wire::{decode, mapping_from_v1, mapping_from_v2, mapping_to_v1, mapping_to_v2, unwrap};

const MESSAGE: &str = "TopologyTransaction";

/// A change to one mapping. Cheap to clone.
#[derive(Clone)]
pub struct TopologyTransaction(Arc<Inner>);

struct Inner {
    op: TopologyChangeOp,
    element_id: TopologyElementId,
    mapping: TopologyMapping,
    version: ProtocolVersion,
    bytes: Vec<u8>,
    hash: Hash,
}

impl Inner {
    fn new(parts: Parts, version: ProtocolVersion, bytes: Vec<u8>) -> Self {
        let (op, element_id, mapping) = parts;
        let hash = digest(HashPurpose::TopologyTransactionSignature, &bytes);
        Self { op, element_id, mapping, version, bytes, hash }
    }
}

impl TopologyTransaction {
    /// A change with a chosen element id. That of domain parameters is always the domain's identifier.
    ///
    /// # Errors
    /// When the operation does not go with the mapping, or the protocol version cannot say it.
    pub fn new(
        op: TopologyChangeOp,
        element_id: TopologyElementId,
        mapping: TopologyMapping,
        version: ProtocolVersion,
    ) -> Result<Self, MappingError> {
        mapping.check_operation(op)?;
        mapping.check_version(version)?;
        let (element_id, mapping) = match mapping {
            TopologyMapping::DomainParametersChange(change) => {
                change.parameters.check()?;
                let parameters = change.parameters.at_version(version);
                let change = DomainParametersChange { domain: change.domain, parameters };
                (governance_element_id(&change)?, TopologyMapping::DomainParametersChange(change))
            }
            mapping => (element_id, mapping),
        };
        let bytes = encode(op, &element_id, &mapping, version)?;
        Ok(Self(Arc::new(Inner::new((op, element_id, mapping), version, bytes))))
    }

    /// Adds a mapping with a new random element id.
    ///
    /// # Errors
    /// As [`TopologyTransaction::new`].
    pub fn add(mapping: TopologyMapping, version: ProtocolVersion) -> Result<Self, MappingError> {
        Self::new(TopologyChangeOp::Add, TopologyElementId::random(), mapping, version)
    }

    /// Replaces the parameters of a domain.
    ///
    /// # Errors
    /// When a parameter is out of bounds.
    pub fn replace(change: DomainParametersChange, version: ProtocolVersion) -> Result<Self, MappingError> {
        let element_id = governance_element_id(&change)?;
        let mapping = TopologyMapping::DomainParametersChange(change);
        Self::new(TopologyChangeOp::Replace, element_id, mapping, version)
    }

    /// What takes this change back: of an addition the removal with its element id, of a removal an addition with a
    /// new one.
    ///
    /// # Errors
    /// Replacements cannot be taken back.
    pub fn reverse(&self) -> Result<Self, MappingError> {
        let mapping = self.mapping().clone();
        match self.op() {
            TopologyChangeOp::Add => {
                Self::new(TopologyChangeOp::Remove, self.element_id().clone(), mapping, self.version())
            }
            TopologyChangeOp::Remove => Self::add(mapping, self.version()),
            TopologyChangeOp::Replace => Err(MappingError::IncompatibleOperation {
                code: mapping.code(),
                op: TopologyChangeOp::Remove,
            }),
        }
    }

    /// The same change at another protocol version; at its own, with the bytes it has.
    ///
    /// # Errors
    /// When that version cannot say the mapping.
    pub fn at_version(&self, version: ProtocolVersion) -> Result<Self, MappingError> {
        if version == self.version() {
            return Ok(self.clone());
        }
        Self::new(self.op(), self.element_id().clone(), self.mapping().clone(), version)
    }

    /// Reads a wrapped transaction and keeps its bytes.
    ///
    /// # Errors
    /// When the bytes are not a transaction of a supported protocol version, or one that must not exist.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        let (data, proto_version) = unwrap(MESSAGE, bytes)?;
        let (version, parts) = match proto_version {
            1 => (ProtocolVersion::V5, parts_of_v1(decode(MESSAGE, &data)?)?),
            3 => (ProtocolVersion::V7, parts_of_v3(decode(MESSAGE, &data)?)?),
            version => return Err(ParseError::Version { message: MESSAGE, version }),
        };
        let (op, _, mapping) = &parts;
        mapping.check_operation(*op)?;
        Ok(Self(Arc::new(Inner::new(parts, version, bytes.to_vec()))))
    }

    /// What it does.
    #[must_use]
    pub fn op(&self) -> TopologyChangeOp {
        self.0.op
    }

    /// Which element it is about.
    #[must_use]
    pub fn element_id(&self) -> &TopologyElementId {
        &self.0.element_id
    }

    /// The mapping.
    #[must_use]
    pub fn mapping(&self) -> &TopologyMapping {
        &self.0.mapping
    }

    /// The protocol version in whose bytes it is written.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.0.version
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// What is signed.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.0.hash
    }

    /// Where in the topology it stands.
    #[must_use]
    pub fn unique_path(&self) -> UniquePath {
        self.mapping().unique_path(self.element_id())
    }
}

impl PartialEq for TopologyTransaction {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for TopologyTransaction {}

impl StdHash for TopologyTransaction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl fmt::Debug for TopologyTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopologyTransaction")
            .field("op", &self.op())
            .field("element_id", &self.element_id().as_str())
            .field("mapping", self.mapping())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

fn governance_element_id(change: &DomainParametersChange) -> Result<TopologyElementId, MappingError> {
    change.domain.as_str().parse().map_err(MappingError::ElementId)
}

type Parts = (TopologyChangeOp, TopologyElementId, TopologyMapping);

fn state_update(operation: i32, id: &str, mapping: TopologyMapping) -> Result<Parts, ParseError> {
    let op = TopologyChangeOp::from_proto(operation)?;
    let element_id = id.parse().map_err(|source| ParseError::Identifier { field: "id", source })?;
    Ok((op, element_id, mapping))
}

fn governance(domain: &str, parameters: DynamicDomainParameters) -> Result<Parts, ParseError> {
    let domain = domain.parse().map_err(|source| ParseError::Identifier { field: "domain", source })?;
    let change = DomainParametersChange { domain, parameters };
    let element_id = governance_element_id(&change)?;
    Ok((TopologyChangeOp::Replace, element_id, TopologyMapping::DomainParametersChange(change)))
}

fn missing(field: &'static str) -> ParseError {
    ParseError::Missing { message: MESSAGE, field }
}

fn parts_of_v1(message: v1::TopologyTransaction) -> Result<Parts, ParseError> {
    use v1::topology_transaction::Transaction;
    match message.transaction.ok_or_else(|| missing("transaction"))? {
        Transaction::StateUpdate(update) => {
            let mapping = mapping_from_v1(update.mapping.as_ref().ok_or_else(|| missing("mapping"))?)?;
            state_update(update.operation, &update.id, mapping)
        }
        Transaction::DomainGovernance(message) => {
            let v1::domain_governance_transaction::Mapping::DomainParametersChange(change) =
                message.mapping.ok_or_else(|| missing("mapping"))?;
            let parameters = change.domain_parameters.ok_or_else(|| missing("domain_parameters"))?;
            governance(&change.domain, DynamicDomainParameters::from_proto_v1(&parameters)?)
        }
    }
}

fn parts_of_v3(message: v3::TopologyTransaction) -> Result<Parts, ParseError> {
    use v3::topology_transaction::Transaction;
    match message.transaction.ok_or_else(|| missing("transaction"))? {
        Transaction::StateUpdate(update) => {
            let mapping = mapping_from_v2(update.mapping.as_ref().ok_or_else(|| missing("mapping"))?)?;
            state_update(update.operation, &update.id, mapping)
        }
        Transaction::DomainGovernance(message) => {
            let v2::domain_governance_transaction::Mapping::DomainParametersChange(change) =
                message.mapping.ok_or_else(|| missing("mapping"))?;
            let parameters = change.domain_parameters.ok_or_else(|| missing("domain_parameters"))?;
            governance(&change.domain, DynamicDomainParameters::from_proto_v2(&parameters)?)
        }
    }
}

fn encode(
    op: TopologyChangeOp,
    element_id: &TopologyElementId,
    mapping: &TopologyMapping,
    version: ProtocolVersion,
) -> Result<Vec<u8>, MappingError> {
    let operation = op.to_proto().into();
    let id = element_id.to_string();
    let unsaid = || MappingError::NotInProtocolVersion { code: mapping.code(), version };
    Ok(match (version, mapping) {
        (ProtocolVersion::V5, TopologyMapping::DomainParametersChange(change)) => {
            use v1::domain_governance_transaction::Mapping;
            let change = v1::DomainParametersChange {
                domain: change.domain.to_string(),
                domain_parameters: Some(change.parameters.to_proto_v1()),
            };
            let mapping = Some(Mapping::DomainParametersChange(change));
            let transaction =
                v1::topology_transaction::Transaction::DomainGovernance(v1::DomainGovernanceTransaction {
                    mapping,
                });
            let message = v1::TopologyTransaction { transaction: Some(transaction) };
            versioned::wrap(&message.encode_to_vec(), 1)
        }
        (ProtocolVersion::V5, mapping) => {
            let mapping = Some(mapping_to_v1(mapping).ok_or_else(unsaid)?);
            let update = v1::TopologyStateUpdate { operation, id, mapping };
            let transaction = v1::topology_transaction::Transaction::StateUpdate(update);
            let message = v1::TopologyTransaction { transaction: Some(transaction) };
            versioned::wrap(&message.encode_to_vec(), 1)
        }
        (ProtocolVersion::V7, TopologyMapping::DomainParametersChange(change)) => {
            use v2::domain_governance_transaction::Mapping;
            let change = v2::DomainParametersChange {
                domain: change.domain.to_string(),
                domain_parameters: Some(change.parameters.to_proto_v2()),
            };
            let mapping = Some(Mapping::DomainParametersChange(change));
            let transaction =
                v3::topology_transaction::Transaction::DomainGovernance(v2::DomainGovernanceTransaction {
                    mapping,
                });
            let message = v3::TopologyTransaction { transaction: Some(transaction) };
            versioned::wrap(&message.encode_to_vec(), 3)
        }
        (ProtocolVersion::V7, mapping) => {
            let mapping = Some(mapping_to_v2(mapping).ok_or_else(unsaid)?);
            let update = v2::TopologyStateUpdate { operation, id, mapping };
            let transaction = v3::topology_transaction::Transaction::StateUpdate(update);
            let message = v3::TopologyTransaction { transaction: Some(transaction) };
            versioned::wrap(&message.encode_to_vec(), 3)
        }
    })
}
