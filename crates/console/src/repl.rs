//! The interactive console: a prompt with history, completion and input over several lines. Where standard input is no terminal, it
//! is read as a script, statement by statement.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use reedline::{
    ColumnarMenu, Completer, CompletionResult, EditCommand, Emacs, FileBackedHistory, KeyCode, KeyModifiers,
    MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    Span, Suggestion, ValidationResult, Validator, default_emacs_keybindings,
};
use thiserror::Error;

use crate::error::ScriptError;
use crate::session::{Completions, Session};

const HISTORY: usize = 5_000;
const MENU: &str = "completion";

/// How the console looks and remembers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ReplOptions {
    /// Where lines are remembered; nowhere when `None`.
    pub history: Option<PathBuf>,
    /// Treat standard input as a script even if it is a terminal.
    pub no_tty: bool,
}

/// An interactive console that ended badly.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplError {
    /// A line of a script from standard input failed.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The terminal or standard input failed.
    #[error("the terminal cannot be read")]
    Input(#[source] std::io::Error),
    /// The history cannot be kept.
    #[error("the history {path} cannot be used")]
    History {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Runs an interactive console until `exit` or Ctrl-D. Errors of lines are shown and the console goes on; where standard input is no
/// terminal the first error ends it.
///
/// # Errors
/// When the terminal fails, or a line of a script from standard input does.
pub fn repl(session: &mut Session, options: &ReplOptions) -> Result<(), ReplError> {
    let mut output = std::io::stdout();
    if options.no_tty || !std::io::stdin().is_terminal() {
        return run_lines(session, std::io::stdin().lock(), &mut output);
    }
    let mut editor = editor(session, options)?;
    loop {
        match editor.read_line(&ConsolePrompt).map_err(ReplError::Input)? {
            Signal::Success(line) if is_exit(&line) => return Ok(()),
            Signal::Success(line) => {
                if let Err(error) = session.eval_line(&line, &mut output) {
                    // The terminal is gone: the next read notices.
                    let _ = writeln!(output, "{error}");
                }
            }
            Signal::CtrlD => return Ok(()),
            _ => {}
        }
    }
}

/// Runs statements as they come in.
pub(crate) fn run_lines(
    session: &mut Session,
    input: impl BufRead,
    output: &mut dyn Write,
) -> Result<(), ReplError> {
    let mut pending = String::new();
    let mut first_line = 0;
    for (number, line) in input.lines().enumerate() {
        let line = line.map_err(ReplError::Input)?;
        if !pending.is_empty() && !continues(&line) && is_over(&pending) {
            // Empty lines before it, so that errors show the line that it stands on.
            session.eval_line(&format!("{}{pending}", "\n".repeat(first_line)), output)?;
            pending.clear();
        }
        if pending.is_empty() {
            if is_exit(&line) {
                return Ok(());
            }
            if line.trim().is_empty() {
                continue;
            }
            first_line = number;
        }
        pending.push_str(&line);
        pending.push('\n');
    }
    if !pending.is_empty() {
        session.eval_line(&format!("{}{pending}", "\n".repeat(first_line)), output)?;
    }
    Ok(())
}

/// Whether a line can only belong to the one before it.
fn continues(line: &str) -> bool {
    const BEGINNINGS: &[&str] = &[" ", "\t", ".", ")", "}", "]", "->", "&&", "||", "else", "elif"];
    line.trim().is_empty() || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

/// Whether what was read is a whole statement, or a block that a line further left ends.
fn is_over(text: &str) -> bool {
    let text = text.trim_end();
    !Session::is_incomplete(text) || ends_block(text)
}

/// Whether the text is a block of Starlark with a body.
fn ends_block(text: &str) -> bool {
    text.lines().next_back().is_some_and(|line| line.starts_with([' ', '\t']))
        && !Session::is_incomplete(&format!("{text}\n\n"))
}

fn is_exit(line: &str) -> bool {
    matches!(line.trim().trim_end_matches(';'), "exit" | "exit()" | "quit" | "quit()")
}

fn editor(session: &Session, options: &ReplOptions) -> Result<Reedline, ReplError> {
    let mut keys = default_emacs_keybindings();
    let complete =
        ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
    keys.add_binding(
        KeyModifiers::ALT,
        KeyCode::Enter,
        ReedlineEvent::Edit(vec![EditCommand::InsertNewline]),
    );
    let menu = ColumnarMenu::default().with_name(MENU);
    let mut editor = Reedline::create()
        .with_completer(Box::new(NameCompleter(session.completions())))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_validator(Box::new(Unfinished))
        .with_edit_mode(Box::new(Emacs::new(keys)));
    if let Some(path) = &options.history {
        let history = FileBackedHistory::with_file(HISTORY, path.clone()).map_err(|error| {
            ReplError::History { path: path.clone(), source: std::io::Error::other(error) }
        })?;
        editor = editor.with_history(Box::new(history));
    }
    Ok(editor)
}

struct NameCompleter(Completions);

impl Completer for NameCompleter {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let (start, names) = self.0.complete(line.get(..pos).unwrap_or(line));
        let suggestions: Vec<Suggestion> = names
            .into_iter()
            .map(|value| Suggestion { value, span: Span::new(start, pos), ..Suggestion::default() })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

struct Unfinished;

impl Validator for Unfinished {
    fn validate(&self, line: &str) -> ValidationResult {
        if Session::is_incomplete(line) { ValidationResult::Incomplete } else { ValidationResult::Complete }
    }
}

struct ConsolePrompt;

impl Prompt for ConsolePrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("@")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(" ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("  ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}

#[cfg(test)]
mod tests {
    use super::{ReplError, run_lines};
    use crate::session::{Session, SessionOptions};

    fn run(input: &str) -> (String, Result<(), ReplError>) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut session = Session::new(SessionOptions::new(Vec::new(), runtime.handle().clone())).unwrap();
        let mut output = Vec::new();
        let result = run_lines(&mut session, input.as_bytes(), &mut output);
        (String::from_utf8(output).unwrap(), result)
    }

    #[test]
    fn statements_run_as_they_are_complete() {
        let input = "val x = 1 ->\n  2\nx\n\ndef f(a):\n    if a:\n        return 3\n\n    return 4\nf(False)\nif f(True) == 3:\n    print(5)\nelse:\n    print(6)\nSeq(1, 2)\n  .map(_ + 1)\n  .head\nexit\nprint(7)\n";
        let (output, result) = run(input);
        assert!(result.is_ok());
        assert_eq!(output, "(1, 2)\n4\n5\n2\n");
    }

    #[test]
    fn an_error_ends_it_and_names_the_line() {
        let (output, result) = run("print(1)\n\nnothing\nprint(2)\n");
        let Err(ReplError::Script(error)) = result else { panic!("no error") };
        assert_eq!((error.line, output.as_str()), (3, "1\n"));
    }

    #[test]
    fn a_text_that_never_ends_is_an_error() {
        assert!(matches!(run("f(1,\n2\n").1, Err(ReplError::Script(_))));
    }
}
