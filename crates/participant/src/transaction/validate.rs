//! Whether a request may be confirmed: the checks of a participant, and what it answers.
//!
//! What is wrong with the request as a whole is said without a view; what is wrong with a view, for the view and on behalf
//! of the parties for whom this participant may confirm. A request that cannot be answered is left alone: its mediator
//! times it out.
//! Source: Canton 2.10's `ProtocolProcessor` and `TransactionProcessingSteps`.

use std::collections::BTreeSet;

use cantle_crypto::{Hash, Signature};
use cantle_protocol::{
    FullView, LocalReject, LocalVerdict, RootHashMessage, SubmitterMetadata, ViewContent, ViewPosition,
    ViewType,
};
use cantle_sequencing::{SyncCrypto, chain};
use cantle_topology::{ParticipantPermission, TopologyView, TrustLevel};
use cantle_types::{CantonTimestamp, MediatorId, Member, MemberCode, ParticipantId, PartyId};

use super::contracts::{Contracts, NotUsable};
use super::request::OpenedRequest;
use crate::ping::{PingContract, check_view};

/// What becomes of a request at its arrival.
#[derive(Debug)]
pub(crate) enum Checked {
    /// It is none that can be answered; the reason is for the log.
    Ignored(String),
    /// Its result is waited for, without an answer: its mediator sees what is wrong.
    WaitForResult {
        /// Which request it is, where that can be told.
        root_hash: Option<Hash>,
        /// Why it is not answered.
        reason: String,
    },
    /// It is open.
    Open(Box<CheckedRequest>),
}

/// A request that is open.
#[derive(Debug)]
pub(crate) struct CheckedRequest {
    pub(crate) root_hash: Hash,
    pub(crate) mediator: MediatorId,
    /// What is committed if it is approved; nothing if this participant found it wrong.
    pub(crate) content: Option<ViewContent>,
    /// The step of a ping that it says it is.
    pub(crate) step: Option<Step>,
    pub(crate) answers: Vec<Answer>,
}

/// A step of a ping, by who submitted it. It is only said, not checked.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// What the ping is called.
    pub(crate) ping: String,
    pub(crate) submitter: ParticipantId,
}

impl Step {
    fn of(view: &FullView) -> Option<Self> {
        let light = view.light();
        let submitter = light.submitter_metadata()?.submitter_participant().clone();
        let used = light.participant_data().content()?.inputs.first()?;
        Some(Self { ping: PingContract::from_contract(&used.contract).ok()?.id, submitter })
    }
}

/// What this participant answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) verdict: LocalVerdict,
    pub(crate) parties: BTreeSet<PartyId>,
    pub(crate) position: Option<ViewPosition>,
}

/// What is needed to check a request.
#[derive(Debug)]
pub(crate) struct Validator<'a> {
    pub(crate) participant: &'a ParticipantId,
    pub(crate) crypto: &'a SyncCrypto,
    pub(crate) topology: &'a TopologyView,
    pub(crate) request_id: CantonTimestamp,
}

