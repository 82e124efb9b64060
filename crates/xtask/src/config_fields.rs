//! Whether what `config` decodes is used by anybody: a key that is read, checked and then forgotten would be ignored in
//! silence.
//!
//! Looks for `.field` in the sources of the crates above. Two fields of one name hide each other, so it finds what was
//! forgotten and proves nothing of the rest. That every key is decoded, or named as one that is not, is a test of
//! `config` itself.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What waits for its user: the struct, the field, and who it waits for.
const WAITING: &[(&str, &str, &str)] = &[
    // Decoded, checked, and named as without effect, or refused at the start.
    ("Config", "features", "named: all commands can be used"),
    ("Features", "*", "named: all commands can be used"),
    ("MonitoringConfig", "dump_log_files", "named"),
    ("LoggingConfig", "*", "named, but for log-config-on-startup"),
    ("Parameters", "manual_start", "refused at the start"),
    ("Parameters", "retention", "named"),
    ("ConsoleTimeouts", "*", "named"),
    ("RetentionDefaults", "*", "named"),
    ("ConsoleConfig", "*", "named"),
    ("AuthService", "access_level", "both levels administrate, and the admin API has nothing else"),
    // Needed by `config` alone, or by its callers in another way.
    ("CryptoConfig", "symmetric", "there is one scheme"),
    ("CryptoConfig", "hash", "there is one algorithm"),
    ("SchemeConfig<S>", "*", "taken apart"),
    ("KeepAliveClient", "idle_timeout", "named"),
    ("IgnoredKey", "reason", "displayed"),
    ("Parameters", "non_standard_config", "asked for by other sections"),
    ("LoadOptions", "environment", "tests"),
    ("Fault", "*", "displayed"),
];

/// The struct and the name of each public field.
fn fields(source: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut of = None;
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {")) {
            of = Some(name.to_owned());
        } else if line == "}" {
            of = None;
        } else if let (Some(of), Some(field)) = (&of, line.strip_prefix("    pub ")) {
            let name = field.split(':').next().unwrap_or_default();
            fields.push((of.clone(), name.to_owned()));
        }
    }
    fields
}

/// Every name after a dot.
fn used(source: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    source.split('.').skip(1).map(word).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn read(crates: &Path, names: &[&str]) -> String {
    let mut found = Vec::new();
    for name in names {
        sources(&crates.join(name).join("src"), &mut found);
    }
    found.sort();
    found.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn what_is_decoded_is_used_or_waits_for_somebody() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let used = used(&read(crates, &["node", "cantle"]));
    let waits = |(of, name): &(String, String)| {
        WAITING.iter().any(|(waiting, field, _)| waiting == of && (*field == "*" || field == name))
    };
    let forgotten: Vec<_> = fields(&read(crates, &["config"]))
        .into_iter()
        .filter(|field| !used.contains(&field.1) && !waits(field))
        .collect();
    assert!(forgotten.is_empty(), "decoded and used by nobody: {forgotten:?}");
}
