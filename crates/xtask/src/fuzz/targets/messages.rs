//! Topology transactions and the messages of a domain's members.

use cantle_proto::{protocol::v0, v0 as traces};
use cantle_protocol::{
    AcknowledgeRequest, AcsCommitment, Batch, CompressedBatch, LightTransactionViewTree,
    MalformedMediatorRequestResult, MediatorResponse, Nonce, ProtocolMessage, Recipients, SequencedEvent,
    SignedContent, StaticDomainParameters, SubmissionRequest, TraceContext, TransactionResultMessage,
};
use cantle_topology::{
    SignedTopologyTransaction, TopologySnapshot, TopologyTimeline, TopologyTransaction,
    required_authorizations,
};
use cantle_types::{DomainId, Fingerprint, Identifier, Namespace, ProtocolVersion, UniqueIdentifier};
use prost::Message;

use super::Target;
use crate::fuzz::{
    corpus::{self, Corpus},
    mutate::Form,
};

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V5, ProtocolVersion::V7];
/// What a domain allows by default.
const LARGEST_BATCH: usize = 10 << 20;

/// Signed transactions and snapshots.
pub(super) struct Topology;

impl Target for Topology {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        let mut items = corpus::hex_lines("topology/tests/fixtures/canton-2.10-recorded-transactions.txt")?;
        items.extend(corpus::hex_texts("topology/tests/fixtures/canton-2.10-vectors.json")?);
        Ok(items.into_iter().collect::<Corpus>().with_insides())
    }

    fn form(&self) -> Form {
        Form::Wire
    }

    fn run(&mut self, input: &[u8]) -> bool {
        let mut accepted = TopologyTransaction::from_bytes(input).is_ok();
        if let Ok(read) = TopologySnapshot::from_bytes(input) {
            assert_eq!(TopologySnapshot::from_bytes(&read.to_bytes()).ok().as_ref(), Some(&read));
            accepted |= !read.items.is_empty();
        }
        let Ok(read) = SignedTopologyTransaction::from_bytes(input) else { return accepted };
        assert_eq!(read.bytes(), input);
        let transaction = read.transaction();
        assert!(!transaction.unique_path().to_string().is_empty());
        let _ = (required_authorizations(transaction.mapping()), read.verify());
        for version in VERSIONS {
            if let Ok(converted) = transaction.at_version(version) {
                assert_eq!(converted.op(), transaction.op());
                assert!(TopologyTransaction::from_bytes(converted.bytes()).is_ok());
            }
        }
        let mut timeline = TopologyTimeline::new(domain(), transaction.version());
        let fed =
            timeline.feed(jiff::Timestamp::UNIX_EPOCH, &[read]).expect("a time that is not before another");
        assert_eq!(fed.outcomes[0].is_accepted(), !timeline.latest().state().is_empty());
        true
    }
}

fn domain() -> DomainId {
    let identifier: Identifier = "domain".parse().expect("an identifier");
    let fingerprint: Fingerprint = format!("1220{}", "a".repeat(64)).parse().expect("a fingerprint");
    DomainId::new(UniqueIdentifier::new(identifier, Namespace::new(fingerprint)))
}

/// What members send and are sent.
pub(super) struct Protocol;

impl Target for Protocol {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        let mut items = corpus::conversation("protocol/tests/fixtures/canton-2.10-conversation.jsonl")?;
        items.extend(corpus::hex_lines("proto/tests/fixtures/canton-2.10-messages.txt")?);
        items.extend(corpus::hex_lines("xtask/corpus/trees.txt")?);
        Ok(items.into_iter().collect::<Corpus>().with_insides())
    }

    fn form(&self) -> Form {
        Form::Wire
    }

    fn run(&mut self, input: &[u8]) -> bool {
        let mut accepted = false;
        for version in VERSIONS {
            if let Ok(message) = ProtocolMessage::from_bytes(input.to_vec(), version) {
                let written = message.to_bytes(version).expect("what was read can be written");
                let again = ProtocolMessage::from_bytes(written, version);
                assert_eq!(again.ok().as_ref(), Some(&message));
                accepted = true;
            }
            if let Ok(tree) = LightTransactionViewTree::from_bytes(input.to_vec(), version) {
                let again = LightTransactionViewTree::from_bytes(tree.to_bytes(), version);
                assert_eq!(again.ok().as_ref(), Some(&tree));
                accepted = true;
            }
            accepted |= TransactionResultMessage::from_bytes(input, version).is_ok();
            accepted |= MalformedMediatorRequestResult::from_bytes(input, version).is_ok();
        }
        if let Ok(signed) = SignedContent::<SubmissionRequest>::from_bytes(input) {
            assert_eq!(signed.bytes(), input);
            let _ = signed.content().batch().decompress(LARGEST_BATCH).map(|batch: Batch| batch.compress());
            accepted = true;
        }
        if let Ok(signed) = SignedContent::<SequencedEvent>::from_bytes(input) {
            assert_eq!(signed.bytes(), input);
            accepted = true;
        }
        accepted |= SubmissionRequest::from_bytes(input).is_ok() | SequencedEvent::from_bytes(input).is_ok();
        accepted |= SignedContent::<AcknowledgeRequest>::from_bytes(input).is_ok();
        accepted |= AcsCommitment::from_bytes(input).is_ok() | MediatorResponse::from_bytes(input).is_ok();
        accepted |= StaticDomainParameters::from_bytes(input).is_ok() | Nonce::from_bytes(input).is_ok();
        if let Ok(message) = v0::CompressedBatch::decode(input)
            && let Ok(batch) = CompressedBatch::from_proto(message)
        {
            accepted |= batch.decompress(LARGEST_BATCH).is_ok();
        }
        if let Ok(message) = v0::Recipients::decode(input) {
            accepted |= Recipients::from_proto(&message).is_ok();
        }
        if let Ok(message) = traces::TraceContext::decode(input) {
            let _ = TraceContext::from_proto(&message);
        }
        accepted
    }
}
