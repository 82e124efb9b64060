//! A session: nodes, names and a thread on which scripts run.
//!
//! Starlark's evaluation is not asynchronous and recurses; it runs on a thread of its own with a large stack, and waits there for
//! nodes. Names that one script or line defines are there for the next. Invariant: whatever a script does, it ends in a result or an
//! error: nesting, steps, memory and every wait are bounded.

mod globals;
mod trace;
mod worker;

use std::io::Write;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::{ScriptError, SessionError};
use crate::node::NodeRef;
use worker::{Event, Request, Task};
pub(crate) use worker::{print_line, print_text};

/// What a console is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct SessionOptions {
    /// The configured nodes.
    pub nodes: Vec<NodeRef>,
    /// The runtime that talks to them. It must not be the current thread's only one: calls wait for it.
    pub handle: Handle,
    /// The longest that one command may take.
    pub deadline: Duration,
    /// The longest that a ping may take where a script does not say.
    pub ping_timeout: Duration,
    /// The most calls and loop iterations of one script.
    pub max_steps: u64,
}

impl SessionOptions {
    /// A console over these nodes, with three minutes for a command and ten million steps for a script.
    #[must_use]
    pub fn new(nodes: Vec<NodeRef>, handle: Handle) -> Self {
        let (deadline, ping_timeout) = (Duration::from_secs(180), Duration::from_secs(20));
        Self { nodes, handle, deadline, ping_timeout, max_steps: 10_000_000 }
    }
}

/// A console.
#[derive(Debug)]
pub struct Session {
    requests: mpsc::Sender<Request>,
    cancel: watch::Sender<u64>,
    thread: Option<JoinHandle<()>>,
}

/// Cancels what a session runs, from any thread: the script ends with an error.
#[derive(Debug, Clone)]
pub struct CancelHandle(watch::Sender<u64>);

impl CancelHandle {
    /// Ends the script that runs now.
    pub fn cancel(&self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Session {
    /// Starts a console. Connects to no node yet.
    ///
    /// # Errors
    /// When two nodes have the same name in scripts, or no thread can be started.
    pub fn new(options: SessionOptions) -> Result<Self, SessionError> {
        let (cancel, cancelled) = watch::channel(0);
        let (requests, incoming) = mpsc::channel();
        let thread = worker::start(options, cancelled, incoming)?;
        Ok(Self { requests, cancel, thread: Some(thread) })
    }

    /// Runs a script. What it prints goes to `output`, as it is printed.
    ///
    /// # Errors
    /// The first error ends the script.
    pub fn run_script(&mut self, name: &str, text: &str, output: &mut dyn Write) -> Result<(), ScriptError> {
        self.perform(Task::Script { name: name.to_owned(), text: text.to_owned() }, name, output).map(|_| ())
    }

    /// Runs a line, or several that belong together, of an interactive console; prints the value of an expression.
    ///
    /// # Errors
    /// The first error ends it; names defined before it stay.
    pub fn eval_line(&mut self, text: &str, output: &mut dyn Write) -> Result<(), ScriptError> {
        let value = self.perform(Task::Line { text: text.to_owned() }, "console", output)?;
        if let Some(value) = value {
            // A terminal that is gone is noticed at the next prompt.
            let _ = writeln!(output, "{value}");
        }
        Ok(())
    }

    /// What may follow the name that `line` ends in, and where that name begins.
    #[must_use]
    pub fn complete(&self, line: &str) -> (usize, Vec<String>) {
        self.completions().complete(line)
    }

    pub(crate) fn completions(&self) -> Completions {
        Completions(self.requests.clone())
    }

    /// Whether `text` is the beginning of something longer.
    #[must_use]
    pub fn is_incomplete(text: &str) -> bool {
        crate::notation::is_incomplete(text)
    }

    /// A handle to cancel what runs.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(self.cancel.clone())
    }

    fn perform(
        &mut self,
        task: Task,
        name: &str,
        output: &mut dyn Write,
    ) -> Result<Option<String>, ScriptError> {
        let gone = || ScriptError::without_place(name, SessionError::Ended.to_string());
        let (events, answers) = mpsc::channel();
        self.requests.send(Request { task, events }).map_err(|_| gone())?;
        for event in answers {
            match event {
                Event::Output(text) => {
                    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
                    if written.is_err() {
                        self.cancel_handle().cancel();
                    }
                }
                Event::Done(result) => return result,
                Event::Completions(..) => {}
            }
        }
        Err(gone())
    }
}

/// Completion of names, for the line editor.
#[derive(Debug, Clone)]
pub(crate) struct Completions(mpsc::Sender<Request>);

impl Completions {
    /// What may follow the name that `line` ends in, and where that name begins.
    pub(crate) fn complete(&self, line: &str) -> (usize, Vec<String>) {
        let (events, answers) = mpsc::channel();
        let sent = self.0.send(Request { task: Task::Complete { line: line.to_owned() }, events });
        match sent.ok().map(|()| answers.recv()) {
            Some(Ok(Event::Completions(start, names))) => (start, names),
            _ => (line.len(), Vec::new()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.cancel_handle().cancel();
        let (events, _) = mpsc::channel();
        // It may have ended already.
        let _ = self.requests.send(Request { task: Task::Stop, events });
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}
