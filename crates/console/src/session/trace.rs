//! From an error of Starlark's to the place in the user's script.

use starlark::ErrorKind;
use starlark::codemap::FileSpan;

use crate::error::ScriptError;
use crate::failure::Failure;
use crate::notation::{Span, Written};
use crate::value::last_failure;

/// A script that was run, and what it became. Functions defined in it may fail later.
#[derive(Debug)]
pub(super) struct Ran {
    /// The name that Starlark knows it by.
    pub(super) file: String,
    /// The name that the user knows it by.
    pub(super) name: String,
    pub(super) source: String,
    pub(super) written: Written,
}

impl Ran {
    /// The place of an error in the script.
    fn place(&self, span: &FileSpan) -> Span {
        let begin = span.span.begin().get() as usize;
        let end = span.span.end().get() as usize;
        let whole = self.written.script_span(Span::new(begin, end)).unwrap_or_else(|| Span::new(0, 0));
        if self.source.get(whole.start..whole.end).is_some_and(|text| text.contains('\n'))
            && let Some(method) = called_name(self.written.text(), begin, end)
            && let Some(place) = self.written.script_span(method)
        {
            return place;
        }
        whole
    }
}

/// The name of the method that a call over several lines ends in: there the error is shown.
fn called_name(text: &str, begin: usize, end: usize) -> Option<Span> {
    let call = text.get(begin..end)?;
    if !call.ends_with(')') {
        return None;
    }
    let mut depth = 0_usize;
    let mut open = None;
    let mut quoted = false;
    for (index, byte) in call.bytes().enumerate().rev() {
        match byte {
            b'"' => quoted = !quoted,
            b')' if !quoted => depth += 1,
            b'(' if !quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    open = Some(index);
                    break;
                }
            }
            _ => {}
        }
    }
    let open = open?;
    let start = call[..open]
        .rfind(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .map_or(0, |at| at + 1);
    (start < open).then(|| Span::new(begin + start, begin + open))
}

/// The error to show for one of Starlark's.
pub(super) fn script_error(error: &starlark::Error, current: &Ran, earlier: &[Ran]) -> ScriptError {
    let cause = cause(error);
    let Some(span) = error.span() else { return ScriptError::without_place(&current.name, cause) };
    let ran = std::iter::once(current).chain(earlier.iter().rev()).find(|ran| ran.file == span.filename());
    match ran {
        Some(ran) => ScriptError::at(&ran.name, &ran.source, ran.place(span), cause),
        None => ScriptError::without_place(&current.name, cause),
    }
}

fn cause(error: &starlark::Error) -> String {
    let inner = match error.kind() {
        ErrorKind::Native(inner) | ErrorKind::Other(inner) | ErrorKind::Value(inner) => Some(inner),
        _ => None,
    };
    if let Some(failure) = inner.and_then(|inner| inner.downcast_ref::<Failure>()) {
        return failure.to_string();
    }
    let text = error.without_diagnostic().to_string();
    let text = text.strip_prefix("Parse error: ").unwrap_or(&text);
    if let Some((_, rest)) = text.split_once("Object of type `object` has no attribute `")
        && let Some((attribute, _)) = rest.split_once('`')
        && let Some(failure) = last_failure(attribute)
    {
        return failure.to_string();
    }
    if let Some(message) = text.strip_prefix("fail:") {
        return message.trim().to_owned();
    }
    if let Some(hint) = hint(text) {
        return format!("{text}: {hint}");
    }
    text.to_owned()
}

/// What to write instead, for what users of Scala write.
fn hint(text: &str) -> Option<&'static str> {
    const HINTS: &[(&str, &str)] = &[
        ("Operation `call()` not supported on type `list`", "an item of a list is `xs[0]`"),
        ("Operation `call()` not supported on type `dict`", "an entry of a dictionary is `xs[key]`"),
        ("Operation `call()` not supported on type `string`", "leave the parentheses out"),
        ("Operation `call()` not supported on type `bool`", "leave the parentheses out"),
        ("Operation `//` not supported", "`//` divides here; a comment begins with `#`"),
    ];
    HINTS.iter().find(|(known, _)| text.contains(known)).map(|(_, hint)| *hint)
}
