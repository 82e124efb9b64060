//! Documents and what Lightbend's `com.typesafe:config` 1.4.3 makes of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use cantle_hocon::{ErrorKind, Errors, Loader, Value};

mod errors;
mod fixtures;
mod hostile;
mod loading;

const ENVIRONMENT: [(&str, &str); 5] =
    [("HC_ENV", "envval"), ("HC_PORT", "8443"), ("HC_EMPTY", ""), ("HC.x.y", "dotted"), ("a", "enva")];

fn load(text: &str) -> Result<Value, Errors> {
    Loader::new().text("t", text).environment(ENVIRONMENT).load()
}

fn json(text: &str) -> String {
    load(text).unwrap().to_json()
}

fn kind(text: &str) -> ErrorKind {
    load(text).unwrap_err().first().kind()
}
