//! The shape of Canton's configuration as data: which keys a section has, of which kind, and who reads them.
//!
//! A [`Section`] is a table, written beside the decoder of that section. [`crate::check`] walks a document along
//! these tables and finds what is misspelt, mistyped or missing; the decoders then give the values a meaning.
//! Nothing here holds a value.
//!
//! Invariant: every key that Canton 2.10 reads is in a table; a key that is in none is an error.
//! Source: the manual, <https://docs.daml.com/2.10.0/canton/usermanual/static_conf.html>, and its API reference.

/// An object with a fixed set of keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// The keys, in the order of the manual.
    pub(crate) keys: &'static [Key],
    /// Former places of keys below this section, which are moved before anything is checked.
    pub(crate) moved: &'static [Moved],
}

/// A key of a section.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) reader: Reader,
    pub(crate) presence: Presence,
}

/// Who reads a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Cantle does.
    Cantle,
    /// Only something that Cantle does not have; the reason ends the sentence "it is ignored: …".
    Nobody(&'static str),
    /// Cantle reads and checks it, and does nothing with it yet; the reason ends the same sentence.
    Later(&'static str),
    /// It is a fault to set it here; the sentence says why and what to do.
    Refused(&'static str),
}

/// Whether a key may be left out of its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Optional,
    Required,
}

/// A former place of a key: both are paths below the section that lists them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    pub(crate) from: &'static [&'static str],
    pub(crate) to: &'static [&'static str],
}

/// What a value has to be. `null` is allowed everywhere and means that the key is not set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Whatever stands there.
    Any,
    /// A string; numbers and booleans are read as they were written.
    Text,
    /// A boolean, or one of `true`, `yes`, `on`, `false`, `no`, `off` as a string.
    Bool,
    /// A whole number between the two, or a string that reads as one.
    Int(i64, i64),
    /// A number that is not negative.
    Double,
    /// 0 to 65535; 0 leaves the choice to the system.
    Port,
    /// A duration.
    Duration(Span),
    /// A number of bytes, at most what fits 32 bits, or with a unit as in HOCON: `10 MiB`.
    Bytes,
    /// A string that is never shown.
    Secret,
    /// The path of a file or folder. Whether it exists is the decoder's question.
    File,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list, or an object with numeric keys.
    List(&'static Kind),
    /// An object with any keys.
    Map(&'static Kind),
    /// An object with fixed keys.
    Section(&'static Section),
    /// An object whose keys depend on its `type`.
    Tagged(&'static Tagged),
}

/// Which durations are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// Zero or more, with an end.
    Finite,
    /// More than zero, with an end.
    Positive,
    /// More than zero, whole seconds.
    Seconds,
    /// Zero or more, `Inf` among them.
    Endless,
}

/// An object whose keys depend on its `type`.
#[derive(Debug)]
pub(crate) struct Tagged {
    /// The variant when `type` is left out.
    pub(crate) default: Option<&'static str>,
    /// Keys that mean different things in different variants: with one of them `type` cannot be left out.
    pub(crate) undecided: &'static [&'static str],
    /// Each `type` and its keys.
    pub(crate) variants: &'static [(&'static str, &'static Section)],
    /// A `type` that Canton has and Cantle has not, and what to do instead.
    pub(crate) refused: &'static [(&'static str, &'static str)],
}

/// The key that chooses a variant of a [`Tagged`] object.
pub(crate) const TAG: &str = "type";

/// Why keys of the Daml engine and its API are ignored.
pub(crate) const DAML: &str = "only the Daml engine and the Ledger API use it";
/// Why keys of the virtual machine are ignored.
pub(crate) const JVM: &str = "only a Java virtual machine uses it";
/// Why tuning parameters of Canton's own implementation are ignored.
pub(crate) const TUNING: &str = "it tunes Canton's implementation, Cantle's sizes itself";
/// Why keys for protocol versions under development are ignored.
pub(crate) const NO_OTHERS: &str = "protocol versions 5 and 7 are stable, there are no others here";
/// Why keys of replicated nodes are ignored.
pub(crate) const REPLICAS: &str = "Cantle runs one process a node, without replicas";

/// A natural number as Canton's 32-bit integers.
pub(crate) const NATURAL: Kind = Kind::Int(0, i32::MAX as i64);
/// A positive number as Canton's 32-bit integers.
pub(crate) const POSITIVE: Kind = Kind::Int(1, i32::MAX as i64);
/// Any of Canton's 32-bit integers.
pub(crate) const INT: Kind = Kind::Int(i32::MIN as i64, i32::MAX as i64);
/// Any of Canton's 64-bit integers.
pub(crate) const LONG: Kind = Kind::Int(i64::MIN, i64::MAX);
/// A positive number of 64 bits.
pub(crate) const POSITIVE_LONG: Kind = Kind::Int(1, i64::MAX);
/// Zero or more, with an end.
pub(crate) const FINITE: Kind = Kind::Duration(Span::Finite);
/// More than zero, with an end.
pub(crate) const POSITIVE_DURATION: Kind = Kind::Duration(Span::Positive);
/// Whole seconds.
pub(crate) const SECONDS: Kind = Kind::Duration(Span::Seconds);
/// Zero or more, `Inf` among them.
pub(crate) const ENDLESS: Kind = Kind::Duration(Span::Endless);
/// A list of strings.
pub(crate) const TEXTS: Kind = Kind::List(&Kind::Text);

impl Section {
    /// A section with these keys.
    pub(crate) const fn new(keys: &'static [Key]) -> Self {
        Self { keys, moved: &[] }
    }

    /// The same, with former places of keys below it.
    pub(crate) const fn moved(self, moved: &'static [Moved]) -> Self {
        Self { keys: self.keys, moved }
    }

    /// The key of that name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    /// The same key, which must not be left out.
    pub(crate) const fn required(self) -> Self {
        Self { name: self.name, kind: self.kind, reader: self.reader, presence: Presence::Required }
    }
}

impl Tagged {
    /// An object with these variants; its `type` has to be written.
    pub(crate) const fn new(variants: &'static [(&'static str, &'static Section)]) -> Self {
        Self { default: None, undecided: &[], variants, refused: &[] }
    }

    /// The same, of this variant where no `type` is written.
    pub(crate) const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same, with keys that ask for a written `type`.
    pub(crate) const fn undecided_by(self, undecided: &'static [&'static str]) -> Self {
        Self { undecided, ..self }
    }

    /// The same, with variants that Cantle has not.
    pub(crate) const fn refusing(self, refused: &'static [(&'static str, &'static str)]) -> Self {
        Self { refused, ..self }
    }

    /// The keys of a variant.
    pub(crate) fn variant(&self, name: &str) -> Option<&'static Section> {
        self.variants.iter().find(|(tag, _)| *tag == name).map(|(_, section)| *section)
    }

    /// What to do instead of a variant that Cantle has not.
    pub(crate) fn refusal(&self, name: &str) -> Option<&'static str> {
        self.refused.iter().find(|(tag, _)| *tag == name).map(|(_, reason)| *reason)
    }
}

