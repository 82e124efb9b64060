//! The mediator's side of the confirmation protocol, without IO: what came, at which time, by which topology.
//!
//! The caller brings the events of the domain in their order, with the topology of the request's time, and tells the time.
//! The state says what is to be sent. It is a function of what it was told: told the same again, it says the same again.
//! Source: Canton 2.10's `ConfirmationResponseProcessor` and its state machine.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cantle_crypto::Hash;
use cantle_protocol::{
    FullInformeeTree, LocalReject, LocalVerdict, MalformedMediatorRequestResult, MediatorReject,
    MediatorResponse, ParseError, TransactionResultMessage, Verdict, ViewPosition, ViewType,
};
use cantle_topology::TopologyView;
use cantle_types::{CantonTimestamp, DomainId, MediatorId, Member, ParticipantId, PartyId, ProtocolVersion};
use uuid::Uuid;

use crate::alarm::Alarm;
use crate::conclusion::{Conclusion, ResultContent};
use crate::inbox::{Answer, Request};
use crate::request::{Refusal, check, concerned_participants, list, told_participants};
use crate::view::{OpenView, Standing};

/// Requests that are open at once. A domain that has more is not helped by a mediator without memory.
const MAX_OPEN: usize = 100_000;

/// What the mediator has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A request is concluded: its results are to be signed and sent.
    Conclude(Conclusion),
    /// Something was not right.
    Alarm {
        /// When.
        at: CantonTimestamp,
        /// What.
        alarm: Alarm,
    },
}

/// The requests of a domain that one mediator concludes.
#[derive(Debug, Clone)]
pub struct MediatorState {
    mediator: MediatorId,
    domain: DomainId,
    version: ProtocolVersion,
    open: BTreeMap<CantonTimestamp, OpenRequest>,
    /// Requests that are concluded, until their decision time.
    concluded: BTreeMap<CantonTimestamp, CantonTimestamp>,
    /// The ids of requests, until they may be used again, with the requests that used them.
    uuids: HashMap<Uuid, CantonTimestamp>,
    expiries: BTreeSet<(CantonTimestamp, Uuid)>,
}

#[derive(Debug, Clone)]
struct OpenRequest {
    root_hash: Hash,
    views: BTreeMap<ViewPosition, OpenView>,
    concerned: BTreeSet<ParticipantId>,
    response_deadline: CantonTimestamp,
    decision_time: CantonTimestamp,
}

impl MediatorState {
    /// A mediator without any request.
    #[must_use]
    pub fn new(mediator: MediatorId, domain: DomainId, version: ProtocolVersion) -> Self {
        Self {
            mediator,
            domain,
            version,
            open: BTreeMap::new(),
            concluded: BTreeMap::new(),
            uuids: HashMap::new(),
            expiries: BTreeSet::new(),
        }
    }

    /// How many requests are open.
    #[must_use]
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    /// Until when answers to an open request count.
    #[must_use]
    pub fn response_deadline(&self, request_id: CantonTimestamp) -> Option<CantonTimestamp> {
        self.open.get(&request_id).map(|open| open.response_deadline)
    }

    /// Whether answers to a request are of interest: it is open, or was concluded not long ago.
    #[must_use]
    pub fn knows(&self, request_id: CantonTimestamp) -> bool {
        self.open.contains_key(&request_id) || self.concluded.contains_key(&request_id)
    }

    /// The time of the first event that is still needed to know all this again.
    #[must_use]
    pub fn needed_from(&self) -> Option<CantonTimestamp> {
        let open = self.open.keys().next().copied();
        let used = self.uuids.values().copied().min();
        open.into_iter().chain(used).min()
    }

    /// A time of the domain was seen: what was not answered in time is concluded.
    pub fn time(&mut self, at: CantonTimestamp) -> Vec<Effect> {
        while let Some((until, uuid)) = self.expiries.first().copied() {
            if until >= at {
                break;
            }
            self.expiries.pop_first();
            self.uuids.remove(&uuid);
        }
        self.concluded.retain(|_, decision_time| *decision_time >= at);
        let late: Vec<_> =
            self.open.iter().filter(|(_, open)| open.response_deadline < at).map(|(id, _)| *id).collect();
        let conclude = |request_id| {
            let open = self.open.get(&request_id)?;
            let unresponsive: BTreeSet<_> =
                open.views.values().flat_map(|view| view.unresponsive()).cloned().collect();
            let unresponsive: Vec<_> = unresponsive.into_iter().collect();
            let cause = format!("not confirmed in time; no answer for {}", list(&unresponsive));
            Some((request_id, Verdict::MediatorReject(MediatorReject::timed_out(&cause, self.version))))
        };
        let verdicts: Vec<_> = late.into_iter().filter_map(conclude).collect();
        verdicts.into_iter().flat_map(|(request_id, verdict)| self.conclude(request_id, verdict)).collect()
    }

