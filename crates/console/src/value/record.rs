//! Plain instances: records of named fields, and functions.

use std::fmt;
use std::sync::Arc;

use super::{CallArgs, Data, Instance};
use crate::command::{Bound, Signature, bind_args};
use crate::failure::{Failure, suggestion};

/// A value with named fields.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    kind: &'static str,
    fields: Vec<(&'static str, Data)>,
    text: Option<String>,
    /// The record is, in essence, its text: an identifier.
    is_text: bool,
    /// `x()` is `x`: for what Canton lets be written both ways.
    is_callable: bool,
    /// It has `copy`, as the values of Scala's case classes do.
    copies: bool,
}

impl Record {
    /// A record that prints its fields.
    pub(crate) fn new(kind: &'static str, fields: Vec<(&'static str, Data)>) -> Self {
        Self { kind, fields, text: None, is_text: false, is_callable: false, copies: false }
    }

    /// A record that stands for a text, such as an identifier.
    pub(crate) fn text(kind: &'static str, text: String, fields: Vec<(&'static str, Data)>) -> Self {
        Self { kind, fields, text: Some(text), is_text: true, is_callable: false, copies: false }
    }

    /// A record with a text of its own to print.
    pub(crate) fn shown(kind: &'static str, text: String, fields: Vec<(&'static str, Data)>) -> Self {
        Self { kind, fields, text: Some(text), is_text: false, is_callable: false, copies: false }
    }

    /// Lets it be written with parentheses, too.
    #[must_use]
    pub(crate) fn callable(self) -> Self {
        Self { is_callable: true, ..self }
    }

    /// Lets `x.copy(name = value)` give another one with some fields replaced.
    #[must_use]
    pub(crate) fn copying(self) -> Self {
        Self { copies: true, ..self }
    }

    /// The same with another value in a field that it has.
    pub(crate) fn with(&self, name: &str, value: Data) -> Self {
        let mut copy = self.clone();
        if let Some(field) = copy.fields.iter_mut().find(|(field, _)| *field == name) {
            field.1 = value;
        }
        copy
    }

    /// `copy` or `update`.
    fn copy_function(&self, name: &str) -> Function {
        let names: Vec<&str> = self.fields.iter().map(|(field, _)| *field).collect();
        let path = format!("{}.{name}", self.kind);
        let signature = format!("{path}({})", names.join(", "));
        let (record, shown) = (self.clone(), signature.clone());
        Function::new(signature, move |args| {
            let arity =
                |cause: String| Failure::Arity { command: path.clone(), cause, signature: shown.clone() };
            let mut copy = record.clone();
            if args.positional.len() > copy.fields.len() {
                return Err(arity(format!("takes at most {} arguments", copy.fields.len())));
            }
            for (field, value) in copy.fields.iter_mut().zip(&args.positional) {
                field.1 = value.clone();
            }
            for (name, value) in &args.named {
                let names: Vec<&str> = copy.fields.iter().map(|(field, _)| *field).collect();
                let Some(index) = names.iter().position(|field| field == name) else {
                    return Err(arity(format!("has no argument `{name}`{}", suggestion(name, names))));
                };
                copy.fields[index].1 = value.clone();
            }
            Ok(Data::object(copy))
        })
    }

    pub(crate) fn type_name(&self) -> &'static str {
        self.kind
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Data> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, data)| data)
    }
}

impl Instance for Record {
    fn kind(&self) -> String {
        self.kind.to_owned()
    }

    fn text(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let fields = self.fields.iter().filter(|(_, data)| !is_function(data));
        fields_text(self.kind, fields)
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        let found = self.field(name).or_else(|| self.field(&camel_case(name)));
        if found.is_none()
            && self.is_text
            && matches!(name, "unwrap" | "str" | "toString" | "filterString" | "toProtoPrimitive")
        {
            return Ok(self.text.clone().map(Data::text));
        }
        if found.is_none() && self.copies && matches!(name, "copy" | "update") {
            return Ok(Some(Data::object(self.copy_function(name))));
        }
        Ok(found.cloned())
    }

    fn attr_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.fields.iter().map(|(name, _)| (*name).to_owned()).collect();
        if self.copies {
            names.push("copy".to_owned());
        }
        if self.is_text {
            names.extend(["unwrap", "toProtoPrimitive", "filterString"].map(str::to_owned));
        }
        names
    }

    fn identity(&self) -> Option<String> {
        Some(self.text())
    }

    fn as_text(&self) -> Option<String> {
        self.is_text.then(|| self.text())
    }

    fn call(&self, args: CallArgs<'_>) -> Option<Result<Data, Failure>> {
        let plain = self.is_callable && args.positional.is_empty() && args.named.is_empty();
        plain.then(|| Ok(Data::object(self.clone())))
    }
}

fn is_function(data: &Data) -> bool {
    data.downcast::<Function>().is_some()
}

