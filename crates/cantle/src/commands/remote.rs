//! Nodes that run elsewhere, reached over their admin API.

use std::{fs, time::Duration};

use anyhow::Context;
use cantle_config::{NodeConfig, RemoteNodeConfig};
use cantle_node::{client_tls, own_client_tls};
use cantle_proto::{
    cantle::admin::v1::{DescribeNodeRequest, node_service_client::NodeServiceClient},
    topology::admin::v0::initialization_service_client::InitializationServiceClient,
};
use cantle_transport::{AuthorizedChannel, Bearer, ClientKeepAlive, ClientTls, endpoint};
use secrecy::{ExposeSecret, SecretString};
use tonic::{Code, Status, transport::Endpoint};

use crate::{
    cli::{Global, Remote},
    commands::check,
    failure::Failure,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Who answers at an address.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// `participant`, ….
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
    /// Its unique identifier, or nothing.
    pub(crate) uid: String,
    /// The version of Cantle, or nothing if it is another program.
    pub(crate) version: String,
}

/// An admin API, and how it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `HOST:PORT`, for messages.
    pub(crate) address: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) bearer: Bearer,
}

impl Target {
    /// The admin API at `HOST:PORT`, without TLS and tokens.
    pub(crate) fn at(address: &str) -> Result<Self, Failure> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| no_address(address))?;
        Ok(Self { address: address.to_owned(), endpoint, tls: None, bearer: Bearer::default() })
    }

    /// A node of another process, as the configuration says.
    pub(crate) fn of_remote(node: &RemoteNodeConfig) -> Result<Self, Failure> {
        let api = &node.admin_api;
        let tls = api.tls.as_ref().map(client_tls).transpose();
        let tls =
            tls.map_err(|error| Failure::usage(anyhow::Error::from(error).context(node.name.clone())))?;
        let keep_alive = api.keep_alive.map(|keep_alive| ClientKeepAlive {
            time: keep_alive.time,
            timeout: keep_alive.timeout,
            without_calls: keep_alive.keep_alive_without_calls,
        });
        let address = format!("{}:{}", api.address, api.port);
        let endpoint = endpoint(&api.address, api.port, tls.as_ref(), keep_alive);
        let endpoint = endpoint.map_err(|_| no_address(&address))?;
        let bearer = bearer(node.token.as_ref(), &format!("the token of {}", node.name))?;
        Ok(Self { address, endpoint, tls, bearer })
    }

    /// A node of this configuration that may run in another process, if its port is fixed.
    pub(crate) fn of_local(node: &NodeConfig) -> Result<Option<Self>, Failure> {
        let api = &node.admin_api;
        let Some(port) = api.port else { return Ok(None) };
        let tls = api.tls.as_ref().map(own_client_tls).transpose();
        let tls =
            tls.map_err(|error| Failure::usage(anyhow::Error::from(error).context(node.name.clone())))?;
        // Who listens everywhere is reached on loopback.
        let host = match api.address.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "::" | "[::]" => "::1",
            address => address,
        };
        let address = format!("{host}:{port}");
        let endpoint = endpoint(host, port, tls.as_ref(), None).map_err(|_| no_address(&address))?;
        let bearer = bearer(api.admin_token.as_ref(), &format!("admin-api.admin-token of {}", node.name))?;
        Ok(Some(Self { address, endpoint, tls, bearer }))
    }
}

/// The addresses given, or those of the configuration's nodes with a fixed port and of its remote nodes.
pub(crate) fn targets(arguments: &Remote, global: &Global) -> Result<Vec<Target>, Failure> {
    if !arguments.remote.is_empty() {
        return named(arguments);
    }
    let config = check::load(global)?;
    let mut targets = Vec::new();
    for node in config.nodes() {
        targets.extend(Target::of_local(node)?);
    }
    for node in config.remote_nodes() {
        targets.push(Target::of_remote(node)?);
    }
    if targets.is_empty() {
        return Err(Failure::Usage(
            "error: no node to ask; name one with --remote HOST:PORT, or a configuration with admin-api.port"
                .to_owned(),
        ));
    }
    Ok(targets)
}

/// The addresses given, with the token for them.
pub(crate) fn named(arguments: &Remote) -> Result<Vec<Target>, Failure> {
    let token = arguments.token_file.as_deref().map(|file| {
        let read = fs::read_to_string(file).with_context(|| format!("the token file {}", file.display()));
        read.map(|text| SecretString::from(text.trim())).map_err(Failure::usage)
    });
    let bearer = bearer(token.transpose()?.as_ref(), "the token of --token-file")?;
    let target = |address| Ok(Target { bearer: bearer.clone(), ..Target::at(address)? });
    arguments.remote.iter().map(|address| target(address)).collect()
}

/// What is sent with each call, if a token is configured.
fn bearer(token: Option<&SecretString>, what: &str) -> Result<Bearer, Failure> {
    let Some(token) = token else { return Ok(Bearer::default()) };
    Bearer::new(token.expose_secret()).ok_or_else(|| {
        Failure::Usage(format!("error: {what} has characters that no header may have; use printable ASCII"))
    })
}

fn no_address(address: &str) -> Failure {
    Failure::Usage(format!("error: {address:?} is no HOST:PORT"))
}

/// Connects to an admin API.
pub(crate) async fn connect(target: &Target) -> Result<AuthorizedChannel, Failure> {
    let endpoint = target.endpoint.clone().connect_timeout(CONNECT);
    let channel = cantle_transport::connect(&endpoint, target.tls.as_ref()).await.map_err(|error| {
        Failure::Running(
            anyhow::Error::from(error)
                .context(format!("no admin API answers at {}; is the node running?", target.address)),
        )
    })?;
    Ok(target.bearer.clone().over(channel))
}

/// Asks who it is. Another program's participant does not know this question; its identity has a name.
pub(crate) async fn describe(channel: AuthorizedChannel, address: &str) -> Result<Described, Failure> {
    match NodeServiceClient::new(channel.clone()).describe_node(DescribeNodeRequest {}).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            Ok(Described {
                kind: answer.kind,
                name: answer.name,
                uid: answer.unique_identifier,
                version: answer.version,
            })
        }
        Err(status) if status.code() == Code::Unimplemented => {
            let id = InitializationServiceClient::new(channel).get_id(()).await;
            let uid = id.map_err(|status| failed(address, &status))?.into_inner().unique_identifier;
            let name =
                uid.split("::").next().filter(|name| !name.is_empty()).unwrap_or("participant").to_owned();
            Ok(Described { kind: "participant".to_owned(), name, uid, version: String::new() })
        }
        Err(status) => Err(failed(address, &status)),
    }
}

/// A call that the node refused.
pub(crate) fn failed(address: &str, status: &Status) -> Failure {
    Failure::Running(anyhow::anyhow!("{address} answered {:?}: {}", status.code(), status.message()))
}
