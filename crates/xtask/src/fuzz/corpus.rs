//! What inputs are made of: real ones, out of the fixtures of the crates and `crates/xtask/corpus`.

use std::{fs, path::PathBuf};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::wire;

/// More is not kept of what is found inside messages.
const MOST: usize = 3000;

/// Real inputs.
#[derive(Debug, Default)]
pub(crate) struct Corpus {
    pub(crate) items: Vec<Vec<u8>>,
}

impl Corpus {
    /// With what stands inside its messages, down to what is no message any more: wrappers, batches, envelopes.
    pub(crate) fn with_insides(mut self) -> Self {
        let mut at = 0;
        while at < self.items.len() && self.items.len() < MOST {
            let inner = wire::parts(&self.items[at], 24);
            self.items.extend(inner);
            at += 1;
        }
        self.items.sort();
        self.items.dedup();
        self
    }
}

impl FromIterator<Vec<u8>> for Corpus {
    fn from_iter<I: IntoIterator<Item = Vec<u8>>>(items: I) -> Self {
        Self { items: items.into_iter().collect() }
    }
}

/// A file of the workspace.
pub(crate) fn text(path: &str) -> anyhow::Result<String> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", path].iter().collect();
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The files of a folder of the workspace with such an ending.
pub(crate) fn folder(path: &str, ending: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", path].iter().collect();
    let mut files = Vec::new();
    let entries = fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(|path| Ok(fs::read(path)?)).collect()
}

/// The last word of each line that is no comment, in hexadecimal.
pub(crate) fn hex_lines(path: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let text = text(path)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.filter_map(|line| unhex(line.rsplit(' ').next()?)).collect())
}

/// Every text in a JSON document that is hexadecimal, of some length.
pub(crate) fn hex_texts(path: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let document: Value = serde_json::from_str(&text(path)?)?;
    texts(&document, &mut |text| {
        found.extend(unhex(text).filter(|bytes| bytes.len() >= 16));
    });
    Ok(found)
}

/// The messages of a recorded conversation: JSON lines with one in base64.
pub(crate) fn conversation(path: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for line in text(path)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        if let Some(message) = line["message"].as_str() {
            found.push(BASE64_STANDARD.decode(message)?);
        }
    }
    Ok(found)
}

fn texts(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, each)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, each)),
        _ => {}
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs =
        text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    if text.len().is_multiple_of(2) { pairs.collect() } else { None }
}
