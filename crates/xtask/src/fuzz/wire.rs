//! Protobuf without a schema: enough of it to change a field deep inside and keep the lengths around it right.

use cantle_testkit::Random;

use super::{corpus::Corpus, mutate};

/// Deeper is not looked.
const DEEPEST: usize = 12;

#[derive(Debug, Clone)]
enum Content {
    Varint(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone)]
struct Field {
    number: u64,
    content: Content,
}

/// The fields of a message; nothing if it is none.
fn parse(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let (number, kind) = (key >> 3, key & 7);
        let content = match kind {
            0 => Content::Varint(take_varint(&mut bytes)?),
            1 => Content::Fixed(take(&mut bytes, 8)?),
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                Content::Bytes(take(&mut bytes, length)?)
            }
            5 => Content::Fixed(take(&mut bytes, 4)?),
            _ => return None,
        };
        if number == 0 {
            return None;
        }
        fields.push(Field { number, content });
    }
    Some(fields)
}

fn take(bytes: &mut &[u8], length: usize) -> Option<Vec<u8>> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken.to_vec())
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Writes a number as protobuf does.
pub(crate) fn varint(mut value: u64, bytes: &mut Vec<u8>) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn write(fields: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Field { number, content } in fields {
        match content {
            Content::Varint(value) => {
                varint(number << 3, &mut bytes);
                varint(*value, &mut bytes);
            }
            Content::Fixed(fixed) => {
                varint((number << 3) | if fixed.len() == 8 { 1 } else { 5 }, &mut bytes);
                bytes.extend(fixed);
            }
            Content::Bytes(inner) => {
                varint((number << 3) | 2, &mut bytes);
                varint(inner.len() as u64, &mut bytes);
                bytes.extend(inner);
            }
        }
    }
    bytes
}

/// What stands in the fields of a message, of at least a length.
pub(crate) fn parts(bytes: &[u8], least: usize) -> Vec<Vec<u8>> {
    let fields = parse(bytes).unwrap_or_default().into_iter();
    let inner = fields.filter_map(|field| match field.content {
        Content::Bytes(inner) if inner.len() >= least => Some(inner),
        _ => None,
    });
    inner.collect()
}

/// Changes a field, at any depth; answers whether the bytes are a message at all.
pub(crate) fn change(bytes: &mut Vec<u8>, corpus: &Corpus, random: &mut Random) -> bool {
    change_at(bytes, corpus, random, 0)
}

fn change_at(bytes: &mut Vec<u8>, corpus: &Corpus, random: &mut Random, depth: usize) -> bool {
    let Some(mut fields) = parse(bytes).filter(|fields| !fields.is_empty()) else { return false };
    let at = random.below(fields.len());
    let deeper = depth < DEEPEST && random.below(4) > 0;
    if let Content::Bytes(inner) = &mut fields[at].content
        && deeper
        && change_at(inner, corpus, random, depth + 1)
    {
        *bytes = write(&fields);
        return true;
    }
    match (&mut fields[at].content, random.below(8)) {
        (_, 0) => drop(fields.remove(at)),
        (_, 1) => {
            let times = if random.below(16) == 0 { 200 } else { 1 };
            let field = fields[at].clone();
            fields.extend(std::iter::repeat_n(field, times));
        }
        (_, 2) => {
            let other = random.below(fields.len());
            fields.swap(at, other);
        }
        (_, 3) => fields[at].number = 1 + random.below(12) as u64,
        (Content::Varint(value), _) => *value = mutate::edge(random),
        (Content::Fixed(fixed), _) => {
            let length = fixed.len();
            *fixed = mutate::edge(random).to_le_bytes()[..length].to_vec();
        }
        (Content::Bytes(inner), 4) => *inner = random.bytes(48),
        (Content::Bytes(inner), 5 | 6) => inner.clone_from(&corpus.items[random.below(corpus.items.len())]),
        (Content::Bytes(inner), _) => {
            let place = random.below(inner.len().max(1));
            match inner.get_mut(place) {
                Some(byte) => *byte ^= 1 << random.below(8),
                None => inner.push(0),
            }
        }
    }
    *bytes = write(&fields);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_as_it_was_read() {
        let message =
            [0x0a, 0x03, 0x08, 0x96, 0x01, 0x10, 0x05, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(write(&parse(&message).unwrap()), message);
        assert!(parse(&message[..4]).is_none());
        assert_eq!(parts(&message, 3), [[0x08, 0x96, 0x01]]);
    }

    #[test]
    fn lengths_stay_right_around_a_change() {
        let corpus: Corpus = [vec![7; 40]].into_iter().collect();
        let mut message = Vec::new();
        for depth in 0..5_u8 {
            let inner = if depth == 0 { vec![0x08, 1] } else { std::mem::take(&mut message) };
            message = write(&[Field { number: 1, content: Content::Bytes(inner) }]);
        }
        for round in 0..500 {
            let mut bytes = message.clone();
            assert!(change(&mut bytes, &corpus, &mut Random::new("", round)));
            assert!(parse(&bytes).is_some(), "{bytes:?}");
        }
    }
}
