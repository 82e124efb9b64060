//! Random histories against a model that has lists instead of maps, and repeats its rules until nothing changes.
//!
//! Two namespaces with some keys in common; everybody tries to sign everything, what was added is taken back, taken back
//! again, repeated and signed by others.

mod model;

use cantle_topology::{
    IdentifierDelegation, MediatorDomainState, NamespaceDelegation, Outcome, ParticipantPermission,
    ParticipantState, PartyToParticipant, RequestSide, SignedTopologyTransaction, TopologyChangeOp,
    TopologyError, TopologyMapping, TopologyTimeline, TopologyTransaction, TopologyView, TrustLevel,
};
use cantle_types::{MediatorId, ParticipantId, PartyId};
use proptest::prelude::*;

use crate::signed::{at, domain, key_of, micro_after, private, sign, uid};
use crate::support::VERSION;
use model::{Claim, Model, Uid, Verdict};

/// One thing that somebody sends; numbers of earlier ones are taken modulo how many there are.
#[derive(Debug, Clone)]
enum Action {
    Add { claim: Claim, signer: u8 },
    Remove { earlier: usize, signer: u8 },
    Again { earlier: usize },
    SignAgain { earlier: usize, signer: u8 },
}

/// Keys 1 and 2 span the namespaces; the domain is in that of key 1.
const KEYS: std::ops::Range<u8> = 1..6;

fn uids() -> impl Strategy<Value = Uid> {
    (1_u8..3, prop_oneof![3 => Just("p"), 1 => Just("domain")])
}

fn claims() -> impl Strategy<Value = Claim> {
    let side = || prop::sample::select(RequestSide::ALL);
    let permission = || prop::sample::select(ParticipantPermission::ALL);
    let party = (1_u8..3, prop_oneof![Just("alice"), Just("bob")]);
    prop_oneof![
        2 => (1_u8..3).prop_map(|namespace| Claim::Namespace { namespace, target: namespace, root: true }),
        3 => (1_u8..3, KEYS, any::<bool>()).prop_map(|(namespace, target, root)| {
            Claim::Namespace { namespace, target, root: root || target == namespace }
        }),
        3 => (uids(), KEYS).prop_map(|(uid, target)| Claim::Identifier { uid, target }),
        2 => (uids(), KEYS).prop_map(|(owner, key)| Claim::Key { owner, key }),
        2 => (side(), uids(), permission()).prop_map(|(side, participant, permission)| {
            Claim::Participant { side, participant, permission }
        }),
        2 => (side(), party, uids(), permission()).prop_map(|(side, party, participant, permission)| {
            Claim::Party { side, party, participant, permission }
        }),
        1 => (side(), uids()).prop_map(|(side, mediator)| Claim::Mediator { side, mediator }),
    ]
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let earlier = || any::<usize>();
    let action = prop_oneof![
        // Those who may sign most do so more often, or little would ever be accepted.
        8 => (claims(), prop_oneof![2 => 1_u8..3, 1 => KEYS])
            .prop_map(|(claim, signer)| Action::Add { claim, signer }),
        3 => (earlier(), prop_oneof![2 => 1_u8..3, 1 => KEYS])
            .prop_map(|(earlier, signer)| Action::Remove { earlier, signer }),
        1 => earlier().prop_map(|earlier| Action::Again { earlier }),
        1 => (earlier(), KEYS).prop_map(|(earlier, signer)| Action::SignAgain { earlier, signer }),
    ];
    proptest::collection::vec(action, 0..48)
}

