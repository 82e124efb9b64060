//! Durations as scripts see them: `10.seconds`, and what Canton's parameters hold.

use super::{Data, Function, Record};
use crate::failure::Failure;

const SECOND: i64 = 1_000_000_000;

/// A duration of so many milliseconds.
pub(crate) fn millis(millis: i64) -> Data {
    nanos(millis.saturating_mul(1_000_000))
}

/// A duration of so many nanoseconds.
pub(crate) fn nanos(nanos: i64) -> Data {
    let text = match (nanos % SECOND, nanos % 1_000_000) {
        (0, _) if nanos != 0 => format!("{} seconds", nanos / SECOND),
        (_, 0) => format!("{} milliseconds", nanos / 1_000_000),
        _ => format!("{nanos} nanoseconds"),
    };
    let fields = vec![
        ("millis", Data::Int(nanos / 1_000_000)),
        ("toMillis", Data::Int(nanos / 1_000_000)),
        ("toSeconds", Data::Int(nanos / SECOND)),
        ("toMinutes", Data::Int(nanos / (60 * SECOND))),
        ("toNanos", Data::Int(nanos)),
    ];
    Data::object(Record::shown("Duration", text, fields))
}

/// As long as any command may take: what is left out. Explicit `None` means not to wait at all.
pub(crate) fn bounded() -> Data {
    Data::object(Record::text(BOUNDED, "bounded".to_owned(), Vec::new()))
}

/// As long as a ping may take.
pub(crate) fn ping() -> Data {
    Data::object(Record::text(PING, "ping timeout".to_owned(), Vec::new()))
}

const BOUNDED: &str = "BoundedDuration";
const PING: &str = "PingTimeout";

pub(crate) fn is_bounded(data: &Data) -> bool {
    data.downcast::<Record>().is_some_and(|record| record.type_name() == BOUNDED)
}

pub(crate) fn is_ping(data: &Data) -> bool {
    data.downcast::<Record>().is_some_and(|record| record.type_name() == PING)
}

/// The nanoseconds of a duration; a plain number counts seconds.
pub(crate) fn nanos_of(data: &Data) -> Option<i64> {
    match data {
        Data::Int(seconds) => seconds.checked_mul(SECOND),
        other => match other.downcast::<Record>()?.field("toNanos")? {
            Data::Int(nanos) => Some(*nanos),
            _ => None,
        },
    }
}

/// A duration of the wire.
pub(crate) fn from_wire(duration: Option<prost_types::Duration>) -> Data {
    duration.map_or(Data::None, |duration| {
        nanos(duration.seconds.saturating_mul(SECOND).saturating_add(i64::from(duration.nanos)))
    })
}

/// A duration for the wire; never negative.
pub(crate) fn to_wire(data: &Data) -> Result<prost_types::Duration, Failure> {
    let nanos = nanos_of(data).filter(|nanos| *nanos >= 0).ok_or_else(|| {
        Failure::value(format!("must be a duration, such as `10.seconds`, found: {}", data.kind()))
    })?;
    let rest = i32::try_from(nanos % SECOND).unwrap_or(0);
    Ok(prost_types::Duration { seconds: nanos / SECOND, nanos: rest })
}

/// (method, nanoseconds of its unit)
const UNITS: &[(&str, i64)] = &[
    ("ofNanos", 1),
    ("ofMillis", 1_000_000),
    ("ofSeconds", SECOND),
    ("ofMinutes", 60 * SECOND),
    ("ofHours", 3_600 * SECOND),
    ("ofDays", 86_400 * SECOND),
    ("tryOfMillis", 1_000_000),
    ("tryOfSeconds", SECOND),
];

/// Scala's and Java's types of durations and bounded numbers: what they make is a duration or a number here.
pub(crate) fn companions() -> Vec<(&'static str, Data)> {
    const DURATIONS: &[&str] = &[
        "Duration",
        "NonNegativeDuration",
        "NonNegativeFiniteDuration",
        "PositiveFiniteDuration",
        "PositiveDurationSeconds",
    ];
    const NUMBERS: &[&str] = &["NonNegativeInt", "PositiveInt", "NonNegativeLong", "PositiveLong", "Port"];
    let mut all = Vec::new();
    for name in DURATIONS {
        let holder = if *name == "Duration" { read() } else { Function::holder(name) };
        let mut holder = holder.with("Zero", nanos(0));
        for (method, unit) in UNITS {
            let signature = format!("{name}.{method}(value: int)");
            let (shown, unit) = (signature.clone(), *unit);
            let make = Function::new(signature, move |args| match args.one(&shown, "value")? {
                Data::Int(count) => count
                    .checked_mul(unit)
                    .map(nanos)
                    .ok_or_else(|| Failure::value("this duration is too long")),
                other => Err(Failure::value(format!("a count is a number, found: {}", other.kind()))),
            });
            holder = holder.with(method, Data::object(make));
        }
        all.push((*name, Data::object(holder)));
    }
    for name in NUMBERS {
        let signature = format!("{name}.tryCreate(value: int)");
        let shown = signature.clone();
        let least = i64::from(name.starts_with("Positive"));
        let make = Function::new(signature, move |args| match args.one(&shown, "value")? {
            Data::Int(number) if *number >= least => Ok(Data::Int(*number)),
            other => Err(Failure::value(format!(
                "must be a number from {least} up, found: {}",
                super::record::shown(other)
            ))),
        });
        let holder = Function::holder(name).with("tryCreate", Data::object(make)).with("one", Data::Int(1));
        all.push((*name, Data::object(holder)));
    }
    all
}

/// Scala's `Duration("2 minutes")`, and `Duration(2, "minutes")`.
fn read() -> Function {
    const SIGNATURE: &str = "Duration(text: text) or Duration(length: int, unit: text)";
    Function::new(SIGNATURE, |args| {
        let text = match (args.positional.as_slice(), args.named.is_empty()) {
            ([text], true) => super::ids::text_of(text),
            ([Data::Int(length), unit], true) => {
                super::ids::text_of(unit).map(|unit| format!("{length} {}", unit.to_lowercase()))
            }
            _ => None,
        };
        let read = text.and_then(|text| text.parse::<jiff::SignedDuration>().ok());
        let length = read.and_then(|read| i64::try_from(read.as_nanos()).ok());
        length.map(nanos).ok_or_else(|| {
            Failure::value(format!("write a length and a unit, such as Duration(\"2 minutes\"): {SIGNATURE}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data: &Data) -> String {
        crate::value::record::shown(data)
    }

    #[test]
    fn durations_are_shown_in_the_unit_that_fits() {
        assert_eq!(shown(&millis(30_000)), "30 seconds");
        assert_eq!(shown(&millis(3047)), "3047 milliseconds");
        assert_eq!(shown(&millis(0)), "0 milliseconds");
        assert_eq!(shown(&nanos(1)), "1 nanoseconds");
    }

    #[test]
    fn durations_go_over_the_wire_unchanged() {
        let duration = prost_types::Duration { seconds: 61, nanos: 250_000_001 };
        assert_eq!(to_wire(&from_wire(Some(duration))).unwrap(), duration);
        assert_eq!(to_wire(&Data::Int(2)).unwrap().seconds, 2);
        assert!(to_wire(&millis(-1)).is_err());
        assert!(to_wire(&Data::Int(i64::MAX)).is_err());
        assert!(to_wire(&Data::text("10")).is_err());
    }
}
