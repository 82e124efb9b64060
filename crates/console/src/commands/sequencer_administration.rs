//! `sequencer` of a sequencer or an embedded domain: its state as of a time, the end of a member, what could be pruned.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/decommissioning.html>.

use cantle_proto::domain::admin::v0 as wire;
use cantle_proto::domain::admin::v0::enterprise_sequencer_administration_service_client::EnterpriseSequencerAdministrationServiceClient;
use cantle_proto::domain::admin::v0::sequencer_administration_service_client::SequencerAdministrationServiceClient;

use super::MAX_ANSWER;
use crate::command::{Call, Kinds, Spec, Style, required};
use crate::failure::Failure;
use crate::node::Channel;
use crate::value::snapshot::Snapshot;
use crate::value::time::{self, time_data};
use crate::value::{Data, Record, ids};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "sequencer.snapshot",
        kinds: Kinds::SEQUENCING,
        style: Style::Command,
        params: &[required("timestamp", "time")],
        run: snapshot,
        doc: "The sequencer's state as of a time, which another sequencer of the domain could begin with.",
    },
    Spec {
        path: "sequencer.disable_member",
        kinds: Kinds::SEQUENCING,
        style: Style::Command,
        params: &[required("member", "Member")],
        run: |call| {
            let request = wire::DisableMemberRequest { member: call.member("member")?.to_string() };
            call.ask(client(call).disable_member(request)).map(|()| Data::None)
        },
        doc: "Keeps a member from the sequencer for ever. There is no way back.",
    },
    Spec {
        path: "sequencer.pruning.status",
        kinds: Kinds::SEQUENCING,
        style: Style::Command,
        params: &[],
        run: pruning_status,
        doc: "The members that the sequencer knows, and how far each has read.",
    },
    Spec {
        path: "pruning.status",
        kinds: Kinds::SEQUENCING,
        style: Style::Command,
        params: &[],
        run: pruning_status,
        doc: "A short form of sequencer.pruning.status().",
    },
];

fn client(call: &Call<'_>) -> EnterpriseSequencerAdministrationServiceClient<Channel> {
    EnterpriseSequencerAdministrationServiceClient::new(call.node.channel.clone())
        .max_decoding_message_size(MAX_ANSWER)
}

fn snapshot(call: &Call<'_>) -> Result<Data, Failure> {
    let timestamp = time::from_data(call.value("timestamp"))
        .map_err(|failure| call.refuse("timestamp", failure.to_string()))?;
    snapshot_at(call, timestamp).map(|state| Data::object(Snapshot::new(state)))
}

/// The sequencer's state as of a time.
pub(super) fn snapshot_at(
    call: &Call<'_>,
    timestamp: prost_types::Timestamp,
) -> Result<wire::SequencerSnapshot, Failure> {
    use wire::snapshot::response::Value;
    let request = wire::snapshot::Request { timestamp: Some(timestamp) };
    match call.ask(client(call).snapshot(request))?.value {
        Some(Value::Success(wire::snapshot::Success { state: Some(state) })) => Ok(state),
        Some(Value::VersionedSuccess(state)) => Snapshot::read(&state.snapshot),
        Some(Value::Failure(failure)) => {
            Err(Failure::value(format!("{} gave no snapshot: {}", call.node.name, failure.reason)))
        }
        _ => Err(Failure::value(format!("{} gave no snapshot, and no reason", call.node.name))),
    }
}

fn pruning_status(call: &Call<'_>) -> Result<Data, Failure> {
    let mut client = SequencerAdministrationServiceClient::new(call.node.channel.clone())
        .max_decoding_message_size(MAX_ANSWER);
    let status = call.ask(client.pruning_status(()))?;
    let members = status.members.into_iter().map(|member| {
        let fields = vec![
            ("member", ids::member_data(&member.member)),
            ("registeredAt", time_data(member.registered_at)),
            ("lastAcknowledged", time_data(member.last_acknowledged)),
            ("isEnabled", Data::Bool(member.enabled)),
        ];
        Data::object(Record::new("SequencerMemberStatus", fields))
    });
    let fields = vec![
        ("now", time_data(status.now)),
        ("lowerBound", time_data(status.earliest_event_timestamp)),
        ("members", Data::list(members.collect())),
    ];
    Ok(Data::object(Record::new("SequencerPruningStatus", fields)))
}
