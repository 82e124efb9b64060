//! Java properties: what `java.util.Properties` reads from a text, as an object of strings.
//!
//! Periods in keys separate, also next to each other. A key that is both a value and the parent of others keeps the
//! others. See <https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)>.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind};
use crate::java::{self, Utf16Builder};
use crate::map::MapBuilder;
use crate::node::{Data, Node, NodeKind};
use crate::origin::Origin;

/// Values by their keys.
#[derive(Default)]
struct Branch {
    children: BTreeMap<String, Branch>,
    value: Option<(String, Origin)>,
}

/// Reads a properties text.
pub(crate) fn parse(text: &str, origin: &Origin, meter: &Meter) -> Result<Node, Error> {
    let mut entries = Vec::new();
    for (line, number) in logical_lines(text) {
        let origin = origin.at(number, 1);
        let (key, value) = split(&line);
        entries.push((unescape(key, &origin)?, unescape(value, &origin)?, origin));
    }
    tree(entries, origin, meter)
}

/// An object of strings from dotted keys; of two equal keys the later one counts.
pub(crate) fn tree(
    entries: impl IntoIterator<Item = (String, String, Origin)>,
    origin: &Origin,
    meter: &Meter,
) -> Result<Node, Error> {
    let mut root = Branch::default();
    for (key, value, origin) in entries {
        meter.path(key.split('.').count(), &origin)?;
        meter.values(key.split('.').count(), &origin)?;
        let mut branch = &mut root;
        for element in key.split('.') {
            branch = branch.children.entry(element.to_owned()).or_default();
        }
        branch.value = Some((value, origin));
    }
    root.into_node(origin, meter)
}

impl Branch {
    fn into_node(self, origin: &Origin, meter: &Meter) -> Result<Node, Error> {
        if let (Some((text, origin)), true) = (self.value, self.children.is_empty()) {
            return Ok(Data::leaf(NodeKind::String { text: text.into(), quoted: true }, origin));
        }
        let mut map = MapBuilder::new();
        for (key, branch) in self.children {
            map.put(Rc::from(key), branch.into_node(origin, meter)?);
        }
        Data::object(map.finish(), origin.clone(), meter)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines without comments and blank ones, continued ones joined, each with the number it starts at.
fn logical_lines(text: &str) -> Vec<(String, u32)> {
    let mut lines = Vec::new();
    let mut open: Option<(String, u32)> = None;
    let mut number = 0;
    let mut rest = text;
    while !rest.is_empty() {
        number += 1;
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix("\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        let line = line.trim_start_matches(is_space);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let (mut sofar, start) = open.take().unwrap_or((String::new(), number));
        let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 1 {
            sofar.push_str(line.get(..line.len() - 1).unwrap_or_default());
            open = Some((sofar, start));
        } else {
            sofar.push_str(line);
            lines.push((sofar, start));
        }
    }
    lines.extend(open);
    lines
}

/// The key and the value of a line, with their escapes.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (is_space(*c) || matches!(c, '=' | ':'));
            escaped = !escaped && *c == '\\';
            ends
        })
        .map_or(line.len(), |(place, _)| place);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_space))
}

fn unescape(text: &str, origin: &Origin) -> Result<String, Error> {
    let mut out = Utf16Builder::default();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let unit =
                    java::parse_int(&digits, 16).filter(|_| hex).and_then(|unit| u16::try_from(unit).ok());
                let Some(unit) = unit else {
                    let message = "a \\u that no four hex digits follow";
                    return Err(Error::new(ErrorKind::Parse, origin.clone(), message));
                };
                out.push_unit(unit);
            }
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('n') => out.push('\n'),
            Some('f') => out.push('\u{c}'),
            Some(c) => out.push(c),
            None => {}
        }
    }
    Ok(out.finish())
}
