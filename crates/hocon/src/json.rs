//! JSON from resolved values: keys sorted, whole numbers without a fraction, text as Lightbend's library escapes it.

use std::fmt::Write as _;

use crate::java;
use crate::value::{Kind, Value};

/// Writes a string with quotes and escapes.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Writes a value, over several lines if `indent` is given.
pub(crate) fn value(out: &mut String, value: &Value, indent: Option<usize>) {
    match &value.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(true) => out.push_str("true"),
        Kind::Bool(false) => out.push_str("false"),
        Kind::Number(number) => match number.as_i64() {
            Some(whole) => {
                let _ = write!(out, "{whole}");
            }
            None if number.as_f64().is_finite() => out.push_str(&java::double_text(number.as_f64())),
            // Lightbend's library writes `Infinity`, which is not JSON; this is, and reads as that.
            None => out.push_str(if number.as_f64() > 0.0 { "1e999" } else { "-1e999" }),
        },
        Kind::String(text) => string(out, text),
        Kind::Array(values) => {
            items(out, '[', ']', values.iter(), indent, self::value);
        }
        Kind::Object(object) => {
            items(out, '{', '}', object.iter(), indent, |out, (key, item), indent| {
                string(out, key);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                self::value(out, item, indent);
            });
        }
    }
}

fn items<T>(
    out: &mut String,
    open: char,
    close: char,
    items: impl ExactSizeIterator<Item = T>,
    indent: Option<usize>,
    write: impl Fn(&mut String, T, Option<usize>),
) {
    out.push(open);
    let empty = items.len() == 0;
    let inner = indent.map(|depth| depth + 1);
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(',');
        }
        line(out, inner);
        write(out, item, inner);
    }
    if !empty {
        line(out, indent);
    }
    out.push(close);
}

fn line(out: &mut String, indent: Option<usize>) {
    if let Some(depth) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}