fn mapping(claim: &Claim) -> TopologyMapping {
    let uid = |uid: &Uid| uid_of(*uid);
    match claim {
        Claim::Namespace { namespace, target, root } => {
            let namespace = crate::signed::namespace(*namespace);
            let key = private(*target).public().clone();
            let delegation = NamespaceDelegation::new(namespace, key, (*root).into());
            TopologyMapping::NamespaceDelegation(delegation.unwrap())
        }
        Claim::Identifier { uid: identifier, target } => {
            TopologyMapping::IdentifierDelegation(IdentifierDelegation {
                identifier: uid(identifier),
                target: private(*target).public().clone(),
            })
        }
        Claim::Key { owner, key } => key_of(ParticipantId::new(uid(owner)), *key),
        Claim::Participant { side, participant, permission } => {
            let participant = ParticipantId::new(uid(participant));
            let (side, permission) = (*side, *permission);
            let state = ParticipantState::new(side, domain(), participant, permission, TrustLevel::Ordinary);
            TopologyMapping::ParticipantState(state.unwrap())
        }
        Claim::Party { side, party, participant, permission } => {
            let (party, participant) = (PartyId::new(uid(party)), ParticipantId::new(uid(participant)));
            let mapping = PartyToParticipant::new(*side, party, participant, *permission);
            TopologyMapping::PartyToParticipant(mapping.unwrap())
        }
        Claim::Mediator { side, mediator } => TopologyMapping::MediatorDomainState(MediatorDomainState {
            side: *side,
            domain: domain(),
            mediator: uid(mediator),
        }),
    }
}

fn uid_of((namespace, identifier): Uid) -> cantle_types::UniqueIdentifier {
    uid(identifier, namespace)
}

/// Plays one history on both sides, message by message.
struct Play {
    timeline: TopologyTimeline,
    model: Model,
    /// What was sent, with the element and signer that the model knows it by.
    sent: Vec<(TopologyTransaction, usize, u8)>,
    clock: i64,
}

impl Play {
    fn new() -> Self {
        let timeline = TopologyTimeline::new(domain(), VERSION);
        Self { timeline, model: Model::default(), sent: Vec::new(), clock: 0 }
    }

    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        let pick =
            |earlier: usize| earlier.checked_rem(self.sent.len()).map(|index| self.sent[index].clone());
        match action {
            Action::Add { claim, signer } => {
                let element = self.model.element(claim.clone());
                let id = format!("element{element}").parse().unwrap();
                let add =
                    TopologyTransaction::new(TopologyChangeOp::Add, id, mapping(claim), VERSION).unwrap();
                self.send(add, element, *signer)
            }
            Action::Remove { earlier, signer } => match pick(*earlier) {
                Some((transaction, element, _)) if transaction.op() == TopologyChangeOp::Add => {
                    self.send(transaction.reverse().unwrap(), element, *signer)
                }
                _ => Ok(()),
            },
            Action::Again { earlier } => match pick(*earlier) {
                Some((transaction, element, signer)) => self.send(transaction, element, signer),
                None => Ok(()),
            },
            Action::SignAgain { earlier, signer } => match pick(*earlier) {
                Some((transaction, element, _)) => self.send(transaction, element, *signer),
                None => Ok(()),
            },
        }
    }

    fn send(
        &mut self,
        transaction: TopologyTransaction,
        element: usize,
        signer: u8,
    ) -> Result<(), TestCaseError> {
        let op = transaction.op();
        let signed: SignedTopologyTransaction = sign(transaction.clone(), signer);
        self.sent.push((transaction, element, signer));
        self.clock += 1;
        let fed = self.timeline.feed(at(self.clock), &[signed]).unwrap();
        let expected = self.model.judge(op, element, signer);
        prop_assert_eq!(verdict(&fed.outcomes[0]), expected, "{:?}", self.sent.last());
        Ok(())
    }
}

fn verdict(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Accepted => Verdict::Accepted,
        Outcome::Duplicate => Verdict::Duplicate,
        Outcome::Rejected(TopologyError::Unauthorized { .. }) => Verdict::Unauthorized,
        Outcome::Rejected(
            TopologyError::DuplicateTransaction { .. }
            | TopologyError::NoCorrespondingActiveTransaction { .. },
        ) => Verdict::Undone,
        Outcome::Rejected(error) => panic!("no history leads to {error}"),
    }
}

