//! Topology transactions as scripts see them: what `topology.all.list` gives, and its files.
//!
//! The bytes are kept as they are; what is shown of them is read on the side. Not here: any check of a signature.

use cantle_proto::protocol::{v0, v1, v2, v3};
use prost::Message;

use super::files::{read_function, write_function};
use super::time::time_data;
use super::{Data, Function, Instance, Record, enum_constant, fingerprint, ids, mapping, parameters};
use crate::failure::Failure;

/// What a transaction says, whatever version it is written in.
#[derive(Debug, Clone)]
pub(crate) enum Saying {
    NamespaceDelegation(v0::NamespaceDelegation),
    IdentifierDelegation(v0::IdentifierDelegation),
    OwnerToKeyMapping(v0::OwnerToKeyMapping),
    PartyToParticipant(v0::PartyToParticipant),
    LegalIdentityClaim(v0::SignedLegalIdentityClaim),
    ParticipantState(v0::ParticipantState),
    VettedPackages(v0::VettedPackages),
    MediatorDomainState(v0::MediatorDomainState),
    CheckOnlyPackages(v0::CheckOnlyPackages),
    DomainParametersChange(String, v2::DynamicDomainParameters),
}

/// What was read of a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    /// As numbered on the wire; changes of a domain's parameters are replacements.
    pub(crate) operation: v0::TopologyChangeOp,
    pub(crate) saying: Saying,
    /// The key that signed it.
    pub(crate) signed_by: String,
}

fn operation(operation: i32) -> Option<v0::TopologyChangeOp> {
    v0::TopologyChangeOp::try_from(operation).ok()
}

macro_rules! saying {
    ($mapping:expr, $module:path) => {{
        use $module as m;
        match $mapping {
            m::Mapping::NamespaceDelegation(item) => Saying::NamespaceDelegation(item),
            m::Mapping::IdentifierDelegation(item) => Saying::IdentifierDelegation(item),
            m::Mapping::OwnerToKeyMapping(item) => Saying::OwnerToKeyMapping(item),
            m::Mapping::PartyToParticipant(item) => Saying::PartyToParticipant(item),
            m::Mapping::SignedLegalIdentityClaim(item) => Saying::LegalIdentityClaim(item),
            m::Mapping::ParticipantState(item) => Saying::ParticipantState(item),
            m::Mapping::VettedPackages(item) => Saying::VettedPackages(item),
            m::Mapping::MediatorDomainState(item) => Saying::MediatorDomainState(item),
            #[allow(unreachable_patterns, reason = "only the last version has more")]
            other => return later(other),
        }
    }};
}

/// What versions before 2 do not have.
trait Later {
    fn saying(self) -> Option<Saying>;
}

impl Later for v0::topology_state_update::Mapping {
    fn saying(self) -> Option<Saying> {
        None
    }
}

impl Later for v1::topology_state_update::Mapping {
    fn saying(self) -> Option<Saying> {
        None
    }
}

impl Later for v2::topology_state_update::Mapping {
    fn saying(self) -> Option<Saying> {
        match self {
            Self::CheckOnlyPackages(item) => Some(Saying::CheckOnlyPackages(item)),
            _ => None,
        }
    }
}

fn later(mapping: impl Later) -> Option<Saying> {
    mapping.saying()
}

fn of_v0(mapping: v0::topology_state_update::Mapping) -> Option<Saying> {
    Some(saying!(mapping, v0::topology_state_update))
}

fn of_v1(mapping: v1::topology_state_update::Mapping) -> Option<Saying> {
    Some(saying!(mapping, v1::topology_state_update))
}

fn of_v2(mapping: v2::topology_state_update::Mapping) -> Option<Saying> {
    Some(saying!(mapping, v2::topology_state_update))
}

fn change_v2(governance: v2::DomainGovernanceTransaction) -> Option<(v0::TopologyChangeOp, Saying)> {
    let v2::domain_governance_transaction::Mapping::DomainParametersChange(change) = governance.mapping?;
    let saying = Saying::DomainParametersChange(change.domain, change.domain_parameters?);
    Some((v0::TopologyChangeOp::Replace, saying))
}

