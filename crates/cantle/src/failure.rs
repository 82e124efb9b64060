//! How a command ends when it does not succeed: what is printed, and the exit status.

use std::{fmt, process::ExitCode};

use crate::output::tell;

/// A command's failure.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration is wrong; nothing was started. The text is complete.
    Usage(String),
    /// Something failed while running.
    Running(anyhow::Error),
    /// A script failed; the text shows line, caret and cause.
    Script(String),
}

impl Failure {
    /// The command line or the configuration is wrong.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(format!("error: {:#}", error.into()))
    }

    /// Something failed while running.
    pub(crate) fn running(error: impl Into<anyhow::Error>) -> Self {
        Self::Running(error.into())
    }

    /// Prints it to stderr.
    pub(crate) fn print(&self) {
        tell!("{}", self.to_string().trim_end());
    }

    /// 2 for the command line or the configuration, 1 for the rest.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Running(_) | Self::Script(_) => 1,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Script(text) => f.write_str(text),
            Self::Running(error) => write!(f, "error: {}", Chain(error)),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Running(error)
    }
}

/// An error and its causes, each once: texts here often carry their cause already.
struct Chain<'a>(&'a anyhow::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        for cause in self.0.chain() {
            let text = cause.to_string();
            if said.contains(&text) {
                continue;
            }
            if !said.is_empty() {
                f.write_str("\n  because: ")?;
            }
            f.write_str(&text)?;
            said.push_str(&text);
        }
        Ok(())
    }
}
