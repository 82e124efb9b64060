//! Which error a failed gRPC call is.
//!
//! A status that the sequencer sent has no source; one that the transport made up has the transport's error. By that
//! alone the two are told apart: their codes overlap.

use std::error::Error;
use std::time::Duration;

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
    match tokio::time::timeout(after, answer).await {
        Ok(answer) => answer.map_err(|status| from_status(call, endpoint, status)),
        Err(_) => Err(ApiError::TimedOut { call, after }),
    }
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
