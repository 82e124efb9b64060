//! Arguments bound to parameters: of commands, and of the functions and constructors beside them.

use std::fmt;

use super::{Default, Group, Param, default_data, default_text};
use crate::failure::{Failure, suggestion};
use crate::value::{CallArgs, Data};

/// Calls the functions that a script gave as arguments: `domains.modify("mydomain", _.copy(priority = 20))`.
pub(crate) trait Apply: fmt::Debug {
    /// Calls the function numbered `function`.
    fn apply(&self, function: usize, args: &[Data]) -> Result<Data, Failure>;
}

/// What a command or function is called and what it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signature {
    pub(crate) path: &'static str,
    pub(crate) params: &'static [Param],
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.path)?;
        for (index, param) in self.params.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {}", param.name, param.shape)?;
            if let Some(default) = default_text(param.default) {
                write!(f, " = {default}")?;
            }
        }
        f.write_str(")")
    }
}

impl Signature {
    fn arity(self, cause: String) -> Failure {
        Failure::Arity { command: self.path.to_owned(), cause, signature: self.to_string() }
    }
}

/// Arguments, one a parameter.
#[derive(Debug, Clone)]
pub(crate) struct Bound<'a> {
    pub(crate) signature: Signature,
    values: Vec<Data>,
    apply: Option<&'a dyn Apply>,
}

impl Bound<'_> {
    /// The argument of a parameter.
    pub(crate) fn value(&self, name: &str) -> &Data {
        let index = self.signature.params.iter().position(|param| param.name == name);
        index.and_then(|index| self.values.get(index)).unwrap_or(&Data::None)
    }

    /// Whether there is a parameter of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.signature.params.iter().any(|param| param.name == name)
    }

    /// An error about an argument.
    pub(crate) fn refuse(&self, name: &str, cause: impl Into<String>) -> Failure {
        Failure::Argument {
            command: self.signature.path.to_owned(),
            argument: name.to_owned(),
            cause: cause.into(),
            signature: self.signature.to_string(),
        }
    }

    /// Calls the function that is the argument `name`.
    pub(crate) fn apply(&self, name: &str, args: &[Data]) -> Result<Data, Failure> {
        match (self.value(name), self.apply) {
            (Data::Function(function), Some(apply)) => apply.apply(*function, args),
            (other, _) => Err(self.refuse(
                name,
                format!("must be a function, such as `x => x` or `lambda x: x`, found: {}", other.kind()),
            )),
        }
    }
}

/// Checks and orders the arguments of a call.
pub(crate) fn bind_args(signature: Signature, args: CallArgs<'_>) -> Result<Bound<'_>, Failure> {
    let params = signature.params;
    if args.positional.len() > params.len() {
        return Err(signature.arity(format!(
            "takes at most {} arguments, {} given",
            params.len(),
            args.positional.len()
        )));
    }
    for (index, name) in &args.labels {
        if params.get(*index).is_none_or(|param| plain(param.name) != plain(name)) {
            return Err(signature.arity(format!(
                "argument `{name}` stands before arguments without a name, and not at its place: name those, too"
            )));
        }
    }
    let mut values: Vec<Option<Data>> = vec![None; params.len()];
    let mut positional = args.positional;
    if let Some(place) = params.iter().position(|param| param.floats)
        && let Some(given) = positional.iter().position(|data| data.downcast::<Group>().is_some())
    {
        values[place] = Some(positional.remove(given));
    }
    let free = (0..params.len()).filter(|index| values[*index].is_none() && !params[*index].floats);
    let free: Vec<usize> = free.collect();
    if positional.len() > free.len() {
        return Err(signature.arity(format!("{} arguments are too many", positional.len())));
    }
    for (index, value) in free.into_iter().zip(positional) {
        values[index] = Some(value);
    }
    for (name, value) in args.named {
        let Some(index) =
            params.iter().position(|param| param.name == name || plain(param.name) == plain(&name))
        else {
            let near = suggestion(&name, params.iter().map(|param| param.name));
            return Err(signature.arity(format!("has no argument `{name}`{near}")));
        };
        if values[index].is_some() {
            return Err(signature.arity(format!("argument `{name}` is given twice")));
        }
        values[index] = Some(value);
    }
    let mut bound = Vec::with_capacity(values.len());
    for (param, value) in params.iter().zip(values) {
        let value = value.or_else(|| default_data(param.default));
        bound.push(value.ok_or_else(|| signature.arity(missing(param)))?);
    }
    Ok(Bound { signature, values: bound, apply: args.apply })
}

fn missing(param: &Param) -> String {
    match (param.default, param.floats) {
        (Default::Required, true) => format!(
            "argument `{}` is missing: this node's topology is managed by another one, name it",
            param.name
        ),
        _ => format!("argument `{}` is missing", param.name),
    }
}

fn plain(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}