    /// A request was sequenced at `at`, in the topology of that time.
    pub fn request(
        &mut self,
        at: CantonTimestamp,
        request: &Request,
        topology: &TopologyView,
    ) -> Vec<Effect> {
        let parameters = topology.parameters();
        let deadline = at.saturating_add(parameters.participant_response_timeout);
        let decision_time = deadline.saturating_add(parameters.mediator_reaction_timeout);
        let Some(message) = &request.informees else {
            if !topology.is_mediator_active(&self.mediator) {
                return vec![self.alarm(at, Alarm::MediatorNotActive { mediator: self.mediator.clone() })];
            }
            let refusal = Refusal::Malformed("the request cannot be read".to_owned());
            return self.refuse(at, decision_time, request, &refusal);
        };
        let tree = message.tree();
        let uuid = tree.common_metadata().uuid();
        if let Some(used) = self.uuids.get(&uuid)
            && *used != at
        {
            let reason = format!("the request id {uuid} was used by the request at {used}");
            return self.refuse(at, decision_time, request, &Refusal::Malformed(reason));
        }
        let until = at.saturating_add(parameters.mediator_deduplication_timeout);
        self.uuids.insert(uuid, at);
        self.expiries.insert((until, uuid));
        if !topology.is_mediator_active(&self.mediator) {
            return vec![self.alarm(at, Alarm::MediatorNotActive { mediator: self.mediator.clone() })];
        }
        if let Err(refusal) = check(&self.mediator, tree, request, topology) {
            return self.refuse(at, decision_time, request, &refusal);
        }
        if self.open.len() >= MAX_OPEN {
            return vec![self.alarm(at, Alarm::TooManyRequests { open: self.open.len() })];
        }
        self.open.insert(at, open_request(tree, topology, deadline, decision_time));
        Vec::new()
    }

    /// An answer whose signature was verified by the topology of its request's time came at `at`.
    pub fn answer(&mut self, at: CantonTimestamp, answer: &Answer, topology: &TopologyView) -> Vec<Effect> {
        match self.count(at, answer, topology) {
            Ok(None) => Vec::new(),
            Ok(Some(verdict)) => self.conclude(answer.response.request_id(), verdict),
            Err(alarm) => vec![self.alarm(at, *alarm)],
        }
    }

    /// Counts an answer. The verdict, if it brings one.
    fn count(
        &mut self,
        at: CantonTimestamp,
        answer: &Answer,
        topology: &TopologyView,
    ) -> Result<Option<Verdict>, Box<Alarm>> {
        let Answer { response, recipients } = answer;
        let (request_id, sender) = (response.request_id(), response.sender().clone());
        if *response.domain_id() != self.domain {
            return Err(Alarm::OtherDomain { sender, domain: response.domain_id().clone() }.into());
        }
        let parameters = topology.parameters();
        let deadline = request_id.saturating_add(parameters.participant_response_timeout);
        if at > deadline {
            return Err(Alarm::Late { sender, request_id, deadline }.into());
        }
        let alone = recipients.as_single_group().is_some_and(|group| is_only(group, self.mediator.member()));
        let Some(open) = self.open.get_mut(&request_id) else {
            if self.concluded.contains_key(&request_id) {
                return Ok(None);
            }
            return Err(Alarm::UnknownRequest { sender, request_id }.into());
        };
        if !alone {
            return Err(Alarm::Recipients { sender, request_id }.into());
        }
        if response.root_hash().is_some_and(|hash| hash != open.root_hash) {
            return Err(Alarm::RootHash { sender, request_id }.into());
        }
        let malformed = match response.verdict() {
            LocalVerdict::Reject(reject) if reject.is_malformed() => Some(reject),
            _ => None,
        };
        match (response.view_position(), malformed) {
            (Some(position), malformed) => {
                let Some(view) = open.views.get_mut(position) else {
                    let position = position.clone();
                    return Err(Alarm::UnknownView { sender, request_id, position }.into());
                };
                let standing = match malformed {
                    Some(reject) => view.reject(&view.confirmers_at(topology, &sender), reject),
                    None => count_for_view(view, response, topology)?,
                };
                Ok(open.verdict(standing, position))
            }
            (None, Some(reject)) => Ok(open.reject_everywhere(&sender, reject, topology)),
            (None, None) => Err(Alarm::NoView { sender, request_id }.into()),
        }
    }

