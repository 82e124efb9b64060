//! Configurations as operators write them, good and bad.
//!
//! The samples are files; what bad ones print is kept as golden files beside the tests.

mod faults;
mod robust;
mod samples;

use cantle_config::{Config, ConfigErrors, LoadOptions, Loaded};
use cantle_hocon::Origin;

/// Loads a sample with nothing but this environment.
fn load_with(sample: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let options =
        LoadOptions::new([format!("tests/samples/{sample}")]).environment(environment.iter().copied());
    Config::load(&options)
}

fn load(sample: &str) -> Loaded {
    load_with(sample, &[]).unwrap_or_else(|errors| panic!("{sample}:\n{errors}"))
}

/// Loads a text.
fn load_text(text: &str) -> Result<Config, ConfigErrors> {
    let document = cantle_hocon::Loader::new().text("test.conf", text).load()?;
    Config::from_document(&document)
}

/// Lines without line and column, sorted: what a golden file keeps. Places have tests of their own.
fn golden<'a>(items: impl IntoIterator<Item = (String, Vec<&'a Origin>)>) -> String {
    let line = |(text, origins): (String, Vec<&Origin>)| {
        origins.into_iter().fold(text, |text, origin| text.replace(&origin.to_string(), origin.source()))
    };
    let mut lines: Vec<String> = items.into_iter().map(line).collect();
    lines.sort();
    lines.join("\n")
}
