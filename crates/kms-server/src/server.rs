//! The server: what it is started with, starting and stopping it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    audit::Audit,
    auth::{callers::Callers, credentials::Credentials, file::is_account, sigv4::Verifier},
    counts::{Counts, RequestCounts},
    faults::{Fault, Faults, FaultsError},
    http::{handler, listener},
    keys::{material::random_bytes, spare::Spare},
    limits::{Limits, RateLimits},
    service::{Clock, Service},
    state::{log::StateError, store::Store},
    watch::{Arrived, KeyView, Observer},
};

/// Whether requests must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// Signature Version 4 is checked.
    #[default]
    SigV4,
    /// Anybody may call; the access key, if it is a known one, only says who.
    None,
}

/// Time added to every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Latency {
    /// None.
    #[default]
    None,
    /// Always the same: `50ms`.
    Fixed(Duration),
    /// Evenly spread: `20ms..80ms`.
    Uniform {
        /// At least.
        min: Duration,
        /// At most.
        max: Duration,
    },
    /// Log-normal, like a network's: `p50=10ms,p99=80ms`.
    LogNormal {
        /// Half of the requests take less.
        median: Duration,
        /// One in a hundred takes more.
        p99: Duration,
    },
}

impl FromStr for Latency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "latency is like `50ms`, `20ms..80ms` or `p50=10ms,p99=80ms`";
        if text == "0" || text == "none" {
            return Ok(Self::None);
        }
        if let Some((median, p99)) = text.strip_prefix("p50=").and_then(|rest| rest.split_once(",p99=")) {
            let (median, p99) = (duration(median).ok_or(FORM)?, duration(p99).ok_or(FORM)?);
            return (median <= p99 && !median.is_zero())
                .then_some(Self::LogNormal { median, p99 })
                .ok_or(FORM);
        }
        if let Some((min, max)) = text.split_once("..") {
            let (min, max) = (duration(min).ok_or(FORM)?, duration(max).ok_or(FORM)?);
            return (min <= max).then_some(Self::Uniform { min, max }).ok_or(FORM);
        }
        duration(text).map(Self::Fixed).ok_or(FORM)
    }
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "us" | "µs" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| *duration <= Duration::from_secs(3600))
}

impl Latency {
    /// The time for one answer.
    pub(crate) fn draw(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(fixed) => fixed,
            Self::Uniform { min, max } => min + (max - min).mul_f64(unit_random()),
            Self::LogNormal { median, p99 } => {
                let sigma = (p99.as_secs_f64() / median.as_secs_f64()).ln() / 2.326;
                let (first, second) = (unit_random().max(1e-12), unit_random());
                let normal = (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos();
                median.mul_f64((sigma * normal).exp().min(1000.0))
            }
        }
    }
}

/// A random number from 0 to 1.
fn unit_random() -> f64 {
    let bytes = random_bytes(4).and_then(|bytes| <[u8; 4]>::try_from(bytes.as_slice()).ok());
    f64::from(bytes.map_or(0, u32::from_le_bytes)) / f64::from(u32::MAX)
}

/// What a server is started with. The default listens on a port of the system's choice on 127.0.0.1, keeps its state
/// in memory, and knows the caller `test` with the secret `test`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// The state file; none keeps the state in memory.
    pub data: Option<PathBuf>,
    /// The Region of requests that name none, that is, of unsigned ones.
    pub region: String,
    /// The Regions played; empty plays every one.
    pub regions: Vec<String>,
    /// The account of callers without one, 12 digits.
    pub account: String,
    /// Who may call.
    pub credentials: Credentials,
    /// Whether requests must be signed.
    pub auth: Authentication,
    /// Time added to every answer.
    pub latency: Latency,
    /// Whether AWS's request quotas hold.
    pub rate_limits: RateLimits,
    /// Faults from the start: a JSON list of [`Fault`].
    pub faults: Option<PathBuf>,
    /// Where to append a record of requests, as JSON lines.
    pub audit: Option<PathBuf>,
    /// Told of each request when it is answered.
    pub observer: Option<Observer>,
    /// How long a new key is unknown to other requests: AWS's eventual consistency.
    pub replication_delay: Duration,
    /// Connections at once; more wait.
    pub max_connections: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: None,
            region: "us-east-1".to_owned(),
            regions: Vec::new(),
            account: "000000000000".to_owned(),
            credentials: Credentials::default_test(),
            auth: Authentication::SigV4,
            latency: Latency::None,
            rate_limits: RateLimits::Off,
            faults: None,
            audit: None,
            observer: None,
            replication_delay: Duration::ZERO,
            max_connections: 1024,
        }
    }
}

/// A server that did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The state file cannot be used.
    #[error("the state cannot be opened")]
    State(#[source] StateError),
    /// The faults file cannot be used.
    #[error("the faults cannot be read")]
    Faults(#[source] FaultsError),
    /// The audit file cannot be opened.
    #[error("cannot write the record of requests to {}", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An account is not 12 digits.
    #[error("an account has 12 digits, which {account:?} has not")]
    Account {
        /// What was given.
        account: String,
    },
    /// There is nobody who could call.
    #[error("there are no callers")]
    NoCallers,
    /// The system has no random numbers.
    #[error("the system's random source failed")]
    Random,
}

/// The connection of a request was reset, or its answer broken off, as a fault asks.
#[derive(Debug, thiserror::Error)]
#[error("the connection was reset as a fault asks")]
pub struct ConnectionReset;

/// A running server. Dropping it stops it without waiting; [`Server::shutdown`] waits.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
}

