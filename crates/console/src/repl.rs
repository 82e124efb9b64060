//! The interactive console: a prompt with history, completion and input over several lines. Where standard input is no terminal, it
//! is read as a script, statement by statement.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use reedline::{
    ColumnarMenu, Completer, CompletionResult, EditCommand, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder, Prompt,
    PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal, Span, Suggestion, ValidationResult,
    Validator, default_emacs_keybindings,
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
pub(crate) fn run_lines(session: &mut Session, input: impl BufRead, output: &mut dyn Write) -> Result<(), ReplError> {
    let mut pending = String::new();
    for line in input.lines() {
        let line = line.map_err(ReplError::Input)?;
        if pending.is_empty() && is_exit(&line) {
            return Ok(());
        }
        // A statement is over when the next line cannot continue it.
        let continues = line.trim().is_empty() || line.starts_with([' ', '\t']) || line.trim_start().starts_with(['.', ')', '}', ']'])
            || line.starts_with("else") || line.starts_with("elif") || line.starts_with("->");
        if !pending.is_empty() && !continues && !Session::is_incomplete(pending.trim_end_matches('\n')) {
            session.eval_line(&std::mem::take(&mut pending), output)?;
            if is_exit(&line) {
                return Ok(());
            }
        } else if !pending.is_empty() && !continues && ends_block(&pending) {
            session.eval_line(&std::mem::take(&mut pending), output)?;
        }
        pending.push_str(&line);
        pending.push('\n');
    }
    if !pending.trim().is_empty() {
        session.eval_line(&pending, output)?;
    }
    Ok(())
}

/// Whether the text is a block of Starlark: a line that is not indented ends it.
fn ends_block(text: &str) -> bool {
    text.lines().rfind(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with([' ', '\t']))
        && Session::is_incomplete(text.trim_end_matches('\n'))
        && !Session::is_incomplete(&format!("{}\n\n", text.trim_end_matches('\n')))
}

fn is_exit(line: &str) -> bool {
    matches!(line.trim().trim_end_matches(';'), "exit" | "exit()" | "quit" | "quit()")
}

fn editor(session: &Session, options: &ReplOptions) -> Result<Reedline, ReplError> {
    let mut keys = default_emacs_keybindings();
    let complete = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
    keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, ReedlineEvent::Edit(vec![EditCommand::InsertNewline]));
    let menu = ColumnarMenu::default().with_name(MENU);
    let mut editor = Reedline::create()
        .with_completer(Box::new(NameCompleter(session.completions())))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_validator(Box::new(Unfinished))
        .with_edit_mode(Box::new(Emacs::new(keys)));
    if let Some(path) = &options.history {
        let history = FileBackedHistory::with_file(HISTORY, path.clone())
            .map_err(|error| ReplError::History { path: path.clone(), source: std::io::Error::other(error) })?;
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
