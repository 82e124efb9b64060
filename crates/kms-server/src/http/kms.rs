//! A KMS request: who it is from, what it asks, and what is kept of it.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::request::Parts;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::handler::Reply;
use crate::{
    auth::{callers::Principal, sigv4},
    call::Call,
    error::KmsError,
    limits,
    model::operation::Operation,
    ops,
    server::Authentication,
    service::{Clock, Service},
    watch::Facts,
};

/// Does a KMS request; its signature is checked by a clock that is `skew_ms` ahead.
pub(crate) async fn answer(
    service: &Arc<Service>,
    parts: Parts,
    body: Bytes,
    operation: &str,
    source: SocketAddr,
    request_id: &str,
    skew_ms: i64,
) -> (Reply, Facts) {
    let Some(operation) = Operation::parse(operation) else {
        service.counts.count("Unknown", "UnknownOperationException", &[]);
        return refusal(&KmsError::unknown_operation());
    };
    let call = match prepare(service, &parts, &body, operation, source, skew_ms) {
        Ok(call) => call,
        Err(error) => {
            service.counts.count(operation.as_str(), error.code, &[]);
            return refusal(&error);
        }
    };
    let (call, answer) = if operation.is_slow() {
        let done = tokio::task::spawn_blocking(move || {
            let answer = ops::dispatch(&call);
            (call, answer)
        });
        match done.await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, operation = operation.as_str(), "an operation did not end");
                return refusal(&KmsError::internal("An internal error occurred."));
            }
        }
    } else {
        let answer = ops::dispatch(&call);
        (call, answer)
    };
    let outcome = answer.as_ref().map_or_else(|error| error.code, |_| "Success");
    let facts = Facts {
        outcome: outcome.to_owned(),
        keys: call.touched.lock().clone(),
        caller: Some(call.caller.arn.clone()),
    };
    service.counts.count(operation.as_str(), outcome, &facts.keys);
    if let Some(audit) = &service.audit {
        let error = answer.as_ref().err();
        audit.record(
            &call,
            request_id,
            error.map(|error| (error.code, error.message.as_deref().unwrap_or_default())),
        );
    }
    let reply = match answer {
        // An operation without an output has an empty body.
        Ok(Value::Null) => Reply::json(200, Vec::new()),
        Ok(answer) => Reply::json(200, answer.to_string().into_bytes()),
        Err(error) => Reply::error(&error),
    };
    (reply, facts)
}

/// A request that was refused before it was known what it is about.
fn refusal(error: &KmsError) -> (Reply, Facts) {
    (Reply::error(error), Facts::only(error.code))
}

fn prepare(
    service: &Arc<Service>,
    parts: &Parts,
    body: &Bytes,
    operation: Operation,
    source: SocketAddr,
    skew_ms: i64,
) -> Result<Call, KmsError> {
    let (caller, region) = authenticate(service, parts, body, skew_ms)?;
    if !service.regions.is_empty() && !service.regions.contains(&region) {
        return Err(KmsError::invalid_signature("Credential should be scoped to a valid region."));
    }
    if let Some(quota) = limits::own(operation) {
        service.limits.take(&caller.account, &region, quota)?;
    }
    let body: Map<String, Value> = if body.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(body).map_err(|_| KmsError::bare("SerializationException"))?
    };
    let user_agent = parts.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    Ok(Call {
        service: Arc::clone(service),
        operation,
        caller,
        region,
        body,
        now_ms: service.clock.now_ms(),
        source,
        user_agent: user_agent.unwrap_or_default().to_owned(),
        touched: Mutex::default(),
    })
}

fn authenticate(
    service: &Service,
    parts: &Parts,
    body: &[u8],
    skew_ms: i64,
) -> Result<(Arc<Principal>, String), KmsError> {
    match service.authentication {
        Authentication::SigV4 => {
            let now_ms = Clock::real_ms() + skew_ms;
            let verified = service.verifier.verify(&service.callers, parts, body, "kms", now_ms)?;
            Ok((verified.principal, verified.region))
        }
        Authentication::None => {
            let claimed = sigv4::claimed(&parts.headers);
            let caller = claimed.and_then(|(access_key_id, _)| service.callers.find(access_key_id));
            let region = claimed.map_or(service.default_region.as_str(), |(_, region)| region);
            Ok((caller.unwrap_or_else(|| Arc::clone(&service.callers.first)), region.to_owned()))
        }
    }
}
