//! Pings between two participants of an embedded domain, the three nodes in one process: what one costs in KMS round trips
//! and requests, how long it takes with software keys, how many there are a second, and what the process holds after many.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use cantle_proto::participant::admin::v0::{
    PingRequest, ping_response::Response, ping_service_client::PingServiceClient,
};
use cantle_testkit::Process;
use serde_json::Value;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{Figures, count, load, median, process};

const DOMAIN: (&str, &str) = ("domains", "mydomain");
const PARTICIPANTS: [(&str, &str); 2] = [("participants", "participant1"), ("participants", "participant2")];
const CONNECT: &str = "\
participant1.domains.connect_local(mydomain)
participant2.domains.connect_local(mydomain)
participant1.health.ping(participant2)
";

/// Where the daemon writes its ports.
const PORTS: &str = "ports.json";

/// What the KMS takes for each request.
const LATENCY: Duration = Duration::from_millis(20);
/// Longer than session keys are kept.
const COLD_AFTER: Duration = Duration::from_secs(11);
const COLD: usize = 5;
const ROUND_TRIPS: usize = 25;
const WARM: usize = 20;
const SINGLE: usize = 200;
const SIDE_BY_SIDE: usize = 32;
const MANY: usize = 10_000;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    in_kms(figures).await?;
    in_software(figures).await
}

/// With all keys in a KMS that takes its time.
async fn in_kms(figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let latency = format!("{}ms", LATENCY.as_millis());
    let (kms, endpoint) = process::kms_server(folder.path(), &["--latency", &latency])?;
    let crypto = format!(
        "crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, endpoint-override = \"{endpoint}\" }} }}"
    );
    let mut domain = Domain::start(folder.path(), &crypto).await?;
    let round_trip = round_trip(&endpoint)?;
    figures.only(
        "a round trip to a KMS that takes 20 ms: a bare request",
        round_trip.as_secs_f64() * 1e3,
        "ms",
    );
    let (mut times, mut signed, mut decrypted) = (Vec::new(), Vec::new(), Vec::new());
    tokio::time::sleep(COLD_AFTER).await;
    for _ in 0..COLD {
        let before = Requests::of(&endpoint)?;
        times.push(domain.ping().await?.div_duration_f64(round_trip));
        // Its third transaction is concluded after the pong.
        tokio::time::sleep(COLD_AFTER).await;
        let after = Requests::of(&endpoint)?;
        signed.push(after.sign - before.sign);
        decrypted.push(after.decrypt - before.decrypt);
    }
    figures.at_most("ping, no session key cached: KMS round trips", median(times), 22.0, "");
    figures.at_most("  Sign", median(signed), 50.0, "");
    figures.at_most("  Decrypt", median(decrypted), 6.0, "");

    domain.ping().await?;
    let before = Requests::of(&endpoint)?;
    let mut times = Vec::new();
    for _ in 0..WARM {
        times.push(domain.ping().await?.div_duration_f64(round_trip));
    }
    let after = Requests::of(&endpoint)?;
    figures.only("ping, session keys cached: KMS round trips", median(times), "");
    figures.only("  Sign", (after.sign - before.sign) / count(WARM), "");
    figures.at_most("  Decrypt", (after.decrypt - before.decrypt) / count(WARM), 0.0, "");
    domain.stop()?;
    kms.terminate(process::LONG)?;
    Ok(())
}

/// What a request takes that is signed beforehand and sent over an open connection: the latency that is asked for, and how exactly
/// the server keeps it.
fn round_trip(endpoint: &str) -> anyhow::Result<Duration> {
    let address = address(endpoint)?;
    let request = load::request(address, "ListKeys", &serde_json::json!({}))?;
    let mut connection = load::Connection::open(address)?;
    let mut times = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let started = Instant::now();
        connection.exchange(&request)?;
        times.push(started.elapsed().as_secs_f64());
    }
    Ok(Duration::from_secs_f64(median(times)))
}

fn address(endpoint: &str) -> anyhow::Result<SocketAddr> {
    Ok(endpoint.trim_start_matches("http://").trim_end_matches('/').parse()?)
}

/// With keys in the store.
async fn in_software(figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut domain = Domain::start(folder.path(), "crypto.provider = jce").await?;
    figures.at_most(
        "domain and two participants with identities: ready",
        domain.ready.as_secs_f64() * 1000.0,
        1000.0,
        "ms",
    );
    let mut times = Vec::new();
    for _ in 0..SINGLE {
        times.push(domain.ping().await?.as_secs_f64() * 1000.0);
    }
    figures.at_most("ping, keys of provider jce: median", median(times), 25.0, "ms");

    let (started, used) = (Instant::now(), domain.cpu()?);
    domain.pings(MANY).await?;
    let (took, used) = (started.elapsed(), domain.cpu()? - used);
    figures.at_least("pings with 32 at once", count(MANY) / took.as_secs_f64(), 200.0, "1/s");
    figures.at_most("  CPU a ping", used.as_secs_f64() * 1000.0 / count(MANY), 15.0, "ms");
    figures.at_most(
        "  resident memory after 10,000 pings",
        process::resident(domain.process.id())?,
        120.0,
        "MB",
    );
    domain.stop()
}

