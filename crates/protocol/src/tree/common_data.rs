//! Who is concerned by a view, and who must confirm it: the part that the mediator sees too.
//!
//! A quorum is a choice of parties with weights, and how much weight must confirm; a view is confirmed when every quorum
//! of it is. Protocol version 5 can say one quorum, later ones several.
//! Invariants: no party is named twice; whoever is in a quorum is an informee; weights are positive.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cantle_crypto::HashPurpose;
use cantle_proto::protocol::{v0, v1, v2};
use cantle_topology::TrustLevel;
use cantle_types::{PartyId, ProtocolVersion};

use super::leaf::{LeafBytes, leaf};
use super::salt::Salt;
use crate::error::ParseError;
use crate::wire::{decode_shared, field, unwrap_shared, wrap};

const MESSAGE: &str = "ViewCommonData";

/// Whose confirmations suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfirmationPolicy {
    /// Those of all signatories and actors.
    Signatory,
    /// That of one trusted participant.
    Vip,
}

impl ConfirmationPolicy {
    fn name(self) -> &'static str {
        match self {
            Self::Signatory => "Signatory",
            Self::Vip => "Vip",
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let name = self.name().as_bytes();
        let length = i32::try_from(name.len()).unwrap_or(0);
        [&length.to_be_bytes(), name].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        let known = [Self::Signatory, Self::Vip].into_iter().find(|policy| policy.to_bytes() == bytes);
        known.ok_or(ParseError::Rule { message: "CommonMetadata", rule: "its confirmation policy is known" })
    }

    /// The least threshold of a quorum: more than parties of ordinary trust reach, where a VIP must be among those who
    /// confirm.
    fn minimum_of(self, parameters: &ViewConfirmationParameters, quorum: &Quorum) -> u64 {
        match self {
            Self::Signatory => 1,
            Self::Vip => {
                let ordinary = quorum
                    .confirmers
                    .iter()
                    .filter(|(party, _)| parameters.informees.get(*party) == Some(&TrustLevel::Ordinary));
                ordinary.map(|(_, &weight)| u64::from(weight)).sum::<u64>() + 1
            }
        }
    }
}

/// Parties with weights, and how much weight must confirm.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Quorum {
    /// Who may confirm, and what that weighs: 1 to 2147483647.
    pub confirmers: BTreeMap<PartyId, u32>,
    /// How much weight must confirm: at most 2147483647. 0 is no weight at all.
    pub threshold: u32,
}

/// Who is concerned by a view, and who must confirm it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ViewConfirmationParameters {
    informees: BTreeMap<PartyId, TrustLevel>,
    quorums: Vec<Quorum>,
}

impl ViewConfirmationParameters {
    /// The informees, with how trusted a participant must be that confirms for them, and the quorums.
    ///
    /// # Errors
    /// When there is no informee, a confirmer is none, or a number is out of bounds.
    pub fn new(informees: BTreeMap<PartyId, TrustLevel>, quorums: Vec<Quorum>) -> Result<Self, ParseError> {
        if informees.is_empty() {
            return Err(field(MESSAGE, "informees").missing());
        }
        for quorum in &quorums {
            let bounded = |number: u32| i32::try_from(number).is_ok();
            if !bounded(quorum.threshold) {
                return Err(field(MESSAGE, "threshold").number(quorum.threshold));
            }
            for (party, &weight) in &quorum.confirmers {
                if weight == 0 || !bounded(weight) {
                    return Err(field(MESSAGE, "weight").number(weight));
                }
                if !informees.contains_key(party) {
                    return Err(ParseError::Rule { message: MESSAGE, rule: "confirmers are informees" });
                }
            }
        }
        Ok(Self { informees, quorums })
    }

    /// All of `confirmers` must confirm, by any participant that may; `others` are told.
    ///
    /// # Errors
    /// When there is nobody at all.
    pub fn signatory(confirmers: &BTreeSet<PartyId>, others: &BTreeSet<PartyId>) -> Result<Self, ParseError> {
        let informees = confirmers.union(others).map(|party| (party.clone(), TrustLevel::Ordinary)).collect();
        let threshold = u32::try_from(confirmers.len()).unwrap_or(u32::MAX);
        let confirmers = confirmers.iter().map(|party| (party.clone(), 1)).collect();
        Self::new(informees, vec![Quorum { confirmers, threshold }])
    }

