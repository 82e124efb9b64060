//! From an HTTP request to an answer: which protocol it is, faults and latency, and waiting for the disk.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;

use super::{
    admin,
    body::{self, Answer, BodyRefusal},
    kms,
};
use crate::{
    auth::sigv4,
    error::KmsError,
    faults::FaultKind,
    service::Service,
    sts,
    watch::{Arrived, Facts},
};

/// The connection is to be reset: hyper drops it without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset as a fault asks")]
pub(crate) struct Reset;

/// An answer before faults have their way with it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, content_type: "application/x-amz-json-1.1", body }
    }

    pub(crate) fn error(error: &KmsError) -> Self {
        Self::json(error.status, error.body())
    }
}

/// What a request is for.
enum Protocol {
    Kms(String),
    Sts,
    Unknown,
}

/// Answers one request.
pub(crate) async fn handle(
    service: Arc<Service>,
    request: Request<Incoming>,
    peer: SocketAddr,
    reset: Arc<AtomicBool>,
) -> Result<Response<Answer>, Reset> {
    let arrived = Arrived::now();
    let (parts, incoming) = request.into_parts();
    let request_id = uuid::Uuid::new_v4().to_string();
    match body::read(incoming).await {
        Ok(body) => whole(service, parts, body, peer, &reset, arrived, request_id).await,
        Err(refusal) => Ok(refused(refusal, &request_id)),
    }
}

/// Answers a request whose body is here.
pub(crate) async fn whole(
    service: Arc<Service>,
    parts: Parts,
    body: Bytes,
    peer: SocketAddr,
    reset: &AtomicBool,
    arrived: Arrived,
    request_id: String,
) -> Result<Response<Answer>, Reset> {
    if parts.uri.path().starts_with(admin::PREFIX) {
        return Ok(admin::handle(&service, &parts, &body, peer));
    }
    let protocol = protocol(&parts, &body);
    let name = match &protocol {
        Protocol::Kms(operation) => operation.clone(),
        Protocol::Sts => sts::action(&parts, &body).unwrap_or_default(),
        Protocol::Unknown => return Ok(respond(Reply::error(&KmsError::unknown_operation()), &request_id)),
    };
    let region = sigv4::claimed(&parts.headers).map_or(&*service.default_region, |(_, region)| region);
    let fault = service.faults.strike(&name, region);
    let latency = service.latency.draw();
    let delay = latency + fault.as_ref().and_then(FaultKind::delay_before).unwrap_or_default();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let hit = |outcome: &str| {
        service.counts.count(&name, outcome, &[]);
        arrived.answered(&service, &name, &request_id, Facts::only(outcome));
    };
    let instead = match &fault {
        Some(FaultKind::ResetBefore) => {
            hit("ConnectionReset");
            reset.store(true, Ordering::Relaxed);
            return Err(Reset);
        }
        Some(FaultKind::InternalError) => Some(KmsError::internal("An internal error occurred.")),
        Some(FaultKind::Throttle) => Some(KmsError::throttling("Rate exceeded")),
        Some(FaultKind::Error { code, status, message }) => {
            hit(code);
            let body = serde_json::json!({"__type": code, "message": message}).to_string().into_bytes();
            return Ok(respond(Reply::json(*status, body), &request_id));
        }
        _ => None,
    };
    if let Some(error) = instead {
        hit(error.code);
        return Ok(respond(Reply::error(&error), &request_id));
    }
    let (mut reply, mut facts) = match protocol {
        Protocol::Kms(operation) => {
            let skew_ms = fault.as_ref().map_or(0, FaultKind::skew_ms);
            kms::answer(&service, parts, body, &operation, peer, &request_id, skew_ms).await
        }
        _ => {
            let reply = sts::answer(&service, &parts, &body, &request_id);
            let facts = Facts::only(if reply.status == 200 { "Success" } else { "Refused" });
            (reply, facts)
        }
    };
    // What this answer says must outlive the process.
    if !service.store.durable(service.store.position()).await {
        let error = KmsError::internal("The state file cannot be written.");
        error.code.clone_into(&mut facts.outcome);
        reply = Reply::error(&error);
    }
    arrived.answered(&service, &name, &request_id, facts);
    match fault {
        Some(FaultKind::ResetAfter) => {
            reset.store(true, Ordering::Relaxed);
            Err(Reset)
        }
        Some(FaultKind::HalfAnswer) => {
            reset.store(true, Ordering::Relaxed);
            let (status, content_type) = (reply.status, reply.content_type);
            Ok(response(status, content_type, Answer::half(reply.body), &request_id))
        }
        Some(FaultKind::SlowBody { chunk, ms }) => {
            let (status, content_type) = (reply.status, reply.content_type);
            let answer = Answer::slow(reply.body, chunk, Duration::from_millis(ms));
            Ok(response(status, content_type, answer, &request_id))
        }
        fault => {
            if let Some(delay) = fault.as_ref().and_then(FaultKind::delay_after) {
                tokio::time::sleep(delay).await;
            }
            Ok(respond(reply, &request_id))
        }
    }
}

fn protocol(parts: &Parts, body: &Bytes) -> Protocol {
    if let Some(target) = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return match target.strip_prefix("TrentService.") {
            Some(operation) if parts.method == Method::POST => Protocol::Kms(operation.to_owned()),
            _ => Protocol::Unknown,
        };
    }
    if sts::action(parts, body).is_some() { Protocol::Sts } else { Protocol::Unknown }
}

fn refused(refusal: BodyRefusal, request_id: &str) -> Response<Answer> {
    let status = match refusal {
        BodyRefusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BodyRefusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
        BodyRefusal::Broken => StatusCode::BAD_REQUEST,
    };
    let error = KmsError { code: "RequestEntityTooLargeException", message: None, status: status.as_u16() };
    let mut response = respond(Reply::error(&error), request_id);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(crate) fn respond(reply: Reply, request_id: &str) -> Response<Answer> {
    response(reply.status, reply.content_type, Answer::whole(reply.body), request_id)
}

fn response(status: u16, content_type: &'static str, body: Answer, request_id: &str) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", value);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store, must-revalidate, private"),
    );
    headers.insert(header::EXPIRES, HeaderValue::from_static("0"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