/// The operation and the mapping of a wrapped transaction.
fn transaction(bytes: &[u8]) -> Option<(v0::TopologyChangeOp, Saying)> {
    let (inner, version) = cantle_proto::versioned::unwrap(bytes).ok()?;
    let inner = inner.as_slice();
    match version {
        0 => match v0::TopologyTransaction::decode(inner).ok()?.transaction? {
            v0::topology_transaction::Transaction::StateUpdate(update) => {
                Some((operation(update.operation)?, of_v0(update.mapping?)?))
            }
            v0::topology_transaction::Transaction::DomainGovernance(governance) => {
                let v0::domain_governance_transaction::Mapping::DomainParametersChange(change) =
                    governance.mapping?;
                let parameters = parameters::from_v0(change.domain_parameters?);
                let saying = Saying::DomainParametersChange(change.domain, parameters);
                Some((v0::TopologyChangeOp::Replace, saying))
            }
        },
        1 => match v1::TopologyTransaction::decode(inner).ok()?.transaction? {
            v1::topology_transaction::Transaction::StateUpdate(update) => {
                Some((operation(update.operation)?, of_v1(update.mapping?)?))
            }
            v1::topology_transaction::Transaction::DomainGovernance(governance) => {
                let v1::domain_governance_transaction::Mapping::DomainParametersChange(change) =
                    governance.mapping?;
                let parameters = parameters::from_v1(change.domain_parameters?);
                let saying = Saying::DomainParametersChange(change.domain, parameters);
                Some((v0::TopologyChangeOp::Replace, saying))
            }
        },
        2 => match v2::TopologyTransaction::decode(inner).ok()?.transaction? {
            v2::topology_transaction::Transaction::StateUpdate(update) => {
                Some((operation(update.operation)?, of_v1(update.mapping?)?))
            }
            v2::topology_transaction::Transaction::DomainGovernance(governance) => change_v2(governance),
        },
        3 => match v3::TopologyTransaction::decode(inner).ok()?.transaction? {
            v3::topology_transaction::Transaction::StateUpdate(update) => {
                Some((operation(update.operation)?, of_v2(update.mapping?)?))
            }
            v3::topology_transaction::Transaction::DomainGovernance(governance) => change_v2(governance),
        },
        _ => None,
    }
}

/// Reads a wrapped signed transaction; `None` when it cannot be read.
pub(crate) fn read(bytes: &[u8]) -> Option<Read> {
    let (inner, _) = cantle_proto::versioned::unwrap(bytes).ok()?;
    let signed = v0::SignedTopologyTransaction::decode(inner.as_slice()).ok()?;
    let (operation, saying) = transaction(&signed.transaction)?;
    Some(Read { operation, saying, signed_by: signed.key?.id })
}

impl Saying {
    fn data(self) -> Data {
        match self {
            Self::NamespaceDelegation(item) => mapping::namespace_delegation(item),
            Self::IdentifierDelegation(item) => mapping::identifier_delegation(item),
            Self::OwnerToKeyMapping(item) => mapping::owner_to_key_mapping(item),
            Self::PartyToParticipant(item) => mapping::party_to_participant(item),
            Self::LegalIdentityClaim(item) => mapping::signed_legal_identity_claim(item),
            Self::ParticipantState(item) => mapping::participant_state(item),
            Self::VettedPackages(item) => mapping::vetted_packages(item),
            Self::MediatorDomainState(item) => mapping::mediator_domain_state(item),
            Self::CheckOnlyPackages(item) => mapping::check_only_packages(item),
            Self::DomainParametersChange(domain, parameters) => Data::object(Record::new(
                "DomainParametersChange",
                vec![
                    ("domainId", mapping::domain(&domain)),
                    ("domainParameters", parameters::dynamic(parameters)),
                ],
            )),
        }
    }
}

/// Transactions with their times.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transactions(v0::TopologyTransactions);

impl Transactions {
    pub(crate) fn new(transactions: v0::TopologyTransactions) -> Self {
        Self(transactions)
    }

    pub(crate) fn wire(&self) -> v0::TopologyTransactions {
        self.0.clone()
    }

    pub(crate) fn items(&self) -> &[v0::topology_transactions::Item] {
        &self.0.items
    }

    /// Those that `keep` wants.
    pub(crate) fn filtered(self, keep: impl Fn(&Read) -> bool) -> Self {
        let items =
            self.0.items.into_iter().filter(|item| read(&item.transaction).is_some_and(|read| keep(&read)));
        Self(v0::TopologyTransactions { items: items.collect() })
    }

