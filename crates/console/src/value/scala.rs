//! Methods of Scala's collections, options and texts on Starlark's own values, and the functions that the notation front end writes.
//!
//! The front end writes `_cantle_call(x, "map", f)` for `x.map(f)`. A value's own attribute comes first; then these. A text stands for
//! an optional text that is there (names of keys are optional in Canton), so that `.name.exists(…)` works.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::dict::{AllocDict, DictRef};
use starlark::values::list::{AllocList, ListRef};
use starlark::values::none::NoneType;
use starlark::values::tuple::UnpackTuple;
use starlark::values::{Heap, Value};

use super::option::{inner, some};
use super::{Data, Object, Record, record};
use crate::failure::Failure;

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

    fn sequence(&mut self, items: &[Value<'v>]) -> starlark::Result<Option<Value<'v>>> {
        let heap = self.heap();
        let number = |count: usize| heap.alloc(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(Some(match self.name {
            "map" => {
                let mapped =
                    items.iter().map(|item| self.apply(*item)).collect::<starlark::Result<Vec<_>>>()?;
                self.list(mapped)
            }
            "flatMap" => {
                let mut all = Vec::new();
                for item in items {
                    let part = self.apply(*item)?;
                    all.extend(contents(part, heap)?);
                }
                self.list(all)
            }
            "flatten" => {
                let mut all = Vec::new();
                for item in items {
                    all.extend(contents(*item, heap)?);
                }
                self.list(all)
            }
            "foreach" => {
                for item in items {
                    self.apply(*item)?;
                }
                Value::new_none()
            }
            "filter" | "filterNot" => {
                let keep = self.name == "filter";
                let mut kept = Vec::new();
                for item in items {
                    if self.holds(*item)? == keep {
                        kept.push(*item);
                    }
                }
                self.list(kept)
            }
            "find" => {
                for item in items {
                    if self.holds(*item)? {
                        return Ok(Some(self.option(Some(*item))));
                    }
                }
                Value::new_none()
            }
            "exists" | "forall" => {
                let wanted = self.name == "exists";
                for item in items {
                    if self.holds(*item)? == wanted {
                        return Ok(Some(Value::new_bool(wanted)));
                    }
                }
                Value::new_bool(!wanted)
            }
            "count" => {
                let mut count = 0;
                for item in items {
                    count += usize::from(self.holds(*item)?);
                }
                number(count)
            }
            "contains" => {
                let wanted = self.argument()?;
                let mut found = false;
                for item in items {
                    found = found || same(*item, wanted)?;
                }
                Value::new_bool(found)
            }
            "head" | "last" => {
                let item = if self.name == "head" { items.first() } else { items.last() };
                match item {
                    Some(item) => *item,
                    None => return refuse(format!(".{} of an empty list", self.name)).map(Some),
                }
            }
            "headOption" => self.option(items.first().copied()),
            "lastOption" => self.option(items.last().copied()),
            "tail" => self.list(items.get(1..).unwrap_or_default().to_vec()),
            "take" | "drop" => {
                let count =
                    self.argument()?.unpack_i32().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
                let at = count.min(items.len());
                self.list(if self.name == "take" { items[..at].to_vec() } else { items[at..].to_vec() })
            }
            "size" | "length" => number(items.len()),
            "isEmpty" => Value::new_bool(items.is_empty()),
            "nonEmpty" => Value::new_bool(!items.is_empty()),
            "toSeq" | "toList" | "toVector" => self.list(items.to_vec()),
            "toSet" | "distinct" => self.list(distinct(items)?),
            "reverse" => self.list(items.iter().rev().copied().collect()),
            "sorted" | "sortBy" => {
                let mut keyed = Vec::with_capacity(items.len());
                for item in items {
                    keyed.push((if self.name == "sorted" { *item } else { self.apply(*item)? }, *item));
                }
                let mut failed = None;
                keyed.sort_by(|a, b| {
                    a.0.compare(b.0).unwrap_or_else(|error| {
                        failed = Some(error);
                        std::cmp::Ordering::Equal
                    })
                });
                if let Some(error) = failed {
                    return Err(error);
                }
                self.list(keyed.into_iter().map(|(_, item)| item).collect())
            }
            "zip" => {
                let other = contents(self.argument()?, heap)?;
                let pairs = items.iter().zip(other).map(|(a, b)| heap.alloc((*a, b))).collect();
                self.list(pairs)
            }
            "zipWithIndex" => {
                let pairs = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| heap.alloc((*item, number(index))))
                    .collect();
                self.list(pairs)
            }
            "sum" => {
                let mut sum = heap.alloc(0);
                for item in items {
                    sum = sum.add(*item, heap)?;
                }
                sum
            }
            "min" | "max" => {
                let wanted =
                    if self.name == "min" { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
                let Some((first, rest)) = items.split_first() else {
                    return refuse(format!(".{} of an empty list", self.name)).map(Some);
                };
                let mut best = *first;
                for item in rest {
                    if item.compare(best)? == wanted {
                        best = *item;
                    }
                }
                best
            }
            "mkString" => {
                let texts: Vec<String> = items.iter().map(|item| shown(*item)).collect();
                let part = |index: usize| self.args.get(index).map(|value| shown(*value)).unwrap_or_default();
                match self.args.len() {
                    3 => heap.alloc(format!("{}{}{}", part(0), texts.join(&part(1)), part(2))),
                    _ => heap.alloc(texts.join(&part(0))),
                }
            }
            "apply" => {
                return self
                    .argument()
                    .and_then(|index| heap.alloc(AllocList(items.to_vec())).at(index, heap))
                    .map(Some);
            }
            // `nodes.local.start()`: they are running when a script is.
            "start" if items.iter().all(|item| item.has_attr("start", heap)) => Value::new_none(),
            "collect" => {
                return refuse("`collect` is not understood here: write `.filter(…)` and `.map(…)`")
                    .map(Some);
            }
            _ => return Ok(None),
        }))
    }

    /// Options: `None` is an option without a value, anything else that comes here one with it.
    fn optional(&mut self, value: Option<Value<'v>>, wraps: bool) -> starlark::Result<Option<Value<'v>>> {
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

    fn text(&mut self, text: &str) -> starlark::Result<Option<Value<'v>>> {
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

    fn number(&mut self, value: Value<'v>) -> Option<Value<'v>> {
        const UNITS: &[(&str, i64)] =
            &[("millis", 1), ("second", 1_000), ("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000)];
        let (_, millis) =
            UNITS.iter().find(|(unit, _)| self.name == *unit || self.name.strip_suffix('s') == Some(unit))?;
        let count = i64::from(value.unpack_i32()?);
        let total = count.checked_mul(*millis)?;
        let duration = Record::shown("Duration", format!("{total} ms"), vec![("millis", Data::Int(total))]);
        Some(self.heap().alloc(Object::new(std::sync::Arc::new(duration))))
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

/// The items of a collection; of a dictionary its pairs.
fn contents<'v>(value: Value<'v>, heap: Heap<'v>) -> starlark::Result<Vec<Value<'v>>> {
    if value.is_none() {
        return Ok(Vec::new());
    }
    if let Some(value) = inner(value) {
        return Ok(vec![value]);
    }
    if let Some(dict) = DictRef::from_value(value) {
        return Ok(dict.iter().map(|(key, value)| heap.alloc((key, value))).collect());
    }
    Ok(value.iterate(heap)?.collect())
}

fn distinct<'v>(items: &[Value<'v>]) -> starlark::Result<Vec<Value<'v>>> {
    let mut seen: Vec<Value<'v>> = Vec::new();
    'items: for item in items {
        for earlier in &seen {
            if earlier.equals(*item)? {
                continue 'items;
            }
        }
        seen.push(*item);
    }
    Ok(seen)
}

/// Equality, where an identifier equals its text from either side.
fn same<'v>(left: Value<'v>, right: Value<'v>) -> starlark::Result<bool> {
    match Object::from_value(right) {
        Some(_) if left.unpack_str().is_some() => right.equals(left),
        _ => left.equals(right),
    }
}

fn is_in<'v>(item: Value<'v>, collection: Value<'v>, heap: Heap<'v>) -> starlark::Result<bool> {
    if Object::from_value(item).is_none() || !matches!(collection.get_type(), "list" | "tuple") {
        return collection.is_in(item);
    }
    for other in collection.iterate(heap)? {
        if same(item, other)? {
            return Ok(true);
        }
    }
    Ok(false)
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

/// How data prints, for help.
pub(crate) fn data_text(data: &Data) -> String {
    record::shown(data)
}

#[cfg(test)]
mod tests {
    use super::METHODS;

    #[test]
    fn methods_are_sorted_for_the_search() {
        assert!(METHODS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
