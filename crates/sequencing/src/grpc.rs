//! A sequencer over gRPC: Canton 2.10's public API, by the calls that its own members use.
//!
//! What is asked before authentication goes over a connection of its own, closed after the call; everything else over
//! one that stays. Endpoints are tried in turn: the next one only when nobody is at the last, or none that works. Nothing
//! is retried here beyond that; but when a connection breaks or nobody answers, what is asked next goes to the next one.
//! Invariants: no call is sent twice; a token leaves only in the metadata of the calls that need it; an answer that
//! cannot be read is an error.

mod answers;
mod calls;
mod status;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cantle_protocol::TraceContext;
use cantle_transport::{ClientKeepAlive, ClientTls, ClientTlsOptions, Trust, channel, endpoint};
use tonic::Request;
use tonic::metadata::{Ascii, Binary, MetadataValue};
use tonic::transport::{Channel, Endpoint as Target};

use crate::api::Caller;
use crate::connection::{Endpoint, SequencerConnection, TransportSecurity};
use crate::error::{ApiError, chain};

/// How calls are made. The defaults are those of Canton 2.10.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcOptions {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub call_timeout: Duration,
    /// How long an answer may take that is asked for before authentication.
    pub info_timeout: Duration,
    /// When the server is asked whether it is still there; never if `None`.
    pub keep_alive: Option<ClientKeepAlive>,
    /// The largest message that is taken, in bytes.
    pub max_message: usize,
}

impl Default for GrpcOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            call_timeout: Duration::from_secs(120),
            info_timeout: Duration::from_secs(30),
            keep_alive: Some(ClientKeepAlive {
                time: Duration::from_secs(40),
                timeout: Duration::from_secs(20),
                without_calls: false,
            }),
            max_message: 64 * 1024 * 1024,
        }
    }
}

/// A sequencer over gRPC. Connects when it is first called, and again whenever the connection is lost.
pub struct GrpcSequencer {
    connection: SequencerConnection,
    options: GrpcOptions,
    targets: Vec<Target>,
    tls: Option<ClientTls>,
    current: Arc<Mutex<Current>>,
}

/// The endpoint in use, and the connection to it.
struct Current {
    index: usize,
    channel: Option<Channel>,
}

impl Current {
    /// Goes on to the next of so many endpoints, unless another call has done so already.
    fn leave(current: &Mutex<Self>, index: usize, count: usize) {
        // Both fields are set together, so a panic elsewhere cannot have spoilt them.
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.index == index && count > 1 {
            *current = Self { index: (index + 1) % count, channel: None };
        }
    }
}