impl Server {
    /// Starts a server in the current Tokio runtime. It answers from when this returns.
    ///
    /// # Errors
    /// [`StartError`] names the file, address or option that cannot be used.
    pub async fn start(options: ServerOptions) -> Result<Self, StartError> {
        if !is_account(&options.account) {
            return Err(StartError::Account { account: options.account });
        }
        let callers = Callers::new(&options.credentials, &options.account).ok_or(StartError::NoCallers)?;
        let faults = match &options.faults {
            Some(path) => Faults::from_file(path).map_err(StartError::Faults)?,
            None => Faults::default(),
        };
        let audit = match &options.audit {
            Some(path) => {
                Some(Audit::open(path).map_err(|source| StartError::Audit { path: path.clone(), source })?)
            }
            None => None,
        };
        let store = match options.data.clone() {
            Some(path) => {
                let opened = tokio::task::spawn_blocking(move || Store::open(&path)).await;
                opened.map_err(|_| StartError::Random)?.map_err(StartError::State)?
            }
            None => Store::in_memory().ok_or(StartError::Random)?,
        };
        let listen = |source| StartError::Listen { address: options.address, source };
        let listener = TcpListener::bind(options.address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let service = Arc::new(Service {
            store,
            callers,
            verifier: Verifier::default(),
            spare: Spare::default(),
            clock: Clock::default(),
            default_region: options.region,
            regions: options.regions,
            authentication: options.auth,
            latency: options.latency,
            replication_delay: options.replication_delay,
            limits: Limits::new(options.rate_limits),
            faults,
            counts: Counts::default(),
            audit,
            observer: options.observer,
        });
        service.spare.refill();
        let (stop, stopped) = watch::channel(false);
        let listening =
            tokio::spawn(listener::run(Arc::clone(&service), listener, stopped, options.max_connections));
        Ok(Self { address, service, stop, listening })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for AWS clients: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each operation was called, whatever came of it.
    #[must_use]
    pub fn request_counts(&self) -> BTreeMap<String, u64> {
        self.service.request_counts()
    }

    /// How often each operation was called, by outcome and by key.
    #[must_use]
    pub fn request_counts_in_detail(&self) -> RequestCounts {
        self.service.counts.snapshot()
    }

    /// The server's keys, to be looked at without a request.
    #[must_use]
    pub fn keys(&self) -> KeyView {
        KeyView::of(&self.service)
    }

    /// Sets all counts to nothing.
    pub fn reset_request_counts(&self) {
        self.service.counts.reset();
    }

    /// Replaces the armed faults.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.service.faults.set(faults.into_iter().collect());
    }

    /// Answers a request that came another way than over a connection, as if one of this machine had brought it.
    ///
    /// # Errors
    /// [`ConnectionReset`] where a fault resets the connection.
    pub async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ConnectionReset> {
        let (parts, body) = request.into_parts();
        let (service, arrived) = (Arc::clone(&self.service), Arrived::now());
        let request_id = uuid::Uuid::new_v4().to_string();
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        let reset = AtomicBool::new(false);
        let answered = handler::whole(service, parts, body, peer, &reset, arrived, request_id).await;
        let (parts, body) = answered.map_err(|_| ConnectionReset)?.into_parts();
        let body = body.collect().await.map_err(|_| ConnectionReset)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    /// Changes the armed faults, or looks at them: those whose count is used up are gone.
    pub fn change_faults(&self, change: impl FnOnce(&mut Vec<Fault>)) {
        self.service.faults.change(change);
    }

    /// Moves the time that keys live in forward: waiting periods, expiry, rotation. Signatures keep the real time.
    pub fn advance_clock(&self, by: Duration) {
        self.service.clock.advance(by);
    }

    /// What the requests share, for tests of the operations.
    #[cfg(test)]
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Stops accepting, lets requests under way finish (up to 5 s), writes what is left.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // An error means that the task is gone, which is what is wanted.
        drop((&mut self.listening).await);
        let service = Arc::clone(&self.service);
        drop(tokio::task::spawn_blocking(move || service.store.close()).await);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_parse() {
        let ms = Duration::from_millis;
        assert_eq!("50ms".parse(), Ok(Latency::Fixed(ms(50))));
        assert_eq!("1.5s".parse(), Ok(Latency::Fixed(ms(1500))));
        assert_eq!("20ms..80ms".parse(), Ok(Latency::Uniform { min: ms(20), max: ms(80) }));
        assert_eq!("p50=10ms,p99=80ms".parse(), Ok(Latency::LogNormal { median: ms(10), p99: ms(80) }));
        for wrong in ["", "50", "80ms..20ms", "p50=0ms,p99=1ms", "-5ms", "1e99s"] {
            assert!(wrong.parse::<Latency>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn draws_stay_in_range() {
        let ms = Duration::from_millis;
        for _ in 0..1000 {
            let drawn = Latency::Uniform { min: ms(20), max: ms(80) }.draw();
            assert!(drawn >= ms(20) && drawn <= ms(80));
        }
        let spread = Latency::LogNormal { median: ms(10), p99: ms(80) };
        let below = (0..1000).filter(|_| spread.draw() < ms(10)).count();
        assert!((350..650).contains(&below), "{below}");
    }
}
