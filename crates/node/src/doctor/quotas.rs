//! AWS's documented request quotas beside what the nodes of a configuration ask for.
//!
//! The account's own quotas may be others: to ask for them takes a permission of another service, and they are shared
//! with everybody in the account.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html>.

use cantle_config::{Config, NodeKind};

use super::{
    finding::{Check, Finding},
    service::Service,
};

/// Requests a second for all ECC keys together.
const ECC: u32 = 1_000;

/// What the nodes of one KMS need, and what there is.
pub(super) fn quotas(config: &Config, service: &Service) -> Finding {
    let nodes: Vec<NodeKind> = config
        .nodes()
        .filter(|node| node.crypto.kms.as_ref() == Some(&service.config))
        .map(|node| node.kind)
        .collect();
    let signatures = signatures_per_ping(&nodes);
    let pings = match ECC.checked_div(signatures) {
        Some(pings) => format!(
            "a ping between participants takes up to {signatures} signatures of them, so that about {pings} pings a \
             second use the quota up"
        ),
        None => "they do not sign what members exchange".to_owned(),
    };
    let count = nodes.len();
    let text = format!(
        "AWS's default for an account and Region, shared by all its callers, is 1,000 requests a second with ECC keys, \
         1,000 with RSA keys, 2,000 DescribeKey, 2,000 GetPublicKey and 5 CreateKey; {count} node{} make{} one \
         DescribeKey every 3 s each; {pings}",
        if count == 1 { "" } else { "s" },
        if count == 1 { "s" } else { "" },
    );
    Finding::ok(&format!("Region {}", service.config.region), Check::Quotas, text)
}

/// The most signatures that these nodes make for one ping: the first participant asks, the second answers.
fn signatures_per_ping(nodes: &[NodeKind]) -> u32 {
    const ASKS: u32 = 10;
    const ANSWERS: u32 = 6;
    const MEDIATES: u32 = 6;
    const SEQUENCES: u32 = 28;
    let count = |kind: NodeKind| nodes.iter().filter(|node| **node == kind).count();
    let participants = match count(NodeKind::Participant) {
        0 => 0,
        1 => ASKS,
        _ => ASKS + ANSWERS,
    };
    let if_any = |kind, signatures| if count(kind) > 0 { signatures } else { 0 };
    participants
        + if_any(NodeKind::Mediator, MEDIATES)
        + if_any(NodeKind::Sequencer, SEQUENCES)
        + if_any(NodeKind::Domain, MEDIATES + SEQUENCES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_a_ping_are_those_of_the_nodes_that_are_there() {
        use NodeKind::{DomainManager, Mediator, Participant, Sequencer};
        assert_eq!(signatures_per_ping(&[DomainManager]), 0);
        assert_eq!(signatures_per_ping(&[Participant]), 10);
        assert_eq!(
            signatures_per_ping(&[Participant, Participant, Participant, Sequencer, Mediator, DomainManager]),
            50
        );
    }
}