impl GrpcSequencer {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`ApiError::Configuration`] if an endpoint or a trusted certificate cannot be used.
    pub fn new(connection: SequencerConnection, options: GrpcOptions) -> Result<Self, ApiError> {
        let tls = tls(&connection)?;
        let endpoints = connection.endpoints().iter();
        let targets = endpoints.map(|at| target(&connection, at, tls.as_ref(), &options));
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            connection,
            options,
            targets,
            tls,
            current: Arc::new(Mutex::new(Current { index: 0, channel: None })),
        })
    }

    /// How it is reached.
    #[must_use]
    pub fn connection(&self) -> &SequencerConnection {
        &self.connection
    }

    /// Makes a call on the connection that stays, at the next endpoint if one cannot be reached.
    async fn call<T, F>(&self, make: impl Fn(Channel, String) -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut left = self.targets.len();
        loop {
            let (index, channel, endpoint) = self.channel();
            left -= 1;
            match make(channel, endpoint).await {
                Err(error) if error.is_of_endpoint() => {
                    self.leave(index);
                    if left == 0 {
                        return Err(error);
                    }
                    tracing::debug!(error = %chain(&error), "the next endpoint of the sequencer is tried");
                }
                Err(error) if error.is_of_connection() => {
                    self.leave(index);
                    return Err(error);
                }
                result => return result,
            }
        }
    }

    /// Makes a call on a connection of its own.
    async fn call_once<T, F>(&self, make: impl Fn(Channel, String) -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let first = self.current().index;
        let mut left = self.targets.len();
        loop {
            let target = &self.targets[(first + self.targets.len() - left) % self.targets.len()];
            left -= 1;
            match make(channel(target, self.tls.as_ref()), target.uri().to_string()).await {
                Err(error) if error.is_of_endpoint() && left > 0 => {}
                result => return result,
            }
        }
    }

    fn channel(&self) -> (usize, Channel, String) {
        let mut current = self.current();
        let target = &self.targets[current.index];
        let channel = current.channel.get_or_insert_with(|| channel(target, self.tls.as_ref())).clone();
        (current.index, channel, target.uri().to_string())
    }

    /// Goes on to the next endpoint, unless another call has done so already.
    fn leave(&self, index: usize) {
        Current::leave(&self.current, index, self.targets.len());
    }

    /// Leaves an endpoint when it is told that the connection to it broke.
    fn leaving(&self, endpoint: &str) -> impl Fn(&ApiError) + Send + use<> {
        let index = self.targets.iter().position(|target| *target.uri() == *endpoint);
        let (current, count) = (Arc::clone(&self.current), self.targets.len());
        move |error| {
            if let Some(index) = index.filter(|_| error.is_of_connection()) {
                Current::leave(&current, index, count);
            }
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        // Both fields are set together, so a panic elsewhere cannot have spoilt them.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for GrpcSequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcSequencer")
            .field("endpoints", &self.connection.endpoints())
            .finish_non_exhaustive()
    }
}

fn target(
    connection: &SequencerConnection,
    at: &Endpoint,
    tls: Option<&ClientTls>,
    options: &GrpcOptions,
) -> Result<Target, ApiError> {
    let target = endpoint(&at.host, at.port, tls, options.keep_alive);
    let target = target
        .map_err(|source| ApiError::Configuration { endpoint: connection.uri(at), source: source.into() })?;
    Ok(target.connect_timeout(options.connect_timeout))
}

/// The client's side of TLS, where the connection is with it.
fn tls(connection: &SequencerConnection) -> Result<Option<ClientTls>, ApiError> {
    let trust = match connection.security() {
        TransportSecurity::Plain => return Ok(None),
        TransportSecurity::Tls { custom_trust: None } => Trust::System,
        TransportSecurity::Tls { custom_trust: Some(pem) } => Trust::Pem(pem.clone()),
    };
    let options = ClientTlsOptions { trust, identity: None };
    let endpoint = connection.endpoints().first().map(|first| connection.uri(first)).unwrap_or_default();
    let tls = ClientTls::new(&options);
    tls.map(Some).map_err(|source| ApiError::Configuration { endpoint, source: source.into() })
}

/// The metadata that says who calls, and for which domain.
fn as_caller<T>(
    call: &'static str,
    message: T,
    caller: &Caller,
    trace: &TraceContext,
) -> Result<Request<T>, ApiError> {
    let mut request = traced(message, trace);
    let metadata = request.metadata_mut();
    metadata.insert("memberid", ascii(call, caller.member.as_str())?);
    metadata.insert("domainid", ascii(call, caller.domain.as_str())?);
    if let Some(token) = &caller.token {
        let mut value = MetadataValue::<Binary>::from_bytes(token.expose());
        value.set_sensitive(true);
        metadata.insert_bin("authtoken-bin", value);
    }
    Ok(request)
}

/// The metadata that says which trace a call belongs to.
fn traced<T>(message: T, trace: &TraceContext) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(value) = trace.traceparent().and_then(|parent| parent.parse::<MetadataValue<Ascii>>().ok()) {
        request.metadata_mut().insert("traceparent", value);
    }
    request
}

fn ascii(call: &'static str, text: &str) -> Result<MetadataValue<Ascii>, ApiError> {
    text.parse().map_err(|_| ApiError::Answer { call, what: format!("{text} cannot be sent as metadata") })
}