/// A domain and two participants in a process, connected.
struct Domain {
    process: Process,
    ready: Duration,
    client: PingServiceClient<Channel>,
    /// The uid of the participant that is pinged.
    target: String,
}

impl Domain {
    /// Makes the nodes, connects them, and starts them again.
    async fn start(folder: &Path, crypto: &str) -> anyhow::Result<Self> {
        let mut text = format!(
            "canton.parameters.ports-file = {PORTS}\ncanton.domains.mydomain.init.domain-parameters.protocol-version = 7\n"
        );
        for (kind, name) in [DOMAIN].into_iter().chain(PARTICIPANTS) {
            text += &format!("canton.{kind}.{name} {{ {crypto} }}\n");
        }
        let (config, script) = (folder.join("domain.conf"), folder.join("connect.canton"));
        fs::write(&config, text)?;
        fs::write(&script, CONNECT)?;
        let mut command = process::cantle(folder)?;
        command.arg("run").arg(&script).arg("-c").arg(&config);
        let made = Process::spawn(&mut command)?.finish(process::LONG)?;
        if !made.status.success() {
            bail!("the nodes were not connected:\n{}", made.stderr);
        }

        let mut command = process::cantle(folder)?;
        command.arg("daemon").arg("-c").arg(&config);
        let started = Instant::now();
        let mut process = Process::spawn(&mut command)?;
        let mut target = None;
        for _ in 0..3 {
            let line = process.wait_for("ready: ", process::LONG)?;
            if line.contains("participant participant2") {
                target = line.rsplit(' ').next().map(str::to_owned);
            }
        }
        let ready = started.elapsed();
        let ports: Value = serde_json::from_str(&fs::read_to_string(folder.join(PORTS))?)?;
        let port = ports["participant1"]["adminApi"].as_u64().context("participant1 has an admin API")?;
        let client = PingServiceClient::connect(format!("http://127.0.0.1:{port}")).await?;
        let mut domain = Self { process, ready, client, target: target.context("participant2 is ready")? };
        // Whoever was connected before connects again by itself.
        let until = Instant::now() + process::LONG;
        while let Err(error) = domain.ping().await {
            if Instant::now() > until {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(domain)
    }

    async fn ping(&mut self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        ping(self.client.clone(), self.target.clone()).await?;
        Ok(started.elapsed())
    }

    /// Many pings, so many of them at once.
    async fn pings(&self, many: usize) -> anyhow::Result<()> {
        let mut under_way = JoinSet::new();
        for _ in 0..many {
            if under_way.len() == SIDE_BY_SIDE {
                under_way.join_next().await.context("there are some")???;
            }
            under_way.spawn(ping(self.client.clone(), self.target.clone()));
        }
        while let Some(done) = under_way.join_next().await {
            done??;
        }
        Ok(())
    }

    /// What the process has used of the processors.
    fn cpu(&self) -> anyhow::Result<Duration> {
        /// Linux counts in hundredths of a second for everybody.
        const TICK: Duration = Duration::from_millis(10);
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name of the program, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(") ").context("the name of the program")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
        Ok(TICK * ticks.sum::<Result<u32, _>>()?)
    }

    fn stop(self) -> anyhow::Result<()> {
        self.process.terminate(process::LONG)?;
        Ok(())
    }
}

async fn ping(mut client: PingServiceClient<Channel>, target: String) -> anyhow::Result<()> {
    let timeout_milliseconds = u64::try_from(process::LONG.as_millis())?;
    let request =
        PingRequest { target_parties: vec![target], timeout_milliseconds, ..PingRequest::default() };
    match client.ping(request).await?.into_inner().response {
        Some(Response::Success(_)) => Ok(()),
        other => bail!("the ping failed: {other:?}"),
    }
}

/// What a KMS was asked for.
struct Requests {
    sign: f64,
    decrypt: f64,
}

impl Requests {
    /// As the server's admin endpoint counts.
    fn of(endpoint: &str) -> anyhow::Result<Self> {
        let address = address(endpoint)?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(process::LONG))?;
        write!(stream, "GET /_cantle/counts HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the answer has a body")?;
        let counts: Value = serde_json::from_str(body)?;
        let of = |operation: &str| counts["operations"][operation]["Success"].as_f64().unwrap_or(0.0);
        Ok(Self { sign: of("Sign"), decrypt: of("Decrypt") })
    }
}
