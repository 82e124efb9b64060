//! A small HTTP/1.1 server for monitoring: a handful of paths, no bodies, bounded in every way.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Connections at once; more wait.
const CONNECTIONS: usize = 32;
/// A client has this long for the head of its request.
const HEAD: Duration = Duration::from_secs(5);
/// A connection ends after this time, whatever it does.
const CONNECTION: Duration = Duration::from_secs(60);
const LONGEST_HEAD: usize = 16 << 10;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Page {
    /// A page of plain text.
    pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// What is there to be read.
#[async_trait]
pub(crate) trait Pages: Send + Sync + 'static {
    /// The page at a path, if there is one.
    async fn page(&self, path: &str) -> Option<Page>;
}

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, pages: Arc<dyn Pages>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.cancelled() => return,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let (pages, stop) = (pages.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let pages = pages.clone();
                async move { Ok::<_, Infallible>(answer(&*pages, &request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(LONGEST_HEAD)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                ended = tokio::time::timeout(CONNECTION, connection) => {
                    if let Ok(Err(error)) = ended {
                        debug!(%peer, "a monitoring connection ended: {error}");
                    }
                }
                () = stop.cancelled() => {}
            }
            drop(place);
        });
    }
}

type Accepted = (tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            warn!("no monitoring connection can be taken up: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn answer(pages: &dyn Pages, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = response(Page::text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n"));
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let page = pages.page(request.uri().path()).await;
    response(page.unwrap_or_else(|| Page::text(StatusCode::NOT_FOUND, "there is nothing here\n")))
}

fn response(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    *response.status_mut() = page.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    response
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    struct Hello;

    #[async_trait]
    impl Pages for Hello {
        async fn page(&self, path: &str) -> Option<Page> {
            (path == "/hello").then(|| Page::text(StatusCode::OK, "hello"))
        }
    }

    /// The whole answer to one request.
    async fn ask(address: SocketAddr, head: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn pages_are_served_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Arc::new(Hello), stop.clone()));
        let hello = ask(address, "GET /hello?x=1 HTTP/1.1").await;
        assert!(hello.starts_with("HTTP/1.1 200") && hello.ends_with("\r\n\r\nhello"), "{hello}");
        let head = ask(address, "HEAD /hello HTTP/1.1").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(address, "GET /other HTTP/1.1").await.starts_with("HTTP/1.1 404"));
        let posted = ask(address, "POST /hello HTTP/1.1").await;
        assert!(posted.starts_with("HTTP/1.1 405") && posted.contains("allow: GET, HEAD"), "{posted}");
        let long = ask(address, &format!("GET /{} HTTP/1.1", "x".repeat(100_000))).await;
        assert!(long.starts_with("HTTP/1.1 4"), "{long}");
        stop.cancel();
        serving.await.unwrap();
    }
}
