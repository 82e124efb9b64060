//! Telling a domain of this participant's topology: at first as a stranger, then as a member.
//!
//! A domain speaks one protocol version. What was authorized in another one is written anew for the domain and signed
//! again by the same key, which must be at hand; a request to the KMS each (`kms:Sign`).
//! Source: Canton 2.10's `ParticipantTopologyDispatcher`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cantle_crypto::Hash;
use cantle_identity::{ListQuery, ReadError, TopologyManager};
use cantle_protocol::{
    Batch, ParseError, ProtocolMessage, Recipients, RegisterTopologyTransactionRequest,
    RegisterTopologyTransactionResponse, RegistrationState, TopologyRequestId,
};
use cantle_sequencing::{
    ClientError, ClientOptions, ClientSendError, ClientSetup, Delivery, EventHandler, HandlerError,
    SendOutcome, SequencerApi, SequencerClient, SequencerInfo, Submission, chain,
};
use cantle_store::TimeQuery;
use cantle_topology::{MappingError, SignedTopologyTransaction, TopologyView, joining_transactions};
use cantle_types::{
    Clock, DomainId, DomainManagerId, Fingerprint, Identifier, Member, MemberCode, ParticipantId,
    ProtocolVersion, UniqueIdentifier,
};
use cantle_vault::{SignError, Vault};
use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// How long the domain may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The length of the random identifier of a member that is not known yet, in bytes.
const STRANGER: usize = 20;

/// Why a domain did not take this participant's topology.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The topology cannot be read.
    #[error("this participant's topology cannot be read")]
    Read(#[from] ReadError),
    /// A transaction cannot be said in the domain's protocol version.
    #[error("a topology transaction cannot be said in the domain's protocol version")]
    Convert(#[from] MappingError),
    /// A transaction could not be signed for the domain's protocol version.
    #[error(
        "the topology transaction {path} has to be signed again for protocol version {version}, and was not"
    )]
    Resign {
        /// The transaction.
        path: String,
        /// The domain's protocol version.
        version: ProtocolVersion,
        /// Why.
        #[source]
        source: Box<SignError>,
    },
    /// The request cannot be written.
    #[error("the request cannot be written")]
    Message(#[from] ParseError),
    /// The request was not sent.
    #[error("the request was not sent to the domain manager")]
    Send(#[from] ClientSendError),
    /// The request was not sequenced.
    #[error("the request was not sequenced: {0:?}")]
    NotSequenced(SendOutcome),
    /// The domain does not answer.
    #[error(
        "the domain manager did not answer within {ANSWER_WITHIN:?}; is it running and connected to its sequencer?"
    )]
    NoAnswer,
    /// The events of the domain ended.
    #[error("the events of the domain ended")]
    Ended(#[from] ClientError),
    /// The domain refused.
    #[error("the domain manager refused {}: {reason}", count(*refused))]
    Refused {
        /// How many transactions.
        refused: usize,
        /// The first reason.
        reason: String,
    },
    /// There are no random numbers.
    #[error("no random numbers for a temporary identity")]
    Randomness(#[from] cantle_crypto::RandomnessError),
}

fn count(transactions: usize) -> String {
    if transactions == 1 {
        "a topology transaction".to_owned()
    } else {
        format!("{transactions} topology transactions")
    }
}

/// A topology transaction in a domain's protocol version, and the key that signed it.
type Said = (Hash, Fingerprint);

/// What a participant tells a domain, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    pub(crate) participant: ParticipantId,
    pub(crate) domain: DomainId,
    pub(crate) version: ProtocolVersion,
    pub(crate) manager: TopologyManager,
    pub(crate) vault: Vault,
}

impl Teller {
    /// What has to be shown to a domain that does not know this participant.
    pub(crate) async fn joining(&self) -> Result<Vec<SignedTopologyTransaction>, RegisterError> {
        let query = ListQuery { state_only: true, ..ListQuery::default() };
        let active = self.manager.lists().authorized(query).await?;
        self.converted(joining_transactions(&active, &self.participant, &self.domain)).await
    }

    /// What concerns the domain and is not in the topology that it knows, removals included, as it was authorized; without
    /// what is of no interest to it.
    async fn unseen(
        &self,
        known: &TopologyView,
        obsolete: &HashSet<Said>,
    ) -> Result<Vec<SignedTopologyTransaction>, RegisterError> {
        let query = ListQuery { time: TimeQuery::HISTORY, ..ListQuery::default() };
        let mut unseen = Vec::new();
        for signed in self.manager.lists().authorized(query).await? {
            let mapping = signed.transaction().mapping();
            if mapping.restricted_to_domain().is_some_and(|domain| *domain != self.domain) {
                continue;
            }
            let wanted = signed.transaction().at_version(self.version)?;
            let key = signed.key().fingerprint();
            if !known.state().has_seen(&wanted, key) && !obsolete.contains(&(wanted.hash(), key.clone())) {
                unseen.push(signed);
            }
        }
        Ok(unseen)
    }