    /// Ends an open request.
    fn conclude(&mut self, request_id: CantonTimestamp, verdict: Verdict) -> Vec<Effect> {
        let Some(open) = self.open.remove(&request_id) else { return Vec::new() };
        self.concluded.insert(request_id, open.decision_time);
        let result = TransactionResultMessage::new(
            request_id,
            verdict,
            open.root_hash,
            self.domain.clone(),
            self.version,
        );
        self.concluded(
            request_id,
            open.decision_time,
            vec![(result.map(ResultContent::Transaction), open.concerned)],
        )
    }

    /// Rejects a request at its arrival, for those who were told of it.
    fn refuse(
        &mut self,
        at: CantonTimestamp,
        decision_time: CantonTimestamp,
        request: &Request,
        refusal: &Refusal,
    ) -> Vec<Effect> {
        self.concluded.insert(at, decision_time);
        let reject = refusal.reject(self.version);
        let results = told_participants(request).into_iter().map(|(view_type, participants)| {
            let result = match (view_type, &request.informees) {
                (ViewType::Transaction, Some(message)) => TransactionResultMessage::new(
                    at,
                    Verdict::MediatorReject(reject.clone()),
                    message.root_hash(),
                    self.domain.clone(),
                    self.version,
                )
                .map(ResultContent::Transaction),
                _ => MalformedMediatorRequestResult::new(
                    at,
                    self.domain.clone(),
                    view_type,
                    reject.clone(),
                    self.version,
                )
                .map(ResultContent::Malformed),
            };
            (result, participants)
        });
        let results = results.collect();
        let mut effects = vec![self.alarm(at, Alarm::Request { reason: refusal.reason().to_owned() })];
        effects.extend(self.concluded(at, decision_time, results));
        effects
    }

    fn concluded(
        &self,
        request_id: CantonTimestamp,
        decision_time: CantonTimestamp,
        results: Vec<(Result<ResultContent, ParseError>, BTreeSet<ParticipantId>)>,
    ) -> Vec<Effect> {
        // Verdicts are made in the form of this protocol version, so that there is always a result.
        let results: Vec<_> =
            results.into_iter().filter_map(|(result, told)| Some((result.ok()?, told))).collect();
        if results.is_empty() {
            return Vec::new();
        }
        vec![Effect::Conclude(Conclusion { request_id, decision_time, results })]
    }

    fn alarm(&self, at: CantonTimestamp, alarm: Alarm) -> Effect {
        Effect::Alarm { at, alarm }
    }
}

impl OpenRequest {
    /// The verdict that the new standing of a view brings, if any.
    fn verdict(&self, standing: Standing, position: &ViewPosition) -> Option<Verdict> {
        match standing {
            Standing::Lost => {
                let reasons = self.views.get(position)?.reasons().to_vec();
                Some(Verdict::ParticipantReject(reasons))
            }
            Standing::Confirmed => {
                let all = self.views.values().all(|view| view.standing() == Standing::Confirmed);
                all.then_some(Verdict::Approve)
            }
            Standing::Open => None,
        }
    }

    /// A participant says that the request is malformed, on behalf of all for whom it may confirm.
    fn reject_everywhere(
        &mut self,
        sender: &ParticipantId,
        reject: &LocalReject,
        topology: &TopologyView,
    ) -> Option<Verdict> {
        let mut lost = None;
        for (position, view) in &mut self.views {
            let parties = view.confirmers_at(topology, sender);
            if view.reject(&parties, reject) == Standing::Lost && lost.is_none() {
                lost = Some(position.clone());
            }
        }
        lost.and_then(|position| self.verdict(Standing::Lost, &position))
    }
}

fn count_for_view(
    view: &mut OpenView,
    response: &MediatorResponse,
    topology: &TopologyView,
) -> Result<Standing, Box<Alarm>> {
    let sender = response.sender();
    let parties = response.confirming_parties();
    let may = |party: &&PartyId| view.is_confirmer(party) && view.may_confirm(topology, sender, party);
    if let Some(party) = parties.iter().find(|party| !may(party)) {
        return Err(Alarm::NotAuthorized {
            sender: sender.clone(),
            request_id: response.request_id(),
            party: party.clone(),
        }
        .into());
    }
    Ok(match response.verdict() {
        LocalVerdict::Approve => view.approve(parties),
        LocalVerdict::Reject(reject) => view.reject(parties, reject),
    })
}

fn open_request(
    tree: &FullInformeeTree,
    topology: &TopologyView,
    response_deadline: CantonTimestamp,
    decision_time: CantonTimestamp,
) -> OpenRequest {
    let views = tree.views().into_iter();
    OpenRequest {
        root_hash: tree.root_hash(),
        views: views.map(|(position, common)| (position, OpenView::new(common.parameters()))).collect(),
        concerned: concerned_participants(tree, topology),
        response_deadline,
        decision_time,
    }
}

fn is_only(group: &BTreeSet<Member>, member: &Member) -> bool {
    group.len() == 1 && group.contains(member)
}
