//! Methods of Scala's collections, options and texts on Starlark's own values, and the functions that the notation front end writes.
//!
//! The front end writes `_cantle_call(x, "map", f)` for `x.map(f)`. A value's own attribute comes first; then these. A text stands for
//! an optional text that is there (names of keys are optional in Canton), so that `.name.exists(…)` works.

mod collections;
mod optional;
mod sequence;
mod text;

use starlark::collections::SmallMap;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::dict::AllocDict;
use starlark::values::list::{AllocList, ListRef, UnpackList};
use starlark::values::none::NoneType;
use starlark::values::tuple::UnpackTuple;
use starlark::values::{Heap, Value};

use super::option::{inner, some};
use super::{Data, Object};
use crate::failure::Failure;
use collections::{contents, distinct, is_in, same};

/// The longest text or list that `*` makes.
const MAX_REPEATED: i64 = 16 << 20;

/// All methods known here.
const METHODS: &[&str] = &[
    "apply",
    "collect",
    "contains",
    "count",
    "day",
    "days",
    "distinct",
    "domains",
    "drop",
    "endsWith",
    "exists",
    "filter",
    "filterNot",
    "filterString",
    "find",
    "flatMap",
    "flatten",
    "forall",
    "foreach",
    "get",
    "getOrElse",
    "head",
    "headOption",
    "hour",
    "hours",
    "isDefined",
    "isEmpty",
    "last",
    "lastOption",
    "length",
    "map",
    "max",
    "millis",
    "min",
    "minute",
    "minutes",
    "mkString",
    "nonEmpty",
    "orElse",
    "reverse",
    "second",
    "seconds",
    "size",
    "sortBy",
    "sorted",
    "start",
    "startsWith",
    "sum",
    "tail",
    "take",
    "toInt",
    "toList",
    "toLowerCase",
    "toProtoPrimitive",
    "toSeq",
    "toSet",
    "toString",
    "toUpperCase",
    "toVector",
    "trim",
    "unwrap",
    "zip",
    "zipWithIndex",
];

/// Whether a name after a dot is one of these methods.
pub(crate) fn is_method(name: &str) -> bool {
    METHODS.binary_search(&name).is_ok()
}

type Outcome<'v> = starlark::Result<Value<'v>>;

fn refuse<'v>(cause: impl Into<String>) -> Outcome<'v> {
    Err(Failure::value(cause).into_starlark())
}

struct Call<'v, 'c, 'a, 'e, 'x> {
    name: &'c str,
    args: &'c [Value<'v>],
    eval: &'x mut Evaluator<'v, 'a, 'e>,
}

