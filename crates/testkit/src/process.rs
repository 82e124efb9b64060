//! A child process under test: its lines are read as they come, every wait has a deadline, and it is
//! stopped by its own id when the value is dropped.
//!
//! Not a shell: arguments are given one by one, and nothing is searched in a process list.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write as _},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// Why a wait for a process ended without what was waited for. Its text holds all the output so far.
#[derive(Debug)]
pub struct ProcessError {
    what: String,
    output: String,
}

impl std::fmt::Display for ProcessError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; its output was:\n{}", self.what, self.output)
    }
}

impl std::error::Error for ProcessError {}

/// Which of the two outputs a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// What a process left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of stdout, line by line.
    pub stdout: String,
    /// All of stderr, line by line.
    pub stderr: String,
}

/// A running child, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    stdin: Option<ChildStdin>,
    lines: Receiver<(Stream, String)>,
    seen: Vec<(Stream, String)>,
}

impl Process {
    /// Starts `command` with all three streams piped.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(command: &mut Command) -> std::io::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            follow(Stream::Out, stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            follow(Stream::Err, stderr, sender);
        }
        let stdin = child.stdin.take();
        Ok(Self { child, name, stdin, lines, seen: Vec::new() })
    }

    /// The operating system's id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// When the input is closed.
    pub fn write_line(&mut self, line: &str) -> std::io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{line}")?;
        stdin.flush()
    }

    /// Waits for the first line, of either stream and not waited for before, that contains `text`.
    ///
    /// # Errors
    /// When it ends, or `within` passes, before such a line.
    pub fn wait_for(&mut self, text: &str, within: Duration) -> Result<String, ProcessError> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok((stream, line)) => {
                    let found = line.contains(text);
                    self.seen.push((stream, line.clone()));
                    if found {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.error(format!("no line with {text:?} within {within:?}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.error(format!("ended before a line with {text:?}")));
                }
            }
        }
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it has not ended by `within`; it is killed then.
    pub fn terminate(self, within: Duration) -> Result<Finished, ProcessError> {
        self.signal("-TERM")?;
        self.finish(within)
    }

    /// Kills it at once (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// When the system does not report its end.
    pub fn kill(mut self) -> Result<Finished, ProcessError> {
        let killed = self.child.kill();
        if let Err(error) = killed {
            return Err(self.error(format!("could not be killed: {error}")));
        }
        self.finish(Duration::from_secs(10))
    }

    /// Closes its input and waits for its end.
    ///
    /// # Errors
    /// When it has not ended by `within`; it is killed then.
    pub fn finish(mut self, within: Duration) -> Result<Finished, ProcessError> {
        drop(self.stdin.take());
        let deadline = Instant::now() + within;
        // Both readers end, and the channel with them, when the process closes its outputs.
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.error(format!("did not end within {within:?}")));
                }
            }
        }
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(error) => return Err(self.error(format!("its end is not known: {error}"))),
        };
        Ok(Finished { status, stdout: self.text(Stream::Out), stderr: self.text(Stream::Err) })
    }

    fn signal(&self, signal: &str) -> Result<(), ProcessError> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.error(format!("kill {signal} answered {status}"))),
            Err(error) => Err(self.error(format!("kill did not start: {error}"))),
        }
    }

    fn text(&self, of: Stream) -> String {
        let mut text = String::new();
        for (_, line) in self.seen.iter().filter(|(stream, _)| *stream == of) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    fn error(&self, what: String) -> ProcessError {
        let mut output = String::new();
        for (stream, line) in &self.seen {
            let mark = if *stream == Stream::Out { "out" } else { "err" };
            // Writing to a String does not fail.
            let _ = writeln!(output, "  {mark}| {line}");
        }
        ProcessError { what: format!("{} ({}) {what}", self.name, self.child.id()), output }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended: both answer an error that nobody needs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(stream: Stream, from: impl Read + Send + 'static, to: Sender<(Stream, String)>) {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if to.send((stream, line)).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        Process::spawn(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn lines_of_both_streams_are_waited_for() {
        let mut process = shell("echo one; read line; echo two >&2; read line; echo got $line");
        process.wait_for("one", SOON).unwrap();
        // The streams are read side by side: without this, two could be seen before one.
        process.write_line("on").unwrap();
        process.wait_for("two", SOON).unwrap();
        process.write_line("three").unwrap();
        assert_eq!(process.wait_for("got", SOON).unwrap(), "got three");
        let finished = process.finish(SOON).unwrap();
        assert!(finished.status.success());
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("one\ngot three\n", "two\n"));
    }

    #[test]
    fn an_end_before_the_line_is_an_error_with_the_output() {
        let error = shell("echo alone").wait_for("never", SOON).unwrap_err().to_string();
        assert!(error.contains("out| alone"), "{error}");
    }

    #[test]
    fn a_terminated_process_reports_its_signal() {
        let mut process = shell("echo up; exec cat");
        process.wait_for("up", SOON).unwrap();
        assert!(!process.terminate(SOON).unwrap().status.success());
    }
}
