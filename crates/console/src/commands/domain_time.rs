//! `testing`: the time of a domain, as a node that is connected to it learns it.

use cantle_proto::domain::api::v0 as wire;
use cantle_proto::domain::api::v0::domain_time_service_client::DomainTimeServiceClient;

use super::identity::identity_of;
use crate::command::{Call, Default, Kinds, Param, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::time::{self, time_data};
use crate::value::{Data, duration};

const DOMAIN: Param = optional("domainId", "Option(DomainId or domain)", Default::None);
const TIMEOUT: Param = optional("timeout", "Duration", Default::Bounded);

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "testing.fetch_domain_time",
        kinds: Kinds::WITH_DOMAIN_TIME,
        style: Style::Command,
        params: &[DOMAIN, TIMEOUT],
        run: |call| {
            let request = wire::FetchTimeRequest {
                domain_id: domain(call)?,
                freshness_bound: Some(prost_types::Duration::default()),
            };
            let mut client = DomainTimeServiceClient::new(call.node.channel.clone());
            let answered = call.node.caller.wait(
                call.spec.path,
                call.duration("timeout")?,
                client.fetch_time(request),
            )?;
            let answer =
                answered.unwrap_or_else(|| Err(tonic::Status::deadline_exceeded("no answer in time")));
            let answer = answer.map_err(|status| call.node.failure(call.spec.path, &status))?;
            Ok(time_data(answer.into_inner().timestamp))
        },
        doc: "Asks a domain for its time.",
    },
    Spec {
        path: "testing.await_domain_time",
        kinds: Kinds::WITH_DOMAIN_TIME,
        style: Style::Command,
        params: &[required("time", "time"), DOMAIN, TIMEOUT],
        run: |call| {
            let timestamp = time::from_data(call.value("time"))
                .map_err(|failure| call.refuse("time", failure.to_string()))?;
            let request = wire::AwaitTimeRequest { domain_id: domain(call)?, timestamp: Some(timestamp) };
            let mut client = DomainTimeServiceClient::new(call.node.channel.clone());
            let timeout = call.duration("timeout")?;
            let answered = call.node.caller.wait(call.spec.path, timeout, client.await_time(request))?;
            let answer = answered.unwrap_or_else(|| {
                let waited = duration::nanos(i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX));
                Err(tonic::Status::deadline_exceeded(format!(
                    "not reached within {}",
                    crate::value::record::shown(&waited)
                )))
            });
            answer.map(|_| Data::None).map_err(|status| call.node.failure(call.spec.path, &status))
        },
        doc: "Waits until a domain has reached a time.",
    },
];

/// Participants may be connected to several domains; for the others there is one.
fn domain(call: &Call<'_>) -> Result<Option<String>, Failure> {
    if matches!(call.value("domainId"), Data::None) {
        return Ok(None);
    }
    identity_of(call, "domainId", Kinds::GOVERNING).map(|uid| Some(uid.to_string()))
}
