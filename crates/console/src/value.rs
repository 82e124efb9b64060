//! What scripts handle: nodes, commands, keys, identifiers, results.
//!
//! Two layers: [`Data`] is plain Rust, what commands take and give; [`Object`] is the one Starlark type behind which every structured
//! value stands. Invariant: an object never changes, so that it can be shared and hashed.

mod companion;
pub(crate) mod connection;
pub(crate) mod domain_connection;
pub(crate) mod duration;
pub(crate) mod files;
pub(crate) mod ids;
pub(crate) mod keys;
pub(crate) mod mapping;
mod object;
mod option;
mod package;
pub(crate) mod parameters;
pub(crate) mod record;
pub(crate) mod scala;
pub(crate) mod snapshot;
pub(crate) mod time;
pub(crate) mod transactions;

use std::sync::Arc;

pub(crate) use companion::{companions, constants, enum_constant};
pub(crate) use ids::{domain_id, fingerprint, member_id, namespace, participant_id, uid_data};
pub(crate) use keys::{KeyRecord, public_key, public_key_with_name};
pub(crate) use object::{Object, last_failure, take_unrun};
pub(crate) use package::Package;
pub(crate) use record::{Function, Record};
use starlark::values::bytes::StarlarkBytes;
use starlark::values::dict::DictRef;
use starlark::values::list::AllocList;
use starlark::values::{Heap, Value};

use crate::command::Apply;
use crate::failure::Failure;

/// A value outside of Starlark's heap.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    None,
    Bool(bool),
    Int(i64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<[Data]>),
    /// An optional value that is there.
    Some(Arc<Data>),
    /// A function of the script, by its number among those of a call's arguments.
    Function(usize),
    Object(Arc<dyn Instance>),
}

/// Positional and named arguments of a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallArgs<'a> {
    pub(crate) positional: Vec<Data>,
    pub(crate) named: Vec<(String, Data)>,
    /// Names that Scala lets stand before positional arguments, by place.
    pub(crate) labels: Vec<(usize, String)>,
    /// Calls those arguments that are functions.
    pub(crate) apply: Option<&'a dyn Apply>,
}

/// What stands behind an [`Object`].
pub(crate) trait Instance: std::fmt::Debug + Send + Sync + std::any::Any {
    /// Its type, as shown to users.
    fn kind(&self) -> String;
    /// How it prints.
    fn text(&self) -> String;
    /// An attribute; `None` when there is none of that name. May ask a node.
    fn attr(&self, name: &str) -> Result<Option<Data>, Failure>;
    /// The names of all attributes, for completion and help.
    fn attr_names(&self) -> Vec<String>;
    /// Calls it; `None` when it cannot be called.
    fn call(&self, _args: CallArgs<'_>) -> Option<Result<Data, Failure>> {
        None
    }
    /// Whether the attribute can be had without asking a node: completion looks only at these.
    fn is_cheap(&self, _name: &str) -> bool {
        true
    }
    /// The names of its parameters, if it can be called.
    fn parameters(&self) -> Vec<String> {
        Vec::new()
    }
    /// `x[data]`; `None` when there is no such thing.
    fn index(&self, _data: Data) -> Option<Result<Data, Failure>> {
        None
    }
    /// What makes two of its kind equal; `None` when only itself is equal.
    fn identity(&self) -> Option<String> {
        None
    }
    /// Whether it is a command, and can be run without arguments.
    fn runs_bare(&self) -> bool {
        false
    }
    /// The text that it stands for where a text is due.
    fn as_text(&self) -> Option<String> {
        None
    }
    /// Help about it.
    fn help(&self) -> Option<String> {
        None
    }
}

