//! `health.ping` and `testing.bong`: whether participants reach each other through a domain.

use std::time::Duration;

use cantle_proto::participant::admin::v0 as wire;
use cantle_proto::participant::admin::v0::ping_service_client::PingServiceClient;

use super::identity::{identities_of, identity_of};
use crate::command::{Call, Default, Kinds, Param, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::{Data, duration};

/// Beyond the node's own timeout, for its answer to arrive.
const GRACE: Duration = Duration::from_secs(10);

const PARAMS: &[Param] = &[
    required("participantId", "ParticipantId or participant"),
    optional("timeout", "Duration", Default::Ping),
    optional("workflowId", "text", Default::EmptyText),
    optional("id", "text", Default::EmptyText),
];

const BONG: &[Param] = &[
    required("targets", "Set(ParticipantId or participant)"),
    optional("validators", "Set(ParticipantId or participant)", Default::EmptySet),
    optional("timeout", "Duration", Default::Ping),
    optional("levels", "int", Default::Int(0)),
    optional("gracePeriodMillis", "int", Default::Int(1000)),
    optional("workflowId", "text", Default::EmptyText),
    optional("id", "text", Default::EmptyText),
];

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "health.ping",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: PARAMS,
        run: |call| time_or_error(call, "ping", ping_request(call)?),
        doc: "Sends a ping to a participant; how long it took. A ping that fails is an error.",
    },
    Spec {
        path: "health.maybe_ping",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: PARAMS,
        run: |call| time_or_none(call, ping_request(call)?),
        doc: "Sends a ping to a participant; how long it took, or None when it failed.",
    },
    Spec {
        path: "testing.bong",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: BONG,
        run: |call| time_or_error(call, "bong", bong_request(call)?),
        doc: "Sends one ping to several participants; how long the first one to answer took. There are no levels above 0.",
    },
    Spec {
        path: "testing.maybe_bong",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: BONG,
        run: |call| time_or_none(call, bong_request(call)?),
        doc: "The same, or None when it failed.",
    },
];

/// What a node answers when a ping could not be sent or did not come through; other refusals are of the request itself.
const FAILED: &[&str] =
    &["ABORTED", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "UNAVAILABLE"];

enum Answer {
    Time(i64),
    /// With what the node says of it, beginning with a colon, or nothing.
    Failed(String),
}

fn ping_request(call: &Call<'_>) -> Result<wire::PingRequest, Failure> {
    Ok(wire::PingRequest {
        target_parties: vec![identity_of(call, "participantId", Kinds::PARTICIPANT)?.to_string()],
        ..request(call)?
    })
}

fn bong_request(call: &Call<'_>) -> Result<wire::PingRequest, Failure> {
    let parties = |name: &str| {
        let found = identities_of(call, name, Kinds::PARTICIPANT)?;
        Ok::<_, Failure>(found.iter().map(ToString::to_string).collect())
    };
    Ok(wire::PingRequest {
        target_parties: parties("targets")?,
        validators: parties("validators")?,
        levels: call.small("levels")?,
        grace_period_milliseconds: call.small("gracePeriodMillis")?,
        ..request(call)?
    })
}

/// What both have.
fn request(call: &Call<'_>) -> Result<wire::PingRequest, Failure> {
    Ok(wire::PingRequest {
        timeout_milliseconds: u64::try_from(call.duration("timeout")?.as_millis()).unwrap_or(u64::MAX),
        workflow_id: call.optional_text("workflowId")?,
        id: call.optional_text("id")?,
        ..wire::PingRequest::default()
    })
}

fn time_or_error(call: &Call<'_>, what: &str, request: wire::PingRequest) -> Result<Data, Failure> {
    let targets = request.target_parties.join(", ");
    match ping(call, request)? {
        Answer::Time(millis) => Ok(duration::millis(millis)),
        Answer::Failed(reason) => Err(Failure::value(format!(
            "{}: unable to {what} {targets} within {} s{reason}",
            call.node.name,
            call.duration("timeout")?.as_secs()
        ))),
    }
}

fn time_or_none(call: &Call<'_>, request: wire::PingRequest) -> Result<Data, Failure> {
    match ping(call, request) {
        Ok(Answer::Time(millis)) => Ok(Data::option(Some(duration::millis(millis)))),
        Ok(Answer::Failed(_)) => Ok(Data::None),
        Err(Failure::Node { code, .. }) if FAILED.contains(&code) => Ok(Data::None),
        Err(failure) => Err(failure),
    }
}

fn ping(call: &Call<'_>, request: wire::PingRequest) -> Result<Answer, Failure> {
    let timeout = call.duration("timeout")?;
    let mut client = PingServiceClient::new(call.node.channel.clone());
    let answered =
        call.node.caller.wait(call.spec.path, timeout.saturating_add(GRACE), client.ping(request))?;
    let Some(answer) = answered else { return Ok(Answer::Failed(": the node did not answer".to_owned())) };
    let answer = answer.map_err(|status| call.node.failure(call.spec.path, &status))?.into_inner();
    Ok(match answer.response {
        Some(wire::ping_response::Response::Success(success)) => {
            Answer::Time(i64::try_from(success.ping_time).unwrap_or(i64::MAX))
        }
        // It says nothing more; a node that knows more refuses the call instead.
        Some(wire::ping_response::Response::Failure(_)) | None => Answer::Failed(String::new()),
    })
}
