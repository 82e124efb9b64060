//! `health.ping`: whether two participants reach each other through a domain.

use std::time::Duration;

use cantle_proto::participant::admin::v0 as wire;
use cantle_proto::participant::admin::v0::ping_service_client::PingServiceClient;

use super::identity::identity_of;
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

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "health.ping",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: PARAMS,
        run: |call| match ping(call)? {
            Answer::Time(millis) => Ok(duration::millis(millis)),
            Answer::Failed(reason) => {
                let target = identity_of(call, "participantId", Kinds::PARTICIPANT)?;
                Err(Failure::value(format!(
                    "{}: unable to ping {target} within {} s{reason}",
                    call.node.name,
                    call.duration("timeout")?.as_secs()
                )))
            }
        },
        doc: "Sends a ping to a participant; how long it took. A ping that fails is an error.",
    },
    Spec {
        path: "health.maybe_ping",
        kinds: Kinds::PARTICIPANT,
        style: Style::Command,
        params: PARAMS,
        run: |call| match ping(call)? {
            Answer::Time(millis) => Ok(Data::option(Some(duration::millis(millis)))),
            Answer::Failed(_) => Ok(Data::None),
        },
        doc: "Sends a ping to a participant; how long it took, or None when it failed.",
    },
];

enum Answer {
    Time(i64),
    /// With what the node says of it, beginning with a colon, or nothing.
    Failed(String),
}

fn ping(call: &Call<'_>) -> Result<Answer, Failure> {
    let timeout = call.duration("timeout")?;
    let request = wire::PingRequest {
        target_parties: vec![identity_of(call, "participantId", Kinds::PARTICIPANT)?.to_string()],
        validators: Vec::new(),
        timeout_milliseconds: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        levels: 0,
        grace_period_milliseconds: 0,
        workflow_id: call.optional_text("workflowId")?,
        id: call.optional_text("id")?,
    };
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