impl<'v> Call<'v, '_, '_, '_, '_> {
    fn heap(&self) -> Heap<'v> {
        self.eval.heap()
    }

    fn argument(&self) -> Outcome<'v> {
        match self.args {
            [argument] => Ok(*argument),
            _ => refuse(format!(".{} takes one argument, {} given", self.name, self.args.len())),
        }
    }

    fn apply(&mut self, item: Value<'v>) -> Outcome<'v> {
        let function = self.argument()?;
        self.eval.eval_function(function, &[item], &[])
    }

    fn holds(&mut self, item: Value<'v>) -> starlark::Result<bool> {
        let truth = self.apply(item)?;
        match truth.unpack_bool() {
            Some(truth) => Ok(truth),
            None => {
                refuse(format!(".{} needs a condition, its function gave a {}", self.name, truth.get_type()))
                    .map(|_| false)
            }
        }
    }

    fn list(&self, items: Vec<Value<'v>>) -> Value<'v> {
        self.heap().alloc(AllocList(items))
    }

    fn option(&self, item: Option<Value<'v>>) -> Value<'v> {
        item.map_or_else(Value::new_none, |item| some(item, self.heap()))
    }

    fn run(&mut self, receiver: Value<'v>) -> Outcome<'v> {
        let heap = self.heap();
        let own = if self.takes_over(receiver) { None } else { receiver.get_attr(self.name, heap)? };
        if let Some(own) = own {
            let callable = receiver.get_type() != "object"
                || !matches!(Data::from_value(own, heap), Ok(Data::Text(_) | Data::Bool(_) | Data::Int(_)));
            return if callable { self.eval.eval_function(own, self.args, &[]) } else { Ok(own) };
        }
        self.built_in(receiver)
    }

    /// Starlark's `find` of a text and `get` of a dictionary keep their meaning; with a function as argument Scala's is meant.
    fn takes_over(&self, receiver: Value<'v>) -> bool {
        receiver.get_type() == "dict" && self.name == "get" && self.args.is_empty()
    }

    fn built_in(&mut self, receiver: Value<'v>) -> Outcome<'v> {
        let heap = self.heap();
        if let Some(part) = self.name.strip_prefix('_').and_then(|part| part.parse::<i32>().ok()) {
            return receiver.at(heap.alloc(part - 1), heap);
        }
        let found = if receiver.is_none() {
            self.optional(None, true)?
        } else if let Some(value) = inner(receiver) {
            self.optional(Some(value), true)?
        } else if let Some(text) = receiver.unpack_str() {
            match self.text(text)? {
                Some(value) => Some(value),
                None => self.optional(Some(receiver), false)?,
            }
        } else if matches!(receiver.get_type(), "list" | "tuple" | "set" | "range" | "dict") {
            let items = contents(receiver, heap)?;
            self.sequence(&items)?
        } else if receiver.unpack_i32().is_some() {
            self.number(receiver)
        } else {
            None
        };
        match found {
            Some(value) => Ok(value),
            None if self.name == "toString" => Ok(heap.alloc(shown(receiver))),
            None => {
                let subject = Object::from_value(receiver)
                    .map_or_else(|| receiver.get_type().to_owned(), |object| object.instance().kind());
                Err(Failure::NoAttribute {
                    subject,
                    what: "attribute or method",
                    name: self.name.to_owned(),
                    suggestion: super::object::last_failure(self.name)
                        .and_then(|failure| match failure {
                            Failure::NoAttribute { suggestion, .. } => Some(suggestion),
                            _ => None,
                        })
                        .unwrap_or_default(),
                }
                .into_starlark())
            }
        }
    }
}

/// A value as `println` shows it: truths in Scala's spelling.
pub(crate) fn shown(value: Value<'_>) -> String {
    match value.unpack_bool() {
        Some(truth) => truth.to_string(),
        None => value.to_str(),
    }
}

/// Runs a command that was named without parentheses.
fn run_bare<'v>(value: Value<'v>, eval: &mut Evaluator<'v, '_, '_>) -> Outcome<'v> {
    match Object::from_value(value) {
        Some(object) if object.instance().runs_bare() => eval.eval_function(value, &[], &[]),
        _ => Ok(value),
    }
}

/// What the front end writes, and Scala's names for collections.
#[starlark_module]
pub(crate) fn scala_names(builder: &mut GlobalsBuilder) {
    fn _cantle_call<'v>(
        #[starlark(require = pos)] receiver: Value<'v>,
        #[starlark(require = pos)] name: &str,
        #[starlark(args)] args: UnpackTuple<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        Call { name, args: &args.items, eval }.run(receiver)
    }

    fn _cantle_member<'v>(
        #[starlark(require = pos)] receiver: Value<'v>,
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let heap = eval.heap();
        let native = matches!(
            receiver.get_type(),
            "string" | "list" | "tuple" | "dict" | "set" | "NoneType" | "int" | "range"
        );
        if !native && let Some(own) = receiver.get_attr(name, heap)? {
            return run_bare(own, eval);
        }
        if let Some(failure) = super::object::last_failure(name)
            && !matches!(failure, Failure::NoAttribute { .. })
        {
            return Err(failure.into_starlark());
        }
        Call { name, args: &[], eval }.built_in(receiver)
    }

    /// `xs(0)`: an item in Scala; anything else is called.
    fn _cantle_apply<'v>(
        #[starlark(require = pos)] callee: Value<'v>,
        #[starlark(require = pos)] argument: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        if matches!(callee.get_type(), "list" | "tuple" | "dict" | "string") {
            return callee.at(argument, eval.heap());
        }
        eval.eval_function(callee, &[argument], &[])
    }

    /// A call with names before positional arguments, which Scala allows at their own places.
    fn _cantle_invoke<'v>(
        #[starlark(require = pos)] callee: Value<'v>,
        #[starlark(require = pos)] labels: UnpackList<String>,
        #[starlark(args)] args: UnpackTuple<Value<'v>>,
        #[starlark(kwargs)] kwargs: SmallMap<String, Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let Some(object) = Object::from_value(callee) else {
            return refuse("arguments without a name stand before those with one here");
        };
        let labels = labels.items.into_iter().enumerate().filter(|(_, label)| !label.is_empty()).collect();
        object.call_with(&args.items, kwargs.into_iter().collect(), labels, eval)
    }

    fn _cantle_run<'v>(
        #[starlark(require = pos)] value: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        run_bare(value, eval)
    }

    fn _cantle_equal<'v>(
        #[starlark(require = pos)] left: Value<'v>,
        #[starlark(require = pos)] right: Value<'v>,
    ) -> starlark::Result<bool> {
        same(left, right)
    }

    fn _cantle_unequal<'v>(
        #[starlark(require = pos)] left: Value<'v>,
        #[starlark(require = pos)] right: Value<'v>,
    ) -> starlark::Result<bool> {
        Ok(!same(left, right)?)
    }

    fn _cantle_in<'v>(
        #[starlark(require = pos)] item: Value<'v>,
        #[starlark(require = pos)] collection: Value<'v>,
        heap: Heap<'v>,
    ) -> starlark::Result<bool> {
        is_in(item, collection, heap)
    }

    fn _cantle_not_in<'v>(
        #[starlark(require = pos)] item: Value<'v>,
        #[starlark(require = pos)] collection: Value<'v>,
        heap: Heap<'v>,
    ) -> starlark::Result<bool> {
        Ok(!is_in(item, collection, heap)?)
    }

    fn _cantle_times<'v>(
        #[starlark(require = pos)] left: Value<'v>,
        #[starlark(require = pos)] right: Value<'v>,
        heap: Heap<'v>,
    ) -> starlark::Result<Value<'v>> {
        for (value, count) in [(left, right), (right, left)] {
            let (Ok(length), Some(count)) = (value.length(), count.unpack_i32()) else { continue };
            if i64::from(length).saturating_mul(i64::from(count)) > MAX_REPEATED {
                return refuse(format!("a value of more than {MAX_REPEATED} items is not made"));
            }
        }
        left.mul(right, heap)
    }

    fn _cantle_text(#[starlark(args)] parts: UnpackTuple<Value>) -> starlark::Result<String> {
        let mut out = String::new();
        for part in &parts.items {
            out.push_str(&shown(*part));
        }
        Ok(out)
    }

    /// A list of the values.
    fn Seq<'v>(
        #[starlark(args)] items: UnpackTuple<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        Ok(eval.heap().alloc(AllocList(items.items)))
    }

    /// A list of the values.
    fn List<'v>(
        #[starlark(args)] items: UnpackTuple<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        Ok(eval.heap().alloc(AllocList(items.items)))
    }

    /// A list of the values, each once.
    fn Set<'v>(
        #[starlark(args)] items: UnpackTuple<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        Ok(eval.heap().alloc(AllocList(distinct(&items.items)?)))
    }

    /// A dictionary of the pairs.
    fn Map<'v>(
        #[starlark(args)] pairs: UnpackTuple<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let heap = eval.heap();
        let mut entries = Vec::with_capacity(pairs.items.len());
        for pair in &pairs.items {
            let parts = contents(*pair, heap)?;
            let [key, value] = parts.as_slice() else {
                return refuse("Map takes pairs: `Map(key -> value)`");
            };
            key.get_hashed()?;
            entries.push((*key, *value));
        }
        Ok(heap.alloc(AllocDict(entries)))
    }

    /// A value that is there.
    fn Some<'v>(
        #[starlark(require = pos)] value: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        Ok(some(value, eval.heap()))
    }

    /// Ends the script when the condition does not hold.
    fn _cantle_assert<'v>(
        #[starlark(require = pos)] condition: Value<'v>,
        #[starlark(require = pos)] message: Option<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let condition = run_bare(condition, eval)?;
        match condition.unpack_bool() {
            Some(true) => Ok(NoneType),
            Some(false) => {
                let message = message.map_or_else(
                    || "assertion failed".to_owned(),
                    |text| format!("assertion failed: {}", shown(text)),
                );
                Err(Failure::value(message).into_starlark())
            }
            None => Err(Failure::value(format!("assert needs a condition, not a {}", condition.get_type()))
                .into_starlark()),
        }
    }

    /// Prints a value on a line of its own.
    fn println<'v>(
        #[starlark(args)] values: UnpackTuple<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let texts: Vec<String> = values.items.iter().map(|value| shown(*value)).collect();
        crate::session::print_line(eval, &texts.join(" "))?;
        Ok(NoneType)
    }
}

/// Longer lists print one item a line.
const WIDTH: usize = 100;

/// How a value prints in the interactive console.
pub(crate) fn repr(value: Value<'_>) -> String {
    if let Some(object) = Object::from_value(value) {
        return object.instance().text();
    }
    let line = value.to_repr();
    let items = ListRef::from_value(value).filter(|items| items.len() > 1 && line.len() > WIDTH);
    match items {
        Some(items) => {
            format!("[\n{}]", items.iter().map(|item| format!("  {},\n", item.to_repr())).collect::<String>())
        }
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::METHODS;

    #[test]
    fn methods_are_sorted_for_the_search() {
        assert!(METHODS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
