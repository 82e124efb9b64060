//! Durations and sizes as they are written: `500ms`, `3.minutes`, `Inf`, `10 MiB`.
//!
//! Canton reads durations with Scala's parser, which knows fewer units than HOCON; both are read here. A number
//! without a unit is HOCON's: milliseconds, bytes.
//! Sources: <https://www.scala-lang.org/api/2.13.x/scala/concurrent/duration/Duration$.html>,
//! <https://github.com/lightbend/config/blob/v1.4.3/HOCON.md#units-format>.

use std::time::Duration;

/// A duration as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// With an end; `unit` says whether one was written.
    Finite { duration: Duration, unit: Unit },
    /// Below zero.
    Negative,
    /// `Inf`.
    Infinite,
}

/// Whether a unit was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Written,
    LeftOut,
}

/// The longest duration: what fits 64 bits of nanoseconds, as on the JVM.
const LONGEST: u128 = i64::MAX as u128;

/// Each unit of time in nanoseconds and its names.
const TIMES: [(u128, &[&str]); 7] = [
    (1, &["ns", "nano", "nanos", "nanosecond", "nanoseconds"]),
    (1_000, &["us", "\u{b5}s", "\u{3bc}s", "micro", "micros", "microsecond", "microseconds"]),
    (1_000_000, &["ms", "milli", "millis", "millisecond", "milliseconds"]),
    (1_000_000_000, &["s", "sec", "secs", "second", "seconds"]),
    (60_000_000_000, &["m", "min", "mins", "minute", "minutes"]),
    (3_600_000_000_000, &["h", "hr", "hrs", "hour", "hours"]),
    (86_400_000_000_000, &["d", "day", "days"]),
];

/// Each unit of size in bytes and its names.
const SIZES: [(u128, &[&str]); 7] = [
    (1, &["", "B", "b", "byte", "bytes"]),
    (1_000, &["kB", "kilobyte", "kilobytes"]),
    (1 << 10, &["K", "k", "Ki", "KiB", "kibibyte", "kibibytes"]),
    (1_000_000, &["MB", "megabyte", "megabytes"]),
    (1 << 20, &["M", "m", "Mi", "MiB", "mebibyte", "mebibytes"]),
    (1_000_000_000, &["GB", "gigabyte", "gigabytes"]),
    (1 << 30, &["G", "g", "Gi", "GiB", "gibibyte", "gibibytes"]),
];

/// Reads a duration; `None` if it is not one, or longer than 292 years.
pub(crate) fn parse_duration(text: &str) -> Option<Written> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    match text.as_str() {
        "Inf" | "PlusInf" | "+Inf" | "Duration.Inf" => return Some(Written::Infinite),
        "MinusInf" | "-Inf" | "Duration.MinusInf" => return Some(Written::Negative),
        _ => {}
    }
    let (number, name) = split_unit(&text);
    let unit = if name.is_empty() { Unit::LeftOut } else { Unit::Written };
    let name = if name.is_empty() { "ms" } else { name };
    let factor = TIMES.iter().find(|(_, names)| names.contains(&name)).map(|(factor, _)| *factor)?;
    let (sign, nanos) = scaled(number, factor)?;
    if nanos > LONGEST {
        return None;
    }
    if sign == Sign::Minus && nanos > 0 {
        return Some(Written::Negative);
    }
    let nanos = u64::try_from(nanos).ok()?;
    Some(Written::Finite { duration: Duration::from_nanos(nanos), unit })
}

/// Reads a number of bytes; `None` if it is not one.
pub(crate) fn parse_bytes(text: &str) -> Option<i64> {
    let (number, name) = split_unit(text.trim());
    let factor = SIZES.iter().find(|(_, names)| names.contains(&name)).map(|(factor, _)| *factor)?;
    let (sign, bytes) = scaled(number.trim_end(), factor)?;
    let bytes = i64::try_from(bytes).ok()?;
    Some(if sign == Sign::Minus { -bytes } else { bytes })
}

/// The text before its last letters, and those letters.
fn split_unit(text: &str) -> (&str, &str) {
    let start = text
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_alphabetic())
        .last()
        .map_or(text.len(), |(i, _)| i);
    text.split_at(start)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

/// A decimal number times a factor, without a loss for whole numbers.
fn scaled(number: &str, factor: u128) -> Option<(Sign, u128)> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => (Sign::Minus, rest),
        None => (Sign::Plus, number.strip_prefix('+').unwrap_or(number)),
    };
    if digits.is_empty() || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return Some((sign, digits.parse::<u128>().ok()?.checked_mul(factor)?));
    }
    let value: f64 = digits.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "the factors are exact as doubles")]
    let product = (value * factor as f64).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the conversion saturates; anything that large is out of range"
    )]
    product.is_finite().then_some((sign, product as u128))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finite(text: &str) -> Option<Duration> {
        match parse_duration(text) {
            Some(Written::Finite { duration, unit: Unit::Written }) => Some(duration),
            _ => None,
        }
    }

    #[test]
    fn durations_of_scala_and_hocon_are_read() {
        let second = Duration::from_secs(1);
        assert_eq!(finite("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(finite("10 s"), Some(second * 10));
        assert_eq!(finite("3.minutes"), Some(second * 180));
        assert_eq!(finite("1 minute"), Some(second * 60));
        assert_eq!(finite(" 1.5 hours "), Some(second * 5400));
        assert_eq!(finite("7d"), Some(second * 7 * 86400));
        assert_eq!(finite("2 micros"), Some(Duration::from_micros(2)));
        assert_eq!(finite("3us"), Some(Duration::from_micros(3)));
        assert_eq!(finite("1e3s"), Some(second * 1000));
        assert_eq!(finite("+5.seconds"), Some(second * 5));
        assert_eq!(finite("-0 s"), Some(Duration::ZERO));
    }

    #[test]
    fn durations_without_an_end_and_below_zero_are_told_apart() {
        assert_eq!(parse_duration("Inf"), Some(Written::Infinite));
        assert_eq!(parse_duration("Duration.Inf"), Some(Written::Infinite));
        assert_eq!(parse_duration("-1 s"), Some(Written::Negative));
        assert_eq!(parse_duration("-Inf"), Some(Written::Negative));
    }

    #[test]
    fn a_duration_without_a_unit_is_milliseconds() {
        let half = Duration::from_millis(500);
        assert_eq!(parse_duration("500"), Some(Written::Finite { duration: half, unit: Unit::LeftOut }));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "s",
            "ten s",
            "5 parsecs",
            "1 2 x",
            "inf",
            "NaN s",
            "0x10 s",
            "300000 days",
            "1e300 d",
            "--5s",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!(parse_bytes("10485760"), Some(10 << 20));
        assert_eq!(parse_bytes("10 MiB"), Some(10 << 20));
        assert_eq!(parse_bytes("10M"), Some(10 << 20));
        assert_eq!(parse_bytes("2 kB"), Some(2000));
        assert_eq!(parse_bytes("1.5 KiB"), Some(1536));
        assert_eq!(parse_bytes("-1"), Some(-1));
        assert_eq!(parse_bytes("10 bananas"), None);
        assert_eq!(parse_bytes(""), None);
    }
}
