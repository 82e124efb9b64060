//! Progress on stderr: what happens, and how many seconds after the start.

use std::{fmt::Display, time::Instant};

use cantle_node::{NodeEvent, NodeState};

use crate::output::tell;

/// Says what happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    since: Instant,
}

impl Progress {
    /// Time runs from now on.
    pub(super) fn begin() -> Self {
        Self { since: Instant::now() }
    }

    /// Writes a line.
    pub(super) fn say(&self, what: impl Display) {
        tell!("{:5.1} s  {what}", self.since.elapsed().as_secs_f64());
    }

    /// Writes what is worth knowing of a node's event.
    pub(super) fn node(&self, event: &NodeEvent) {
        if let Some(what) = told(event) {
            self.say(what);
        }
    }
}

/// The event in words for somebody who has nothing to do about it.
fn told(event: &NodeEvent) -> Option<String> {
    let NodeEvent::Changed { node, state } = event else { return None };
    let name = &node.name;
    match state {
        NodeState::WaitingForDomain(Some(uid)) => Some(format!("{name} has its keys: {uid}")),
        NodeState::Ready(uid) => Some(format!("{name} is ready: {uid}")),
        NodeState::KeysUnusable(_) => Some(format!("{name}: its keys cannot be used; see the log")),
        NodeState::Failed(error) => Some(format!("{name} failed: {error}")),
        // What waits for the domain is given it by the next step.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use cantle_node::{NodeIdentity, NodeKind};
    use cantle_types::UniqueIdentifier;

    use super::*;

    fn changed(state: NodeState) -> NodeEvent {
        let name = "participant1".parse().unwrap();
        NodeEvent::Changed { node: NodeIdentity { kind: NodeKind::Participant, name }, state }
    }

    #[test]
    fn only_what_a_newcomer_can_make_sense_of_is_told() {
        let uid = format!("participant1::1220{}", "ab".repeat(32));
        let uid: UniqueIdentifier = uid.parse().unwrap();
        let ready = told(&changed(NodeState::Ready(uid.clone())));
        assert_eq!(ready, Some(format!("participant1 is ready: {uid}")));
        assert_eq!(told(&changed(NodeState::Starting)), None);
        assert_eq!(told(&changed(NodeState::WaitingForDomain(None))), None);
    }
}
