//! `cantle sandbox`: runs the playground until it is stopped, with a page for people on loopback.

mod hub;
mod look;
mod page;
mod stream;

use std::{fs, path::Path, sync::Arc};

use cantle_node::NodeHandle;
use serde_json::{Value, json};

use self::{hub::Hub, look::Look, page::Page};
use crate::{
    cli::{Global, Sandbox},
    commands::playground::{self, Playground, uid},
    failure::Failure,
    logging::LevelControl,
    output::{say, tell},
};

/// The remote console's configuration, in the sandbox's folder.
const REMOTE: &str = "remote.conf";

pub(crate) async fn run(arguments: &Sandbox, global: &Global, level: LevelControl) -> Result<(), Failure> {
    // Before anything is started, so that a port that is taken costs no time.
    let listener = page::listen(arguments.port).await?;
    let hub = Arc::new(Hub::default());
    playground::run(global, level, Some(hub.observer()), async |playground, stop| {
        let look = Look::new(playground, Arc::clone(&hub))?;
        let page = Page::serve(listener, look)?;
        let printed = print(playground, &page, global);
        if printed.is_ok() {
            stop.requested().await;
            tell!("stopping");
        }
        page.stop().await;
        printed
    })
    .await
}

/// Says where everything is.
fn print(playground: &Playground, page: &Page, global: &Global) -> Result<(), Failure> {
    let handles = playground.nodes.handles();
    let (kms, remote) = (playground.kms.endpoint(), remote_config(&handles));
    let file = playground.folder.path().join(REMOTE);
    fs::write(&file, &remote).map_err(Failure::running)?;
    if global.json {
        say!("{}", document(page.url(), &kms, &handles, &remote, &file)?);
        return Ok(());
    }
    say!("page {}", page.url());
    say!("kms-server {kms}");
    for handle in &handles {
        let public = handle.public_address.map(|address| format!(", public-api {address}"));
        say!("{}: admin-api {}{}", handle.node, handle.admin_address, public.unwrap_or_default());
    }
    say!("\n# a configuration for consoles elsewhere; until the sandbox stops it is in {}", file.display());
    say!("{remote}");
    // As it can be pasted: whoever runs it from a checkout has no `cantle` on the path.
    let cantle = std::env::current_exe().map_err(Failure::running)?;
    say!("in another terminal: {} console -c {}", cantle.display(), file.display());
    say!("sandbox is up; Ctrl-C stops it and removes everything");
    Ok(())
}

/// The same for programs.
fn document(
    page: &str,
    kms: &str,
    handles: &[NodeHandle],
    remote: &str,
    file: &Path,
) -> Result<Value, Failure> {
    let nodes = handles.iter().map(|handle| {
        Ok(json!({
            "kind": handle.node.kind.as_str(),
            "name": handle.node.name.as_str(),
            "uid": uid(handle)?,
            "admin_api": handle.admin_address.to_string(),
            "public_api": handle.public_address.map(|address| address.to_string()),
        }))
    });
    let nodes = nodes.collect::<Result<Vec<_>, Failure>>()?;
    Ok(json!({
        "page": page,
        "kms": kms,
        "nodes": nodes,
        "remote_config": remote,
        "remote_config_file": file.display().to_string(),
    }))
}

/// What a console needs to reach the nodes.
fn remote_config(handles: &[NodeHandle]) -> String {
    handles
        .iter()
        .map(|handle| {
            let NodeHandle { node, admin_address, .. } = handle;
            format!(
                "canton.remote-{}s.{} {{ admin-api {{ address = {}, port = {} }} }}\n",
                node.kind,
                node.name,
                admin_address.ip(),
                admin_address.port()
            )
        })
        .collect()
}
