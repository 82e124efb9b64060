//! What every gRPC server here has in common: keep-alive, and limits for what a client may ask of it.

use std::time::Duration;

use http::Request;
use tonic::transport::Server;
use tracing::{Span, info_span};

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

/// A server of a node, without services yet. What is logged within a call says of which node, method and trace it is.
#[must_use]
pub fn server(settings: &ServerSettings, node: &str) -> Server {
    let node = node.to_owned();
    let (time, timeout) = match settings.keep_alive {
        // Asking all the time would be no keep-alive but a flood.
        Some(keep_alive) if !keep_alive.time.is_zero() => (Some(keep_alive.time), Some(keep_alive.timeout)),
        _ => (None, None),
    };
    let server = Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_max_header_list_size(MAX_METADATA)
        .http2_keepalive_interval(time)
        .trace_fn(move |request| call_span(&node, request));
    match timeout {
        Some(timeout) => server.http2_keepalive_timeout(Some(timeout)),
        None => server,
    }
}

/// Characters of a method's name that are logged: whoever calls chooses it.
const LONGEST_METHOD: usize = 120;

fn call_span(node: &str, request: &Request<()>) -> Span {
    let method: String = request.uri().path().trim_start_matches('/').chars().take(LONGEST_METHOD).collect();
    let trace_id = request.headers().get("traceparent").and_then(|value| trace_id(value.to_str().ok()?));
    match trace_id {
        Some(trace_id) => info_span!("call", node, method, trace_id),
        // Its lines belong together all the same, by their span.
        None => info_span!("call", node, method),
    }
}

/// The trace of a caller's `traceparent`: 32 hexadecimal digits between the version and the span.
///
/// Source: <https://www.w3.org/TR/trace-context/#traceparent-header>.
fn trace_id(traceparent: &str) -> Option<&str> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_read_where_they_are_some() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(trace_id(&format!("00-{id}-b7ad6b7169203331-01")), Some(id));
        for wrong in ["", "00", "00-", "00-xyz-b7ad6b7169203331-01", &format!("00-{id}0-1-01")] {
            assert_eq!(trace_id(wrong), None, "{wrong}");
        }
    }
}
