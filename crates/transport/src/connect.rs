//! Channels to servers, with TLS or without.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Error};
use tower::Service;

use crate::ClientTls;

/// How a client keeps a connection alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientKeepAlive {
    /// After this time without activity the server is asked.
    pub time: Duration,
    /// It has this long to answer.
    pub timeout: Duration,
    /// Whether it is asked without a call under way.
    pub without_calls: bool,
}

/// The endpoint of a server at a host and port; `https` where there is TLS.
///
/// # Errors
/// When host and port are none.
pub fn endpoint(
    host: &str,
    port: u16,
    tls: Option<&ClientTls>,
    keep_alive: Option<ClientKeepAlive>,
) -> Result<Endpoint, Error> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    // An IPv6 address needs its brackets in a URI.
    let bare = host.trim_matches(['[', ']']);
    let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{host}:{port}"))?.tcp_nodelay(true);
    if let Some(keep_alive) = keep_alive {
        endpoint = endpoint
            .http2_keep_alive_interval(keep_alive.time)
            .keep_alive_timeout(keep_alive.timeout)
            .keep_alive_while_idle(keep_alive.without_calls);
    }
    Ok(endpoint)
}

/// A channel that connects with its first call, and again after it was cut off.
///
/// Must be called within a Tokio runtime.
#[must_use]
pub fn channel(endpoint: &Endpoint, tls: Option<&ClientTls>) -> Channel {
    match tls {
        None => endpoint.connect_lazy(),
        Some(tls) => endpoint.connect_with_connector_lazy(Connector(tls.clone())),
    }
}

/// A channel that is connected.
///
/// # Errors
/// When the server cannot be reached, or is not trusted, or does not trust the client.
pub async fn connect(endpoint: &Endpoint, tls: Option<&ClientTls>) -> Result<Channel, Error> {
    match tls {
        None => endpoint.connect().await,
        Some(tls) => endpoint.connect_with_connector(Connector(tls.clone())).await,
    }
}

/// Connects with TLS, whatever the scheme of the URI.
#[derive(Clone)]
struct Connector(ClientTls);

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<TlsStream<TcpStream>>>> + Send>>;

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let connector = TlsConnector::from(self.0.0.clone());
        Box::pin(async move {
            let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{uri} {what}"));
            let host = uri.host().ok_or_else(|| wrong("has no host"))?.trim_matches(['[', ']']).to_owned();
            let port = uri.port_u16().ok_or_else(|| wrong("has no port"))?;
            let name = ServerName::try_from(host.clone()).map_err(|_| wrong("has a host that is no name"))?;
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(connector.connect(name, stream).await?))
        })
    }
}
