//! Measures the calls that a gRPC server answers: how many, with which code, how long they took.
//!
//! What is measured goes to the process's recorder of the crate `metrics`; without one it goes nowhere. The names are
//! those of docs/metrics.md. A call of a method that nobody has is counted without its name: whoever reaches the port
//! could make up any number of them.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use metrics::{SharedString, counter, histogram};
use pin_project_lite::pin_project;
use tonic::Code;
use tower::{Layer, Service};

/// Wraps the services of a server in [`Metered`].
#[derive(Debug, Clone)]
pub struct MeteredLayer {
    node: SharedString,
}

impl MeteredLayer {
    /// Measurements that carry this node's name.
    #[must_use]
    pub fn of(node: impl Into<String>) -> Self {
        Self { node: SharedString::from(node.into()) }
    }
}

impl<S> Layer<S> for MeteredLayer {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Metered<S> {
        Metered { inner, node: self.node.clone() }
    }
}

/// Measures the calls of another service.
#[derive(Debug, Clone)]
pub struct Metered<S> {
    inner: S,
    node: SharedString,
}

impl<S, B, R> Service<Request<B>> for Metered<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<MeteredBody<R>>;
    type Error = S::Error;
    type Future = MeteredCall<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (service, method) = request
            .uri()
            .path()
            .trim_start_matches('/')
            .split_once('/')
            .map(|(service, method)| (service.to_owned(), method.to_owned()))
            .unwrap_or_default();
        let call = Call { node: self.node.clone(), service, method, started: Instant::now(), code: None };
        MeteredCall { answer: self.inner.call(request), call: Some(call) }
    }
}

/// A call under way, counted when it is dropped: then it has ended, one way or the other.
#[derive(Debug)]
struct Call {
    node: SharedString,
    service: String,
    method: String,
    started: Instant,
    /// Without a code the client did not wait for the end.
    code: Option<Code>,
}

impl Call {
    fn look_at(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.code = Some(Code::from_bytes(status.as_bytes()));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        let (service, method) = match code {
            Code::Unimplemented => ("unknown".to_owned(), "unknown".to_owned()),
            _ => (std::mem::take(&mut self.service), std::mem::take(&mut self.method)),
        };
        counter!(
            "cantle_grpc_requests_total",
            "node" => self.node.clone(),
            "service" => service.clone(),
            "method" => method.clone(),
            "code" => code_name(code),
        )
        .increment(1);
        histogram!(
            "cantle_grpc_request_duration_seconds",
            "node" => self.node.clone(),
            "service" => service,
            "method" => method,
        )
        .record(self.started.elapsed().as_secs_f64());
    }
}

pin_project! {
    /// The answer to come of a measured call.
    #[derive(Debug)]
    pub struct MeteredCall<F> {
        #[pin]
        answer: F,
        call: Option<Call>,
    }
}

impl<F, R, E> Future for MeteredCall<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<MeteredBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answered = ready!(this.answer.poll(context));
        let mut call = this.call.take();
        Poll::Ready(answered.map(|answer| {
            if let Some(call) = &mut call {
                // An answer of headers alone has its status there.
                call.look_at(answer.headers());
            }
            answer.map(|body| MeteredBody { body, call })
        }))
    }
}

pin_project! {
    /// The body of a measured call's answer; its trailers have the status.
    #[derive(Debug)]
    pub struct MeteredBody<R> {
        #[pin]
        body: R,
        call: Option<Call>,
    }
}

impl<R: Body> Body for MeteredBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(context));
        if let (Some(Ok(frame)), Some(call)) = (&frame, this.call.as_mut())
            && let Some(trailers) = frame.trailers_ref()
        {
            call.look_at(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// gRPC's own name of a code.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt, Empty, Full, StreamBody};
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    use tower::{ServiceExt, service_fn};

    use super::*;

    type Bytes = tonic::codegen::Bytes;

    /// What is counted of one call that is answered by `answer`.
    fn counted<R>(path: &str, answer: impl FnOnce() -> Response<R>, read: Read) -> String
    where
        R: Body<Data = Bytes, Error = Infallible> + Unpin,
    {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut answer = Some(answer);
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let inner = service_fn(move |_: Request<Empty<Bytes>>| {
                    std::future::ready(Ok::<_, Infallible>(answer.take().unwrap()()))
                });
                let service = MeteredLayer::of("participant1").layer(inner);
                let request = Request::builder().uri(path).body(Empty::<Bytes>::new()).unwrap();
                let answer = service.oneshot(request).await.unwrap();
                match read {
                    Read::All => drop(answer.into_body().collect().await.unwrap()),
                    Read::Nothing => drop(answer),
                }
            });
        });
        let counts: Vec<_> = snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .filter(|(_, _, _, value)| matches!(value, DebugValue::Counter(1)))
            .map(|(key, ..)| {
                let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
                labels.join(" ")
            })
            .collect();
        counts.join("; ")
    }

    enum Read {
        All,
        Nothing,
    }

    fn trailers(status: &str) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        trailers
    }

    #[test]
    fn the_code_is_read_from_trailers_and_from_headers() {
        let stream = |status: &'static str| {
            move || {
                let frames =
                    [Ok(Frame::data(Bytes::from_static(b"x"))), Ok(Frame::trailers(trailers(status)))];
                Response::new(StreamBody::new(tokio_stream::iter(frames)))
            }
        };
        assert_eq!(counted("/a.Service/Method", stream("0"), Read::All), "participant1 a.Service Method OK");
        assert_eq!(
            counted("/a.Service/Method", stream("7"), Read::All),
            "participant1 a.Service Method PERMISSION_DENIED"
        );
        let headers = || {
            let mut answer = Response::new(Full::new(Bytes::new()));
            answer.headers_mut().insert("grpc-status", "5".parse().unwrap());
            answer
        };
        assert_eq!(
            counted("/a.Service/Method", headers, Read::All),
            "participant1 a.Service Method NOT_FOUND"
        );
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_cancelled() {
        let answer = || Response::new(Full::new(Bytes::from_static(b"x")));
        assert_eq!(
            counted("/a.Service/Method", answer, Read::Nothing),
            "participant1 a.Service Method CANCELLED"
        );
    }

    #[test]
    fn methods_that_nobody_has_are_counted_without_their_names() {
        let answer = || {
            let mut answer = Response::new(Full::new(Bytes::new()));
            answer.headers_mut().insert("grpc-status", "12".parse().unwrap());
            answer
        };
        assert_eq!(counted("/made.Up/Name", answer, Read::All), "participant1 unknown unknown UNIMPLEMENTED");
    }
}
