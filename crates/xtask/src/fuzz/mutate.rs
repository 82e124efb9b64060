//! Changes to an input: bits, cuts, repetitions, parts of others, lies about lengths, and what the form of it allows.

use cantle_testkit::Random;

use super::{corpus::Corpus, wire};

/// Longer inputs are cut: they find nothing that shorter ones do not, and later.
const LONGEST: usize = 1 << 16;

/// What an input looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// Text, with the words that its readers look for.
    Text(&'static [&'static str]),
    /// Protobuf.
    Wire,
    /// Tags, lengths and values, or anything else.
    Binary,
}

/// Numbers that are at an edge of something.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0xffff_ffff, i64::MAX.unsigned_abs(), 1 << 63, u64::MAX];

/// One of them, or any.
pub(crate) fn edge(random: &mut Random) -> u64 {
    match random.below(EDGES.len() + 2) {
        at if at < EDGES.len() => EDGES[at],
        _ => random.number(),
    }
}

/// An input made of the corpus.
pub(crate) fn input(corpus: &Corpus, form: Form, random: &mut Random) -> Vec<u8> {
    if corpus.items.is_empty() || random.below(50) == 0 {
        return random.bytes(200);
    }
    let mut bytes = corpus.items[random.below(corpus.items.len())].clone();
    for _ in 0..=random.below(5) {
        change(&mut bytes, corpus, form, random);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &Corpus, form: Form, random: &mut Random) {
    let end = bytes.len();
    let at = random.below(end + 1);
    match (random.below(14), form) {
        (0 | 1, _) if end > 0 => bytes[at % end] ^= 1 << random.below(8),
        (2, _) if end > 0 => bytes[at % end] = edge(random).to_le_bytes()[0],
        (3, _) => bytes.truncate(at),
        (4, _) => drop(bytes.splice(at..at, random.bytes(8))),
        (5, _) => drop(bytes.drain(at..end.min(at + random.below(16)))),
        (6, _) => {
            let part = bytes[at..end.min(at + 1 + random.below(64))].to_vec();
            let most = if random.below(8) == 0 { 64 } else { 2 };
            let times = 1 + random.below(most);
            drop(bytes.splice(at..at, part.repeat(times)));
        }
        (7, _) => {
            let other = &corpus.items[random.below(corpus.items.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
        (8, Form::Wire | Form::Binary) => lie(bytes, at, form, random),
        (_, Form::Text(words)) => {
            let word = words[random.below(words.len())].as_bytes();
            let replaced = if random.below(2) == 0 { 0 } else { random.below(8) };
            drop(bytes.splice(at..end.min(at + replaced), word.iter().copied()));
        }
        (_, Form::Wire) => {
            let is_message = wire::change(bytes, corpus, random);
            if !is_message && end > 0 {
                bytes[at % end] ^= 1 << random.below(8);
            }
        }
        _ if end > 0 => bytes[at % end] = random.number().to_le_bytes()[0],
        _ => {}
    }
}

/// A length that is not the length of what follows.
fn lie(bytes: &mut Vec<u8>, at: usize, form: Form, random: &mut Random) {
    let mut length = Vec::new();
    match form {
        Form::Wire => wire::varint(edge(random), &mut length),
        _ => {
            let digits = 1 + random.below(4);
            length.push(0x80 | u8::try_from(digits).unwrap_or(1));
            length.extend(&edge(random).to_be_bytes()[8 - digits..]);
        }
    }
    drop(bytes.splice(at..bytes.len().min(at + 1), length));
}
