//! What collections and equality are: an identifier equals its text from either side, a dictionary is its pairs.

use starlark::values::dict::DictRef;
use starlark::values::{Heap, Value};

use super::super::option::inner;
use super::super::{CallArgs, Data, Instance, Object};
use crate::command::Group;
use crate::failure::Failure;

/// The items of a collection; of a dictionary its pairs.
pub(super) fn contents<'v>(value: Value<'v>, heap: Heap<'v>) -> starlark::Result<Vec<Value<'v>>> {
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

pub(super) fn distinct<'v>(items: &[Value<'v>]) -> starlark::Result<Vec<Value<'v>>> {
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
pub(super) fn same<'v>(left: Value<'v>, right: Value<'v>) -> starlark::Result<bool> {
    match Object::from_value(right) {
        Some(_) if left.unpack_str().is_some() => right.equals(left),
        _ => left.equals(right),
    }
}

pub(super) fn is_in<'v>(item: Value<'v>, collection: Value<'v>, heap: Heap<'v>) -> starlark::Result<bool> {
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

/// The `domains` of several participants as one.
pub(super) fn each(items: &[Value<'_>]) -> Option<Data> {
    let groups = items.iter().map(|item| {
        let object = Object::from_value(*item)?;
        let data = Data::Object(std::sync::Arc::clone(object.instance()));
        data.downcast::<Group>().is_some().then_some(data)
    });
    let groups = groups.collect::<Option<Vec<_>>>()?;
    let inner = groups.into_iter().map(|group| match group {
        Data::Object(instance) => instance.attr("domains").ok().flatten(),
        _ => None,
    });
    inner.collect::<Option<Vec<_>>>().map(|items| Data::object(Each { items }))
}

/// The same group of commands, or the same command, of several nodes.
#[derive(Debug)]
struct Each {
    items: Vec<Data>,
}

impl Each {
    fn instances(&self) -> impl Iterator<Item = &std::sync::Arc<dyn Instance>> {
        self.items
            .iter()
            .filter_map(|item| if let Data::Object(instance) = item { Some(instance) } else { None })
    }
}

impl Instance for Each {
    fn kind(&self) -> String {
        self.instances().map(|instance| instance.kind()).collect::<Vec<_>>().join(", ")
    }

    fn text(&self) -> String {
        self.kind()
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        let found =
            self.instances().map(|instance| instance.attr(name)).collect::<Result<Option<Vec<_>>, _>>()?;
        Ok(found.map(|items| Data::object(Self { items })))
    }

    fn attr_names(&self) -> Vec<String> {
        self.instances().next().map(|instance| instance.attr_names()).unwrap_or_default()
    }

    fn call(&self, args: CallArgs<'_>) -> Option<Result<Data, Failure>> {
        let mut results = Vec::new();
        for instance in self.instances() {
            match instance.call(args.clone())? {
                Ok(result) => results.push(result),
                Err(failure) => return Some(Err(failure)),
            }
        }
        Some(Ok(Data::list(results)))
    }

    fn runs_bare(&self) -> bool {
        self.instances().all(|instance| instance.runs_bare())
    }
}
