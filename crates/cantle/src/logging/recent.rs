//! The last lines of the log, kept in memory, and the last warnings and errors with the lines that led to them.
//!
//! For `health.dump`, `health.last_errors` and `health.last_error_trace`. Lines belong together when they were written
//! within one call: within one span that has a `trace_id`, or else within one outermost span.
//!
//! Invariant: never more than a few megabytes, whatever is logged.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// Lines that are kept.
const LINES: usize = 2000;
/// Bytes of a line; the rest is cut off.
const LONGEST_LINE: usize = 2048;
/// Errors that are kept, as Canton keeps them.
const ERRORS: usize = 128;
/// Lines of one error.
const LINES_OF_ERROR: usize = 256;
/// The field of a span that says to which trace it belongs.
const TRACE_ID: &str = "trace_id";

/// The last lines. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    errors: VecDeque<LastError>,
    /// Numbers spans, whose own ids are used again, and what belongs to none.
    last: u64,
}

#[derive(Debug, Clone)]
struct Line {
    trace: String,
    text: String,
}

/// A warning or an error, with the lines of its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastError {
    pub(crate) trace: String,
    pub(crate) message: String,
    pub(crate) lines: Vec<String>,
}

impl Recent {
    /// The last lines, the oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.kept().lines.iter().map(|line| line.text.clone()).collect()
    }

    /// The last warnings and errors, the oldest first; one for each trace.
    pub(crate) fn errors(&self) -> Vec<LastError> {
        self.kept().errors.iter().cloned().collect()
    }

    /// The lines of one of the last errors.
    pub(crate) fn lines_of(&self, trace: &str) -> Option<Vec<String>> {
        self.kept().errors.iter().find(|error| error.trace == trace).map(|error| error.lines.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Whole after every step, so a panic elsewhere has not spoilt it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn push(&mut self, level: Level, trace: Option<String>, text: String, message: String) {
        let trace = trace.unwrap_or_else(|| format!("event-{}", self.next()));
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { trace: trace.clone(), text });
        let known = self.errors.iter_mut().find(|error| error.trace == trace);
        match known {
            // What follows an error of the same call tells what was done about it.
            Some(error) => {
                if let Some(line) = self.lines.back()
                    && error.lines.len() < LINES_OF_ERROR
                {
                    error.lines.push(line.text.clone());
                }
            }
            None if level <= Level::WARN => {
                if self.errors.len() == ERRORS {
                    self.errors.pop_front();
                }
                let of_trace =
                    self.lines.iter().rev().filter(|line| line.trace == trace).take(LINES_OF_ERROR);
                let mut lines: Vec<_> = of_trace.map(|line| line.text.clone()).collect();
                lines.reverse();
                self.errors.push_back(LastError { trace, message, lines });
            }
            None => {}
        }
    }
}

/// The trace that a span belongs to by its own field.
struct TraceId(String);

/// A span's fields as text, and its number.
struct Fields(String, u64);

impl<S> Layer<S> for Recent
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut collected = Collected::default();
        attributes.record(&mut collected);
        let mut extensions = span.extensions_mut();
        if let Some(trace) = collected.trace {
            extensions.insert(TraceId(trace));
        }
        extensions.insert(Fields(collected.fields, self.kept().next()));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut collected = Collected::default();
        event.record(&mut collected);
        let metadata = event.metadata();
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{:.3} {:>5} ", Timestamp::now(), metadata.level());
        let mut trace = None;
        if let Some(scope) = context.event_scope(event) {
            let mut outermost = None;
            for span in scope.from_root() {
                let extensions = span.extensions();
                let (fields, number) =
                    extensions.get::<Fields>().map_or(("", 0), |Fields(fields, number)| (fields, *number));
                let _ = write!(text, "{}{{{}}}: ", span.name(), fields.trim_start());
                outermost.get_or_insert(number);
                if let Some(TraceId(id)) = extensions.get::<TraceId>() {
                    trace = Some(id.clone());
                }
            }
            trace = trace.or_else(|| outermost.map(|number| format!("span-{number}")));
        }
        let _ = write!(text, "{}: {}{}", metadata.target(), collected.message, collected.fields);
        cut(&mut text);
        cut(&mut collected.message);
        self.kept().push(*metadata.level(), trace, text, collected.message);
    }
}

fn cut(text: &mut String) {
    if text.len() > LONGEST_LINE {
        text.truncate(text.floor_char_boundary(LONGEST_LINE));
        text.push('…');
    }
}

/// The fields of a span or an event.
#[derive(Default)]
struct Collected {
    message: String,
    trace: Option<String>,
    /// Each after a space.
    fields: String,
}

impl Visit for Collected {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            TRACE_ID => self.trace = Some(format!("{value:?}")),
            name => {
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::{error, info, info_span, subscriber::with_default, warn};
    use tracing_subscriber::{Registry, layer::SubscriberExt};

    use super::*;

    fn logged(log: impl FnOnce()) -> Recent {
        let recent = Recent::default();
        with_default(Registry::default().with(recent.clone()), log);
        recent
    }

    #[test]
    fn an_error_has_the_lines_of_its_call_and_no_others() {
        let recent = logged(|| {
            let call = info_span!("call", trace_id = "abc", method = "Sign");
            let other = info_span!("call", trace_id = "def");
            call.in_scope(|| info!(key = 7, "asked"));
            other.in_scope(|| info!("something else"));
            call.in_scope(|| error!("refused"));
            call.in_scope(|| info!("answered"));
        });
        let errors = recent.errors();
        assert_eq!(errors.len(), 1);
        assert_eq!((errors[0].trace.as_str(), errors[0].message.as_str()), ("abc", "refused"));
        let lines = errors[0].lines.join("\n");
        assert_eq!(errors[0].lines.len(), 3, "{lines}");
        for text in ["asked key=7", "refused", "answered", "call{method=Sign}", "ERROR"] {
            assert!(lines.contains(text), "no {text} in {lines}");
        }
        assert_eq!(recent.lines().len(), 4);
    }

    #[test]
    fn lines_without_a_trace_belong_to_their_outermost_span_or_to_nobody() {
        let recent = logged(|| {
            let node = info_span!("node", participant = "participant1");
            node.in_scope(|| {
                info!("starts");
                info_span!("kms").in_scope(|| warn!("slow"));
            });
            warn!("alone");
            warn!("alone again");
        });
        let errors = recent.errors();
        let messages: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(messages, ["slow", "alone", "alone again"]);
        assert_eq!(errors.iter().map(|error| error.lines.len()).collect::<Vec<_>>(), [2, 1, 1]);
        assert_ne!(errors[1].trace, errors[2].trace);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let recent = logged(|| {
            for number in 0..LINES + 500 {
                warn!("{number} {}", "ä".repeat(LONGEST_LINE));
            }
            let endless = info_span!("call", trace_id = "endless");
            endless.in_scope(|| {
                for _ in 0..LINES_OF_ERROR * 2 {
                    error!("again");
                }
            });
        });
        assert_eq!(recent.lines().len(), LINES);
        let errors = recent.errors();
        assert_eq!(errors.len(), ERRORS);
        assert_eq!(errors.last().unwrap().lines.len(), LINES_OF_ERROR);
        assert!(recent.lines().iter().all(|line| line.len() <= LONGEST_LINE + '…'.len_utf8()));
    }
}
