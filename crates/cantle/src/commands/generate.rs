//! `cantle generate remote-config`: what a console elsewhere needs to reach the configured nodes, one file a node.
//!
//! The files are called as Canton calls them. Addresses are those the nodes listen on; whoever is elsewhere may have to write
//! another. Source: <https://docs.daml.com/2.10.0/canton/usermanual/console.html#remote-administration>.

use std::fmt::Write as _;
use std::path::Path;

use cantle_config::{ClientAuth, Config, NodeConfig, PublicApiConfig, TlsServerConfig};

use crate::{cli::Global, commands::check, failure::Failure, output::say};

/// A file to write.
#[derive(Debug, PartialEq, Eq)]
struct Generated {
    name: String,
    text: String,
}

pub(crate) fn remote_config(folder: &Path, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    let files = generated(&config)?;
    if files.is_empty() {
        return Err(Failure::Usage(
            "error: no node is configured; name a configuration file with -c".to_owned(),
        ));
    }
    for Generated { name, text } in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| {
            Failure::Running(
                anyhow::Error::from(error).context(format!("{} cannot be written", path.display())),
            )
        })?;
        say!("{}", path.display());
    }
    Ok(())
}

/// One file a node of this process.
fn generated(config: &Config) -> Result<Vec<Generated>, Failure> {
    let participants = config.participants.values().map(|node| ("participants", &node.node, None));
    let domains = config.domains.values().map(|node| ("domains", &node.node, Some(&node.public_api)));
    let managers = config.domain_managers.values().map(|node| ("domain-managers", &node.node, None));
    let sequencers =
        config.sequencers.values().map(|node| ("sequencers", &node.node, Some(&node.public_api)));
    let mediators = config.mediators.values().map(|node| ("mediators", &node.node, None));
    let all = participants.chain(domains).chain(managers).chain(sequencers).chain(mediators);
    all.map(|(kind, node, public)| file(kind, node, public)).collect()
}

fn file(kind: &str, node: &NodeConfig, public: Option<&PublicApiConfig>) -> Result<Generated, Failure> {
    let name = node.name.as_str();
    let mut text = format!("canton.remote-{kind}.{} {{\n", quoted(name));
    let admin = &node.admin_api;
    api(&mut text, "admin-api", &admin.address, port(name, "admin-api", admin.port)?, admin.tls.as_ref());
    if let Some(public) = public {
        let port = port(name, "public-api", public.port)?;
        api(&mut text, "public-api", &public.address, port, public.tls.as_ref());
    }
    text.push_str("}\n");
    Ok(Generated { name: format!("remote-{name}.conf"), text })
}

/// A port that the system chooses at each start cannot be written down.
fn port(node: &str, api: &str, port: Option<u16>) -> Result<u16, Failure> {
    port.ok_or_else(|| {
        Failure::Usage(format!(
            "error: {node}: {api}.port is not set, so that each start has another one; set it first"
        ))
    })
}

fn api(text: &mut String, key: &str, address: &str, port: u16, tls: Option<&TlsServerConfig>) {
    // A text grows without failing.
    let _ = writeln!(text, "  {key} {{");
    let _ = writeln!(text, "    address = {}", quoted(address));
    let _ = writeln!(text, "    port = {port}");
    if let Some(tls) = tls {
        let _ = writeln!(text, "    tls {{");
        let _ = writeln!(text, "      trust-collection-file = {}", path(&tls.cert_chain_file));
        if let ClientAuth::Require { admin_client } = &tls.client_auth {
            let _ = writeln!(text, "      client-cert {{");
            let _ = writeln!(text, "        cert-chain-file = {}", path(&admin_client.cert_chain_file));
            let _ = writeln!(text, "        private-key-file = {}", path(&admin_client.private_key_file));
            let _ = writeln!(text, "      }}");
        }
        let _ = writeln!(text, "    }}");
    }
    let _ = writeln!(text, "  }}");
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A text of HOCON; JSON's texts are.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use cantle_config::LoadOptions;

    use super::*;

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes.conf");
        std::fs::write(&path, text).unwrap();
        Config::load(&LoadOptions::new(&[path])).unwrap().config
    }

    #[test]
    fn each_node_gets_a_file_that_a_console_reads() {
        let nodes = config(
            "canton {
               participants.participant1.admin-api { address = \"0.0.0.0\", port = 5012 }
               sequencers.sequencer1 { admin-api.port = 5022, public-api.port = 5018 }
             }",
        );
        let files = generated(&nodes).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["remote-participant1.conf", "remote-sequencer1.conf"]);
        assert_eq!(
            files[0].text,
            "canton.remote-participants.participant1 {\n  admin-api {\n    address = \"0.0.0.0\"\n    port = 5012\n  }\n}\n"
        );
        let all: String = files.into_iter().map(|file| file.text).collect();
        let remote = config(&all);
        assert_eq!(remote.remote_participants.values().next().unwrap().admin_api.port, 5012);
        let sequencer = remote.remote_sequencers.values().next().unwrap();
        assert_eq!(sequencer.public_api.as_ref().unwrap().port, 5018);
    }

    #[test]
    fn a_port_that_is_chosen_at_each_start_is_an_error() {
        let nodes = config("canton.participants.participant1 {}");
        let Err(Failure::Usage(text)) = generated(&nodes) else { panic!("no error") };
        assert!(text.contains("participant1: admin-api.port is not set"), "{text}");
    }

    #[test]
    fn names_are_quoted_where_hocon_needs_it() {
        assert_eq!(quoted("participant-1"), "participant-1");
        assert_eq!(quoted("a b\"c"), "\"a b\\\"c\"");
        assert_eq!(quoted("127.0.0.1"), "\"127.0.0.1\"");
    }
}
