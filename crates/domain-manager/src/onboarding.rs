//! Whether a domain takes what a participant asks it to register, and in which order.
//!
//! A pure decision over what the domain has authorized so far; nothing is signed or stored here. A participant that the
//! domain does not know must show a set of transactions that authorizes itself and says no more than is needed to speak
//! to it; one that is on the domain may send its later changes one by one.
//! What was signed again, with the same content, is a duplicate here and is not sent to the members a second time.
//! Source: <https://docs.daml.com/canton/usermanual/manage_domains.html>

use std::collections::HashMap;

use cantle_protocol::{RegisterTopologyTransactionRequest, RegistrationResult, RegistrationState};
use cantle_sequencing::chain;
use cantle_topology::{
    MappingCode, ParticipantPermission, ParticipantState, RequestSide, RequiredAuthorization,
    SignedTopologyTransaction, Subject, TopologyChangeOp, TopologyError, TopologyMapping, TopologyState,
    TopologyTimeline, TopologyTransaction, TopologyView, TrustLevel, required_authorizations,
};
use cantle_types::{DomainId, MemberCode, ParticipantId, ProtocolVersion};

/// Whom a domain lets in by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Admission {
    /// Every participant that asks properly.
    #[default]
    Open,
    /// Those whose state the domain's operator has authorized beforehand.
    Permissioned,
}

/// Whether a participant must show a legal identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ParticipantCertificate {
    /// It need not.
    #[default]
    Optional,
    /// It must have claimed one; the certificate itself is not verified.
    Required,
}

/// A domain and its rules for whom it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnboardingPolicy {
    /// The domain.
    pub domain: DomainId,
    /// Its protocol version.
    pub version: ProtocolVersion,
    /// Whom it lets in.
    pub admission: Admission,
    /// Whether they must show a legal identity.
    pub certificate: ParticipantCertificate,
}

/// What is to be done about a request, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Add the transaction of this number in the request.
    Add(usize),
    /// Authorize that the participant is on the domain.
    Trust(TopologyMapping),
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What is to be done.
    pub steps: Vec<Step>,
    /// What becomes of each transaction, in their order, if all steps can be done.
    pub results: Vec<RegistrationResult>,
}

/// Decides about a request, with what the domain has authorized so far.
#[must_use]
pub fn decide(
    policy: &OnboardingPolicy,
    authorized: &TopologyState,
    request: &RegisterTopologyTransactionRequest,
) -> Decision {
    let mut deciding = Deciding::new(policy, authorized, request);
    let refused = deciding.run();
    if let Err(Refusal { state, why }) = refused {
        deciding.steps.clear();
        for result in &mut deciding.results {
            // What was wrong with a transaction by itself is said of it.
            if result.as_ref().is_none_or(|result| result.error_message.is_empty()) {
                *result = Some(RegistrationResult { state, error_message: why.clone() });
            }
        }
    }
    let unanswered = || failed("it is no part of what was decided");
    let results = deciding.results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect();
    Decision { steps: deciding.steps, results }
}

/// Why a request is refused as a whole.
struct Refusal {
    state: RegistrationState,
    why: String,
}

fn rejected(why: impl Into<String>) -> Refusal {
    Refusal { state: RegistrationState::Rejected, why: why.into() }
}

fn faulty(why: impl Into<String>) -> Refusal {
    Refusal { state: RegistrationState::Failed, why: why.into() }
}

fn failed(why: impl Into<String>) -> RegistrationResult {
    RegistrationResult { state: RegistrationState::Failed, error_message: why.into() }
}

fn plain(state: RegistrationState) -> RegistrationResult {
    RegistrationResult { state, error_message: String::new() }
}

/// A decision in the making.
struct Deciding<'a> {
    policy: &'a OnboardingPolicy,
    request: &'a RegisterTopologyTransactionRequest,
    /// What will be authorized once the steps so far are done.
    state: TopologyState,
    steps: Vec<Step>,
    results: Vec<Option<RegistrationResult>>,
}

impl<'a> Deciding<'a> {
    fn new(
        policy: &'a OnboardingPolicy,
        authorized: &TopologyState,
        request: &'a RegisterTopologyTransactionRequest,
    ) -> Self {
        let results = vec![None; request.transactions.len()];
        Self { policy, request, state: authorized.clone(), steps: Vec::new(), results }
    }

