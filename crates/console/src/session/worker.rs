//! The thread on which scripts run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use starlark::PrintHandler;
use starlark::codemap::FileSpanRef;
use starlark::environment::{Globals, Module};
use starlark::eval::{BeforeStmtFunc, BeforeStmtFuncDyn, Evaluator};
use starlark::syntax::AstModule;
use starlark::values::Value;
use tokio::sync::watch;

use super::SessionOptions;
use super::globals::{check_names, globals, is_global, set_nodes};
use super::trace::{Ran, script_error};
use crate::command::is_bare_command;
use crate::error::{ScriptError, SessionError};
use crate::failure::Failure;
use crate::node::{Caller, Node};
use crate::notation::{Vocabulary, Written, dialect, translate};
use crate::value::{Object, scala, take_unrun};

/// Deep texts and calls recurse on this stack; only what is used takes memory.
const STACK: usize = 256 << 20;
/// Calls within calls.
const MAX_CALLS: usize = 200;
/// How much the values of a session may grow by one script.
const MAX_HEAP: usize = 512 << 20;
/// The longest script.
const MAX_SCRIPT: usize = 4 << 20;
/// Scripts and lines whose functions can still be shown in errors.
const MAX_REMEMBERED: usize = 1_000;

const VOCABULARY: Vocabulary =
    Vocabulary { is_method: scala::is_method, is_command: is_bare_command, is_global };

/// Something to do.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) task: Task,
    pub(super) events: mpsc::Sender<Event>,
}

#[derive(Debug)]
pub(super) enum Task {
    Script { name: String, text: String },
    Line { text: String },
    Complete { line: String },
    Stop,
}

/// What happens while it is done.
#[derive(Debug)]
pub(super) enum Event {
    Output(String),
    Done(Result<Option<String>, ScriptError>),
    Completions(usize, Vec<String>),
}

thread_local! {
    static OUTPUT: RefCell<Option<mpsc::Sender<Event>>> = const { RefCell::new(None) };
}

/// Prints a text and a line end, from the thread of scripts.
pub(crate) fn print_text(text: &str) {
    OUTPUT.with_borrow(|output| {
        if let Some(output) = output {
            // Nobody listens any more: the script is being cancelled.
            let _ = output.send(Event::Output(format!("{text}\n")));
        }
    });
}

/// The same, for functions that print on behalf of an evaluation.
pub(crate) fn print_line(_eval: &mut Evaluator<'_, '_, '_>, text: &str) -> starlark::Result<()> {
    print_text(text);
    Ok(())
}

/// Looks at the limits before every statement: Starlark alone looks rarely.
struct Guard {
    caller: Arc<Caller>,
    max_heap: usize,
}

impl<'e> BeforeStmtFuncDyn<'e> for Guard {
    fn call<'v>(
        &mut self,
        _span: FileSpanRef,
        _continued: bool,
        eval: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        if self.caller.is_cancelled() {
            return Err(Failure::Cancelled { command: "the script".to_owned() }.into_starlark());
        }
        if eval.heap().peak_allocated_bytes() > self.max_heap {
            return Err(Failure::value(format!("the script's values take more than {MAX_HEAP} bytes"))
                .into_starlark());
        }
        Ok(())
    }
}

struct Printer;

impl PrintHandler for Printer {
    fn println(&self, text: &str) -> starlark::Result<()> {
        print_text(text);
        Ok(())
    }
}

/// Operators that are functions of ours: comparisons know that an identifier is its text (Starlark compares only values of one type),
/// and repetition is bounded.
fn operators() -> HashMap<String, String> {
    [
        ("==", "_cantle_equal"),
        ("!=", "_cantle_unequal"),
        ("in", "_cantle_in"),
        ("not in", "_cantle_not_in"),
        ("*", "_cantle_times"),
    ]
    .map(|(operator, function)| (operator.to_owned(), function.to_owned()))
    .into()
}

/// Starts the thread.
pub(super) fn start(
    options: SessionOptions,
    cancel: watch::Receiver<u64>,
    requests: mpsc::Receiver<Request>,
) -> Result<JoinHandle<()>, SessionError> {
    check_names(&options.nodes)?;
    let thread = std::thread::Builder::new().name("console".to_owned()).stack_size(STACK);
    thread.spawn(move || serve(options, cancel, &requests)).map_err(SessionError::Thread)
}

fn serve(options: SessionOptions, cancel: watch::Receiver<u64>, requests: &mpsc::Receiver<Request>) {
    let caller = Arc::new(Caller::new(options.handle, options.deadline, options.ping_timeout, cancel));
    let nodes: Vec<(String, Arc<Node>)> = options
        .nodes
        .into_iter()
        .map(|node| (node.script_name(), Arc::new(Node::new(node, Arc::clone(&caller)))))
        .collect();
    caller.set_nodes(nodes.iter().map(|(_, node)| node));
    let globals = globals();
    let max_steps = options.max_steps.max(1);
    Module::with_temp_heap(|module| {
        set_nodes(&module, &nodes);
        let mut worker = Worker {
            module: &module,
            globals: &globals,
            caller: Arc::clone(&caller),
            max_steps,
            ran: Vec::new(),
            count: 0,
        };
        for request in requests {
            OUTPUT.set(Some(request.events.clone()));
            let event = match request.task {
                Task::Script { name, text } => Event::Done(worker.run(name, text).map(|_| None)),
                // Alone it is a question, not the function.
                Task::Line { text } if text.trim() == "help" => {
                    Event::Done(worker.run("console".to_owned(), "help()".to_owned()))
                }
                Task::Line { text } => Event::Done(worker.run("console".to_owned(), text)),
                Task::Stop => return,
                Task::Complete { line } => {
                    let (start, names) = worker.complete(&line);
                    Event::Completions(start, names)
                }
            };
            OUTPUT.set(None);
            // The one who asked may have gone.
            let _ = request.events.send(event);
        }
    });
}

