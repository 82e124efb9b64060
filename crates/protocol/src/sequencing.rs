//! What goes through a sequencer, whatever it holds: submissions, events, batches, recipients.

mod acknowledge;
mod batch;
mod envelope;
mod event;
mod id;
mod recipients;
mod signed_content;
mod submission;
mod time_proof;

pub use acknowledge::AcknowledgeRequest;
pub use batch::{Batch, BatchError, CompressedBatch, CompressionAlgorithm};
pub(crate) use batch::{gunzip, gzip};
pub use envelope::Envelope;
pub use event::{DeliverErrorReason, EventContent, SequencedEvent};
pub use id::{MessageId, NegativeCounter, SequencerCounter};
pub use recipients::{Recipients, RecipientsError, RecipientsTree};
pub use signed_content::{Signable, SignedContent};
pub use submission::{SubmissionKind, SubmissionRequest};
pub use time_proof::{NotATimeProof, TimeProof};