/// How a value prints that has these fields: `Kind(name = value, …)`.
pub(crate) fn fields_text<'a>(
    kind: &str,
    fields: impl IntoIterator<Item = &'a (&'static str, Data)>,
) -> String {
    let fields = fields.into_iter().map(|(name, data)| format!("{name} = {}", shown(data)));
    format!("{kind}({})", fields.collect::<Vec<_>>().join(", "))
}

/// How a value prints inside another.
pub(crate) fn shown(data: &Data) -> String {
    match data {
        Data::None => "None".to_owned(),
        Data::Bool(value) => value.to_string(),
        Data::Int(value) => value.to_string(),
        Data::Text(text) => format!("\"{text}\""),
        Data::Bytes(bytes) => format!("<{} bytes>", bytes.len()),
        Data::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Data::Some(inner) => format!("Some({})", shown(inner)),
        Data::Function(_) => "a function".to_owned(),
        Data::Object(instance) => instance.text(),
    }
}

/// `signed_by` as `signedBy`.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        if character == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            out.extend(character.to_uppercase());
        } else {
            out.push(character);
        }
    }
    out
}

type Body = dyn Fn(&CallArgs<'_>) -> Result<Data, Failure> + Send + Sync;

/// A function of the console that is no command of a node: constructors, methods of keys.
#[derive(Clone)]
pub(crate) struct Function {
    signature: String,
    statics: Vec<(&'static str, Data)>,
    body: Option<Arc<Body>>,
    parameters: Vec<&'static str>,
    /// Naming it as a statement runs it.
    is_bare: bool,
    /// `f[x]` is `f(x)`: a type argument of Scala's that counts.
    is_typed: bool,
}

impl Function {
    /// A function; `signature` is shown when it is called wrongly.
    pub(crate) fn new(
        signature: impl Into<String>,
        body: impl Fn(&CallArgs<'_>) -> Result<Data, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self {
            signature: signature.into(),
            statics: Vec::new(),
            body: Some(Arc::new(body)),
            parameters: Vec::new(),
            is_bare: false,
            is_typed: false,
        }
    }

    /// A function with parameters that have names, order and defaults, as those of commands.
    pub(crate) fn taking(
        signature: Signature,
        body: impl Fn(&Bound<'_>) -> Result<Data, Failure> + Send + Sync + 'static,
    ) -> Self {
        let parameters = signature.params.iter().map(|param| param.name).collect();
        let function =
            Self::new(signature.to_string(), move |args| body(&bind_args(signature, args.clone())?));
        Self { parameters, ..function }
    }

    /// Lets it be run by naming it, as commands without arguments are.
    #[must_use]
    pub(crate) fn bare(self) -> Self {
        Self { is_bare: true, ..self }
    }

    /// Lets its argument stand in brackets, as Scala's types do.
    #[must_use]
    pub(crate) fn typed(self) -> Self {
        Self { is_typed: true, ..self }
    }

    /// A name that only holds others: an enumeration.
    pub(crate) fn holder(name: &str) -> Self {
        Self {
            signature: name.to_owned(),
            statics: Vec::new(),
            body: None,
            parameters: Vec::new(),
            is_bare: false,
            is_typed: false,
        }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, data: Data) -> Self {
        self.statics.push((name, data));
        self
    }

    fn name(&self) -> &str {
        self.signature.split('(').next().unwrap_or_default()
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("signature", &self.signature).finish_non_exhaustive()
    }
}

impl Instance for Function {
    fn kind(&self) -> String {
        self.name().to_owned()
    }

    fn text(&self) -> String {
        self.signature.clone()
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        Ok(self.statics.iter().find(|(field, _)| *field == name).map(|(_, data)| data.clone()))
    }

    fn attr_names(&self) -> Vec<String> {
        self.statics.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn call(&self, args: CallArgs<'_>) -> Option<Result<Data, Failure>> {
        self.body.as_ref().map(|body| body(&args))
    }

    fn runs_bare(&self) -> bool {
        self.is_bare
    }

    fn index(&self, data: Data) -> Option<Result<Data, Failure>> {
        if !self.is_typed {
            return None;
        }
        self.call(CallArgs { positional: vec![data], ..CallArgs::default() })
    }

    fn parameters(&self) -> Vec<String> {
        self.parameters.iter().map(|name| (*name).to_owned()).collect()
    }

    fn help(&self) -> Option<String> {
        Some(self.signature.clone())
    }
}

impl CallArgs<'_> {
    /// The only argument, positional or by one of `names`.
    pub(crate) fn one(&self, signature: &str, name: &str) -> Result<&Data, Failure> {
        let arity = |cause: String| Failure::Arity {
            command: signature.split('(').next().unwrap_or_default().to_owned(),
            cause,
            signature: signature.to_owned(),
        };
        match (self.positional.as_slice(), self.named.as_slice()) {
            ([value], []) => Ok(value),
            ([], [(given, value)]) if given == name => Ok(value),
            _ => {
                let count = self.positional.len() + self.named.len();
                Err(arity(format!("takes one argument, `{name}`; {count} given")))
            }
        }
    }
}
