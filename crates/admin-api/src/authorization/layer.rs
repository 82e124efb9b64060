//! The authorization around all services of a server.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tonic::codegen::{
    Service,
    http::{Request, Response},
};
use tower::Layer;

use super::Authorization;

/// Wraps the services of a server.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationLayer(pub(crate) Authorization);

impl<S> Layer<S> for AuthorizationLayer {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized { inner, authorization: self.0.clone() }
    }
}

/// Services that only those can call who may.
#[derive(Clone, Debug)]
pub(crate) struct Authorized<S> {
    inner: S,
    authorization: Authorization,
}

impl<S, B, R> Service<Request<B>> for Authorized<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready answers; its clone takes its place.
        let unready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, unready);
        let authorization = self.authorization.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let path = head.uri.path().trim_start_matches('/');
            let service = path.rsplit_once('/').map_or(path, |(service, _)| service);
            match authorization.admit(&head.headers, service).await {
                Ok(()) => inner.call(Request::from_parts(head, body)).await,
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}
