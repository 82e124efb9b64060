//! Answers to confirmation requests: signed, and sent to the mediator alone.
//!
//! What an answer's submission is called follows from its request, so that after a restart an answer that was sent is
//! recognized by its receipt.

use std::sync::Arc;
use std::time::Duration;

use cantle_crypto::Hash;
use cantle_protocol::{
    Batch, MediatorResponse, MessageId, ParseError, ProtocolMessage, Recipients, SignedMessage,
    SignedProtocolMessage, TraceContext,
};
use cantle_sequencing::{
    ClientSendError, SendOutcome, SequencerClient, SnapshotError, Submission, SyncSignError, chain,
};
use cantle_types::{CantonTimestamp, MediatorId, ParticipantId, ProtocolVersion};
use thiserror::Error;

use super::pending::Submissions;
use super::validate::Answer;

const PREFIX: &str = "response:";
/// The first pause before answers that were not sent are tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The answers to one request.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) participant: ParticipantId,
    pub(crate) version: ProtocolVersion,
    pub(crate) request_id: CantonTimestamp,
    pub(crate) root_hash: Hash,
    pub(crate) mediator: MediatorId,
    pub(crate) deadline: CantonTimestamp,
    pub(crate) answers: Vec<Answer>,
    pub(crate) trace: TraceContext,
}

/// What the submission of the answers to a request is called.
fn message_id(request_id: CantonTimestamp) -> MessageId {
    format!("{PREFIX}{}", request_id.micros()).parse().expect("a prefix and a number are a message id")
}

/// Which request a submission answers.
pub(crate) fn request_of(id: &MessageId) -> Option<CantonTimestamp> {
    CantonTimestamp::from_micros(id.as_str().strip_prefix(PREFIX)?.parse().ok()?).ok()
}

/// Why answers were not sent.
#[derive(Debug, Error)]
enum RespondError {
    #[error("the topology of the request is not known")]
    Topology(#[from] SnapshotError),
    #[error("the answer cannot be written")]
    Message(#[from] ParseError),
    #[error("the answer was not signed")]
    Sign(#[from] SyncSignError),
    #[error("the answer was not sent")]
    Send(#[from] ClientSendError),
}

impl Answers {
    /// Signs the answers and sends them, until they are sequenced or their deadline has passed.
    ///
    /// If the request is this participant's own, whoever waits for it can learn why it is not answered.
    pub(crate) async fn send_in_time(self, client: SequencerClient, submissions: Arc<Submissions>) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.send(&client).await {
                Ok(SendOutcome::Sequenced { .. } | SendOutcome::Unknown) => return,
                Ok(SendOutcome::TimedOut { .. }) => {
                    tracing::warn!(participant = %self.participant, request_id = %self.request_id, "an answer came too late");
                    return;
                }
                Ok(outcome) => {
                    tracing::warn!(participant = %self.participant, request_id = %self.request_id, ?outcome, "an answer was not delivered");
                }
                Err(error) => {
                    let trouble = chain(&error);
                    tracing::warn!(participant = %self.participant, request_id = %self.request_id, error = trouble, "an answer is not sent yet");
                    submissions.note(&self.root_hash, &trouble);
                }
            }
            if client.time().latest().is_some_and(|now| now > self.deadline) {
                tracing::error!(participant = %self.participant, request_id = %self.request_id, "an answer was not sent in time");
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn send(&self, client: &SequencerClient) -> Result<SendOutcome, RespondError> {
        let topology = client.await_snapshot(self.request_id).await?;
        let crypto = client.crypto().expect("a participant is a member with keys");
        let mut envelopes = Vec::with_capacity(self.answers.len());
        for Answer { verdict, parties, position } in &self.answers {
            let response = MediatorResponse::new(
                self.request_id,
                self.participant.clone(),
                verdict.clone(),
                Some(self.root_hash),
                parties.clone(),
                topology.domain().clone(),
                position.clone(),
            )?;
            let signature = crypto.sign(&topology, &response.hash()).await?;
            let message = SignedProtocolMessage::assemble(response.into(), signature);
            let recipients = Recipients::only(self.mediator.member().clone());
            envelopes.push(ProtocolMessage::Signed(Box::new(message)).to_envelope(recipients, self.version)?);
        }
        let submission = Submission::new(Batch::new(envelopes))
            .with_message_id(message_id(self.request_id))
            .not_after(self.deadline)
            .in_trace(self.trace.clone());
        Ok(client.send(submission).await?.await)
    }
}
