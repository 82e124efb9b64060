//! Whether a request is one that a mediator concludes: the checks at its arrival, in Canton's order.
//!
//! Not checked, as in Canton: the signature of the submitter, encrypted views, and the maximum sequencing time.
//! Source: Canton 2.10's `ConfirmationResponseProcessor`.

use std::collections::{BTreeMap, BTreeSet};

use cantle_protocol::{FullInformeeTree, MediatorReject, ViewType};
use cantle_topology::{TopologyView, TrustLevel};
use cantle_types::{MediatorId, Member, MemberCode, ParticipantId, PartyId, ProtocolVersion};

use crate::inbox::Request;

/// Why a request is rejected at its arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not go with the topology.
    Invalid(String),
    /// No honest participant sends it.
    Malformed(String),
}

impl Refusal {
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Invalid(reason) | Self::Malformed(reason) => reason,
        }
    }

    pub(crate) fn reject(&self, version: ProtocolVersion) -> MediatorReject {
        match self {
            Self::Invalid(reason) => MediatorReject::invalid_message(reason, version),
            Self::Malformed(reason) => MediatorReject::malformed_message(reason, version),
        }
    }
}

/// The participants that root hash messages name, by what the request is said to be about.
pub(crate) fn told_participants(request: &Request) -> BTreeMap<ViewType, BTreeSet<ParticipantId>> {
    let mut told: BTreeMap<ViewType, BTreeSet<ParticipantId>> = BTreeMap::new();
    for (root, recipients) in &request.roots {
        let participants = recipients.members().into_iter().filter_map(participant);
        told.entry(root.view_type).or_default().extend(participants);
    }
    told.retain(|_, participants| !participants.is_empty());
    told
}

/// The active participants of all informees of a tree.
pub(crate) fn concerned_participants(
    tree: &FullInformeeTree,
    topology: &TopologyView,
) -> BTreeSet<ParticipantId> {
    let hosts =
        informees(tree).into_iter().flat_map(|party| topology.active_participants_of(party).into_keys());
    hosts.collect()
}

/// Checks a request that can be read.
pub(crate) fn check(
    mediator: &MediatorId,
    tree: &FullInformeeTree,
    request: &Request,
    topology: &TopologyView,
) -> Result<(), Refusal> {
    check_hosting(tree, topology)?;
    let declared = tree.common_metadata().mediator();
    if declared != mediator.member() {
        return Err(Refusal::Malformed(format!(
            "the request names the mediator {declared}, and was sent to {mediator}"
        )));
    }
    check_roots(mediator, tree, request, topology)?;
    check_thresholds(tree)?;
    check_confirmers(tree, topology)
}

fn informees(tree: &FullInformeeTree) -> BTreeSet<&PartyId> {
    let views = tree.views().into_iter();
    views.flat_map(|(_, common)| common.parameters().informees().keys()).collect()
}

fn check_hosting(tree: &FullInformeeTree, topology: &TopologyView) -> Result<(), Refusal> {
    let hosted = |party: &&PartyId| !topology.active_participants_of(party).is_empty();
    let not_hosted: Vec<_> = informees(tree).into_iter().filter(|party| !hosted(party)).collect();
    if not_hosted.is_empty() {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("no active participant hosts {}", list(&not_hosted))))
}

/// Every root hash message goes to this mediator and one participant, all say the same, and the participants are exactly
/// those that are concerned.
fn check_roots(
    mediator: &MediatorId,
    tree: &FullInformeeTree,
    request: &Request,
    topology: &TopologyView,
) -> Result<(), Refusal> {
    let malformed = |reason: String| Err(Refusal::Malformed(reason));
    let mut told = BTreeSet::new();
    let mut payload = None;
    for (root, recipients) in &request.roots {
        for group in recipients.trees() {
            let others: Vec<_> = group.group().iter().filter(|member| *member != mediator.member()).collect();
            let pair = group.children().is_empty() && group.group().len() == 2;
            let participant = match (&others[..], pair) {
                ([other], true) => participant(other),
                _ => None,
            };
            let Some(participant) = participant else {
                return malformed(
                    "a root hash message does not go to the mediator and one participant".into(),
                );
            };
            if !told.insert(participant.clone()) {
                return malformed(format!("{participant} got several root hash messages"));
            }
        }
        if *payload.get_or_insert(&root.payload) != &root.payload {
            return malformed("the root hash messages have different payloads".into());
        }
        if root.root_hash != tree.root_hash() {
            return malformed("a root hash message has another root hash than the request".into());
        }
        if root.view_type != ViewType::Transaction {
            return malformed("a root hash message is not about a transaction".into());
        }
    }
    let concerned = concerned_participants(tree, topology);
    let missing: Vec<_> = concerned.difference(&told).collect();
    if !missing.is_empty() {
        return malformed(format!("no root hash message went to {}", list(&missing)));
    }
    let superfluous: Vec<_> = told.difference(&concerned).collect();
    if !superfluous.is_empty() {
        return malformed(format!(
            "a root hash message went to {}, who is not concerned",
            list(&superfluous)
        ));
    }
    Ok(())
}

/// Some quorum of every view asks for what the policy asks for at least.
fn check_thresholds(tree: &FullInformeeTree) -> Result<(), Refusal> {
    let policy = tree.common_metadata().confirmation_policy();
    for (position, common) in tree.views() {
        if !common.parameters().satisfy(policy) {
            return Err(Refusal::Malformed(format!(
                "no threshold of the view {position:?} reaches the least that its policy wants"
            )));
        }
    }
    Ok(())
}

/// Every quorum of every view can be reached by those who may confirm.
fn check_confirmers(tree: &FullInformeeTree, topology: &TopologyView) -> Result<(), Refusal> {
    for (position, common) in tree.views() {
        let parameters = common.parameters();
        for quorum in parameters.quorums() {
            let can_confirm = |party: &PartyId| {
                let required = parameters.informees().get(party).copied().unwrap_or(TrustLevel::Ordinary);
                let hosts = topology.active_participants_of(party);
                hosts.values().any(|host| host.permission.can_confirm() && host.trust_level >= required)
            };
            let (able, unable): (Vec<_>, Vec<_>) =
                quorum.confirmers.iter().partition(|(party, _)| can_confirm(party));
            let weight: u64 = able.iter().map(|&(_, &weight)| u64::from(weight)).sum();
            if weight < u64::from(quorum.threshold) {
                let unable: Vec<_> = unable.into_iter().map(|(party, _)| party).collect();
                return Err(Refusal::Malformed(format!(
                    "the view {position:?} cannot reach its threshold {}: no participant may confirm for {}",
                    quorum.threshold,
                    list(&unable)
                )));
            }
        }
    }
    Ok(())
}

fn participant(member: &Member) -> Option<ParticipantId> {
    (member.code() == MemberCode::Participant).then(|| ParticipantId::new(member.uid().clone()))
}

/// How many names an error lists.
const LISTED: usize = 10;

pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    let mut names: Vec<_> = items.iter().take(LISTED).map(ToString::to_string).collect();
    if items.len() > LISTED {
        names.push(format!("{} others", items.len() - LISTED));
    }
    names.join(", ")
}