    fn run(&mut self) -> Result<(), Refusal> {
        let RegisterTopologyTransactionRequest { domain_id, requested_by, participant, .. } = self.request;
        if *domain_id != self.policy.domain {
            return Err(rejected(format!("the request is for {domain_id}, this is {}", self.policy.domain)));
        }
        for (signed, result) in self.request.transactions.iter().zip(&mut self.results) {
            let place = signed.transaction().check_place(&self.policy.domain, self.policy.version);
            if let Err(error) = place.and_then(|()| signed.check_signature()) {
                *result = Some(failed(chain(&error)));
            }
        }
        match requested_by.code() {
            MemberCode::Unauthenticated => self.onboard(),
            MemberCode::Participant if requested_by == participant.member() => self.change(),
            _ => Err(rejected(format!("{requested_by} cannot ask for {participant}"))),
        }
    }

    /// A participant that is on the domain sends later changes.
    fn change(&mut self) -> Result<(), Refusal> {
        let participant = &self.request.participant;
        if !self.view().is_participant_active(participant) {
            return Err(rejected(format!("{participant} is not active on the domain")));
        }
        for index in self.undecided() {
            self.take(index);
        }
        Ok(())
    }

    /// A participant that the domain does not know asks to be let in.
    fn onboard(&mut self) -> Result<(), Refusal> {
        let participant = &self.request.participant;
        let (states, others) = self.check_shown()?;
        let known = self.view();
        match standing(&known, participant) {
            Standing::Disabled => return Err(rejected(format!("{participant} is disabled on this domain"))),
            Standing::Unknown if self.policy.admission == Admission::Permissioned => {
                return Err(rejected(format!("{participant} is not on the allow-list of this domain")));
            }
            Standing::Unknown | Standing::Expected => {}
        }
        // Keys first: with the last of the states the participant is active, and can be spoken to.
        others.into_iter().for_each(|index| self.take(index));
        if standing(&known, participant) == Standing::Unknown {
            self.steps.push(Step::Trust(trust(&self.policy.domain, participant)?));
        }
        states.into_iter().for_each(|index| self.take(index));
        Ok(())
    }

    /// Whether the transactions are what a newcomer must show and no more. Returns those that say that it wants to be on
    /// the domain, and the others, each after those that it rests on.
    fn check_shown(&self) -> Result<(Vec<usize>, Vec<usize>), Refusal> {
        let participant = &self.request.participant;
        let undecided = self.undecided();
        let shown: Vec<_> = undecided.iter().map(|&index| self.request.transactions[index].clone()).collect();
        let alone = TopologyTimeline::with_initial(self.policy.domain.clone(), self.policy.version, &shown);
        let alone = alone.map_err(|error| faulty(chain(&error)))?;
        for signed in &shown {
            check_is_needed(signed.transaction(), participant).map_err(faulty)?;
        }
        let view = alone.latest();
        if !view.is_trusted_by(participant) {
            return Err(faulty(format!("{participant} does not say that it wants to be on the domain")));
        }
        let member = participant.member();
        if view.signing_key(member).is_none() || view.encryption_key(member).is_none() {
            return Err(faulty(format!("{participant} needs a signing key and an encryption key")));
        }
        if self.policy.certificate == ParticipantCertificate::Required
            && !view.has_legal_identity(participant)
        {
            return Err(rejected(format!("{participant} does not show its legal identity")));
        }
        let order: HashMap<_, usize> =
            view.state().active().zip(0..).map(|(active, place)| (active.transaction(), place)).collect();
        let mut ordered = undecided;
        ordered.sort_by_key(|&index| order.get(self.request.transactions[index].transaction()));
        Ok(ordered.into_iter().partition(|&index| {
            let mapping = self.request.transactions[index].transaction().mapping();
            mapping.code() == MappingCode::ParticipantState
        }))
    }

    /// Plans the addition of a transaction, if it may be added after the steps so far.
    fn take(&mut self, index: usize) {
        let signed = &self.request.transactions[index];
        let result = match self.judge(signed) {
            Ok(()) => {
                self.state.apply(signed.transaction(), signed.key().fingerprint());
                self.steps.push(Step::Add(index));
                plain(RegistrationState::Accepted)
            }
            Err(result) => result,
        };
        self.results[index] = Some(result);
    }

