//! Nodes as the console knows them: a kind, a name, and the address of an admin API.
//!
//! Every call has a deadline and can be cancelled; a node that does not answer is an error, never a hang.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint};

use crate::failure::Failure;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeKind {
    /// A participant.
    Participant,
    /// A domain with everything in one node.
    Domain,
    /// The manager of a distributed domain.
    DomainManager,
    /// A sequencer.
    Sequencer,
    /// A mediator.
    Mediator,
}

impl NodeKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Participant, Self::Domain, Self::DomainManager, Self::Sequencer, Self::Mediator];

    /// Its name in scripts: `participant`, `domain_manager`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Domain => "domain",
            Self::DomainManager => "domain_manager",
            Self::Sequencer => "sequencer",
            Self::Mediator => "mediator",
        }
    }

    /// The name of the collection of its nodes: `participants`.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Participant => "participants",
            Self::Domain => "domains",
            Self::DomainManager => "domain_managers",
            Self::Sequencer => "sequencers",
            Self::Mediator => "mediators",
        }
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locality {
    /// In this process.
    Local,
    /// In another one.
    Remote,
}

/// A configured node.
#[derive(Debug, Clone)]
pub struct NodeRef {
    /// What it is.
    pub kind: NodeKind,
    /// Its name in the configuration; scripts write dashes as underscores.
    pub name: String,
    /// Where it runs.
    pub locality: Locality,
    /// Its admin API, with TLS set up where it needs it.
    pub admin: Endpoint,
}

impl NodeRef {
    /// A node whose admin API listens at `address` (`host:port`) without TLS.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn at(
        kind: NodeKind,
        name: impl Into<String>,
        locality: Locality,
        address: &str,
    ) -> Result<Self, tonic::transport::Error> {
        let admin = Endpoint::from_shared(format!("http://{address}"))?;
        Ok(Self { kind, name: name.into(), locality, admin })
    }

    /// Its name in scripts.
    #[must_use]
    pub fn script_name(&self) -> String {
        let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
        let name: String = self.name.chars().map(plain).collect();
        if name.starts_with(|character: char| character.is_ascii_digit()) { format!("_{name}") } else { name }
    }
}

/// What all calls share.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) handle: Handle,
    pub(crate) deadline: Duration,
    /// Counts the wishes to cancel.
    cancel: watch::Receiver<u64>,
    /// How many there had been when the script began.
    before: AtomicU64,
}

impl Caller {
    pub(crate) fn new(handle: Handle, deadline: Duration, cancel: watch::Receiver<u64>) -> Self {
        Self { handle, deadline, cancel, before: AtomicU64::new(0) }
    }

    /// A script begins: what was cancelled before does not concern it.
    pub(crate) fn begin(&self) {
        self.before.store(*self.cancel.borrow(), Ordering::Relaxed);
    }

    /// Whether the script is to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        *self.cancel.borrow() != self.before.load(Ordering::Relaxed)
    }

    /// Waits for `future`, at most until the deadline, or until cancelled.
    pub(crate) fn wait<T>(
        &self,
        command: &str,
        deadline: Duration,
        future: impl Future<Output = T>,
    ) -> Result<Option<T>, Failure> {
        let mut cancel = self.cancel.clone();
        let before = self.before.load(Ordering::Relaxed);
        self.handle.block_on(async move {
            tokio::select! {
                outcome = tokio::time::timeout(deadline, future) => Ok(outcome.ok()),
                Ok(_) = cancel.wait_for(|count| *count != before) => Err(Failure::Cancelled { command: command.to_owned() }),
            }
        })
    }
}

/// A node that commands can be sent to.
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) name: String,
    pub(crate) locality: Locality,
    pub(crate) channel: Channel,
    pub(crate) caller: Arc<Caller>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Node {
    /// Connects on first use.
    pub(crate) fn new(node: NodeRef, caller: Arc<Caller>) -> Self {
        let _guard = caller.handle.enter();
        let channel = node.admin.connect_lazy();
        Self { kind: node.kind, name: node.name, locality: node.locality, channel, caller }
    }

    /// Sends a request and waits for the answer.
    pub(crate) fn ask<T>(
        &self,
        command: &str,
        request: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Failure> {
        self.try_ask(command, request)?.map_err(|status| self.failure(command, &status))
    }

    /// The same, with the node's refusal as a value.
    pub(crate) fn try_ask<T>(
        &self,
        command: &str,
        request: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<Result<T, tonic::Status>, Failure> {
        let deadline = self.caller.deadline;
        Ok(match self.caller.wait(command, deadline, request)? {
            Some(outcome) => outcome.map(tonic::Response::into_inner),
            None => {
                Err(tonic::Status::deadline_exceeded(format!("no answer within {} s", deadline.as_secs())))
            }
        })
    }

    pub(crate) fn failure(&self, command: &str, status: &tonic::Status) -> Failure {
        let mut message = status.message().to_owned();
        let mut source = std::error::Error::source(status);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !message.contains(&cause_text) {
                message = if message.is_empty() { cause_text } else { format!("{message}: {cause_text}") };
            }
            source = cause.source();
        }
        Failure::Node {
            node: self.name.clone(),
            command: command.to_owned(),
            code: code_name(status.code()),
            message,
        }
    }
}

/// gRPC's own name of a code.
fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
