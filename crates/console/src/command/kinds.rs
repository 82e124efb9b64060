//! Which kinds of node have a command.

use crate::node::NodeKind;

/// The kinds of node that have a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kinds(&'static [NodeKind]);

impl Kinds {
    pub(crate) const ALL: Self = Self(&NodeKind::ALL);
    /// Nodes with a topology manager of their own.
    pub(crate) const WITH_TOPOLOGY: Self =
        Self(&[NodeKind::Participant, NodeKind::Domain, NodeKind::DomainManager]);
    /// Nodes whose topology another node manages.
    pub(crate) const MANAGED: Self = Self(&[NodeKind::Sequencer, NodeKind::Mediator]);
    pub(crate) const PARTICIPANT: Self = Self(&[NodeKind::Participant]);
    pub(crate) const DOMAIN_MANAGER: Self = Self(&[NodeKind::DomainManager]);
    pub(crate) const SEQUENCER: Self = Self(&[NodeKind::Sequencer]);
    pub(crate) const MEDIATOR: Self = Self(&[NodeKind::Mediator]);
    /// Nodes that decide about a domain.
    pub(crate) const GOVERNING: Self = Self(&[NodeKind::Domain, NodeKind::DomainManager]);
    /// Nodes that members connect to.
    pub(crate) const SEQUENCING: Self = Self(&[NodeKind::Domain, NodeKind::Sequencer]);
    /// Nodes of a distributed domain that connect to its sequencers.
    pub(crate) const CONNECTING: Self = Self(&[NodeKind::DomainManager, NodeKind::Mediator]);
    /// Nodes that hold the state of a domain.
    pub(crate) const WITH_DOMAIN_TIME: Self =
        Self(&[NodeKind::Participant, NodeKind::Domain, NodeKind::DomainManager, NodeKind::Mediator]);

    pub(crate) fn contains(self, kind: NodeKind) -> bool {
        self.0.contains(&kind)
    }

    /// `participants, domains and domain managers`.
    pub(crate) fn names(self) -> String {
        let names: Vec<&str> = self.0.iter().map(|kind| kind.described_plural()).collect();
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}
