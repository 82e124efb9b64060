//! What the Java platform does to text, where it shows in what a document means.
//!
//! Facts from the Java SE 17 API: `Character.isWhitespace`, `Character.digit`, `Integer.parseInt`, `Double.toString`,
//! `String.hashCode`. Nothing here knows HOCON.

/// Whitespace as Lightbend's library sees it: Java's, the non-breaking spaces that Java leaves out, and the byte
/// order mark.
pub(crate) fn is_whitespace(c: char) -> bool {
    matches!(
        c,
        '\t'..='\r'
            | '\u{1c}'..=' '
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
            | '\u{feff}'
    )
}

/// The zeros of the decimal digits of the Basic Multilingual Plane; nine more digits follow each.
const ZEROS: [u32; 37] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
];

fn digit(c: char, radix: u32) -> Option<u32> {
    let code = u32::from(c);
    let value = match c {
        'a'..='z' => code - u32::from('a') + 10,
        'A'..='Z' => code - u32::from('A') + 10,
        '\u{ff41}'..='\u{ff5a}' => code - 0xff41 + 10,
        '\u{ff21}'..='\u{ff3a}' => code - 0xff21 + 10,
        _ => ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10))?,
    };
    (value < radix).then_some(value)
}

/// `Integer.parseInt`: an optional sign and digits of any script.
pub(crate) fn parse_int(text: &str, radix: u32) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return None;
    }
    let magnitude = digits.chars().try_fold(0_i64, |sum, c| {
        let sum = sum * i64::from(radix) + i64::from(digit(c, radix)?);
        (sum <= 1 << 31).then_some(sum)
    })?;
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// `String.hashCode`, spread as `HashMap` spreads it.
pub(crate) fn map_hash(text: &str) -> u32 {
    let hash =
        text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}

/// `Double.toString` of Java SE 19 and later: the shortest digits that read back as the same number, of two digits
/// those nearest to it. (Earlier versions write a digit too many at times; it reads back as the same number too.)
pub(crate) fn double_text(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => {
            let two = format!("{value:.1e}");
            match two.split_once('e') {
                Some((digits, exponent)) if two.parse() == Ok(value) => format!("{digits}E{exponent}"),
                _ => format!("{digits}.0E{exponent}"),
            }
        }
        Some((digits, exponent)) => format!("{digits}E{exponent}"),
        None => text,
    }
}

/// A string made of UTF-16 units, as `\u` escapes give them.
///
/// A surrogate without its partner cannot be in a Rust string; it becomes `?`, which is what Java writes for it when
/// such a string is encoded.
#[derive(Default)]
pub(crate) struct Utf16Builder {
    text: String,
    high: Option<u16>,
}

impl Utf16Builder {
    pub(crate) fn push(&mut self, c: char) {
        if self.high.take().is_some() {
            self.text.push('?');
        }
        self.text.push(c);
    }

    pub(crate) fn push_unit(&mut self, unit: u16) {
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let decoded = char::decode_utf16([high, unit]).next();
                self.text.push(decoded.and_then(Result::ok).unwrap_or('?'));
            }
            (high, _) => {
                if high.is_some() {
                    self.text.push('?');
                }
                match unit {
                    0xd800..=0xdbff => self.high = Some(unit),
                    _ => self.text.push(char::from_u32(u32::from(unit)).unwrap_or('?')),
                }
            }
        }
    }

    pub(crate) fn finish(mut self) -> String {
        if self.high.take().is_some() {
            self.text.push('?');
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (9_999_999.5, "9999999.5"),
            (1e7, "1.0E7"),
            (0.001, "0.001"),
            (1e-4, "1.0E-4"),
            (1e23, "1.0E23"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::from_bits(1), "4.9E-324"),
            (f64::from_bits(4), "2.0E-323"),
        ] {
            assert_eq!(double_text(value), text);
        }
    }

    #[test]
    fn integers_of_any_script_are_read_within_their_bounds() {
        for (text, value) in [
            ("7", Some(7)),
            ("+7", Some(7)),
            ("-2147483648", Some(i32::MIN)),
            ("2147483648", None),
            ("٣", Some(3)),
            ("", None),
            ("-", None),
            ("7x", None),
        ] {
            assert_eq!(parse_int(text, 10), value, "{text}");
        }
    }

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(map_hash("a"), 97);
        assert_eq!(map_hash("Aa"), map_hash("BB"));
        assert_eq!(map_hash("polygenelubricants"), 0x8000_0000 ^ 0x8000);
    }

    #[test]
    fn surrogates_pair_up_or_become_question_marks() {
        let text = |units: &[u16]| {
            let mut builder = Utf16Builder::default();
            units.iter().for_each(|unit| builder.push_unit(*unit));
            builder.push('x');
            builder.finish()
        };
        assert_eq!(text(&[0xd83d, 0xde00]), "😀x");
        assert_eq!(text(&[0xd83d]), "?x");
        assert_eq!(text(&[0xde00, 0x41]), "?Ax");
    }
}