/// Which keys are offered for a claim that somebody would make now, and that each of them may sign it.
fn compare_choice(view: &TopologyView, model: &Model, claim: &Claim) -> Result<(), TestCaseError> {
    let mapping = mapping(claim);
    let id = "choice".parse().unwrap();
    let add = TopologyTransaction::new(TopologyChangeOp::Add, id, mapping.clone(), VERSION).unwrap();
    let offered = view.state().signing_keys_for(&mapping);
    for signer in KEYS {
        let signer_key = private(signer);
        let key = signer_key.fingerprint();
        let times = offered.iter().filter(|offered| *offered == key).count();
        prop_assert_eq!(times, usize::from(model.would_sign(claim, signer)), "{} for {:?}", signer, claim);
        prop_assert!(times == 0 || view.state().is_authorized(&add, key), "{} for {:?}", signer, claim);
    }
    Ok(())
}

fn compare(view: &TopologyView, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(view.state().len(), model.active().len());
    for namespace in [1, 2] {
        let uid = (namespace, "p");
        for claim in [
            Claim::Namespace { namespace, target: namespace, root: true },
            Claim::Namespace { namespace, target: 3, root: true },
            Claim::Namespace { namespace, target: 3, root: false },
            Claim::Identifier { uid, target: 3 },
            Claim::Key { owner: uid, key: 3 },
            Claim::Mediator { side: RequestSide::Both, mediator: uid },
            Claim::Mediator { side: RequestSide::To, mediator: uid },
        ] {
            compare_choice(view, model, &claim)?;
        }
    }
    for (namespace, identifier) in [(1, "p"), (2, "p"), (1, "domain"), (2, "domain")] {
        let uid = (namespace, identifier);
        let participant = ParticipantId::new(uid_of(uid));
        let keys: Vec<_> = view.signing_keys(participant.member());
        let keys: Vec<_> = keys.iter().map(|key| key.fingerprint().clone()).collect();
        let expected: Vec<_> =
            model.keys(uid).into_iter().map(|number| private(number).fingerprint().clone()).collect();
        prop_assert_eq!(keys, expected, "keys of {:?}", uid);
        let attributes = view.participant_attributes(&participant).map(|found| found.permission);
        prop_assert_eq!(attributes, model.participant(uid), "state of {:?}", uid);
        let mediator = MediatorId::new(uid_of(uid));
        prop_assert_eq!(view.is_mediator_active(&mediator), model.mediator(uid), "mediator {:?}", uid);
        for party in [(1, "alice"), (2, "bob"), (1, "bob"), (2, "alice"), uid] {
            let hosting = view.hosting(&PartyId::new(uid_of(party)), &participant);
            let hosting = hosting.map(|found| found.permission);
            prop_assert_eq!(hosting, model.hosting(party, uid), "{:?} at {:?}", party, uid);
        }
        for signer in KEYS {
            let valid = view.state().is_valid_for(&uid_of(uid), private(signer).fingerprint());
            prop_assert_eq!(valid, model.is_valid_for(uid, signer), "{} for {:?}", signer, uid);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_history_is_judged_as_the_model_judges_it(actions in actions()) {
        let mut play = Play::new();
        for action in &actions {
            play.act(action)?;
        }
        compare(play.timeline.latest(), &play.model)?;
    }

    #[test]
    fn the_past_stays_what_it_was(actions in actions(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(actions.len() + 1);
        let mut play = Play::new();
        for action in &actions[..cut] {
            play.act(action)?;
        }
        let (then, model) = (play.clock, std::mem::take(&mut play.model));
        play.model = model.clone();
        for action in &actions[cut..] {
            play.act(action)?;
        }
        // Without parameters there is no delay, so that the topology counts a microsecond later.
        compare(&play.timeline.view(micro_after(at(then))).unwrap(), &model)?;
    }

    #[test]
    fn one_message_is_judged_like_many(actions in actions()) {
        let mut play = Play::new();
        for action in &actions {
            play.act(action)?;
        }
        let together: Vec<_> =
            play.sent.iter().map(|(transaction, _, signer)| sign(transaction.clone(), *signer)).collect();
        let mut timeline = TopologyTimeline::new(domain(), VERSION);
        timeline.feed(at(0), &together).unwrap();
        compare(timeline.latest(), &play.model)?;
    }
}
