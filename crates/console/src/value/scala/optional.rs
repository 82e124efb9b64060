//! Methods of Scala's options.

use starlark::values::Value;

use super::super::option::some;
use super::{Call, refuse};

impl<'v> Call<'v, '_, '_, '_, '_> {
    /// Options: `None` is an option without a value, anything else that comes here one with it.
    pub(super) fn optional(
        &mut self,
        value: Option<Value<'v>>,
        wraps: bool,
    ) -> starlark::Result<Option<Value<'v>>> {
        Ok(Some(match (self.name, value) {
            ("get" | "head", Some(value)) => value,
            ("get" | "head", None) => {
                return refuse(format!("None.{}: there is no value", self.name)).map(Some);
            }
            ("unwrap", Some(value)) if !wraps => value,
            ("getOrElse", Some(value)) => value,
            ("getOrElse", None) => self.argument()?,
            ("orElse", Some(value)) => some(value, self.heap()),
            ("orElse", None) => self.argument()?,
            ("isDefined" | "nonEmpty", value) => Value::new_bool(value.is_some()),
            ("isEmpty", value) => Value::new_bool(value.is_none()),
            ("map", Some(value)) => {
                let mapped = self.apply(value)?;
                some(mapped, self.heap())
            }
            ("flatMap", Some(value)) => self.apply(value)?,
            ("filter", Some(value)) => {
                let kept = self.holds(value)?;
                self.option(kept.then_some(value))
            }
            ("foreach", Some(value)) => {
                self.apply(value)?;
                Value::new_none()
            }
            ("map" | "flatMap" | "filter" | "foreach", None) => Value::new_none(),
            ("exists", Some(value)) => Value::new_bool(self.holds(value)?),
            ("forall", Some(value)) => Value::new_bool(self.holds(value)?),
            ("exists", None) => Value::new_bool(false),
            ("forall", None) => Value::new_bool(true),
            ("contains", value) if wraps || value.is_none() => {
                let wanted = self.argument()?;
                Value::new_bool(match value {
                    Some(value) => value.equals(wanted)?,
                    None => false,
                })
            }
            ("toSeq" | "toList", value) => self.list(value.into_iter().collect()),
            _ => return Ok(None),
        }))
    }
}
