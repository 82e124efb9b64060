//! What nodes must not share: names, ports and databases.

use std::collections::HashMap;
use std::path::PathBuf;

use cantle_hocon::Origin;
use cantle_types::NodeName;

use crate::config::{Config, NODES};
use crate::cursor::Cursor;
use crate::fault::{Problem, shortened};
use crate::sections::node::NodeConfig;
use crate::sections::postgres::PostgresConfig;
use crate::sections::storage::StorageBackend;

/// The names of nodes that are names.
pub(crate) type Names = HashMap<String, NodeName>;

/// Canton's limit of a name; the identifier that is made of it could be longer.
const LONGEST_NAME: usize = 30;

/// Every name is one, and no two nodes have the same: each is a global of the console.
pub(crate) fn names(canton: &Cursor<'_>) -> Names {
    let mut names = Names::new();
    let mut first: HashMap<String, (String, Origin)> = HashMap::new();
    for kind in NODES {
        for (name, node) in canton.at(kind).entries() {
            let valid: Result<NodeName, _> = name.parse();
            match valid {
                Ok(valid) if name.len() <= LONGEST_NAME => {
                    names.insert(name.to_owned(), valid);
                }
                _ => {
                    let expected =
                        format!("the name of a node: 1 to {LONGEST_NAME} ASCII letters, digits, `-` and `_`");
                    node.fault(Problem::Malformed { value: shortened(name), expected, nearest: None });
                }
            }
            if let Some((path, origin)) = first.get(name) {
                node.fault(Problem::Duplicate {
                    what: format!("the name `{}`", shortened(name)),
                    first: path.clone(),
                    first_origin: origin.clone(),
                    remedy: "give each node a name of its own".to_owned(),
                });
            } else {
                first.insert(name.to_owned(), (node.path().to_string(), node.origin().clone()));
            }
        }
    }
    names
}

struct Listener<'a> {
    address: String,
    port: u16,
    cursor: Cursor<'a>,
}

/// No fixed port is listened on twice at the same address.
pub(crate) fn ports(canton: &Cursor<'_>) {
    let mut seen: HashMap<u16, Vec<Listener<'_>>> = HashMap::new();
    for (section, default_address) in listeners(canton) {
        let Some(port) = section.at("port").port() else { continue };
        let address = section.at("address").string().unwrap_or_else(|| default_address.to_owned());
        let listener = Listener { address: normalized(&address), port, cursor: section.at("port") };
        let others = seen.entry(port).or_default();
        if let Some(other) = others.iter().find(|other| overlap(&other.address, &listener.address)) {
            listener.cursor.fault(Problem::Duplicate {
                what: format!("port {}", listener.port),
                first: other.cursor.path().to_string(),
                first_origin: other.cursor.origin().clone(),
                remedy: "choose another one, or leave it out and the system chooses".to_owned(),
            });
        }
        others.push(listener);
    }
}

fn listeners<'a>(canton: &Cursor<'a>) -> Vec<(Cursor<'a>, &'static str)> {
    const LOOPBACK: &str = "127.0.0.1";
    const EVERYWHERE: &str = "0.0.0.0";
    let mut listeners = Vec::new();
    for kind in NODES.iter().filter(|kind| !kind.starts_with("remote-")) {
        for (_, node) in canton.at(kind).entries() {
            listeners.push((node.at("admin-api"), LOOPBACK));
            listeners.push((node.at("public-api"), LOOPBACK));
            listeners.push((node.at("monitoring").at("grpc-health-server"), EVERYWHERE));
        }
    }
    let monitoring = canton.at("monitoring");
    listeners.push((monitoring.at("health").at("server"), EVERYWHERE));
    for reporter in monitoring.at("metrics").at("reporters").items().unwrap_or_default() {
        if reporter.at(crate::schema::TAG).text() == Some("prometheus") {
            listeners.push((reporter, LOOPBACK));
        }
    }
    listeners
}

fn normalized(address: &str) -> String {
    let bare = address.trim_matches(['[', ']']).to_ascii_lowercase();
    if matches!(bare.as_str(), "localhost" | "::1") { "127.0.0.1".to_owned() } else { bare }
}

fn overlap(a: &str, b: &str) -> bool {
    let everywhere = |address: &str| matches!(address, "0.0.0.0" | "::" | "");
    a == b || everywhere(a) || everywhere(b)
}

/// No two nodes have one database.
pub(crate) fn storage(canton: &Cursor<'_>, config: &Config) {
    let mut files: HashMap<PathBuf, &NodeConfig> = HashMap::new();
    let mut databases: Vec<(&PostgresConfig, &NodeConfig)> = Vec::new();
    for node in config.nodes() {
        match &node.storage.backend {
            StorageBackend::Sqlite { file: Some(file) } => {
                let absolute = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                match files.get(&absolute) {
                    Some(other) => shared(canton, node, other, format!("the database {}", file.display())),
                    None => {
                        files.insert(absolute, node);
                    }
                }
            }
            StorageBackend::Postgres(database) => {
                match databases.iter().find(|(other, _)| other.same_database(database)) {
                    Some((_, other)) => shared(canton, node, other, database.describe()),
                    None => databases.push((database, node)),
                }
            }
            StorageBackend::Sqlite { file: None } | StorageBackend::Memory => {}
        }
    }
}

fn shared(canton: &Cursor<'_>, node: &NodeConfig, other: &NodeConfig, what: String) {
    let storage =
        |node: &NodeConfig| canton.at(&format!("{}s", node.kind)).at(node.name.as_str()).at("storage");
    let first = storage(other);
    storage(node).fault(Problem::Duplicate {
        what,
        first: first.path().to_string(),
        first_origin: first.origin().clone(),
        remedy: "give each node a database of its own".to_owned(),
    });
}
