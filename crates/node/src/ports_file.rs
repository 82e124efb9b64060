//! `canton.parameters.ports-file`: where others look up the ports that were chosen.
//!
//! Canton's form, an object of the nodes by their names: `{"participant1": {"adminApi": 5012}}`. There is no
//! `ledgerApi`; sequencers and domains have a `publicApi`.

use std::{io::Write, path::Path};

use cantle_store::NodeIdentity;
use tracing::warn;

/// A node and its ports by the name of the interface.
pub(crate) type Ports = (NodeIdentity, Vec<(&'static str, u16)>);

/// Writes the file whole, or warns: nodes run without it.
pub(crate) fn write(path: &Path, nodes: &[Ports]) {
    if let Err(error) = replace(path, &text(nodes)) {
        warn!("the ports file {} cannot be written and is left as it is: {error}", path.display());
    }
}

/// Nobody reads half a file: it gets its name when it is complete.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().ok_or(std::io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

/// Names have no character that JSON would escape.
fn text(nodes: &[Ports]) -> String {
    let node = |(node, ports): &Ports| {
        let ports: Vec<_> = ports.iter().map(|(name, port)| format!("    \"{name}\": {port}")).collect();
        format!("  \"{}\": {{\n{}\n  }}", node.name, ports.join(",\n"))
    };
    let nodes: Vec<_> = nodes.iter().map(node).collect();
    format!("{{\n{}\n}}\n", nodes.join(",\n"))
}

#[cfg(test)]
mod tests {
    use cantle_store::NodeKind;

    use super::*;

    fn node(kind: NodeKind, name: &str, ports: &[(&'static str, u16)]) -> Ports {
        (NodeIdentity { kind, name: name.parse().unwrap() }, ports.to_vec())
    }

    #[test]
    fn the_file_is_cantons_and_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ports.json");
        write(&path, &[node(NodeKind::Participant, "old", &[("adminApi", 1)])]);
        write(
            &path,
            &[
                node(NodeKind::Participant, "participant1", &[("adminApi", 5012)]),
                node(NodeKind::Sequencer, "sequencer-1", &[("adminApi", 5002), ("publicApi", 5001)]),
            ],
        );
        let expected = "{\n  \"participant1\": {\n    \"adminApi\": 5012\n  },\n  \"sequencer-1\": {\n    \
                        \"adminApi\": 5002,\n    \"publicApi\": 5001\n  }\n}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        // A folder that is not there is a warning.
        write(&folder.path().join("none/ports.json"), &[]);
    }
}
