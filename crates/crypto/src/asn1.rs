//! The little ASN.1 that public keys need: a reader as lax as Canton's, and a canonical writer.
//!
//! Not a general parser. It accepts what the JDK's key factories accept: bytes after the outer structure,
//! unused bits in a bit string, lengths inside that could be written shorter. Of the JDK's laxness only
//! BER's indefinite lengths are left out. Whether an encoding is canonical is found by writing the parts again and comparing.
//! Source: ITU-T X.690, <https://www.itu.int/rec/T-REC-X.690>; RFC 5280, section 4.1.2.7.

use std::borrow::Cow;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;

/// How strictly a length is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    Shortest,
    Any,
}

/// One element: its tag and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element, if there is a whole one.
    pub(crate) fn element(&mut self) -> Option<Element<'a>> {
        self.element_with(Lengths::Any)
    }

    /// The content of the next element, if it has this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element().filter(|element| element.tag == tag).map(|element| element.content)
    }

    fn element_with(&mut self, lengths: Lengths) -> Option<Element<'a>> {
        const HIGH_TAG_NUMBER: u8 = 0x1f;
        let (&tag, rest) = self.0.split_first()?;
        if tag & HIGH_TAG_NUMBER == HIGH_TAG_NUMBER {
            return None;
        }
        let (length, rest) = length(rest, lengths)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Element { tag, content })
    }
}

fn length(bytes: &[u8], lengths: Lengths) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    // Four bytes of length are the most a JVM array can need; none would be BER's indefinite length.
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    let length = digits.iter().fold(0_usize, |length, &digit| length << 8 | usize::from(digit));
    let shortest = length >= 0x80 && digits[0] != 0;
    (shortest || lengths == Lengths::Any).then_some((length, rest))
}

/// The parts of a SubjectPublicKeyInfo.
#[derive(Debug)]
pub(crate) struct Spki<'a> {
    /// The content of the algorithm's object identifier.
    pub(crate) algorithm: &'a [u8],
    /// The parameters of the algorithm.
    pub(crate) parameters: Option<Element<'a>>,
    /// The bytes of the key.
    pub(crate) key: Cow<'a, [u8]>,
}

impl<'a> Spki<'a> {
    /// Reads the structure at the beginning of `bytes`.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let outer = Reader::new(bytes).element_with(Lengths::Shortest)?;
        if outer.tag != SEQUENCE {
            return None;
        }
        let mut outer = Reader::new(outer.content);
        let mut identifier = Reader::new(outer.expect(SEQUENCE)?);
        let bits = outer.expect(BIT_STRING)?;
        let algorithm = identifier.expect(OBJECT_IDENTIFIER)?;
        let parameters = if identifier.is_at_end() { None } else { Some(identifier.element()?) };
        if !outer.is_at_end() || !identifier.is_at_end() {
            return None;
        }
        Some(Self { algorithm, parameters, key: whole_bytes(bits)? })
    }
}

/// The bytes of a bit string, the unused bits of the last one cleared.
fn whole_bytes(bits: &[u8]) -> Option<Cow<'_, [u8]>> {
    match bits.split_first()? {
        (0, bytes) => Some(bytes.into()),
        (&unused @ 1..8, bytes) if !bytes.is_empty() => {
            let mut bytes = bytes.to_vec();
            *bytes.last_mut()? &= 0xff << unused;
            Some(bytes.into())
        }
        _ => None,
    }
}

/// Writes an element with the shortest length.
pub(crate) fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let length: usize = content.iter().map(|part| part.len()).sum();
    let digits = length.to_be_bytes();
    let digits = without_leading_zeros(&digits);
    let mut bytes = Vec::with_capacity(2 + digits.len() + length);
    bytes.push(tag);
    if length < 0x80 {
        bytes.push(u8::try_from(length).expect("checked to be below 0x80"));
    } else {
        bytes.push(0x80 | u8::try_from(digits.len()).expect("a usize has at most 8 bytes"));
        bytes.extend_from_slice(digits);
    }
    bytes.extend(content.iter().copied().flatten());
    bytes
}

/// Writes a positive integer.
pub(crate) fn unsigned(magnitude: &[u8]) -> Vec<u8> {
    let magnitude = without_leading_zeros(magnitude);
    match magnitude.first() {
        Some(0x80..) | None => element(INTEGER, &[&[0], magnitude]),
        Some(_) => element(INTEGER, &[magnitude]),
    }
}

/// Writes a SubjectPublicKeyInfo, `parameters` already being an element.
pub(crate) fn spki(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = element(OBJECT_IDENTIFIER, &[algorithm]);
    let identifier = element(SEQUENCE, &[&algorithm, parameters]);
    element(SEQUENCE, &[&identifier, &element(BIT_STRING, &[&[0], key])])
}

/// The number without zeros in front.
pub(crate) fn without_leading_zeros(magnitude: &[u8]) -> &[u8] {
    let zeros = magnitude.iter().take_while(|&&byte| byte == 0).count();
    &magnitude[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_short_and_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let bytes = element(SEQUENCE, &[&content]);
            let read = Reader::new(&bytes).element_with(Lengths::Shortest).unwrap();
            assert_eq!(read, Element { tag: SEQUENCE, content: &content });
        }
    }

    #[test]
    fn longer_forms_of_a_length_are_read_inside_only() {
        for bytes in [&[0x30, 0x81, 0x01, 0x00][..], &[0x30, 0x82, 0x00, 0x01, 0x00]] {
            assert!(Reader::new(bytes).element().is_some());
            assert!(Reader::new(bytes).element_with(Lengths::Shortest).is_none());
        }
    }

    #[test]
    fn incomplete_and_indefinite_elements_are_refused() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x30, 0x80, 0x00, 0x00],
            &[0x30, 0x85, 0, 0, 0, 0, 0],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x1f, 0x01, 0x00],
        ] {
            assert!(Reader::new(bytes).element().is_none(), "{bytes:02x?}");
        }
    }

    #[test]
    fn integers_are_positive() {
        assert_eq!(unsigned(&[]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
    }
}
