//! What a Canton 2.10 mediator concluded, as recorded: from the same messages this one concludes the same, to the byte.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cantle_mediator::{Answer, Conclusion, Effect, Inbox, MediatorState, Request, ResultContent};
use cantle_proto::domain::api::v0 as api;
use cantle_protocol::{
    Batch, MessageId, ProtocolMessage, SequencedEvent, SignedContent, SignedProtocolContent,
    SubmissionRequest, Verdict,
};
use cantle_topology::{SignedTopologyTransaction, TopologyTimeline};
use cantle_types::{CantonTimestamp, DomainId, MediatorId, Member, ParticipantId, ProtocolVersion};
use prost::Message;

const CONVERSATION: &str = include_str!("../../../protocol/tests/fixtures/canton-2.10-conversation.jsonl");
const VERSION: ProtocolVersion = ProtocolVersion::V5;
const LIMIT: usize = 10 * 1024 * 1024;

fn of(method: &str, dir: &str) -> Vec<Vec<u8>> {
    let lines = CONVERSATION.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let of = lines.filter(|line| {
        line["method"].as_str().unwrap().ends_with(&format!("/{method}")) && line["dir"] == dir
    });
    of.map(|line| BASE64_STANDARD.decode(line["message"].as_str().unwrap()).unwrap()).collect()
}

fn messages(batch: &Batch) -> Vec<(ProtocolMessage, &cantle_protocol::Envelope)> {
    let read = |envelope: &cantle_protocol::Envelope| {
        ProtocolMessage::from_bytes(envelope.shared_content(), VERSION).unwrap()
    };
    batch.envelopes().iter().map(|envelope| (read(envelope), envelope)).collect()
}

/// The conversation as its mediator had it.
struct Recorded {
    domain: DomainId,
    mediator: MediatorId,
    timeline: TopologyTimeline,
    /// The submissions with the times that they were given, in that order.
    submissions: BTreeMap<CantonTimestamp, SubmissionRequest>,
    /// The bytes of the result of each request, and who got them.
    results: BTreeMap<CantonTimestamp, (Vec<u8>, BTreeSet<ParticipantId>)>,
}

impl Recorded {
    fn read() -> Self {
        let events: Vec<SequencedEvent> = of("SubscribeVersioned", "resp")
            .iter()
            .map(|bytes| {
                let response = api::VersionedSubscriptionResponse::decode(&bytes[..]).unwrap();
                let signed = SignedContent::<SequencedEvent>::from_bytes(response.signed_sequenced_event);
                signed.unwrap().into_content()
            })
            .collect();
        let domain = events[0].domain_id().clone();
        let mut topology: BTreeMap<CantonTimestamp, Vec<SignedTopologyTransaction>> = BTreeMap::new();
        let mut times: BTreeMap<MessageId, CantonTimestamp> = BTreeMap::new();
        let mut results: BTreeMap<_, (Vec<u8>, BTreeSet<ParticipantId>)> = BTreeMap::new();
        for event in &events {
            if let Some(id) = event.message_id() {
                times.insert(id.clone(), event.timestamp());
            }
            let Some(batch) = event.batch().map(|batch| batch.decompress(LIMIT).unwrap()) else { continue };
            for (message, envelope) in messages(&batch) {
                match message {
                    ProtocolMessage::DomainTopology(message) => {
                        topology.entry(event.timestamp()).or_insert_with(|| message.transactions().to_vec());
                    }
                    ProtocolMessage::Signed(message) => {
                        let SignedProtocolContent::TransactionResult(result) = message.content() else {
                            continue;
                        };
                        let (bytes, told) = results.entry(result.request_id()).or_default();
                        *bytes = result.bytes().to_vec();
                        let members = envelope.recipients().members();
                        told.extend(
                            members
                                .into_iter()
                                .map(|member| ParticipantId::try_from(member.clone()).unwrap()),
                        );
                    }
                    _ => {}
                }
            }
        }
        let mut timeline = TopologyTimeline::new(domain.clone(), VERSION);
        for (at, transactions) in topology {
            timeline.feed(at.to_timestamp(), &transactions).unwrap();
        }
        let submissions = of("SendAsyncVersioned", "req");
        let submissions = submissions.iter().map(|bytes| {
            let request = api::SendAsyncVersionedRequest::decode(&bytes[..]).unwrap();
            let signed = SignedContent::<SubmissionRequest>::from_bytes(request.signed_submission_request);
            let submission = signed.unwrap().into_content();
            (times[submission.message_id()], submission)
        });
        Self {
            mediator: MediatorId::new(domain.uid().clone()),
            domain,
            timeline,
            submissions: submissions.collect(),
            results,
        }
    }