    /// Who is concerned, with how trusted a participant must be that confirms for them.
    #[must_use]
    pub fn informees(&self) -> &BTreeMap<PartyId, TrustLevel> {
        &self.informees
    }

    /// Who must confirm; every quorum must.
    #[must_use]
    pub fn quorums(&self) -> &[Quorum] {
        &self.quorums
    }

    /// Whether some quorum asks for as much as the policy wants at least.
    #[must_use]
    pub fn satisfy(&self, policy: ConfirmationPolicy) -> bool {
        self.quorums.iter().any(|quorum| u64::from(quorum.threshold) >= policy.minimum_of(self, quorum))
    }

    /// Everybody who may confirm in some quorum.
    #[must_use]
    pub fn confirmers(&self) -> BTreeSet<&PartyId> {
        self.quorums.iter().flat_map(|quorum| quorum.confirmers.keys()).collect()
    }
}

/// The part of a view that the mediator sees too.
#[derive(Debug, Clone)]
pub struct ViewCommonData {
    parameters: ViewConfirmationParameters,
    pub(super) leaf: LeafBytes,
}

leaf!(ViewCommonData);

impl ViewCommonData {
    /// The common data of a view.
    ///
    /// # Errors
    /// At protocol version 5, when there is not exactly one quorum.
    pub fn new(
        salt: &Salt,
        parameters: ViewConfirmationParameters,
        version: ProtocolVersion,
    ) -> Result<Self, ParseError> {
        let bytes: Bytes = match version {
            ProtocolVersion::V5 => wrap(&to_proto_v1(salt, &parameters)?, proto_version(version)),
            ProtocolVersion::V7 => wrap(&to_proto_v2(salt, &parameters), proto_version(version)),
        }
        .into();
        Ok(Self { parameters, leaf: LeafBytes::new(HashPurpose::ViewCommonData, salt, bytes) })
    }

    pub(super) fn from_bytes(bytes: Bytes, version: ProtocolVersion) -> Result<Self, ParseError> {
        let data = unwrap_shared(MESSAGE, bytes.clone(), proto_version(version))?;
        let (salt, parameters) = match version {
            ProtocolVersion::V5 => {
                let message: v1::ViewCommonData = decode_shared(MESSAGE, data)?;
                (Salt::from_proto(MESSAGE, message.salt.as_ref())?, parameters_of_v1(&message)?)
            }
            ProtocolVersion::V7 => {
                let message: v2::ViewCommonData = decode_shared(MESSAGE, data)?;
                (Salt::from_proto(MESSAGE, message.salt.as_ref())?, parameters_of_v2(&message)?)
            }
        };
        Ok(Self { parameters, leaf: LeafBytes::new(HashPurpose::ViewCommonData, &salt, bytes) })
    }

    /// Who is concerned, and who must confirm.
    #[must_use]
    pub fn parameters(&self) -> &ViewConfirmationParameters {
        &self.parameters
    }
}

/// The version of the message at a protocol version.
fn proto_version(version: ProtocolVersion) -> i32 {
    match version {
        ProtocolVersion::V5 => 1,
        ProtocolVersion::V7 => 2,
    }
}

fn to_proto_v1(
    salt: &Salt,
    parameters: &ViewConfirmationParameters,
) -> Result<v1::ViewCommonData, ParseError> {
    let [quorum] = &parameters.quorums[..] else {
        return Err(ParseError::Rule {
            message: MESSAGE,
            rule: "at protocol version 5 a view has one quorum",
        });
    };
    let informees = parameters.informees.iter().map(|(party, level)| v1::Informee {
        party: party.to_string(),
        weight: quorum.confirmers.get(party).map_or(0, |&weight| i32::try_from(weight).unwrap_or(i32::MAX)),
        required_trust_level: level.to_proto().into(),
    });
    Ok(v1::ViewCommonData {
        salt: Some(salt.to_proto()),
        informees: informees.collect(),
        threshold: i32::try_from(quorum.threshold).unwrap_or(i32::MAX),
    })
}