/// A key that Cantle reads.
pub(crate) const fn used(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, reader: Reader::Cantle, presence: Presence::Optional }
}

/// A key that is known and ignored, with one of the reasons above.
pub(crate) const fn ignored(name: &'static str, kind: Kind, reason: &'static str) -> Key {
    Key { name, kind, reader: Reader::Nobody(reason), presence: Presence::Optional }
}

/// A key that is read and checked, and has no effect in this version.
pub(crate) const fn later(name: &'static str, kind: Kind, reason: &'static str) -> Key {
    Key { name, kind, reader: Reader::Later(reason), presence: Presence::Optional }
}

/// A key that is known and must not be set here.
pub(crate) const fn refused(name: &'static str, kind: Kind, reason: &'static str) -> Key {
    Key { name, kind, reader: Reader::Refused(reason), presence: Presence::Optional }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(kind: &Kind, path: &str, visit: &mut impl FnMut(&str, &'static Section)) {
        match kind {
            Kind::List(element) | Kind::Map(element) => walk(element, &format!("{path}.*"), visit),
            Kind::Section(section) => {
                visit(path, section);
                for key in section.keys {
                    walk(&key.kind, &format!("{path}.{}", key.name), visit);
                }
            }
            Kind::Tagged(tagged) => {
                for (tag, section) in tagged.variants {
                    walk(&Kind::Section(section), &format!("{path}<{tag}>"), visit);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn keys_are_kebab_case_and_unique() {
        walk(&Kind::Section(&crate::config::ROOT), "canton", &mut |path, section| {
            let mut seen = std::collections::HashSet::new();
            for key in section.keys {
                assert!(seen.insert(key.name), "{path}.{} twice", key.name);
                let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(key.name.chars().all(kebab), "{path}.{} is not kebab-case", key.name);
                assert_ne!(key.name, TAG, "{path}: `type` is the tag, not a key");
            }
        });
    }

    #[test]
    fn defaults_of_tagged_objects_are_variants() {
        walk(&Kind::Section(&crate::config::ROOT), "canton", &mut |path, section| {
            for key in section.keys {
                if let Kind::Tagged(tagged) = key.kind
                    && let Some(default) = tagged.default
                {
                    assert!(tagged.variant(default).is_some(), "{path}.{}", key.name);
                }
            }
        });
    }

    #[test]
    fn moved_keys_lead_to_known_keys() {
        walk(&Kind::Section(&crate::config::ROOT), "canton", &mut |path, section| {
            for moved in section.moved {
                let mut sections = vec![section];
                for name in moved.to {
                    let key = sections.iter().find_map(|section| section.key(name));
                    let key = key.unwrap_or_else(|| panic!("{path}: {name} of {:?}", moved.to));
                    sections = match key.kind {
                        Kind::Section(section) => vec![section],
                        Kind::Tagged(tagged) => tagged.variants.iter().map(|(_, section)| *section).collect(),
                        _ => vec![],
                    };
                }
            }
        });
    }

    #[test]
    fn the_tables_know_hundreds_of_keys() {
        let mut count = 0;
        walk(&Kind::Section(&crate::config::ROOT), "canton", &mut |_, section| count += section.keys.len());
        assert!(count > 1000, "{count}");
    }
}