impl Data {
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }

    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(items.into())
    }

    pub(crate) fn object(instance: impl Instance) -> Self {
        Self::Object(Arc::new(instance))
    }

    /// An optional value.
    pub(crate) fn option(value: Option<Self>) -> Self {
        value.map_or(Self::None, |value| Self::Some(Arc::new(value)))
    }

    /// What is there of an optional value that is given; any other is itself.
    pub(crate) fn given(&self) -> &Self {
        if let Self::Some(inner) = self { inner } else { self }
    }

    /// The text, or `None` when it is empty: Canton's optional texts.
    pub(crate) fn optional_text(text: String) -> Self {
        if text.is_empty() { Self::None } else { Self::text(text) }
    }

    /// The instance of type `T` behind it.
    pub(crate) fn downcast<T: Instance>(&self) -> Option<&T> {
        match self {
            Self::Object(instance) => (instance.as_ref() as &dyn std::any::Any).downcast_ref(),
            _ => None,
        }
    }

    /// What it is, for an error.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(_) => "bool".to_owned(),
            Self::Int(_) => "int".to_owned(),
            Self::Text(_) => "text".to_owned(),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::List(_) => "list".to_owned(),
            Self::Some(inner) => inner.kind(),
            Self::Function(_) => "function".to_owned(),
            Self::Object(object) => object.kind(),
        }
    }

    /// Moves it onto Starlark's heap.
    pub(crate) fn alloc<'v>(&self, heap: Heap<'v>) -> Value<'v> {
        match self {
            Self::None => Value::new_none(),
            Self::Bool(value) => Value::new_bool(*value),
            Self::Int(value) => heap.alloc(*value),
            Self::Text(value) => heap.alloc_str(value).to_value(),
            Self::Bytes(value) => heap.alloc(StarlarkBytes::new(value)),
            Self::List(items) => {
                let values: Vec<Value<'v>> = items.iter().map(|item| item.alloc(heap)).collect();
                heap.alloc(AllocList(values))
            }
            Self::Some(inner) => option::some(inner.alloc(heap), heap),
            // Functions are arguments only; no command gives one.
            Self::Function(_) => Value::new_none(),
            Self::Object(instance) => heap.alloc(Object::new(Arc::clone(instance))),
        }
    }

    /// Copies it from Starlark's heap.
    pub(crate) fn from_value<'v>(value: Value<'v>, heap: Heap<'v>) -> Result<Self, Failure> {
        Self::from_nested(value, heap, 0)
    }

    /// Copies an argument from Starlark's heap; a function is kept in `functions`.
    pub(crate) fn from_argument<'v>(
        value: Value<'v>,
        heap: Heap<'v>,
        functions: &mut Vec<Value<'v>>,
    ) -> Result<Self, Failure> {
        let plain = option::inner(value).unwrap_or(value);
        if matches!(plain.get_type(), "function" | "native_function") {
            functions.push(plain);
            return Ok(Self::Function(functions.len() - 1));
        }
        Self::from_value(value, heap)
    }

    fn from_nested<'v>(value: Value<'v>, heap: Heap<'v>, depth: usize) -> Result<Self, Failure> {
        const MAX_DEPTH: usize = 16;
        if depth > MAX_DEPTH {
            return Err(Failure::value("this list is nested too deeply to be an argument"));
        }
        if value.is_none() {
            return Ok(Self::None);
        }
        if let Some(inner) = option::inner(value) {
            return Self::from_nested(inner, heap, depth + 1);
        }
        if let Some(truth) = value.unpack_bool() {
            return Ok(Self::Bool(truth));
        }
        if let Some(number) = value.unpack_i32() {
            return Ok(Self::Int(i64::from(number)));
        }
        if let Some(text) = value.unpack_str() {
            return Ok(Self::text(text));
        }
        if let Some(object) = Object::from_value(value) {
            return Ok(Self::Object(Arc::clone(object.instance())));
        }
        if let Some(bytes) = value.downcast_bytes() {
            return Ok(Self::Bytes(bytes.into()));
        }
        if value.get_type() == "int" {
            let text = value.to_str();
            return text.parse().map(Self::Int).map_err(|_| Failure::value(format!("{text} is too large")));
        }
        if matches!(value.get_type(), "list" | "tuple" | "set" | "range") {
            let items = value
                .iterate(heap)
                .map_err(|error| Failure::value(error.without_diagnostic().to_string()))?;
            return Ok(Self::list(
                items.map(|item| Self::from_nested(item, heap, depth + 1)).collect::<Result<Vec<_>, _>>()?,
            ));
        }
        if let Some(dictionary) = DictRef::from_value(value) {
            // Scala's map is a list of its pairs.
            let pair = |(key, item)| {
                Ok(Self::list(vec![
                    Self::from_nested(key, heap, depth + 1)?,
                    Self::from_nested(item, heap, depth + 1)?,
                ]))
            };
            return Ok(Self::list(dictionary.iter().map(pair).collect::<Result<Vec<_>, _>>()?));
        }
        Err(Failure::value(format!(
            "a value of type `{}` cannot be an argument of a command",
            value.get_type()
        )))
    }
}

trait DowncastBytes<'v> {
    fn downcast_bytes(self) -> Option<&'v [u8]>;
}

impl<'v> DowncastBytes<'v> for Value<'v> {
    fn downcast_bytes(self) -> Option<&'v [u8]> {
        use starlark::values::ValueLike;
        self.downcast_ref::<StarlarkBytes>().map(StarlarkBytes::as_bytes)
    }
}