fn to_proto_v2(salt: &Salt, parameters: &ViewConfirmationParameters) -> v2::ViewCommonData {
    let informees = parameters.informees.iter().map(|(party, level)| v0::TrustParty {
        party: party.to_string(),
        required_trust_level: level.to_proto().into(),
    });
    let quorums = parameters.quorums.iter().map(|quorum| {
        let weights = parameters.informees.keys().zip(0..).filter_map(|(party, index)| {
            let weight = i32::try_from(*quorum.confirmers.get(party)?).unwrap_or(i32::MAX);
            Some(v0::PartyIndexAndWeight { index, weight })
        });
        let threshold = i32::try_from(quorum.threshold).unwrap_or(i32::MAX);
        v0::Quorum { party_index_and_weight: weights.collect(), threshold }
    });
    v2::ViewCommonData {
        salt: Some(salt.to_proto()),
        informees: informees.collect(),
        quorums: quorums.collect(),
    }
}

fn parameters_of_v1(message: &v1::ViewCommonData) -> Result<ViewConfirmationParameters, ParseError> {
    let mut informees = BTreeMap::new();
    let mut confirmers = BTreeMap::new();
    for informee in &message.informees {
        let party = field("Informee", "party").party(&informee.party)?;
        let weight = u32::try_from(informee.weight)
            .map_err(|_| field("Informee", "weight").number(informee.weight))?;
        if weight > 0 {
            confirmers.insert(party.clone(), weight);
        }
        insert(&mut informees, party, trust_level("Informee", informee.required_trust_level)?)?;
    }
    let threshold = u32::try_from(message.threshold)
        .map_err(|_| field(MESSAGE, "threshold").number(message.threshold))?;
    ViewConfirmationParameters::new(informees, vec![Quorum { confirmers, threshold }])
}

fn parameters_of_v2(message: &v2::ViewCommonData) -> Result<ViewConfirmationParameters, ParseError> {
    let mut informees = BTreeMap::new();
    let mut order = Vec::with_capacity(message.informees.len());
    for informee in &message.informees {
        let party = field("TrustParty", "party").party(&informee.party)?;
        order.push(party.clone());
        insert(&mut informees, party, trust_level("TrustParty", informee.required_trust_level)?)?;
    }
    let quorums = message.quorums.iter().map(|quorum| {
        let mut confirmers = BTreeMap::new();
        for entry in &quorum.party_index_and_weight {
            let index = usize::try_from(entry.index).ok();
            let party = index.and_then(|index| order.get(index));
            let party = party.ok_or_else(|| field("PartyIndexAndWeight", "index").number(entry.index))?;
            let weight = u32::try_from(entry.weight)
                .map_err(|_| field("PartyIndexAndWeight", "weight").number(entry.weight))?;
            insert(&mut confirmers, party.clone(), weight)?;
        }
        let threshold = u32::try_from(quorum.threshold)
            .map_err(|_| field("Quorum", "threshold").number(quorum.threshold))?;
        Ok(Quorum { confirmers, threshold })
    });
    ViewConfirmationParameters::new(informees, quorums.collect::<Result<_, ParseError>>()?)
}

fn insert<V>(map: &mut BTreeMap<PartyId, V>, party: PartyId, value: V) -> Result<(), ParseError> {
    match map.insert(party, value) {
        None => Ok(()),
        Some(_) => Err(ParseError::Rule { message: MESSAGE, rule: "no party is named twice" }),
    }
}

