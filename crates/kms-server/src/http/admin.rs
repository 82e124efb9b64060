//! The admin endpoint for tests: faults, counts and the clock, for clients on the same machine only.
//!
//! `GET /_cantle/health`; `GET` and `DELETE /_cantle/counts`; `GET`, `PUT` (a JSON list) and `DELETE
//! /_cantle/faults`; `POST /_cantle/clock` (`{"advance_seconds": 86400}`). Not signed: it tells and changes nothing
//! that a signature protects. Requests from web pages are refused.

use std::{net::SocketAddr, time::Duration};

use http::{Method, Response, StatusCode, header, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body::Answer, handler::Reply};
use crate::{faults::Fault, service::Service};

pub(crate) const PREFIX: &str = "/_cantle/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u32,
}

pub(crate) fn handle(service: &Service, parts: &Parts, body: &[u8], peer: SocketAddr) -> Response<Answer> {
    let (status, value) = if !peer.ip().to_canonical().is_loopback() {
        (StatusCode::FORBIDDEN, json!({"error": "only for clients on this machine"}))
    } else if parts.headers.contains_key(header::ORIGIN) {
        (StatusCode::FORBIDDEN, json!({"error": "not for web pages"}))
    } else {
        answer(service, parts, body).unwrap_or_else(|refused| refused)
    };
    let body = value.to_string().into_bytes();
    super::handler::respond(
        Reply { status: status.as_u16(), content_type: "application/json", body },
        &uuid::Uuid::new_v4().to_string(),
    )
}

fn answer(service: &Service, parts: &Parts, body: &[u8]) -> Result<(StatusCode, Value), (StatusCode, Value)> {
    let malformed = |error: serde_json::Error| (StatusCode::BAD_REQUEST, json!({"error": error.to_string()}));
    let ok = |value| Ok((StatusCode::OK, value));
    match (parts.uri.path().trim_start_matches(PREFIX), &parts.method) {
        ("health", &Method::GET) => ok(json!({"status": "ok"})),
        ("counts", &Method::GET) => {
            let counts = service.counts.snapshot();
            ok(json!({"operations": counts.outcomes, "keys": counts.keys}))
        }
        ("counts", &Method::DELETE) => {
            service.counts.reset();
            ok(json!({}))
        }
        ("faults", &Method::GET) => ok(json!(service.faults.snapshot())),
        ("faults", &Method::PUT | &Method::POST) => {
            let faults: Vec<Fault> = serde_json::from_slice(body).map_err(malformed)?;
            service.faults.set(faults);
            ok(json!(service.faults.snapshot()))
        }
        ("faults", &Method::DELETE) => {
            service.faults.set(Vec::new());
            ok(json!([]))
        }
        ("clock", &Method::POST) => {
            let advance: Advance = serde_json::from_slice(body).map_err(malformed)?;
            service.clock.advance(Duration::from_secs(u64::from(advance.advance_seconds)));
            ok(json!({"now_ms": service.clock.now_ms()}))
        }
        ("health" | "counts" | "faults" | "clock", _) => {
            Err((StatusCode::METHOD_NOT_ALLOWED, json!({"error": "not with this method"})))
        }
        _ => Err((StatusCode::NOT_FOUND, json!({"error": "no such page"}))),
    }
}
