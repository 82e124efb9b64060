//! Settings from a command line, `PATH=VALUE`, as one source.
//!
//! Lightbend's library makes a source of a map from paths to values, which has no order; so a path that leads through
//! another one's value is refused there, and here.

use std::collections::BTreeMap;

use crate::assemble::Assembler;
use crate::budget::Meter;
use crate::draft::{Draft, DraftObject};
use crate::error::{Error, ErrorKind};
use crate::expression::{self, Keys};
use crate::node::{Data, Node, NodeKind};
use crate::origin::Origin;
use crate::token;

/// The object that settings make. What is wrong with one is reported, and the others are read.
pub(crate) fn read<'a>(
    settings: impl Iterator<Item = (&'a str, &'a str)>,
    assembler: &mut Assembler<'_>,
    meter: &Meter,
) -> Result<Option<Node>, Error> {
    let origin = Origin::new("-C");
    let mut values: BTreeMap<Keys, &str> = BTreeMap::new();
    for (path, value) in settings {
        meter.input(path.len() + value.len(), &origin)?;
        match keys(path, &origin, meter) {
            Ok(keys) => {
                meter.values(keys.len(), &origin)?;
                values.insert(keys, value);
            }
            Err(error) if error.kind() == ErrorKind::BudgetExceeded => return Err(error),
            Err(error) => {
                let message = format!("in the setting {path}: {}", error.message());
                assembler.report(Error::new(error.kind(), origin.clone(), message))?;
            }
        }
    }
    for (outer, inner) in values.keys().zip(values.keys().skip(1)).filter(|(a, b)| b.starts_with(a)) {
        let message = format!(
            "the settings {} and {} exclude each other: the first gives a value where the second needs an object",
            expression::render(outer),
            expression::render(inner),
        );
        assembler.report(Error::new(ErrorKind::BugOrBroken, origin.clone(), message))?;
    }
    let mut object = DraftObject::new(origin.clone());
    for (keys, value) in &values {
        let text = Data::leaf(NodeKind::String { text: (*value).into(), quoted: true }, origin.clone());
        let Some((key, below)) = keys.split_first() else { continue };
        object.put(key, Draft::under(below, Draft::Node(text)), meter)?;
    }
    Draft::Object(object).finish(meter).map(Some)
}

fn keys(path: &str, origin: &Origin, meter: &Meter) -> Result<Keys, Error> {
    let tokens = token::all(path, origin, meter)?;
    expression::parse(&tokens, origin, meter)
}