fn trust_level(message: &'static str, number: i32) -> Result<TrustLevel, ParseError> {
    TrustLevel::from_proto(number).map_err(|_| field(message, "required_trust_level").number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> PartyId {
        format!("{name}::ns").parse().unwrap()
    }

    fn salt() -> Salt {
        Salt::from_bytes([5; 32])
    }

    fn parties(names: &[&str]) -> BTreeSet<PartyId> {
        names.iter().map(|name| party(name)).collect()
    }

    #[test]
    fn confirmation_parameters_are_read_back_at_both_versions() {
        let parameters =
            ViewConfirmationParameters::signatory(&parties(&["a", "b"]), &parties(&["c"])).unwrap();
        for version in ProtocolVersion::ALL {
            let data = ViewCommonData::new(&salt(), parameters.clone(), version).unwrap();
            let read = ViewCommonData::from_bytes(data.leaf.bytes.clone(), version).unwrap();
            assert_eq!(read.parameters(), &parameters);
            assert_eq!(read, data);
        }
        assert_eq!(parameters.confirmers().len(), 2);
        assert_eq!(parameters.quorums()[0].threshold, 2);
    }

    #[test]
    fn several_quorums_need_protocol_version_7() {
        let informees = BTreeMap::from([(party("a"), TrustLevel::Vip), (party("b"), TrustLevel::Ordinary)]);
        let quorum =
            |name: &str, weight| Quorum { confirmers: BTreeMap::from([(party(name), weight)]), threshold: 1 };
        let parameters =
            ViewConfirmationParameters::new(informees, vec![quorum("a", 3), quorum("b", 2)]).unwrap();
        assert!(ViewCommonData::new(&salt(), parameters.clone(), ProtocolVersion::V5).is_err());
        let data = ViewCommonData::new(&salt(), parameters.clone(), ProtocolVersion::V7).unwrap();
        let read = ViewCommonData::from_bytes(data.leaf.bytes, ProtocolVersion::V7).unwrap();
        assert_eq!(read.parameters(), &parameters);
        // The quorum of the VIP suffices; that of the other, with weight 2, would need a threshold of 3.
        assert!(parameters.satisfy(ConfirmationPolicy::Signatory));
        assert!(parameters.satisfy(ConfirmationPolicy::Vip));
    }

    #[test]
    fn ordinary_parties_alone_do_not_satisfy_the_policy_of_vips() {
        let parameters = ViewConfirmationParameters::signatory(&parties(&["a", "b"]), &parties(&[])).unwrap();
        assert!(parameters.satisfy(ConfirmationPolicy::Signatory));
        assert!(!parameters.satisfy(ConfirmationPolicy::Vip));
        let informees = parameters.informees.clone();
        let nobody = Quorum { confirmers: BTreeMap::new(), threshold: 0 };
        let parameters = ViewConfirmationParameters::new(informees, vec![nobody]).unwrap();
        assert!(!parameters.satisfy(ConfirmationPolicy::Signatory));
    }

    #[test]
    fn confirmers_that_are_no_informees_and_empty_weights_are_refused() {
        let informees = BTreeMap::from([(party("a"), TrustLevel::Ordinary)]);
        let quorum = |name: &str, weight, threshold| Quorum {
            confirmers: BTreeMap::from([(party(name), weight)]),
            threshold,
        };
        for bad in [quorum("b", 1, 1), quorum("a", 0, 1), quorum("a", u32::MAX, 1), quorum("a", 1, u32::MAX)]
        {
            assert!(ViewConfirmationParameters::new(informees.clone(), vec![bad]).is_err());
        }
        assert!(ViewConfirmationParameters::new(BTreeMap::new(), Vec::new()).is_err());
    }

    #[test]
    fn hostile_informees_are_refused() {
        let informee = |name: &str, weight| v1::Informee {
            party: party(name).to_string(),
            weight,
            required_trust_level: 1,
        };
        let read = |informees, threshold| {
            let message = v1::ViewCommonData { salt: Some(salt().to_proto()), informees, threshold };
            ViewCommonData::from_bytes(wrap(&message, 1).into(), ProtocolVersion::V5)
        };
        assert!(read(vec![informee("a", 1)], 1).is_ok());
        assert!(read(vec![informee("a", 1), informee("a", 0)], 1).is_err());
        assert!(read(vec![informee("a", -1)], 1).is_err());
        assert!(read(vec![informee("a", 1)], -1).is_err());
        assert!(read(vec![v1::Informee { required_trust_level: 0, ..informee("a", 1) }], 1).is_err());
    }

    #[test]
    fn hostile_quorums_are_refused() {
        let read = |entries: &[(i32, i32)]| {
            let entries = entries.iter().map(|&(index, weight)| v0::PartyIndexAndWeight { index, weight });
            let message = v2::ViewCommonData {
                salt: Some(salt().to_proto()),
                informees: vec![v0::TrustParty { party: party("a").to_string(), required_trust_level: 1 }],
                quorums: vec![v0::Quorum { party_index_and_weight: entries.collect(), threshold: 1 }],
            };
            ViewCommonData::from_bytes(wrap(&message, 2).into(), ProtocolVersion::V7)
        };
        assert!(read(&[(0, 1)]).is_ok());
        for bad in [&[(1, 1)][..], &[(-1, 1)], &[(0, 0)], &[(0, -1)], &[(0, 1), (0, 2)]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn policies_have_their_recorded_bytes() {
        assert_eq!(ConfirmationPolicy::Signatory.to_bytes(), *b"\0\0\0\x09Signatory");
        assert_eq!(ConfirmationPolicy::from_bytes(b"\0\0\0\x03Vip").unwrap(), ConfirmationPolicy::Vip);
        assert!(ConfirmationPolicy::from_bytes(b"Vip").is_err());
    }
}