    fn state(&self) -> MediatorState {
        MediatorState::new(self.mediator.clone(), self.domain.clone(), VERSION)
    }

    /// What the mediator is told by one submission.
    fn tell(
        &self,
        state: &mut MediatorState,
        at: CantonTimestamp,
        submission: &SubmissionRequest,
    ) -> Vec<Effect> {
        let mediator: Member = self.mediator.clone().into();
        let batch = submission.batch().decompress(LIMIT).unwrap().for_member(&mediator);
        let mut inbox = Inbox::default();
        for (message, envelope) in messages(&batch) {
            inbox.take(message, envelope.recipients().clone());
        }
        let view = |at: CantonTimestamp| self.timeline.view(at.to_timestamp()).unwrap();
        let mut effects = state.time(at);
        if inbox.has_request() {
            let request = Request { informees: inbox.informees.pop(), roots: inbox.roots };
            effects.extend(state.request(at, &request, &view(at)));
            return effects;
        }
        for (message, recipients) in inbox.answers {
            let SignedProtocolContent::MediatorResponse(response) = message.content() else {
                panic!("an answer")
            };
            let topology = view(response.request_id());
            let keys = topology.signing_keys(response.sender().member());
            let key = keys.iter().find(|key| key.fingerprint() == message.signature().signed_by()).unwrap();
            message.verify(key).unwrap();
            let answer = Answer { response: response.clone(), recipients };
            effects.extend(state.answer(at, &answer, &topology));
        }
        effects
    }

    /// Compares a conclusion with what was recorded.
    fn assert_recorded(&self, conclusion: &Conclusion) {
        let [(ResultContent::Transaction(result), told)] = &conclusion.results[..] else {
            panic!("{conclusion:?}")
        };
        let (bytes, recorded) = &self.results[&conclusion.request_id];
        assert_eq!(result.bytes(), &bytes[..]);
        assert_eq!(told, recorded);
    }
}

fn conclusions(effects: Vec<Effect>) -> Vec<Conclusion> {
    let conclusion = |effect| match effect {
        Effect::Conclude(conclusion) => conclusion,
        Effect::Alarm { alarm, .. } => panic!("{alarm}"),
    };
    effects.into_iter().map(conclusion).collect()
}

#[test]
fn the_recorded_verdicts_are_reached_from_the_recorded_messages() {
    let recorded = Recorded::read();
    let mut state = recorded.state();
    let mut concluded = BTreeSet::new();
    for (at, submission) in &recorded.submissions {
        for conclusion in conclusions(recorded.tell(&mut state, *at, submission)) {
            recorded.assert_recorded(&conclusion);
            assert_eq!(
                conclusion.message_id().to_string(),
                format!("mmid:verdict:{}", conclusion.request_id.micros())
            );
            assert!(concluded.insert(conclusion.request_id), "one verdict a request");
        }
    }
    assert!(concluded.len() >= 2, "{} requests", concluded.len());
    assert_eq!(concluded, recorded.results.keys().copied().collect());
    assert_eq!(state.open_requests(), 0);
}

#[test]
fn told_the_same_again_the_mediator_concludes_the_same_again() {
    let recorded = Recorded::read();
    let run = || {
        let mut state = recorded.state();
        let told = recorded
            .submissions
            .iter()
            .flat_map(|(at, submission)| recorded.tell(&mut state, *at, submission));
        conclusions(told.collect())
    };
    assert_eq!(run(), run());
}

#[test]
fn recorded_requests_without_their_answers_time_out() {
    let recorded = Recorded::read();
    let mut state = recorded.state();
    for (at, submission) in recorded.submissions.iter().filter(|(at, _)| recorded.results.contains_key(at)) {
        assert!(recorded.tell(&mut state, *at, submission).is_empty());
        let deadline = state.response_deadline(*at).unwrap();
        assert_eq!(deadline.saturating_since(*at).as_secs(), 30);
        assert!(state.time(deadline).is_empty(), "an answer may come yet");
        let concluded = conclusions(state.time(deadline.successor().unwrap()));
        let [Conclusion { request_id, results, .. }] = &concluded[..] else { panic!("{concluded:?}") };
        assert_eq!(request_id, at);
        let [(ResultContent::Transaction(result), told)] = &results[..] else { panic!("{results:?}") };
        assert_eq!(told, &recorded.results[at].1);
        let Verdict::MediatorReject(reject) = result.verdict() else { panic!("{result:?}") };
        assert_eq!(
            (&*reject.error_code(), reject.error_category().unwrap().0),
            ("MEDIATOR_SAYS_TX_TIMED_OUT", 2)
        );
    }
}
