//! Every message that the members of a domain exchange, to the byte. No IO.
//!
//! Submissions and events of the sequencer, topology messages, confirmation requests with their view trees, and
//! the answers of mediators, at protocol versions 5 and 7. Nothing here decides: whether a member may send
//! something, or a key may sign it, is asked of the topology by others.
//!
//! Invariants: a value that exists is well-formed; bytes that were received are kept and are what is hashed, never
//! an encoding made anew; what hostile bytes can make us allocate is bounded; errors name message and field.
//! Source: Canton 2.10's protobuf definitions, <https://docs.daml.com/canton/reference/protobuf.html>

mod acs_commitment;
mod authentication;
mod encryption;
mod error;
mod handshake;
mod mediator;
mod message;
mod parameters;
mod root_hash;
mod sequencing;
mod signed;
mod topology;
mod trace;
mod tree;
mod view_position;
mod wire;

pub use acs_commitment::AcsCommitment;
pub use authentication::Nonce;
pub use encryption::{
    EncryptedViewMessage, ExpiringCache, RandomnessLookup, SessionKey, SessionKeyRandomness,
    ViewEncryptionError, ViewKeys, ViewSeed,
};
pub use error::ParseError;
pub use handshake::{HandshakeError, HandshakeRequest, HandshakeResponse, check_versions};
pub use mediator::{
    ErrorCategory, LocalReject, LocalVerdict, MalformedMediatorRequestResult, MediatorReject,
    MediatorResponse, RejectionReason, TransactionResultMessage, Verdict,
};
pub use message::ProtocolMessage;
pub use parameters::StaticDomainParameters;
pub use root_hash::{RootHashMessage, ViewType};
pub use sequencing::{
    AcknowledgeRequest, Batch, BatchError, CompressedBatch, CompressionAlgorithm, DeliverErrorReason,
    Envelope, EventContent, MessageId, NegativeCounter, NotATimeProof, Recipients, RecipientsError,
    RecipientsTree, SequencedEvent, SequencerCounter, Signable, SignedContent, SubmissionKind,
    SubmissionRequest, TimeProof,
};
pub use signed::{SignedMessage, SignedProtocolContent, SignedProtocolMessage};
pub use topology::{
    DomainTopologyTransactionMessage, RegisterTopologyTransactionRequest,
    RegisterTopologyTransactionResponse, RegistrationResult, RegistrationState, TopologyRequestId,
};
pub use trace::TraceContext;
pub use tree::{
    Blindable, CommonMetadata, ConfirmationPolicy, Contract, ContractId, CreatedContract,
    DeduplicationPeriod, FullInformeeTree, FullView, GenTransactionTree, InformeeMessage, InputContract,
    LightTransactionViewTree, MerkleNode, MerkleSeq, ParticipantMetadata, Quorum, Reconstruction, Salt,
    SaltSeed, SubmitterMetadata, ViewAction, ViewCommonData, ViewConfirmationParameters, ViewContent,
    ViewNode, ViewParticipantData, reconstruct,
};
pub use view_position::{Direction, MerkleSeqIndex, ViewPosition};