    /// The transactions in the domain's protocol version. A signature for each that is in another one.
    async fn converted(
        &self,
        transactions: Vec<SignedTopologyTransaction>,
    ) -> Result<Vec<SignedTopologyTransaction>, RegisterError> {
        let mut converted = Vec::with_capacity(transactions.len());
        for signed in transactions {
            converted.push(self.at_version(signed).await?);
        }
        Ok(converted)
    }

    async fn at_version(
        &self,
        signed: SignedTopologyTransaction,
    ) -> Result<SignedTopologyTransaction, RegisterError> {
        if signed.transaction().version() == self.version {
            return Ok(signed);
        }
        let transaction = signed.transaction().at_version(self.version)?;
        let key = signed.key().clone();
        let signature = self.vault.sign(&transaction.hash(), key.fingerprint()).await;
        let signature = signature.map_err(|source| RegisterError::Resign {
            path: transaction.unique_path().to_string(),
            version: self.version,
            source: Box::new(source),
        })?;
        Ok(SignedTopologyTransaction::assemble(transaction, key, signature))
    }

    /// Sends transactions as a member or a stranger, and waits for the answer: what became of each, none refused.
    pub(crate) async fn register(
        &self,
        client: &SequencerClient,
        mut answers: broadcast::Receiver<Arc<RegisterTopologyTransactionResponse>>,
        transactions: Vec<SignedTopologyTransaction>,
    ) -> Result<Vec<RegistrationState>, RegisterError> {
        let request_id = TopologyRequestId::random();
        let request = RegisterTopologyTransactionRequest {
            requested_by: client.member().clone(),
            participant: self.participant.clone(),
            request_id: request_id.clone(),
            transactions,
            domain_id: self.domain.clone(),
        };
        let manager = DomainManagerId::new(self.domain.uid().clone()).member().clone();
        let message = ProtocolMessage::RegisterTopologyRequest(Box::new(request));
        let envelope = message.to_envelope(Recipients::only(manager), self.version)?;
        match client.send(Submission::new(Batch::new(vec![envelope]))).await?.await {
            SendOutcome::Sequenced { .. } | SendOutcome::Unknown => {}
            outcome => return Err(RegisterError::NotSequenced(outcome)),
        }
        let answer = async {
            loop {
                match answers.recv().await {
                    Ok(answer) if answer.request_id == request_id => return Some(answer),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        };
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Some(answer)) => settled(&answer),
            Ok(None) | Err(_) => Err(RegisterError::NoAnswer),
        }
    }
}

fn settled(answer: &RegisterTopologyTransactionResponse) -> Result<Vec<RegistrationState>, RegisterError> {
    let refused: Vec<_> = answer.results.iter().filter(|result| !result.state.is_settled()).collect();
    let rejected = refused.iter().find(|result| result.state == RegistrationState::Rejected);
    match rejected.or_else(|| refused.first()) {
        None => Ok(answer.results.iter().map(|result| result.state).collect()),
        Some(first) => {
            Err(RegisterError::Refused { refused: refused.len(), reason: first.error_message.clone() })
        }
    }
}

/// Takes the answer that a stranger waits for.
#[derive(Debug)]
struct StrangerHandler(broadcast::Sender<Arc<RegisterTopologyTransactionResponse>>);

#[async_trait]
impl EventHandler for StrangerHandler {
    async fn handle(&self, events: Vec<Delivery>) -> Result<(), HandlerError> {
        for envelope in events.into_iter().flat_map(|delivery| delivery.envelopes) {
            if let Ok(ProtocolMessage::RegisterTopologyResponse(response)) = envelope.message {
                // Whoever waited may have gone.
                let _ = self.0.send(Arc::new(*response));
            }
        }
        Ok(())
    }
}

