//! The APIs of running nodes, over gRPC: each method of the admin APIs and of a domain's public API.
//!
//! An input is [`AT_ONCE`] calls, made side by side: each the number of an address, that of a method, the length of the
//! request and its bytes. A call that takes long is left alone. What a handler that panics leaves behind is a connection that is gone, or an answer that no handler gives.

use std::{
    error::Error,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Context;
use cantle_config::{Config, LoadOptions};
use cantle_node::{LogLevel, NodeState, Nodes, NodesOptions};
use cantle_proto::FILE_DESCRIPTOR_SET;
use cantle_testkit::{Random, Schema, call, methods};
use futures::future::join_all;
use prost::Message;
use prost_types::FileDescriptorSet;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::{Code, codegen::http::uri::PathAndQuery, transport::Channel};

use super::Target;
use crate::fuzz::{
    corpus::Corpus,
    mutate::{self, Form},
};

/// How long an answer is waited for: some commands wait for what never comes.
const PATIENCE: Duration = Duration::from_millis(250);
/// Calls of an input.
const AT_ONCE: usize = 128;
/// Longer requests are cut.
const LONGEST: usize = 4096;
const START: Duration = Duration::from_secs(60);

/// Panics of any thread: those of a server's tasks are seen nowhere else.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Nodes in this process, all without a disk.
pub(super) struct Apis {
    runtime: Runtime,
    // Held while the nodes run.
    _nodes: Nodes,
    _folder: TempDir,
    channels: Vec<Channel>,
    methods: Vec<(String, String)>,
    schema: Schema,
}

impl Apis {
    pub(super) fn start() -> anyhow::Result<Self> {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            told(panic);
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut options = LoadOptions::default();
        for (kind, name) in [
            ("domains", "mydomain"),
            ("participants", "participant1"),
            ("domain-managers", "manager"),
            ("sequencers", "sequencer1"),
            ("mediators", "mediator1"),
        ] {
            let node = format!("canton.{kind}.{name}");
            options = options.setting(format!("{node}.storage.type"), "memory");
            if kind.starts_with("domain") {
                options = options.setting(format!("{node}.init.domain-parameters.protocol-version"), "7");
            }
        }
        let config = Config::load(&options)?.config;
        let folder = tempfile::tempdir()?;
        let options = NodesOptions::new(folder.path().to_owned(), Arc::new(Fixed));
        let (nodes, channels) = runtime.block_on(async {
            let nodes = Nodes::start(&config, options).await?;
            let handles = nodes.handles();
            let domain =
                handles.iter().find(|node| node.node.name.as_str() == "mydomain").context("the domain")?;
            let mut state = domain.state.clone();
            let ready = state.wait_for(|state| matches!(state, NodeState::Ready(_)));
            tokio::time::timeout(START, ready).await??;
            let addresses = handles.iter().flat_map(|node| [Some(node.admin_address), node.public_address]);
            let channels = addresses
                .flatten()
                .map(|address| Ok(Channel::from_shared(format!("http://{address}"))?.connect_lazy()))
                .collect::<anyhow::Result<Vec<_>>>()?;
            anyhow::Ok((nodes, channels))
        })?;
        let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)?;
        let (methods, schema) = (methods(&descriptors), Schema::new(&descriptors));
        Ok(Self { runtime, _nodes: nodes, _folder: folder, channels, methods, schema })
    }
}

impl Target for Apis {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        Ok(Corpus::default())
    }

    fn form(&self) -> Form {
        Form::Wire
    }

    fn input(&self, _: &Corpus, random: &mut Random) -> Vec<u8> {
        let mut input = Vec::new();
        for _ in 0..AT_ONCE {
            let (address, method) = (random.below(self.channels.len()), random.below(self.methods.len()));
            let mut request = self.schema.request(&self.methods[method].1, random);
            if random.below(4) == 0 {
                let own = [request].into_iter().collect();
                request = mutate::input(&own, Form::Wire, random);
            }
            request.truncate(LONGEST);
            let [low, high, ..] = request.len().to_le_bytes();
            input.extend([address.to_le_bytes()[0], method.to_le_bytes()[0], low, high]);
            input.extend(request);
        }
        input
    }

    fn run(&mut self, mut input: &[u8]) -> bool {
        let before = PANICS.load(Ordering::SeqCst);
        let mut calls = Vec::new();
        while let [address, method, low, high, rest @ ..] = input {
            let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
            let (request, rest) = rest.split_at(length);
            calls.push(self.answered(*address, *method, request.to_vec()));
            input = rest;
        }
        let answered = self.runtime.block_on(join_all(calls));
        assert_eq!(PANICS.load(Ordering::SeqCst), before, "a node panicked");
        answered.contains(&true)
    }
}

impl Apis {
    /// Calls a method; answers whether that succeeded.
    fn answered(&self, address: u8, method: u8, request: Vec<u8>) -> impl Future<Output = bool> + use<> {
        let channel = self.channels[usize::from(address) % self.channels.len()].clone();
        let path = self.methods[usize::from(method) % self.methods.len()].0.clone();
        async move {
            let uri = PathAndQuery::try_from(path.as_str()).expect("the name of a method is a path");
            let Ok(answered) = tokio::time::timeout(PATIENCE, call(channel, uri, request)).await else {
                return false;
            };
            if let Err(status) = &answered {
                // That a request is none is gRPC's own error, which no handler sees.
                let is_read = !status.message().starts_with("failed to decode Protobuf message");
                // Calls that are cut off too often end their connection, as they should: an error with a cause here.
                let is_answer = status.source().is_none();
                let is_wrong = matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss);
                assert!(!is_read || !is_answer || !is_wrong, "{path}: {status}");
            }
            answered.is_ok()
        }
    }
}

/// A log level that stays.
#[derive(Debug)]
struct Fixed;

impl LogLevel for Fixed {
    fn set(&self, _: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}
