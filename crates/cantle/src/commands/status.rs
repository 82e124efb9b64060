//! `cantle status`: how nodes are, asked over their admin API.

use cantle_proto::{
    cantle::admin::v1::{ListKeysRequest, key_service_client::KeyServiceClient},
    health::admin::v0::{node_status, status_service_client::StatusServiceClient},
};
use serde_json::{Value, json};

use crate::{
    cli::{Global, Remote},
    commands::remote::{self, Target},
    failure::Failure,
    output::say,
};

pub(crate) async fn run(arguments: &Remote, global: &Global) -> Result<(), Failure> {
    let mut statuses = Vec::new();
    for target in remote::targets(arguments, global)? {
        statuses.push(status(&target).await?);
    }
    if global.json {
        say!("{}", Value::Array(statuses));
        return Ok(());
    }
    for status in statuses {
        let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
        say!("{} {} at {}", text("kind"), text("name"), text("address"));
        say!("  identity: {}", status["uid"].as_str().unwrap_or("none yet"));
        if let Some(uptime) = status["uptime_seconds"].as_i64() {
            say!("  up for {uptime} s");
        }
        for component in status["components"].as_array().into_iter().flatten() {
            let trouble = component["trouble"].as_str().unwrap_or("ok");
            say!("  {}: {trouble}", component["name"].as_str().unwrap_or_default());
        }
        say!("  keys: {}", status["keys"]);
    }
    Ok(())
}

async fn status(target: &Target) -> Result<Value, Failure> {
    let address = &target.address;
    let channel = remote::connect(target).await?;
    let node = remote::describe(channel.clone(), address).await?;
    let answer = StatusServiceClient::new(channel.clone()).status(()).await;
    let answer = answer.map_err(|status| remote::failed(address, &status))?.into_inner();
    let mut status = json!({
        "kind": node.kind,
        "name": node.name,
        "address": address,
        "uid": (!node.uid.is_empty()).then_some(node.uid),
        "version": (!node.version.is_empty()).then_some(node.version),
    });
    if let Some(node_status::Response::Success(success)) = answer.response {
        status["uptime_seconds"] = json!(success.uptime.map(|uptime| uptime.seconds));
        status["components"] = success
            .components
            .iter()
            .map(|component| {
                use node_status::component_status::Status;
                let trouble = match &component.status {
                    None | Some(Status::Ok(_)) => None,
                    Some(Status::Degraded(data) | Status::Failed(data) | Status::Fatal(data)) => {
                        Some(data.description.clone().unwrap_or_else(|| "failed".to_owned()))
                    }
                };
                json!({"name": component.name, "trouble": trouble})
            })
            .collect();
    }
    let keys = KeyServiceClient::new(channel).list_keys(ListKeysRequest {}).await;
    status["keys"] = json!(keys.map(|answer| answer.into_inner().keys.len()).ok());
    Ok(status)
}