    fn judge(&self, signed: &SignedTopologyTransaction) -> Result<(), RegistrationResult> {
        let transaction = signed.transaction();
        check_is_permitted(transaction.mapping(), &self.policy.domain).map_err(failed)?;
        let allowed = self.state.check_verified(signed);
        let for_domain =
            || self.state.check_for_domain(transaction, &self.policy.domain, self.policy.version);
        allowed.and_then(|()| for_domain()).map_err(|error| result_of(&error))
    }

    /// The numbers of the transactions that nothing is said of yet.
    fn undecided(&self) -> Vec<usize> {
        (0..self.results.len()).filter(|&index| self.results[index].is_none()).collect()
    }

    fn view(&self) -> TopologyView {
        TopologyView::new(self.policy.domain.clone(), self.policy.version, self.state.clone())
    }
}

/// What is said of a transaction that was not added. Whoever adds what was [decided](decide) finds out the same way.
#[must_use]
pub fn result_of(error: &TopologyError) -> RegistrationResult {
    match error {
        TopologyError::DuplicateTransaction { .. } | TopologyError::MappingAlreadyExists { .. } => {
            plain(RegistrationState::Duplicate)
        }
        TopologyError::NoCorrespondingActiveTransaction { .. } => plain(RegistrationState::Obsolete),
        error => failed(chain(error)),
    }
}

/// What the domain has said of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unknown,
    Expected,
    Disabled,
}

fn standing(known: &TopologyView, participant: &ParticipantId) -> Standing {
    let subject = Subject::of_uid(MappingCode::ParticipantState, participant.uid());
    let said = known.state().of_subject(&subject).filter_map(|active| match active.mapping() {
        TopologyMapping::ParticipantState(state)
            if state.domain() == known.domain() && state.side() != RequestSide::To =>
        {
            Some(state.permission())
        }
        _ => None,
    });
    match said.reduce(ParticipantPermission::lower_of) {
        None => Standing::Unknown,
        Some(permission) if permission.is_active() => Standing::Expected,
        Some(_) => Standing::Disabled,
    }
}

/// The domain's side of a participant's state.
fn trust(domain: &DomainId, participant: &ParticipantId) -> Result<TopologyMapping, Refusal> {
    let state = ParticipantState::new(
        RequestSide::From,
        domain.clone(),
        participant.clone(),
        ParticipantPermission::Submission,
        TrustLevel::Ordinary,
    );
    state.map(TopologyMapping::ParticipantState).map_err(|error| faulty(error.to_string()))
}

/// Whether a newcomer needs to show a transaction, which must be about itself alone.
fn check_is_needed(transaction: &TopologyTransaction, participant: &ParticipantId) -> Result<(), String> {
    let path = transaction.unique_path();
    if transaction.op() != TopologyChangeOp::Add {
        return Err(format!(
            "{path} is not an addition, which alone a participant may send before it is known"
        ));
    }
    match transaction.mapping().code() {
        MappingCode::NamespaceDelegation
        | MappingCode::IdentifierDelegation
        | MappingCode::OwnerToKeyMapping
        | MappingCode::ParticipantState
        | MappingCode::SignedLegalIdentityClaim => {}
        _ => return Err(format!("{path} is not for a participant to send before it is known")),
    }
    let is_own = match required_authorizations(transaction.mapping()) {
        RequiredAuthorization::Namespace { namespace, .. } => namespace == *participant.uid().namespace(),
        RequiredAuthorization::Uids(uids) => uids.iter().all(|uid| uid == participant.uid()),
    };
    if is_own { Ok(()) } else { Err(format!("{path} is not about {participant} alone")) }
}

/// Whether any participant may have a mapping registered.
fn check_is_permitted(mapping: &TopologyMapping, domain: &DomainId) -> Result<(), &'static str> {
    match mapping {
        TopologyMapping::OwnerToKeyMapping(mapping)
            if mapping.owner.uid() == domain.uid() && mapping.owner.code() != MemberCode::Participant =>
        {
            Err("the keys of the domain are not for participants to register")
        }
        TopologyMapping::MediatorDomainState(_) | TopologyMapping::DomainParametersChange(_) => {
            Err("this is not for participants to register")
        }
        _ => Ok(()),
    }
}
