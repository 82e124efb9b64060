//! Whatever bytes come as a request: an answer or an error, never a panic, and the nodes go on.
//!
//! Every method that the descriptors have is called on every API of all five kinds of node, with requests that are made from
//! the descriptors (the shape is right, the values are anything), the same with bytes changed, and bytes of any kind. What is
//! sent is the same each time.

use std::{sync::Arc, time::Duration};

use cantle_proto::FILE_DESCRIPTOR_SET;
use cantle_testkit::{Random, Schema, call, methods};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::{Code, codegen::http::uri::PathAndQuery, transport::Channel};

use crate::support::{SIX, SOON, Workplace};

/// As long an answer is waited for: some commands wait for what never comes.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Requests of each method at each API.
const ROUNDS: u64 = 12;
const AT_ONCE: usize = 16;

/// Calls every method at one address; what was said of the node that no request may cause.
async fn hammer(address: String, descriptors: Arc<FileDescriptorSet>) -> Vec<String> {
    let schema = Arc::new(Schema::new(&descriptors));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let gate = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut calls = Vec::new();
    for (path, input) in methods(&descriptors) {
        for round in 0..ROUNDS {
            let (channel, schema, gate) = (channel.clone(), Arc::clone(&schema), Arc::clone(&gate));
            let (path, input, address) = (path.clone(), input.clone(), address.clone());
            calls.push(tokio::spawn(async move {
                let _place = gate.acquire().await.unwrap();
                let request = schema.request(&input, &mut Random::new(&path, round));
                let uri = PathAndQuery::try_from(path.as_str()).unwrap();
                let answered = tokio::time::timeout(PATIENCE, call(channel, uri, request.clone())).await;
                // Late is an answer, too. What a panic leaves behind is a connection that is gone.
                let status = answered.ok()?.err()?;
                // That a request is none is gRPC's own error, which no handler sees.
                let is_read = !status.message().starts_with("failed to decode Protobuf message");
                let is_wrong =
                    is_read && matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss);
                is_wrong.then(|| format!("{address}{path} {}: {status}", hex(&request)))
            }));
        }
    }
    let mut wrong = Vec::new();
    for call in calls {
        wrong.extend(call.await.unwrap());
    }
    wrong
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_makes_a_node_panic() {
    let workplace = Workplace::new(SIX);
    let config = workplace.write(
        "all.conf",
        "canton {
           domain-managers.manager { storage.type = memory, init.domain-parameters.protocol-version = 7 }
           sequencers.sequencer1.storage.type = memory
           mediators.mediator1.storage.type = memory
           domains.mydomain { storage.type = memory, init.domain-parameters.protocol-version = 7 }
           participants.participant1.storage.type = memory
         }",
    );
    let script = workplace.write(
        "found.canton",
        "manager.health.wait_for_identity()\n\
         manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))\n\
         participant1.domains.connect_local(sequencer1)\n\
         println(\"founded\")\n",
    );
    let mut command = workplace.cantle();
    command.arg("daemon").arg("-c").arg(&config).arg("--bootstrap").arg(&script);
    let mut daemon = cantle_testkit::Process::spawn(&mut command).unwrap();
    let mut addresses = Vec::new();
    for _ in 0..7 {
        let line = daemon.wait_for("listening: ", SOON).unwrap();
        addresses.push(line.rsplit(' ').next().unwrap().to_owned());
    }
    daemon.wait_for("founded", SOON).unwrap();

    let descriptors = Arc::new(FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap());
    assert!(methods(&descriptors).len() > 80, "all methods are there");
    let hammering =
        addresses.iter().map(|address| tokio::spawn(hammer(address.clone(), Arc::clone(&descriptors))));
    let hammering: Vec<_> = hammering.collect();
    let mut wrong = Vec::new();
    for hammered in hammering {
        wrong.extend(hammered.await.unwrap());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let finished = daemon.terminate(SOON).unwrap();
    let panics: Vec<&str> = finished.stderr.lines().filter(|line| line.contains("panicked at")).collect();
    assert!(panics.is_empty(), "{panics:#?}");
    assert!(finished.status.success(), "{:?}", finished.status);
}
