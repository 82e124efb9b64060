//! `cantle check`: reads and validates. No network, no key is made.

use cantle_config::{Config, LoadOptions, Loaded, Secrets, resolved_json};

use crate::{
    cli::{Check, Global},
    failure::Failure,
    output::{say, tell},
};

pub(crate) fn run(check: &Check, global: &Global) -> Result<(), Failure> {
    if check.resolved {
        let secrets = if check.show_secrets { Secrets::Show } else { Secrets::Redact };
        let document = load_options(global).resolve().map_err(|errors| Failure::Usage(errors.to_string()))?;
        say!("{}", resolved_json(&document, secrets));
        return Ok(());
    }
    let config = load(global)?;
    for warning in &config.warnings {
        tell!("warning: {warning}");
    }
    for ignored in &config.ignored {
        tell!("{ignored}");
    }
    for gap in &config.gaps {
        tell!("warning: {}: {}: {} is not available yet; {}", gap.origin, gap.path, gap.what, gap.remedy);
    }
    let nodes = config.nodes().count();
    tell!("the configuration is valid: {nodes} node{}", if nodes == 1 { "" } else { "s" });
    Ok(())
}

/// The configuration of the global flags, or all its faults.
pub(crate) fn load(global: &Global) -> Result<Config, Failure> {
    Ok(load_whole(global)?.config)
}

/// The same with the document that it was made of.
pub(crate) fn load_whole(global: &Global) -> Result<Loaded, Failure> {
    Config::load(&load_options(global)).map_err(|errors| Failure::Usage(errors.to_string()))
}

fn load_options(global: &Global) -> LoadOptions {
    let mut options = LoadOptions::new(&global.config);
    for (path, value) in &global.overrides {
        options = options.setting(path, value);
    }
    options
}
