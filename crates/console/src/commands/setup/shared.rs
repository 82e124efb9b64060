//! Sequencers that serve one domain together: they share a database, and one is added to those that are there.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/manage_domain_entities.html>.

use std::sync::Arc;

use cantle_proto::cantle::admin::v1::DescribeNodeRequest;
use cantle_proto::cantle::admin::v1::node_service_client::NodeServiceClient;
use cantle_proto::domain::admin::v0 as wire;
use cantle_types::{Member, MemberCode, UniqueIdentifier};

use super::bootstrap::is_initialized;
use super::{authorize_key, wait_for_key};
use crate::command::{Call, Kinds};
use crate::commands::health::wait_until;
use crate::commands::identity::identity;
use crate::commands::initialization::{init_request, sequencer_client};
use crate::commands::keys_secret::{signing_key_name, signing_key_or_new};
use crate::commands::sequencer_administration::snapshot_at;
use crate::commands::service::static_parameters;
use crate::commands::topology_list::{head_state, owner_to_key_mappings_in};
use crate::commands::topology_other::transactions;
use crate::failure::Failure;
use crate::node::Node;
use crate::value::Data;

/// Refuses several sequencers that do not share a database: each would order the domain's events by itself.
pub(super) fn check_shared(call: &Call<'_>, argument: &str, sequencers: &[Arc<Node>]) -> Result<(), Failure> {
    let [first, others @ ..] = sequencers else { return Ok(()) };
    if others.is_empty() {
        return Ok(());
    }
    let database = |node: &Arc<Node>| {
        let mut client = NodeServiceClient::new(node.channel.clone());
        let answer = call.at(node).ask(client.describe_node(DescribeNodeRequest {}))?;
        Ok::<_, Failure>(answer.sequencer_database)
    };
    let shared = database(first)?;
    let own = |node: &Node| {
        call.refuse(
            argument,
            format!(
                "names several sequencers, and {} has a database of its own; nothing was changed. The sequencers of \
                 one domain share a PostgreSQL database: set sequencer.high-availability.enabled = true for each, with \
                 the same sequencer.storage, and start them again; or name one sequencer",
                node.name
            ),
        )
    };
    if shared.is_empty() {
        return Err(own(first));
    }
    for node in others {
        let other = database(node)?;
        if other.is_empty() {
            return Err(own(node));
        }
        if other != shared {
            return Err(call.refuse(
                argument,
                format!(
                    "names {} and {}, which share no database with each other; nothing was changed. Give both the same \
                     sequencer.storage, and start them again",
                    first.name, node.name
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn onboard_new_sequencer(call: &Call<'_>) -> Result<Data, Failure> {
    let initial = call.node("initialSequencer", Kinds::SEQUENCER)?;
    let new = call.node("newSequencer", Kinds::SEQUENCER)?;
    if is_initialized(&new, call)? {
        return Err(call.refuse("newSequencer", format!("{} is initialized already", new.name)));
    }
    check_shared(call, "newSequencer", &[Arc::clone(&initial), Arc::clone(&new)])?;
    let domain = identity(call)?;
    let parameters = static_parameters(call)?;
    let owner = Member::new(MemberCode::Sequencer, domain.clone());
    let there = call.at(&new);
    let key = signing_key_or_new(&there)?;
    authorize_key(call, &key, &signing_key_name(&new), &owner)?;
    wait_for_key(call, &owner, key.fingerprint())?;
    let topology = transactions(call, head_state(domain.to_string()))?;
    let snapshot = snapshot_with_key(call, &initial, &domain, &owner, key.fingerprint())?;
    let request = init_request(&domain, parameters.wire(), Some(topology.wire()), Some(snapshot));
    there.ask(sequencer_client(&new).init_v1(request))?;
    wait_until(&there, new.caller.deadline(), "to be initialized", || is_initialized(&new, call))
}

/// The state of a sequencer that knows the key.
fn snapshot_with_key(
    call: &Call<'_>,
    sequencer: &Arc<Node>,
    domain: &UniqueIdentifier,
    owner: &Member,
    fingerprint: &str,
) -> Result<wire::SequencerSnapshot, Failure> {
    let mappings = owner_to_key_mappings_in(call, head_state(domain.to_string()))?;
    let sequenced = mappings.into_iter().find_map(|found| {
        let is_ours = found.item.is_some_and(|item| item.key_owner == owner.to_string());
        (is_ours && found.key_fingerprint == fingerprint).then_some(found.context?.sequenced?)
    });
    let sequenced =
        sequenced.ok_or_else(|| Failure::value(format!("the domain lost the key {fingerprint}")))?;
    snapshot_at(&call.at(sequencer), sequenced)
}
