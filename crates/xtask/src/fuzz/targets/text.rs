//! HOCON, and the configuration that is in it.

use cantle_config::Config;
use cantle_hocon::Loader;

use super::Target;
use crate::fuzz::{
    corpus::{self, Corpus},
    mutate::Form,
};

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "=",
    ":",
    "+=",
    ",",
    "\n",
    " ",
    "\"",
    "\"\"\"",
    "${",
    "${?",
    "}",
    "$",
    "\\",
    "\\u0041",
    "#",
    "//",
    "include ",
    "include file(\"a\")",
    "include required(classpath(\"x\"))",
    "null",
    "true",
    "1e999",
    "-0",
    "0x10",
    "10s",
    "1 GiB",
    "a.b.c",
    "\"a.b\"",
    "\u{feff}",
    "\u{2028}",
    "\u{a0}",
];

/// The parser alone.
pub(super) struct Hocon;

impl Target for Hocon {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        let mut items = corpus::folder("hocon/tests/fixtures", "conf")?;
        items.extend(corpus::folder("../docs/samples", "conf")?);
        Ok(items.into_iter().collect())
    }

    fn form(&self) -> Form {
        Form::Text(WORDS)
    }

    fn run(&mut self, input: &[u8]) -> bool {
        let text = String::from_utf8_lossy(input);
        let loaded = Loader::new().text("fuzz", text).environment([("HOME", "/"), ("EMPTY", "")]).load();
        let Ok(value) = loaded else { return false };
        let json = value.to_json();
        let again = Loader::new().text("again", json.clone()).load();
        let again = again.unwrap_or_else(|errors| panic!("{json} is not read again: {errors}"));
        assert_eq!(again.to_json(), json, "what was read reads as something else");
        true
    }
}

/// The parser and what makes a configuration of it.
pub(super) struct Configuration;

impl Target for Configuration {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        let mut items = corpus::folder("../docs/samples", "conf")?;
        for folder in ["config/tests/fixtures", "config/tests/samples", "config/tests/samples/bad"] {
            items.extend(corpus::folder(folder, "conf")?);
        }
        Ok(items.into_iter().collect())
    }

    fn form(&self) -> Form {
        Form::Text(WORDS)
    }

    fn run(&mut self, input: &[u8]) -> bool {
        let Ok(document) = Loader::new().text("fuzz", String::from_utf8_lossy(input)).load() else {
            return false;
        };
        match Config::from_document(&document) {
            Ok(config) => !format!("{config:?}").is_empty() && config.startable().is_ok(),
            Err(errors) => {
                assert!(!errors.to_string().is_empty());
                false
            }
        }
    }
}
