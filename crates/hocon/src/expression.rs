//! Path expressions from tokens: periods outside quotes separate, everything else is text.

use std::rc::Rc;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind};
use crate::origin::Origin;
use crate::token::{Scalar, Tok, Token};

/// The keys of a path, at least one.
pub(crate) type Keys = Rc<[Rc<str>]>;

#[derive(Default)]
struct Element {
    text: String,
    /// It has an empty quoted string in it, so it may be empty.
    quoted: bool,
}

/// Reads the tokens of a path expression.
pub(crate) fn parse(tokens: &[Token], origin: &Origin, meter: &Meter) -> Result<Keys, Error> {
    let bad = |message: String| Error::new(ErrorKind::BadPath, origin.clone(), message);
    let mut done = Vec::new();
    let mut element = Element::default();
    let mut any = false;
    for token in tokens {
        any = true;
        let text = match &token.tok {
            Tok::Whitespace => continue,
            Tok::Scalar(Scalar::String(text)) => {
                element.quoted |= text.is_empty() && element.text.is_empty();
                element.text.push_str(text);
                continue;
            }
            Tok::Scalar(scalar) => scalar.text(),
            Tok::Unquoted(text) => text,
            tok => {
                return Err(bad(format!("a path cannot have {} in it (put it in quotes)", tok.describe())));
            }
        };
        let mut parts = text.split('.');
        element.text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            done.push(std::mem::take(&mut element));
            element.text.push_str(part);
        }
    }
    if !any {
        return Err(bad("a path is missing: a key or path is expected here".to_owned()));
    }
    done.push(element);
    meter.path(done.len(), origin)?;
    if done.iter().any(|element| element.text.is_empty() && !element.quoted) {
        return Err(bad(
            "a path starts or ends with a period, or has two in a row (an empty key is written \"\")"
                .to_owned(),
        ));
    }
    Ok(done.into_iter().map(|element| Rc::from(element.text)).collect())
}

/// A path expression for keys, with quotes where they are needed.
pub(crate) fn render<S: AsRef<str>>(keys: &[S]) -> String {
    let mut out = String::new();
    for (i, key) in keys.iter().map(AsRef::as_ref).enumerate() {
        if i > 0 {
            out.push('.');
        }
        if !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_') {
            out.push_str(key);
        } else {
            crate::json::string(&mut out, key);
        }
    }
    out
}
