//! Calls of nodes: deadlines, cancelling, and what a refusal looks like.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{Channel, Locality, NodeKind, NodeRef, NodeSettings};
use crate::failure::Failure;

/// What all calls share.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) handle: Handle,
    /// How many milliseconds a command may take.
    deadline: AtomicU64,
    /// As long as a ping may take.
    pub(crate) ping: Duration,
    /// Counts the wishes to cancel.
    cancel: watch::Receiver<u64>,
    /// How many there had been when the script began.
    before: AtomicU64,
    /// The nodes of the console.
    nodes: OnceLock<Vec<Weak<Node>>>,
}

impl Caller {
    pub(crate) fn new(
        handle: Handle,
        deadline: Duration,
        ping: Duration,
        cancel: watch::Receiver<u64>,
    ) -> Self {
        let caller = Self {
            handle,
            deadline: AtomicU64::default(),
            ping,
            cancel,
            before: AtomicU64::new(0),
            nodes: OnceLock::new(),
        };
        caller.set_deadline(deadline);
        caller
    }

    /// How long a command may take.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline.load(Ordering::Relaxed))
    }

    /// Changes how long a command may take, from now on.
    pub(crate) fn set_deadline(&self, deadline: Duration) {
        let millis = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self.deadline.store(millis, Ordering::Relaxed);
    }

    /// Says, once, which nodes the console has.
    pub(crate) fn set_nodes<'a>(&self, nodes: impl Iterator<Item = &'a Arc<Node>>) {
        // A second time would change nothing.
        let _ = self.nodes.set(nodes.map(Arc::downgrade).collect());
    }

    /// The nodes of the console.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.get().map(|nodes| nodes.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
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
    pub(crate) settings: NodeSettings,
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
        let channel = cantle_transport::channel(&node.admin, node.tls.as_ref());
        let NodeRef { kind, name, locality, settings, bearer, .. } = node;
        let channel = bearer.over(channel);
        Self { kind, name, locality, channel, settings, caller }
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
        let deadline = self.caller.deadline();
        Ok(match self.caller.wait(command, deadline, request)? {
            Some(outcome) => outcome.map(tonic::Response::into_inner),
            None => Err(late(deadline)),
        })
    }

    /// Sends several requests side by side, to nodes of their own, and waits for all answers; the first refusal counts.
    pub(crate) fn ask_all<T: Send + 'static>(
        &self,
        command: &str,
        requests: Vec<(Arc<Self>, Pending<T>)>,
    ) -> Result<Vec<T>, Failure> {
        let deadline = self.caller.deadline();
        let (nodes, requests): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        let handles: Vec<_> = requests.into_iter().map(|request| self.caller.handle.spawn(request)).collect();
        let answers = self.caller.wait(command, deadline, async {
            let mut answers = Vec::with_capacity(handles.len());
            for handle in handles {
                answers.push(handle.await);
            }
            answers
        })?;
        let Some(answers) = answers else {
            return Err(self.failure(command, &late(deadline)));
        };
        let answers = answers.into_iter().zip(nodes).map(|(answer, node)| match answer {
            Ok(answer) => answer.map_err(|status| node.failure(command, &status)),
            Err(gone) => Err(node.failure(command, &tonic::Status::internal(gone.to_string()))),
        });
        answers.collect()
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

/// A request under way, on its own.
pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, tonic::Status>> + Send>>;

fn late(deadline: Duration) -> tonic::Status {
    tonic::Status::deadline_exceeded(format!("no answer within {} s", deadline.as_secs()))
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
