//! Scala's `Some(x)`; its `None` is Starlark's.

#![expect(
    unsafe_code,
    reason = "starlark's derive of ProvidesStaticType implements its own unsafe marker trait"
)]

use std::fmt;

use allocative::Allocative;
use starlark::coerce::Coerce;
use starlark::starlark_complex_value;
use starlark::values::{
    Freeze, Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Trace, Value,
    ValueLifetimeless, ValueLike, starlark_value,
};

/// A value that is there.
#[derive(Debug, Trace, Coerce, Freeze, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
#[repr(C)]
pub(crate) struct PresentGen<V: ValueLifetimeless>(V);

starlark_complex_value!(pub(crate) Present);

impl<'v, V: ValueLike<'v>> fmt::Display for PresentGen<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Some({})", self.0.to_value().to_str())
    }
}

#[starlark_value(type = "Some")]
impl<'v, V: ValueLike<'v>> StarlarkValue<'v> for PresentGen<V>
where
    Self: ProvidesStaticType<'v>,
{
    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        match inner(other) {
            Some(other) => self.0.to_value().equals(other),
            None => Ok(false),
        }
    }
}

/// `Some(value)`.
pub(crate) fn some<'v>(value: Value<'v>, heap: Heap<'v>) -> Value<'v> {
    heap.alloc(PresentGen(value))
}

/// What is in a `Some`.
pub(crate) fn inner(value: Value<'_>) -> Option<Value<'_>> {
    Present::from_value(value).map(|present| present.0)
}