impl Validator<'_> {
    /// Checks a request, and locks the contracts that it uses if it is to be approved.
    pub(crate) fn check(&self, request: OpenedRequest, contracts: &mut Contracts) -> Checked {
        let root = match &request.roots[..] {
            [] if request.views.is_empty() && request.unreadable.is_empty() => {
                return Checked::Ignored("there is neither a root hash nor a view".to_owned());
            }
            [] => return Checked::Ignored("there are views and no root hash message".to_owned()),
            [root] => root,
            _ => {
                let reason = "there are several root hash messages".to_owned();
                return Checked::WaitForResult { root_hash: None, reason };
            }
        };
        let (root, mediator) = match self.mediator(root) {
            Ok(mediator) => (&root.0, mediator),
            Err(ignored) => return Checked::Ignored(ignored),
        };
        let step = request.views.first().and_then(|(view, _)| Step::of(view));
        let open = |content, answers| {
            Checked::Open(Box::new(CheckedRequest {
                root_hash: root.root_hash,
                mediator: mediator.clone(),
                content,
                step: step.clone(),
                answers,
            }))
        };
        if let Some(unusable) = request.unreadable.iter().find(|error| !error.is_malformed()) {
            // Not the sender's fault: nothing is said, and what this participant keeps is left as it is.
            return Checked::WaitForResult { root_hash: Some(root.root_hash), reason: chain(unusable) };
        }
        if let Some(reject) = self.malformed(root, &mediator, &request) {
            return open(None, vec![malformed(reject)]);
        }
        let mut answers = Vec::new();
        let mut content = None;
        for (view, signature) in &request.views {
            match self.view(view, signature.as_ref(), contracts) {
                Ok((checked, answer)) => {
                    content = Some(checked);
                    answers.extend(answer);
                }
                Err(answer) => {
                    // A view that is not approved takes the whole request with it.
                    return open(None, answer.into_iter().map(|answer| *answer).collect());
                }
            }
        }
        open(content, answers)
    }

    /// The mediator that got the root hash message beside this participant.
    fn mediator(
        &self,
        (_, recipients): &(RootHashMessage, cantle_protocol::Recipients),
    ) -> Result<MediatorId, String> {
        let own = self.participant.member();
        let others: Vec<&Member> = match recipients.as_single_group() {
            Some(group) if group.len() == 2 && group.contains(own) => {
                group.iter().filter(|member| *member != own).collect()
            }
            _ => {
                return Err("the root hash message does not go to a mediator and this participant".to_owned());
            }
        };
        match &others[..] {
            [other] if other.code() == MemberCode::Mediator => {
                let mediator = MediatorId::new(other.uid().clone());
                if self.topology.is_mediator_active(&mediator) {
                    Ok(mediator)
                } else {
                    Err(format!("{mediator} is no active mediator"))
                }
            }
            _ => Err("the root hash message does not go to a mediator".to_owned()),
        }
    }

    /// What is wrong with the request as a whole.
    fn malformed(
        &self,
        root: &RootHashMessage,
        mediator: &MediatorId,
        request: &OpenedRequest,
    ) -> Option<LocalReject> {
        if let Some(error) = request.unreadable.first() {
            return Some(LocalReject::malformed_payload(chain(error)));
        }
        if root.view_type != ViewType::Transaction {
            return Some(LocalReject::bad_root_hash_messages("it is not about a transaction".to_owned()));
        }
        if request.views.is_empty() {
            return Some(LocalReject::malformed_request("there is no view".to_owned()));
        }
        for (view, _) in &request.views {
            if view.light().root_hash() != root.root_hash {
                return Some(LocalReject::bad_root_hash_messages("a view has another root hash".to_owned()));
            }
            let named = view.light().common_metadata().mediator();
            if named != mediator.member() {
                let details = format!("the views name the mediator {named}");
                return Some(LocalReject::malformed_request(details));
            }
        }
        // A ping is one view; a root view shows who submits.
        match &request.views[..] {
            [(view, _)] if view.position().is_root() => None,
            _ => Some(LocalReject::model_conformance("a transaction of Cantle has one view".to_owned())),
        }
    }

    /// Checks a view. What it does and the answer, if this participant has to give one; or the rejection.
    fn view(
        &self,
        view: &FullView,
        signature: Option<&Signature>,
        contracts: &mut Contracts,
    ) -> Result<(ViewContent, Option<Answer>), Option<Box<Answer>>> {
        let light = view.light();
        let wrong = |reject| Some(Box::new(malformed(reject)));
        let Some(submitter) = light.submitter_metadata() else {
            return Err(wrong(LocalReject::malformed_request("the view hides its submitter".to_owned())));
        };
        self.submitter(submitter, light.root_hash(), signature).map_err(wrong)?;
        let Some(content) = light.participant_data().content() else {
            let details = "its action is in a language that this participant has no engine for".to_owned();
            return Err(wrong(LocalReject::model_conformance(details)));
        };
        let said = light.common_data().parameters();
        let ledger_time = light.participant_metadata().ledger_time();
        let parties = check_view(content, said, ledger_time)
            .map_err(|error| wrong(LocalReject::model_conformance(error.to_string())))?;
        if parties.actors != *submitter.act_as() {
            let details = "others act than those for whom it was submitted".to_owned();
            return Err(wrong(LocalReject::model_conformance(details)));
        }
        let own = self.own_confirmers(&parties.confirmers);
        let answer =
            |verdict| Answer { verdict, parties: own.clone(), position: Some(view.position().clone()) };
        let reject = |reject| (!own.is_empty()).then(|| Box::new(answer(LocalVerdict::Reject(reject))));
        self.ledger_time(ledger_time).map_err(&reject)?;
        match contracts.lock(self.request_id, content) {
            Ok(()) => Ok((content.clone(), (!own.is_empty()).then(|| answer(LocalVerdict::Approve)))),
            Err(NotUsable::Locked(ids)) => Err(reject(LocalReject::locked_contracts(texts(&ids)))),
            // Who only sees the contract now cannot know it, and takes the word of those who sign it.
            Err(NotUsable::Inactive(_)) if own.is_empty() => Ok((content.clone(), None)),
            Err(NotUsable::Inactive(ids)) => Err(reject(LocalReject::inactive_contracts(texts(&ids)))),
        }
    }

    /// Whether the participant that submits did, and may.
    fn submitter(
        &self,
        submitter: &SubmitterMetadata,
        root_hash: Hash,
        signature: Option<&Signature>,
    ) -> Result<(), LocalReject> {
        let participant = submitter.submitter_participant();
        let Some(signature) = signature else {
            return Err(LocalReject::malformed_request(
                "the submitter did not sign the root hash".to_owned(),
            ));
        };
        self.crypto.verify(self.topology, participant.member(), &root_hash, signature).map_err(|error| {
            LocalReject::malformed_request(format!("the submitter's signature: {}", chain(&error)))
        })?;
        for party in submitter.act_as() {
            let hosting = self.topology.hosting(party, participant);
            if hosting.is_none_or(|hosting| hosting.permission != ParticipantPermission::Submission) {
                return Err(LocalReject::malformed_request(format!(
                    "{participant} may not submit for {party}"
                )));
            }
        }
        Ok(())
    }

    fn ledger_time(&self, ledger_time: CantonTimestamp) -> Result<(), LocalReject> {
        let tolerance = self.topology.parameters().ledger_time_record_time_tolerance;
        let (earlier, later) = (ledger_time.min(self.request_id), ledger_time.max(self.request_id));
        if later.saturating_since(earlier) <= tolerance {
            return Ok(());
        }
        Err(LocalReject::ledger_time(format!(
            "{ledger_time} and {}, {tolerance:?} are tolerated",
            self.request_id
        )))
    }

    /// The confirmers for whom this participant may confirm.
    fn own_confirmers(&self, confirmers: &BTreeSet<PartyId>) -> BTreeSet<PartyId> {
        let may = |party: &&PartyId| {
            let hosting = self.topology.hosting(party, self.participant);
            hosting.is_some_and(|hosting| {
                hosting.permission.can_confirm() && hosting.trust_level >= TrustLevel::Ordinary
            })
        };
        confirmers.iter().filter(may).cloned().collect()
    }
}

fn malformed(reject: LocalReject) -> Answer {
    Answer { verdict: LocalVerdict::Reject(reject), parties: BTreeSet::new(), position: None }
}

fn texts(ids: &[cantle_protocol::ContractId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
