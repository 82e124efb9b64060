//! The sandbox's page over HTTP, for browsers on this machine.
//!
//! Listens on 127.0.0.1 alone. A web page from elsewhere can make a browser send requests here, so each must name this
//! server as its host (or a foreign name could be made to point here), and whatever changes something must come from this
//! page itself. Nothing shown is a secret, and the page may load nothing but what is here.
//! Source: <https://fetch.spec.whatwg.org/#origin-header>, <https://www.w3.org/TR/fetch-metadata/>, <https://www.w3.org/TR/CSP3/>

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response, Sse, sse::KeepAlive},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{look::Look, stream};
use crate::failure::Failure;

/// Pages open at once.
const PAGES: usize = 32;
/// Pings under way at once that the page asked for.
const PINGS: usize = 16;
/// The longest request.
const LONGEST: usize = 1024;
/// How long open pages are given to hear that the sandbox stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the page consists of: path, type, contents.
const FILES: &[(&str, &str, &str)] = &[
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/sandbox.js", "text/javascript; charset=utf-8", include_str!("page/sandbox.js")),
    ("/tables.js", "text/javascript; charset=utf-8", include_str!("page/tables.js")),
    ("/chart.js", "text/javascript; charset=utf-8", include_str!("page/chart.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// On every answer.
static HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The page's server.
#[derive(Debug)]
pub(super) struct Page {
    url: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct Shared {
    look: Arc<Look>,
    /// What this server is called: `127.0.0.1:PORT` and `localhost:PORT`.
    hosts: Arc<[String; 2]>,
    pages: Arc<Semaphore>,
    pings: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Listens on loopback; port 0 lets the system choose.
pub(super) async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpListener::bind(address).await.map_err(|error| {
        let what = format!("the page cannot be served at {address}; leave --port out or name another port");
        Failure::Running(anyhow::Error::from(error).context(what))
    })
}

impl Page {
    /// Serves from now on.
    pub(super) fn serve(listener: TcpListener, look: Look) -> Result<Self, Failure> {
        let address = listener.local_addr().map_err(Failure::running)?;
        let stop = CancellationToken::new();
        let shared = Shared {
            look: Arc::new(look),
            hosts: Arc::new([address.to_string(), format!("localhost:{}", address.port())]),
            pages: Arc::new(Semaphore::new(PAGES)),
            pings: Arc::new(Semaphore::new(PINGS)),
            stop: stop.clone(),
        };
        let server =
            axum::serve(listener, routes(shared)).with_graceful_shutdown(stop.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = server.await {
                warn!("the page is not served any more: {error}");
            }
        });
        Ok(Self { url: format!("http://{address}/"), stop, serving })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Tells open pages, and ends.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let abort = self.serving.abort_handle();
        if tokio::time::timeout(FAREWELL, self.serving).await.is_err() {
            abort.abort();
        }
    }
}

fn routes(shared: Shared) -> Router {
    let mut router = Router::new()
        .route("/state.json", get(state))
        .route("/events", get(events))
        .route("/ping", post(ping));
    for (path, kind, contents) in FILES {
        router = router.route(path, get(move || async move { ([(header::CONTENT_TYPE, *kind)], *contents) }));
    }
    router
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "there is nothing here; the page is at /") })
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Lets through what comes from this machine's user, and puts the headers on the answer.
async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = match shared.refusal(request.method(), request.headers()) {
        None => next.run(request).await,
        Some(why) => refuse(StatusCode::FORBIDDEN, &why),
    };
    for (name, value) in &HEADERS {
        response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
    }
    response
}

impl Shared {
    /// Why a request is refused, if it is.
    fn refusal(&self, method: &Method, headers: &HeaderMap) -> Option<String> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let [own, _] = &*self.hosts;
        let host = text(header::HOST).filter(|host| self.hosts.iter().any(|known| known == host));
        let Some(host) = host else {
            return Some(format!("this server is http://{own}/ and answers to no other name"));
        };
        // Browsers say whence: following a link is fine, using what is here from elsewhere is not.
        let site = text(HeaderName::from_static("sec-fetch-site")).unwrap_or("none");
        let navigates = text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
        if !matches!(site, "none" | "same-origin") && !navigates {
            return Some(format!("this is for the page at http://{host}/ alone"));
        }
        if matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let from_here = text(header::ORIGIN).is_some_and(|origin| origin == format!("http://{host}"));
        (!from_here).then(|| format!("only the page at http://{host}/ may do this; send its Origin"))
    }
}

async fn state(State(shared): State<Shared>) -> Response {
    json(StatusCode::OK, &shared.look.snapshot().await)
}

async fn events(State(shared): State<Shared>) -> Response {
    let Ok(place) = Arc::clone(&shared.pages).try_acquire_owned() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open; close one");
    };
    let events = stream::events(shared.look, shared.stop, place);
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// Who pings whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PingOrder {
    from: String,
    to: String,
}

async fn ping(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_none_or(|kind| kind.split(';').next() != Some("application/json")) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json");
    }
    let order: PingOrder = match serde_json::from_slice(&body) {
        Ok(order) => order,
        Err(error) => {
            let form = "send {\"from\": PARTICIPANT, \"to\": PARTICIPANT}";
            return refuse(StatusCode::BAD_REQUEST, &format!("{form}: {error}"));
        }
    };
    let Ok(_place) = shared.pings.try_acquire() else {
        return refuse(StatusCode::TOO_MANY_REQUESTS, "too many pings are under way; wait for one to end");
    };
    match shared.look.ping(&order.from, &order.to).await {
        Some(Ok(ms)) => json(StatusCode::OK, &json!({"state": "success", "ms": ms})),
        Some(Err(failure)) => {
            let detail = failure.to_string();
            let detail = detail.strip_prefix("error: ").unwrap_or(&detail);
            json(StatusCode::OK, &json!({"state": "failed", "detail": detail}))
        }
        None => {
            let known: Vec<_> = shared.look.participants().collect();
            let what = format!("no participant of that name; there are {}", known.join(" and "));
            refuse(StatusCode::NOT_FOUND, &what)
        }
    }
}

fn refuse(status: StatusCode, why: &str) -> Response {
    json(status, &json!({"error": why}))
}

fn json(status: StatusCode, what: &impl Serialize) -> Response {
    let text = serde_json::to_string(what).expect("names are strings and numbers finite");
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
}
