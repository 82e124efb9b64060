//! A signature through the node's crypto stack against a bare Sign of the AWS SDK: the same KMS, key and machine, by
//! turns in one run.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use aws_credential_types::Credentials;
use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Region},
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use cantle_config::{Config, LoadOptions};
use cantle_crypto::{Hash, HashPurpose, SigningPublicKey, digest};
use cantle_node::{StaticCredentials, connect_kms};
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_types::{Fingerprint, SystemClock};
use cantle_vault::{KeyRole, Vault, VaultBackend, VaultOptions};

use super::{Figures, count, median, process};

const SINGLE: usize = 1500;
const CALLERS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// Both ways to a signature with one KMS key.
#[derive(Clone)]
struct Ways {
    vault: Vault,
    fingerprint: Fingerprint,
    public: SigningPublicKey,
    client: Client,
    key: String,
    hash: Hash,
}

impl Ways {
    async fn stack(&self) -> anyhow::Result<()> {
        self.vault.sign(&self.hash, &self.fingerprint).await?;
        Ok(())
    }

    /// What checking a signature takes, in microseconds: the median of many.
    async fn verifying(&self) -> anyhow::Result<f64> {
        let signature = self.vault.sign(&self.hash, &self.fingerprint).await?;
        let mut times = Vec::new();
        for _ in 0..SINGLE {
            let started = Instant::now();
            self.public.verify_hash(&self.hash, &signature)?;
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(times))
    }

    async fn bare(&self) -> anyhow::Result<()> {
        self.client
            .sign()
            .key_id(&self.key)
            .message(Blob::new(self.hash.evidence()))
            .message_type(MessageType::Raw)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await?;
        Ok(())
    }
}

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (kms, endpoint) = process::kms_server(folder.path(), &[])?;
    let ways = ways(&endpoint).await?;

    // Both warm: connections, caches, the CPU.
    for _ in 0..200 {
        ways.stack().await?;
        ways.bare().await?;
    }
    let (mut stack, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..SINGLE {
        let started = Instant::now();
        ways.stack().await?;
        let between = Instant::now();
        ways.bare().await?;
        stack.push((between - started).as_secs_f64() * 1e6);
        bare.push(between.elapsed().as_secs_f64() * 1e6);
    }
    let (stack, bare) = (median(stack), median(bare));
    figures.at_most("signature, node over bare SDK: median latency, one caller", stack / bare, 1.10, "×");
    figures.only("  bare SDK", bare, "µs");
    let verifying = ways.verifying().await?;
    figures.only(
        "  checking the signature in software, which the node does and the SDK does not",
        verifying,
        "µs",
    );
    figures.only("  the same without that", (stack - verifying) / bare, "×");

    let (mut stack, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        stack.push(throughput(&ways, true).await?);
        bare.push(throughput(&ways, false).await?);
    }
    let (stack, bare) = (median(stack), median(bare));
    figures.at_least("signature, node over bare SDK: throughput, 64 callers", stack / bare, 0.95, "×");
    figures.only("  bare SDK", bare, "/s");
    let without = 1.0 / (1.0 / stack - verifying / 1e6 / processors());
    figures.only("  the same without checking signatures, both processors busy", without / bare, "×");
    kms.terminate(process::LONG)?;
    Ok(())
}

fn processors() -> f64 {
    count(std::thread::available_parallelism().map_or(1, usize::from))
}

async fn throughput(ways: &Ways, stack: bool) -> anyhow::Result<f64> {
    let end = Instant::now() + ROUND;
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let ways = ways.clone();
            tokio::spawn(async move {
                let mut signed = 0u32;
                while Instant::now() < end {
                    if stack {
                        ways.stack().await?
                    } else {
                        ways.bare().await?
                    }
                    signed += 1;
                }
                anyhow::Ok(signed)
            })
        })
        .collect();
    let mut signed = 0;
    for caller in callers {
        signed += caller.await??;
    }
    Ok(f64::from(signed) / started.elapsed().as_secs_f64())
}

async fn ways(endpoint: &str) -> anyhow::Result<Ways> {
    let node = NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse()? };
    let prefix = "canton.participants.participant1.crypto";
    let options = LoadOptions::default()
        .setting(format!("{prefix}.provider"), "kms")
        .setting(format!("{prefix}.kms.type"), "aws")
        .setting(format!("{prefix}.kms.region"), "us-east-1")
        .setting(format!("{prefix}.kms.endpoint-override"), endpoint);
    let config = Config::load(&options)?.config;
    let participant = config.participants.values().next().context("the configuration has a participant")?;
    let section = participant.node.crypto.kms.as_ref().context("the participant has a KMS")?;
    let kms = connect_kms(&node, section, Some(StaticCredentials::new("test", "test"))).await?;
    let store = SqliteStore::open(SqliteOptions {
        location: SqliteLocation::Memory,
        node: node.clone(),
        migrate: MigrateOnStart::Yes,
        access: Access::ReadWrite,
    })
    .await?;
    let options = VaultOptions::new(node, CryptoProvider::Kms);
    let vault =
        Vault::open(Arc::new(store), VaultBackend::Kms(kms.kms), options, Arc::new(SystemClock)).await?;
    let public = vault.generate_signing_key(None, None, KeyRole::Signing).await?;
    let info = vault.private_key(public.fingerprint()).await?.context("the key was just made")?;
    let credentials = Credentials::new("test", "test", None, None, "bench");
    let sdk = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .build();
    Ok(Ways {
        vault,
        fingerprint: public.fingerprint().clone(),
        public,
        client: Client::from_conf(sdk),
        key: info.kms.context("the key is in the KMS")?.kms_key_id,
        hash: digest(HashPurpose::TopologyTransactionSignature, b"bench"),
    })
}
