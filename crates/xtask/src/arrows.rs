//! The arrows between the crates: who may depend on whom.
//!
//! The table is the drawing in ARCHITECTURE.md in another form. A new arrow is a decision, so it is
//! made here, and not by whoever first writes a `use`. Dev-dependencies are free, except that nothing
//! shipped may depend on `testkit` or `simulation`.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context, bail};

/// Crate (without the prefix) → crates of ours that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("transport", &[]),
    ("proto", &["types"]),
    ("hocon", &[]),
    ("config", &["types", "hocon"]),
    ("crypto", &["types", "proto"]),
    ("kms", &["types", "crypto"]),
    ("kms-aws", &["types", "crypto", "kms"]),
    ("kms-server", &[]),
    ("store", &["types", "crypto"]),
    ("vault", &["types", "crypto", "kms", "store"]),
    ("topology", &["types", "proto", "crypto"]),
    ("protocol", &["types", "proto", "crypto", "topology"]),
    ("identity", &["types", "proto", "crypto", "store", "vault", "topology"]),
    ("sequencing", &["types", "proto", "crypto", "store", "vault", "topology", "protocol", "transport"]),
    (
        "participant",
        &["types", "proto", "crypto", "store", "vault", "topology", "identity", "protocol", "sequencing"],
    ),
    (
        "domain-manager",
        &["types", "proto", "crypto", "store", "vault", "topology", "identity", "protocol", "sequencing"],
    ),
    (
        "sequencer",
        &["types", "transport", "proto", "crypto", "store", "vault", "topology", "protocol", "sequencing"],
    ),
    ("mediator", &["types", "proto", "crypto", "store", "vault", "topology", "protocol", "sequencing"]),
    (
        "admin-api",
        &[
            "types",
            "proto",
            "crypto",
            "kms",
            "store",
            "vault",
            "topology",
            "identity",
            "protocol",
            "sequencing",
            "participant",
            "domain-manager",
            "mediator",
            "sequencer",
            "transport",
        ],
    ),
    (
        "node",
        &[
            "types",
            "transport",
            "proto",
            "config",
            "crypto",
            "kms",
            "kms-aws",
            "store",
            "vault",
            "topology",
            "identity",
            "protocol",
            "sequencing",
            "participant",
            "domain-manager",
            "mediator",
            "sequencer",
            "admin-api",
        ],
    ),
    ("console", &["types", "transport", "proto"]),
    (
        "cantle",
        &[
            "types",
            "transport",
            "proto",
            "hocon",
            "config",
            "crypto",
            "kms",
            "kms-server",
            "store",
            "node",
            "console",
        ],
    ),
    ("testkit", &[]),
    (
        "simulation",
        &[
            "types",
            "proto",
            "crypto",
            "kms",
            "store",
            "vault",
            "topology",
            "protocol",
            "identity",
            "sequencing",
            "participant",
            "domain-manager",
            "mediator",
            "sequencer",
        ],
    ),
    (
        "xtask",
        &[
            "types",
            "proto",
            "hocon",
            "kms-server",
            "config",
            "crypto",
            "store",
            "vault",
            "topology",
            "identity",
            "protocol",
            "sequencer",
            "node",
            "testkit",
        ],
    ),
];

/// Compares every manifest with [`ALLOWED`]; prints each arrow that is not there.
pub(crate) fn check() -> anyhow::Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("cargo metadata did not start")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let wrong = violations(&metadata)?;
    for line in &wrong {
        eprintln!("{line}");
    }
    if !wrong.is_empty() {
        bail!("{} arrow(s) point where they may not; see crates/xtask/src/arrows.rs", wrong.len());
    }
    println!("arrows: {} crates, none points where it may not", ALLOWED.len());
    Ok(())
}

fn violations(metadata: &serde_json::Value) -> anyhow::Result<Vec<String>> {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut wrong = Vec::new();
    for package in packages {
        let name = short(package["name"].as_str().context("a package without a name")?);
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("{name}: not in the table; say what it may depend on"));
            continue;
        };
        for dependency in package["dependencies"].as_array().context("a package without dependencies")? {
            if dependency["path"].is_null() || dependency["kind"] == "dev" {
                continue;
            }
            let target = short(dependency["name"].as_str().context("a dependency without a name")?);
            if ["testkit", "simulation"].contains(&target) && name != "xtask" {
                wrong.push(format!("{name} → {target}: only for tests, as a dev-dependency"));
            } else if !may.contains(&target) {
                wrong.push(format!("{name} → {target}: not allowed"));
            }
        }
    }
    Ok(wrong)
}

fn short(name: &str) -> &str {
    name.strip_prefix("cantle-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(from: &str, to: &str, kind: Option<&str>) -> serde_json::Value {
        json!({"packages": [{"name": from, "dependencies": [{"name": to, "path": "/x", "kind": kind}]}]})
    }

    #[test]
    fn an_arrow_against_the_table_is_named() {
        let wrong = violations(&metadata("cantle-types", "cantle-store", None)).unwrap();
        assert_eq!(wrong, ["types → store: not allowed"]);
    }

    #[test]
    fn an_allowed_arrow_and_a_dev_dependency_pass() {
        assert!(violations(&metadata("cantle-vault", "cantle-store", None)).unwrap().is_empty());
        assert!(violations(&metadata("cantle-types", "cantle-store", Some("dev"))).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_crate_is_named() {
        assert_eq!(violations(&metadata("cantle-new", "x", Some("dev"))).unwrap().len(), 1);
    }

    #[test]
    fn the_table_has_no_cycle() {
        let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
        fn depth(of: &str, allowed: &BTreeMap<&str, &[&str]>, path: &mut Vec<String>) {
            assert!(!path.contains(&of.to_owned()), "cycle: {path:?} → {of}");
            path.push(of.to_owned());
            for next in allowed[of] {
                depth(next, allowed, path);
            }
            path.pop();
        }
        for (name, _) in ALLOWED {
            depth(name, &allowed, &mut Vec::new());
        }
    }
}
