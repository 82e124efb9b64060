//! The Starlark type of all structured values.
//!
//! Starlark's attribute access cannot fail, it can only find nothing. Attributes that ask a node (`participant.id`) do fail: the
//! failure is left in a slot of the thread, where the session finds it when Starlark reports the missing attribute.

#![expect(
    unsafe_code,
    reason = "starlark's derive of ProvidesStaticType implements its own unsafe marker trait"
)]

use std::cell::RefCell;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use allocative::Allocative;
use starlark::collections::StarlarkHasher;
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_simple_value;
use starlark::values::{
    Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value, ValueLike,
    starlark_value,
};

use super::{CallArgs, Data, Instance};
use crate::command::Apply;
use crate::failure::{Failure, suggestion};

thread_local! {
    static UNRUN: RefCell<Option<String>> = const { RefCell::new(None) };
    static LAST_FAILURE: RefCell<Option<(String, Failure)>> = const { RefCell::new(None) };
}

/// The failure of the last attribute access, if it was that of `attribute`.
pub(crate) fn last_failure(attribute: &str) -> Option<Failure> {
    LAST_FAILURE
        .with_borrow_mut(|slot| slot.take().filter(|(name, _)| name == attribute).map(|(_, failure)| failure))
}

fn set_last_failure(attribute: &str, failure: Failure) {
    LAST_FAILURE.with_borrow_mut(|slot| *slot = Some((attribute.to_owned(), failure)));
}

/// The command, if any, that was taken for a truth without being run.
pub(crate) fn take_unrun() -> Option<String> {
    UNRUN.take()
}

/// A structured value in a script.
#[derive(ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
#[allocative(skip)]
pub(crate) struct Object(Arc<dyn Instance>);

starlark_simple_value!(Object);

impl Object {
    pub(crate) fn new(instance: Arc<dyn Instance>) -> Self {
        Self(instance)
    }

    pub(crate) fn instance(&self) -> &Arc<dyn Instance> {
        &self.0
    }

    /// Calls what stands behind it with Starlark's values.
    pub(crate) fn call_with<'v>(
        &self,
        positional: &[Value<'v>],
        named: Vec<(String, Value<'v>)>,
        labels: Vec<(usize, String)>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let heap = eval.heap();
        let mut functions = Vec::new();
        let mut data =
            |value| Data::from_argument(value, heap, &mut functions).map_err(Failure::into_starlark);
        let positional = positional.iter().map(|value| data(*value)).collect::<starlark::Result<Vec<_>>>()?;
        let named = named
            .into_iter()
            .map(|(name, value)| Ok((name, data(value)?)))
            .collect::<starlark::Result<Vec<_>>>()?;
        let functions = Functions { functions, eval: RefCell::new(eval) };
        match self.0.call(CallArgs { positional, named, labels, apply: Some(&functions) }) {
            Some(result) => Ok(result.map_err(Failure::into_starlark)?.alloc(heap)),
            None => {
                Err(Failure::value(format!("{} is not a command: leave the parentheses out", self.0.kind()))
                    .into_starlark())
            }
        }
    }

    fn concatenated<'v>(
        &self,
        other: Value<'v>,
        heap: Heap<'v>,
        before: bool,
    ) -> Option<starlark::Result<Value<'v>>> {
        let (mine, theirs) = (self.0.as_text()?, other.unpack_str()?);
        let text = if before { format!("{theirs}{mine}") } else { format!("{mine}{theirs}") };
        Some(Ok(heap.alloc(text)))
    }
}

/// The functions among the arguments of a call, and what runs them.
struct Functions<'v, 'a, 'e, 'x> {
    functions: Vec<Value<'v>>,
    eval: RefCell<&'x mut Evaluator<'v, 'a, 'e>>,
}

impl fmt::Debug for Functions<'_, '_, '_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions").field("functions", &self.functions.len()).finish_non_exhaustive()
    }
}

impl Apply for Functions<'_, '_, '_, '_> {
    fn apply(&self, function: usize, args: &[Data]) -> Result<Data, Failure> {
        let function =
            self.functions.get(function).ok_or_else(|| Failure::value("there is no such function"))?;
        let mut eval =
            self.eval.try_borrow_mut().map_err(|_| Failure::value("a function of this call is running"))?;
        let heap = eval.heap();
        let args: Vec<Value<'_>> = args.iter().map(|data| data.alloc(heap)).collect();
        match eval.eval_function(*function, &args, &[]) {
            Ok(value) => Data::from_value(value, heap),
            Err(error) => Err(Failure::from_starlark(&error)),
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Object").field(&self.0).finish()
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text())
    }
}

#[starlark_value(type = "object")]
impl<'v> StarlarkValue<'v> for Object {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let failure = match self.0.attr(attribute) {
            Ok(Some(data)) => return Some(data.alloc(heap)),
            Ok(None) => {
                let names = self.0.attr_names();
                Failure::NoAttribute {
                    subject: self.0.kind(),
                    what: "attribute or command",
                    name: attribute.to_owned(),
                    suggestion: suggestion(attribute, names.iter().map(String::as_str)),
                }
            }
            Err(failure) => failure,
        };
        set_last_failure(attribute, failure);
        None
    }

    fn to_bool(&self) -> bool {
        if self.0.runs_bare() {
            UNRUN.set(Some(self.0.kind()));
        }
        true
    }

    fn has_attr(&self, attribute: &str, _heap: Heap<'v>) -> bool {
        self.0.attr_names().iter().any(|name| name == attribute)
    }

    fn dir_attr(&self) -> Vec<String> {
        self.0.attr_names()
    }

    fn invoke(
        &self,
        _me: Value<'v>,
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let heap = eval.heap();
        let positional: Vec<Value<'v>> = args.positions(heap)?.collect();
        let named: Vec<(String, Value<'v>)> =
            args.names_map()?.iter().map(|(name, value)| (name.as_str().to_owned(), *value)).collect();
        self.call_with(&positional, named, Vec::new(), eval)
    }

    fn at(&self, index: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        let data = Data::from_value(index, heap).map_err(Failure::into_starlark)?;
        match self.0.index(data) {
            Some(result) => Ok(result.map_err(Failure::into_starlark)?.alloc(heap)),
            None => Err(Failure::value(format!("{} has no items", self.0.kind())).into_starlark()),
        }
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        if let Some(other) = other.downcast_ref::<Self>() {
            let same_kind = self.0.kind() == other.0.kind();
            return Ok(match (self.0.identity(), other.0.identity()) {
                (Some(mine), Some(theirs)) => same_kind && mine == theirs,
                _ => Arc::ptr_eq(&self.0, &other.0),
            });
        }
        Ok(other.unpack_str().is_some_and(|text| self.0.as_text().as_deref() == Some(text)))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.0.kind().hash(hasher);
        self.0.identity().unwrap_or_else(|| self.0.text()).hash(hasher);
        Ok(())
    }

    fn add(&self, rhs: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        self.concatenated(rhs, heap, false)
    }

    fn radd(&self, lhs: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        self.concatenated(lhs, heap, true)
    }
}
