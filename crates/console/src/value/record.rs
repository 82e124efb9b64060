//! Plain instances: records of named fields, and functions.

use std::fmt;
use std::sync::Arc;

use super::{CallArgs, Data, Instance};
use crate::failure::Failure;

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
}

impl Record {
    /// A record that prints its fields.
    pub(crate) fn new(kind: &'static str, fields: Vec<(&'static str, Data)>) -> Self {
        Self { kind, fields, text: None, is_text: false, is_callable: false }
    }

    /// A record that stands for a text, such as an identifier.
    pub(crate) fn text(kind: &'static str, text: String, fields: Vec<(&'static str, Data)>) -> Self {
        Self { kind, fields, text: Some(text), is_text: true, is_callable: false }
    }

    /// A record with a text of its own to print.
    pub(crate) fn shown(kind: &'static str, text: String, fields: Vec<(&'static str, Data)>) -> Self {
        Self { kind, fields, text: Some(text), is_text: false, is_callable: false }
    }

    /// Lets it be written with parentheses, too.
    #[must_use]
    pub(crate) fn callable(self) -> Self {
        Self { is_callable: true, ..self }
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
        let fields: Vec<String> = fields.map(|(name, data)| format!("{name} = {}", shown(data))).collect();
        format!("{}({})", self.kind, fields.join(", "))
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        let found = self.field(name).or_else(|| self.field(&camel_case(name)));
        if found.is_none()
            && self.is_text
            && matches!(name, "unwrap" | "str" | "toString" | "filterString" | "toProtoPrimitive")
        {
            return Ok(self.text.clone().map(Data::text));
        }
        Ok(found.cloned())
    }

    fn attr_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.fields.iter().map(|(name, _)| (*name).to_owned()).collect();
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

    fn call(&self, args: CallArgs) -> Option<Result<Data, Failure>> {
        let plain = self.is_callable && args.positional.is_empty() && args.named.is_empty();
        plain.then(|| Ok(Data::object(self.clone())))
    }
}

fn is_function(data: &Data) -> bool {
    data.downcast::<Function>().is_some()
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

type Body = dyn Fn(&CallArgs) -> Result<Data, Failure> + Send + Sync;

/// A function of the console that is no command of a node: constructors, methods of keys.
#[derive(Clone)]
pub(crate) struct Function {
    signature: String,
    statics: Vec<(&'static str, Data)>,
    body: Option<Arc<Body>>,
}

impl Function {
    /// A function; `signature` is shown when it is called wrongly.
    pub(crate) fn new(
        signature: impl Into<String>,
        body: impl Fn(&CallArgs) -> Result<Data, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self { signature: signature.into(), statics: Vec::new(), body: Some(Arc::new(body)) }
    }

    /// A name that only holds others: an enumeration.
    pub(crate) fn holder(name: &str) -> Self {
        Self { signature: name.to_owned(), statics: Vec::new(), body: None }
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

    fn call(&self, args: CallArgs) -> Option<Result<Data, Failure>> {
        self.body.as_ref().map(|body| body(&args))
    }

    fn help(&self) -> Option<String> {
        Some(self.signature.clone())
    }
}

impl CallArgs {
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
