//! A member that others could have written: `tests/clients/member.py`, which knows only the published protos, does what
//! participants do on the public API. `tests/clients/run` brings what it needs.

use std::path::Path;
use std::process::Stdio;

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPrivateKey, PublicKey, SigningKeyScheme,
    SigningPrivateKey, SigningPublicKey,
};
use cantle_simulation::{Cluster, ClusterOptions, in_time};
use cantle_topology::{
    ChangeOptions, NamespaceDelegation, OwnerToKeyMapping, ParticipantPermission, ParticipantState,
    RequestSide, SignedTopologyTransaction, TopologyChangeOp, TopologyMapping, TopologyTransaction,
    TrustLevel,
};
use cantle_types::{Namespace, ParticipantId, ProtocolVersion, UniqueIdentifier};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::chaos::{all_events, envelopes};

/// The member's process.
struct Member {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Member {
    fn start() -> Self {
        let python = std::env::var_os("CANTLE_PYTHON").expect("CANTLE_PYTHON names a python3 with grpcio");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/member.py");
        let mut command = Command::new(python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, said }
    }

    async fn tell(&mut self, what: &Value) {
        let stdin = self.process.stdin.as_mut().unwrap();
        stdin.write_all(format!("{what}\n").as_bytes()).await.unwrap();
    }

    /// The next thing that it says; its own complaint is on stderr.
    async fn says(&mut self) -> Value {
        let line = in_time("a word of the member", self.said.next_line()).await.unwrap();
        serde_json::from_str(&line.expect("the member did not fail, see its stderr")).unwrap()
    }
}

/// Brings a participant whose signing key somebody else has onto the domain.
async fn onboard(cluster: &Cluster, version: ProtocolVersion, key: SigningPublicKey) -> ParticipantId {
    let namespace = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
    let encryption = EncryptionPrivateKey::generate(EncryptionKeyScheme::Rsa2048OaepSha256).unwrap();
    let uid =
        UniqueIdentifier::new("elsewhere".parse().unwrap(), Namespace::new(namespace.fingerprint().clone()));
    let id = ParticipantId::new(uid);
    let owned =
        |key| TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: id.member().clone(), key });
    let state = |side| {
        let (domain, submission) = (cluster.domain.clone(), ParticipantPermission::Submission);
        let state = ParticipantState::new(side, domain, id.clone(), submission, TrustLevel::Ordinary);
        TopologyMapping::ParticipantState(state.unwrap())
    };
    let signed = |mapping| {
        let transaction = TopologyTransaction::add(mapping, version).unwrap();
        let signature = namespace.sign_hash(&transaction.hash()).unwrap();
        SignedTopologyTransaction::assemble(transaction, namespace.public().clone(), signature)
    };
    let shown = [
        signed(TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(namespace.public().clone()))),
        signed(owned(PublicKey::Signing(key))),
        signed(owned(PublicKey::Encryption(encryption.public().clone()))),
    ];
    let (wish, trust) = (signed(state(RequestSide::To)), state(RequestSide::From));
    let added = cluster.manager.run(|role| async move {
        for signed in shown {
            role.topology.add(signed).await.unwrap();
        }
        role.topology.authorize(TopologyChangeOp::Add, trust, None, ChangeOptions::default()).await.unwrap();
        role.topology.add(wish).await.unwrap();
    });
    added.await;
    let member = id.member().clone();
    let active = cluster.sequencer.run(|role| async move {
        while role.sequencer().verify_active(&member) != Some(true) {
            tokio::task::yield_now().await;
        }
    });
    in_time("the onboarding", active).await;
    cluster.silence().await;
    id
}

async fn live(version: ProtocolVersion) {
    let cluster = Cluster::start(ClusterOptions { participants: 1, ..ClusterOptions::new(version) }).await;
    let mut member = Member::start();
    let public = member.says().await;
    let public = hex::decode(public["public_key"].as_str().unwrap()).unwrap();
    let key = SigningPublicKey::new(CryptoKeyFormat::Der, public, SigningKeyScheme::EcDsaP256).unwrap();
    let id = onboard(&cluster, version, key.clone()).await;
    let line = cluster.network.line().await;
    let sequencer = cluster.sequencer.run(|role| async move { role.sequencer().signing_keys() }).await;
    let known = cluster.events().await[id.member()];
    member
        .tell(&json!({
            "address": line.uri().trim_start_matches("http://"),
            "member": id.to_string(),
            "fingerprint": key.fingerprint().to_string(),
            "domain": cluster.domain.to_string(),
            "version": version.semantic(),
            "other": cluster.participant(0).to_string(),
            "sequencer_key": hex::encode(sequencer[0].bytes()),
            "caught_up": known - 1,
        }))
        .await;
    for step in ["connected", "authenticated"] {
        assert_eq!(member.says().await["step"], step);
    }
    let subscribed = member.says().await;
    assert_eq!((&subscribed["step"], &subscribed["events"]), (&json!("subscribed"), &json!(known)));
    let sent = member.says().await;
    assert_eq!(sent["step"], "sent");
    assert_eq!(member.says().await["step"], "refused");
    let acknowledged = member.says().await;
    assert_eq!(acknowledged["step"], "acknowledged");
    assert_eq!(member.says().await["step"], "done");
    assert!(in_time("its end", member.process.wait()).await.unwrap().success());

    let events = all_events(&cluster).await;
    let heard = events[cluster.participant(0).member()].iter().flat_map(envelopes);
    assert_eq!(heard.filter(|(_, content)| content == b"hello from elsewhere").count(), 1);
    let status = cluster.sequencer.run(|role| async move { role.sequencer().status().await.unwrap() }).await;
    let own = status.members.iter().find(|status| status.member == *id.member()).unwrap();
    assert_eq!(own.events, known + 2, "what was refused left no event");
    let up_to = own.acknowledged.unwrap();
    assert_eq!(acknowledged["seconds"], up_to.as_second());
    assert_eq!(acknowledged["nanos"], up_to.subsec_nanosecond());
    // What the foreign member sent means nothing to a participant, and disturbs it in nothing.
    cluster.must_ping(0, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs python3 with grpcio, which tests/clients/run brings"]
async fn a_member_in_another_language_authenticates_sends_hears_and_acknowledges() {
    for version in ProtocolVersion::ALL {
        live(version).await;
    }
}