struct Worker<'a, 'v> {
    module: &'a Module<'v>,
    globals: &'a Globals,
    caller: Arc<Caller>,
    max_steps: u64,
    ran: Vec<Ran>,
    count: usize,
}

impl<'v> Worker<'_, 'v> {
    fn is_known(&self, name: &str) -> bool {
        self.module.get(name).is_some() || self.globals.names().any(|known| known.as_str() == name)
    }

    fn run(&mut self, name: String, source: String) -> Result<Option<String>, ScriptError> {
        if source.len() > MAX_SCRIPT {
            return Err(ScriptError::without_place(
                &name,
                format!("the script is longer than {MAX_SCRIPT} bytes"),
            ));
        }
        let written = translate(&source, VOCABULARY, &|known| self.is_known(known));
        let written =
            written.map_err(|error| ScriptError::at(&name, &source, error.span(), error.to_string()))?;
        self.count += 1;
        self.caller.begin();
        let ran = Ran { file: format!("{name}#{}", self.count), name, source, written };
        let mut result =
            self.evaluate(&ran.written, &ran.file).map_err(|error| script_error(&error, &ran, &self.ran));
        if let (Some(command), Ok(_)) = (take_unrun(), &result) {
            let cause = format!("{command} was used as a condition without being run: write `()` behind it");
            result = Err(ScriptError::without_place(&ran.name, cause));
        }
        if self.ran.len() < MAX_REMEMBERED {
            self.ran.push(ran);
        }
        result
    }

    fn evaluate(&self, written: &Written, file: &str) -> starlark::Result<Option<String>> {
        let mut ast = AstModule::parse(file, written.text().to_owned(), &dialect())?;
        ast.replace_binary_operators(&operators());
        let printer = Printer;
        let mut eval = Evaluator::new(self.module);
        eval.set_print_handler(&printer);
        eval.set_check_cancelled(Box::new(|| self.caller.is_cancelled()));
        let max_heap = eval.heap().peak_allocated_bytes() + MAX_HEAP;
        let guard = Guard { caller: Arc::clone(&self.caller), max_heap };
        eval.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(guard)));
        eval.set_max_callstack_size(MAX_CALLS)?;
        eval.set_max_tick_count(self.max_steps)?;
        eval.set_max_heap_size(max_heap)?;
        let value: Value<'v> = eval.eval_module(ast, self.globals)?;
        Ok((!value.is_none()).then(|| scala::repr(value)))
    }

    /// What may follow the name at the end of `line`.
    fn complete(&self, line: &str) -> (usize, Vec<String>) {
        let is_part =
            |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '.';
        let start = line
            .rfind(|character| !is_part(character))
            .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
        let path = &line[start..];
        let (base, prefix) = match path.rsplit_once('.') {
            Some((base, prefix)) => (Some(base), prefix),
            None => (None, path),
        };
        let candidates = match base {
            None if self.argument_names(&line[..start]).is_some() => {
                let module = self.module.names().map(|name| name.as_str().to_owned());
                let names = self.argument_names(&line[..start]).unwrap_or_default();
                names.into_iter().map(|name| format!("{name} = ")).chain(module).collect()
            }
            None => {
                let module = self.module.names().map(|name| name.as_str().to_owned());
                module.chain(self.globals.names().map(|name| name.as_str().to_owned())).collect()
            }
            Some(base) => self.attributes(base),
        };
        let mut names: Vec<String> = candidates
            .into_iter()
            .filter(|name| name.starts_with(prefix) && !name.starts_with('_'))
            .collect();
        names.sort();
        names.dedup();
        (line.len() - prefix.len(), names)
    }

    /// The parameters of the command whose parenthesis is open at the end of `text`.
    fn argument_names(&self, text: &str) -> Option<Vec<String>> {
        let mut depth = 0_usize;
        let open = text.char_indices().rev().find_map(|(index, character)| match character {
            ')' | ']' | '}' => {
                depth += 1;
                None
            }
            '(' if depth == 0 => Some(index),
            '(' | '[' | '{' => {
                depth = depth.saturating_sub(1);
                None
            }
            _ => None,
        })?;
        let callee = text[..open].trim_end();
        let is_part =
            |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '.';
        let start = callee
            .rfind(|character| !is_part(character))
            .map_or(0, |at| at + callee[at..].chars().next().map_or(1, char::len_utf8));
        let value = self.value_of(&callee[start..])?;
        let names = Object::from_value(value)?.instance().parameters();
        (!names.is_empty()).then_some(names)
    }

    /// The attributes of what `path` names, without asking a node.
    fn attributes(&self, path: &str) -> Vec<String> {
        self.value_of(path).map(|value| value.dir_attr()).unwrap_or_default()
    }

    /// What `path` names, without asking a node.
    fn value_of(&self, path: &str) -> Option<Value<'v>> {
        let mut parts = path.split('.');
        let first = parts.next()?;
        let mut value = self.module.get(first).or_else(|| {
            self.globals.iter().find(|(name, _)| *name == first).map(|(_, value)| value.to_value())
        })?;
        for part in parts {
            if Object::from_value(value).is_some_and(|object| !object.instance().is_cheap(part)) {
                return None;
            }
            value = value.get_attr(part, self.module.heap()).ok()??;
        }
        Some(value)
    }
}
