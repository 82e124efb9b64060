//! A KMS, and nodes that use it, in this process: each node in a Region of its own, so that a fault strikes it alone.

use std::{
    net::IpAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Region},
};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use cantle_config::{Config, LoadOptions};
use cantle_kms_server::Server;
use cantle_node::{
    LogLevel, NodeEvent, NodeHandle, NodeState, Nodes, NodesOptions, SharedDnsResolver, StaticCredentials,
};

use super::rows::Row;
use crate::support::SOON;

/// The name of the KMS, which only [`Names`] knows.
const HOST: &str = "kms.test";
pub(crate) const PARTICIPANT: &str = "participant1";
pub(crate) const DOMAIN: &str = "mydomain";
pub(crate) const PEER: &str = "peer";

/// Gives the name of the KMS its address, but for so many times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<AtomicU64>);

impl Names {
    pub(crate) fn fail(&self, times: u64) {
        self.0.store(times, Ordering::SeqCst);
    }
}

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let fails =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let unknown = || Err(ResolveDnsError::new(format!("{name} has no address")));
        DnsFuture::ready(if fails || name != HOST {
            unknown()
        } else {
            Ok(vec![IpAddr::from([127, 0, 0, 1])])
        })
    }
}

/// The KMS of all nodes.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) kms: Server,
}

impl Site {
    /// The settings of a node's `crypto` that keep its keys in a Region of the KMS.
    fn settings(&self, options: LoadOptions, node: &str, region: &str, row: Row) -> LoadOptions {
        let kms = format!("{node}.crypto.kms");
        let endpoint = format!("http://{HOST}:{}", self.kms.address().port());
        let timeout = format!("{}s", row.request_timeout().as_secs());
        let options = options
            .setting(format!("{node}.crypto.provider"), "kms")
            .setting(format!("{kms}.type"), "aws")
            .setting(format!("{kms}.region"), region)
            .setting(format!("{kms}.endpoint-override"), endpoint)
            .setting(format!("{kms}.request-timeout"), timeout);
        // Each attempt fails in nine of ten cases, however long it waits: the delivered 20 are not always enough.
        let options = options.setting(format!("{kms}.retries.throttling.max-retries"), "100");
        ["failures", "throttling", "create-key-check"].iter().fold(options, |options, of| {
            options
                .setting(format!("{kms}.retries.{of}.initial-delay"), "10ms")
                .setting(format!("{kms}.retries.{of}.max-delay"), "50ms")
        })
    }

    /// A participant that makes its identity itself, or waits for the operator.
    pub(crate) fn participant(&self, region: &str, row: Row, auto_init: bool) -> Config {
        let node = format!("canton.participants.{PARTICIPANT}");
        let options = LoadOptions::default().setting(format!("{node}.init.auto-init"), auto_init.to_string());
        Config::load(&self.settings(options, &node, region, row)).unwrap().config
    }

    /// A sync domain with its keys in the KMS, and a participant with its keys in its store.
    pub(crate) fn domain(&self, region: &str, row: Row) -> Config {
        let node = format!("canton.domains.{DOMAIN}");
        let options = LoadOptions::default()
            .setting(format!("{node}.init.domain-parameters.protocol-version"), "7")
            .setting(format!("canton.participants.{PEER}.crypto.provider"), "jce");
        Config::load(&self.settings(options, &node, region, row)).unwrap().config
    }

    /// An AWS client of an operator.
    pub(crate) fn operator(&self, region: &str) -> Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(self.kms.endpoint())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .build();
        Client::from_conf(config)
    }

    /// Arms what a fault is for an operation, some times.
    pub(crate) fn arm(&self, row: Row, operation: &str, region: &str, names: &Names) {
        // What is asked first has no connection that could be reset.
        let needs_connection = row != Row::NoAddress || operation != "CreateKey";
        let fault = row.passing(operation, region).filter(|_| needs_connection);
        self.kms.change_faults(|armed| armed.extend(fault));
        names.fail(row.lookups());
    }

    pub(crate) fn disarm(&self, region: &str) {
        self.kms.change_faults(|armed| armed.retain(|fault| fault.region.as_deref() != Some(region)));
    }

    /// Whether all faults of a Region have struck as often as they were to.
    pub(crate) fn is_struck(&self, region: &str, names: &Names) -> bool {
        let mut left = 0;
        self.kms.change_faults(|armed| {
            let here = armed.iter().filter(|fault| fault.region.as_deref() == Some(region));
            left = here.filter(|fault| fault.count.is_some()).count();
        });
        left == 0 && names.0.load(Ordering::SeqCst) == 0
    }
}

/// No log level to be set.
#[derive(Debug)]
struct Unset;

impl LogLevel for Unset {
    fn set(&self, _: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// Running nodes, and the states that they were in.
#[derive(Debug)]
pub(crate) struct Running {
    nodes: Nodes,
    states: Arc<Mutex<Vec<NodeState>>>,
}

impl Running {
    pub(crate) async fn start(config: &Config, folder: &Path, names: &Names) -> Self {
        let states = Arc::<Mutex<Vec<NodeState>>>::default();
        let mut options = NodesOptions::new(folder.to_owned(), Arc::new(Unset));
        options.kms.credentials = Some(StaticCredentials::new("test", "test"));
        options.kms.resolver = Some(SharedDnsResolver::new(names.clone()));
        let seen = Arc::clone(&states);
        options.events = Arc::new(move |event| {
            if let NodeEvent::Changed { state, .. } = event {
                seen.lock().unwrap().push(state);
            }
        });
        let nodes = Nodes::start(config, options).await.unwrap();
        Self { nodes, states }
    }

    pub(crate) fn handle(&self, name: &str) -> NodeHandle {
        self.nodes.handles().into_iter().find(|handle| handle.node.name.as_str() == name).unwrap()
    }

    /// Waits for a state.
    pub(crate) async fn until(&self, name: &str, reached: impl Fn(&NodeState) -> bool) -> NodeState {
        let mut state = self.handle(name).state;
        let found = within("a state", state.wait_for(|state| reached(state))).await.unwrap();
        found.clone()
    }

    /// Its unique identifier, once it is ready.
    pub(crate) async fn ready(&self, name: &str) -> String {
        let state = self
            .until(name, |state| {
                assert!(!matches!(state, NodeState::Failed(_)), "{state:?}");
                matches!(state, NodeState::Ready(_))
            })
            .await;
        let NodeState::Ready(uid) = state else { unreachable!("it was waited for") };
        uid.to_string()
    }

    /// Whether the keys could not be used for a while.
    pub(crate) fn had_unusable_keys(&self) -> bool {
        self.states.lock().unwrap().iter().any(|state| matches!(state, NodeState::KeysUnusable(_)))
    }

    pub(crate) async fn stop(self) {
        within("an orderly end", self.nodes.shutdown()).await;
    }
}

/// Fails the test where something takes too long.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come within {SOON:?}"),
    }
}

/// Looks until something is so.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
