//! Methods of Scala's texts, and the durations that numbers make: `10.seconds`.

use starlark::values::Value;

use super::super::duration;
use super::{Call, refuse, shown};

impl<'v> Call<'v, '_, '_, '_, '_> {
    pub(super) fn text(&mut self, text: &str) -> starlark::Result<Option<Value<'v>>> {
        let heap = self.heap();
        let argument = |call: &Self| -> starlark::Result<String> { Ok(shown(call.argument()?)) };
        Ok(Some(match self.name {
            "toString" | "toProtoPrimitive" | "filterString" | "unwrap" => heap.alloc(text),
            "length" | "size" => heap.alloc(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)),
            "isEmpty" => Value::new_bool(text.is_empty()),
            "nonEmpty" => Value::new_bool(!text.is_empty()),
            "startsWith" => Value::new_bool(text.starts_with(&argument(self)?)),
            "endsWith" => Value::new_bool(text.ends_with(&argument(self)?)),
            "toLowerCase" => heap.alloc(text.to_lowercase()),
            "toUpperCase" => heap.alloc(text.to_uppercase()),
            "trim" => heap.alloc(text.trim()),
            "reverse" => heap.alloc(text.chars().rev().collect::<String>()),
            "take" | "drop" => {
                let count =
                    self.argument()?.unpack_i32().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
                let (taken, left): (String, String) =
                    (text.chars().take(count).collect(), text.chars().skip(count).collect());
                heap.alloc(if self.name == "take" { taken } else { left })
            }
            "toInt" => match text.trim().parse::<i64>() {
                Ok(number) => heap.alloc(number),
                Err(_) => return refuse(format!("\"{text}\" is not a number")).map(Some),
            },
            "contains" => {
                return refuse("`.contains` of a text could mean a part of it or an option's value: write `part in text`, or `text == value`")
                    .map(Some);
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn number(&mut self, value: Value<'v>) -> Option<Value<'v>> {
        const UNITS: &[(&str, i64)] =
            &[("millis", 1), ("second", 1_000), ("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000)];
        let (_, millis) =
            UNITS.iter().find(|(unit, _)| self.name == *unit || self.name.strip_suffix('s') == Some(unit))?;
        let count = i64::from(value.unpack_i32()?);
        let total = count.checked_mul(*millis)?;
        Some(duration::millis(total).alloc(self.heap()))
    }
}