/// Introduces this participant to a domain that does not know it: under a temporary identity, which can talk to the domain
/// manager alone.
pub(crate) async fn introduce(
    teller: &Teller,
    api: Arc<dyn SequencerApi>,
    info: SequencerInfo,
    clock: Arc<dyn Clock>,
    options: ClientOptions,
) -> Result<(), RegisterError> {
    let transactions = teller.joining().await?;
    let member = stranger(&teller.participant)?;
    let versions = vec![teller.version];
    let client =
        SequencerClient::unauthenticated(ClientSetup { api, info, member, clock, versions, options });
    let (answers, answered) = broadcast::channel(16);
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    let run = client.run(Arc::new(StrangerHandler(answers)), stop);
    tokio::select! {
        ended = run => match ended {
            Ok(()) => Err(RegisterError::NoAnswer),
            Err(error) => Err(error.into()),
        },
        registered = teller.register(&client, answered, transactions) => registered.map(|_| ()),
    }
}

fn stranger(participant: &ParticipantId) -> Result<Member, RegisterError> {
    let random: [u8; STRANGER] = cantle_crypto::random_bytes()?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let identifier: Identifier = hex.parse().expect("hex digits are an identifier");
    let uid = UniqueIdentifier::new(identifier, participant.uid().namespace().clone());
    Ok(Member::new(MemberCode::Unauthenticated, uid))
}

/// How much of a participant's topology a domain has not taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxStatus {
    /// Transactions that wait.
    pub pending: usize,
    /// The time of the last change that was looked at.
    pub looked: Option<Timestamp>,
    /// What went wrong last, until it goes right.
    pub trouble: Option<String>,
}

/// Hands in what this participant authorizes later on, for as long as it is connected.
pub(crate) async fn outbox(
    teller: Teller,
    client: SequencerClient,
    answers: broadcast::Sender<Arc<RegisterTopologyTransactionResponse>>,
    status: tokio::sync::watch::Sender<OutboxStatus>,
) {
    const FIRST_PAUSE: Duration = Duration::from_millis(500);
    const LONGEST_PAUSE: Duration = Duration::from_secs(30);
    let mut changes = teller.manager.changes();
    let mut pause = FIRST_PAUSE;
    let mut obsolete = HashSet::new();
    loop {
        let looked = *changes.borrow_and_update();
        let unseen = match client.topology() {
            Some(topology) => teller.unseen(&topology.latest(), &obsolete).await,
            None => Ok(Vec::new()),
        };
        let told = match unseen {
            Ok(unseen) if unseen.is_empty() => {
                status.send_replace(OutboxStatus { looked, ..OutboxStatus::default() });
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Ok(unseen) => {
                status.send_modify(|status| (status.pending, status.looked) = (unseen.len(), looked));
                hand_in(&teller, &client, &answers, unseen).await
            }
            Err(error) => Err(error),
        };
        match told {
            Ok(more) => {
                obsolete.extend(more);
                pause = FIRST_PAUSE;
            }
            Err(error) => {
                let trouble = chain(&error);
                tracing::warn!(participant = %teller.participant, domain = %teller.domain, trouble, "the domain has not taken all topology transactions yet");
                status.send_modify(|status| status.trouble = Some(trouble));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Has transactions registered, and waits until they are seen. Those that the domain has no interest in, which it will never
/// show.
async fn hand_in(
    teller: &Teller,
    client: &SequencerClient,
    answers: &broadcast::Sender<Arc<RegisterTopologyTransactionResponse>>,
    unseen: Vec<SignedTopologyTransaction>,
) -> Result<Vec<Said>, RegisterError> {
    let transactions = teller.converted(unseen).await?;
    let until = tokio::time::Instant::now() + ANSWER_WITHIN;
    let became = teller.register(client, answers.subscribe(), transactions.clone()).await?;
    let (obsolete, taken): (Vec<_>, Vec<_>) =
        transactions.into_iter().zip(became).partition(|(_, state)| *state == RegistrationState::Obsolete);
    let taken: Vec<_> = taken.into_iter().map(|(signed, _)| signed).collect();
    wait_until_seen(client, &taken, until).await;
    let said = |(signed, _): (SignedTopologyTransaction, _)| {
        (signed.transaction().hash(), signed.key().fingerprint().clone())
    };
    Ok(obsolete.into_iter().map(said).collect())
}

/// What was taken comes back as the domain's topology; before that it would be handed in again. What is authorized
/// meanwhile is not waited for: it has not been handed in.
async fn wait_until_seen(
    client: &SequencerClient,
    handed_in: &[SignedTopologyTransaction],
    until: tokio::time::Instant,
) {
    let Some(topology) = client.topology() else { return };
    let mut head = topology.head();
    loop {
        let known = topology.latest();
        let is_seen = |signed: &SignedTopologyTransaction| {
            known.state().has_seen(signed.transaction(), signed.key().fingerprint())
        };
        if handed_in.iter().all(is_seen) {
            return;
        }
        match tokio::time::timeout_at(until, head.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
