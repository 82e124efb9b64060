//! What every gRPC server here has in common: keep-alive, and limits for what a client may ask of it.

use std::time::Duration;

use tonic::transport::Server;

/// Requests of one connection that are worked on at once.
const STREAMS_PER_CONNECTION: u32 = 256;
/// Canton's limit of a request's metadata, 8 KiB.
const MAX_METADATA: u32 = 8 << 10;

/// How a server keeps a connection alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerKeepAlive {
    /// After this time without activity the client is asked.
    pub time: Duration,
    /// It has this long to answer; then the connection is closed.
    pub timeout: Duration,
}

/// What a server does about its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerSettings {
    /// Keep-alive; `None` is without.
    pub keep_alive: Option<ServerKeepAlive>,
}

/// A server without services yet.
#[must_use]
pub fn server(settings: &ServerSettings) -> Server {
    let (time, timeout) = match settings.keep_alive {
        // Asking all the time would be no keep-alive but a flood.
        Some(keep_alive) if !keep_alive.time.is_zero() => (Some(keep_alive.time), Some(keep_alive.timeout)),
        _ => (None, None),
    };
    let server = Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_max_header_list_size(MAX_METADATA)
        .http2_keepalive_interval(time);
    match timeout {
        Some(timeout) => server.http2_keepalive_timeout(Some(timeout)),
        None => server,
    }
}
