//! Which error a failed gRPC call is.
//!
//! A status that the sequencer sent has no source; one that the transport made up has the transport's error. By that
//! alone the two are told apart: their codes overlap.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use tonic::{ConnectError, Status};

use crate::error::{ApiError, AuthErrorCode, shortened};

const AUTH_ERROR_CODE: &str = "autherrorcode";

/// Waits for an answer, at most so long.
pub(super) async fn timed<T>(
    call: &'static str,
    endpoint: &str,
    after: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(after, answered(call, endpoint, answer)).await {
        Ok(answer) => answer,
        Err(_) => Err(ApiError::TimedOut { call, after }),
    }
}

/// Waits for an answer.
///
/// tonic panics on a server's `grpc-status-details-bin` that is no base64; that must not take the member down.
pub(super) async fn answered<T>(
    call: &'static str,
    endpoint: &str,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, ApiError> {
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(answer) => answer.map_err(|status| from_status(call, endpoint, status)),
        Err(_) => Err(panicked(call)),
    }
}

/// The items of a stream, each with its error; one over which tonic panics ends it.
pub(super) fn caught<S, T>(
    call: &'static str,
    endpoint: String,
    stream: S,
) -> impl Stream<Item = Result<T, ApiError>>
where
    S: Stream<Item = Result<T, Status>>,
{
    AssertUnwindSafe(stream).catch_unwind().map(move |item| match item {
        Ok(item) => item.map_err(|status| from_status(call, &endpoint, status)),
        Err(_) => Err(panicked(call)),
    })
}

fn panicked(call: &'static str) -> ApiError {
    ApiError::Answer { call, what: "its status is malformed".to_owned() }
}

/// The error of a status.
pub(super) fn from_status(call: &'static str, endpoint: &str, status: Status) -> ApiError {
    let endpoint = || endpoint.to_owned();
    if never_connected(&status) {
        return ApiError::Unreachable { call, endpoint: endpoint(), source: status.into() };
    }
    if status.source().is_some() {
        return ApiError::ConnectionLost { call, endpoint: endpoint(), source: status.into() };
    }
    let auth =
        status.metadata().get(AUTH_ERROR_CODE).and_then(|code| code.to_str().ok()).map(AuthErrorCode::parse);
    ApiError::Status { call, code: status.code(), message: shortened(status.message()), auth }
}

fn never_connected(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