    /// Those that a key has signed; an empty fingerprint is any.
    pub(crate) fn filtered_by_key(self, fingerprint: &str) -> Self {
        if fingerprint.is_empty() { self } else { self.filtered(|read| read.signed_by == fingerprint) }
    }

    fn file_bytes(&self) -> Vec<u8> {
        cantle_proto::versioned::wrap(&self.0.encode_to_vec(), 0)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Data, Failure> {
        let unreadable = || Failure::value("these bytes are no topology transactions");
        let (inner, version) = cantle_proto::versioned::unwrap(bytes).map_err(|_| unreadable())?;
        let transactions = v0::TopologyTransactions::decode(inner.as_slice()).map_err(|_| unreadable())?;
        if version != 0 || transactions.items.iter().any(|item| item.transaction.is_empty()) {
            return Err(unreadable());
        }
        Ok(Data::object(Self(transactions)))
    }

    /// The transactions behind a value.
    pub(crate) fn from_data(data: &Data) -> Result<Self, Failure> {
        data.downcast::<Self>().cloned().ok_or_else(|| {
            Failure::value(format!(
                "must be topology transactions, such as `topology.all.list()` gives, found: {}",
                data.kind()
            ))
        })
    }

    /// Those of one type, as Scala's `collectOfType[TopologyChangeOp.Positive]` does.
    fn of_type(&self, wanted: &str) -> Result<Self, Failure> {
        use v0::TopologyChangeOp::{Add, Remove, Replace};
        let kept: &[v0::TopologyChangeOp] = match wanted {
            "Positive" => &[Add, Replace],
            "AddRemove" => &[Add, Remove],
            "Add" => &[Add],
            "Remove" => &[Remove],
            "Replace" => &[Replace],
            other => {
                return Err(Failure::value(format!(
                    "collectOfType takes TopologyChangeOp.Positive, .AddRemove, .Add, .Remove or .Replace, found: {other}"
                )));
            }
        };
        Ok(self.clone().filtered(|read| kept.contains(&read.operation)))
    }
}

fn stored(item: &v0::topology_transactions::Item) -> Data {
    let mut fields = vec![
        ("sequenced", time_data(item.sequenced)),
        ("validFrom", time_data(item.valid_from)),
        ("validUntil", time_data(item.valid_until)),
    ];
    if let Some(read) = read(&item.transaction) {
        let operation = match read.operation {
            v0::TopologyChangeOp::Add => "Add",
            v0::TopologyChangeOp::Remove => "Remove",
            v0::TopologyChangeOp::Replace => "Replace",
        };
        fields.extend([
            ("op", enum_constant("TopologyChangeOp", operation)),
            ("mapping", read.saying.data()),
            ("signedBy", fingerprint(&read.signed_by)),
        ]);
    }
    fields.push(("transaction", Data::bytes(item.transaction.clone())));
    Data::object(Record::new("StoredTopologyTransaction", fields))
}

impl Instance for Transactions {
    fn kind(&self) -> String {
        "StoredTopologyTransactions".to_owned()
    }

    fn text(&self) -> String {
        let items: Vec<String> =
            self.0.items.iter().map(|item| format!("\n  {}", super::record::shown(&stored(item)))).collect();
        format!("{} topology transactions{}", items.len(), items.concat())
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        const COLLECT: &str = "collectOfType(type: TopologyChangeOp)";
        let transactions = self.clone();
        Ok(Some(match name {
            "result" => Data::list(self.0.items.iter().map(stored).collect()),
            "writeToFile" => Data::object(write_function(self.file_bytes().into())),
            "toByteString" => Data::bytes(self.file_bytes()),
            "collectOfType" => {
                let collect = Function::new(COLLECT, move |args| {
                    let wanted = ids::text_of(args.one(COLLECT, "type")?).unwrap_or_default();
                    transactions.of_type(&wanted).map(Data::object)
                });
                Data::object(collect.typed())
            }
            _ => return Ok(None),
        }))
    }

    fn attr_names(&self) -> Vec<String> {
        ["result", "writeToFile", "toByteString", "collectOfType"].map(str::to_owned).to_vec()
    }

    fn identity(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// `StoredTopologyTransactions`.
pub(crate) fn companion() -> (&'static str, Data) {
    let holder = Function::holder("StoredTopologyTransactions")
        .with("tryReadFromFile", read_function("StoredTopologyTransactions", Transactions::from_bytes));
    ("StoredTopologyTransactions", Data::object(holder))
}
