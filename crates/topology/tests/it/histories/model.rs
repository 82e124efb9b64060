//! The rules in their plainest form. Shares nothing with the crate but the words of its enums.

use cantle_topology::{ParticipantPermission, RequestSide, TopologyChangeOp};

/// The number of the key that spans the namespace, and the identifier.
pub(super) type Uid = (u8, &'static str);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    Namespace { namespace: u8, target: u8, root: bool },
    Identifier { uid: Uid, target: u8 },
    Key { owner: Uid, key: u8 },
    Participant { side: RequestSide, participant: Uid, permission: ParticipantPermission },
    Party { side: RequestSide, party: Uid, participant: Uid, permission: ParticipantPermission },
    Mediator { side: RequestSide, mediator: Uid },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Duplicate,
    Unauthorized,
    /// Removed before, or not there to be removed.
    Undone,
}

const DOMAIN: Uid = (1, "domain");

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// What each element says.
    elements: Vec<Claim>,
    /// The elements that are active, each with its signer, oldest first.
    active: Vec<(usize, u8)>,
    /// What was accepted once: whether it was a removal, the element and the signer.
    accepted: Vec<(bool, usize, u8)>,
}

impl Model {
    /// A new element.
    pub(super) fn element(&mut self, claim: Claim) -> usize {
        self.elements.push(claim);
        self.elements.len() - 1
    }

    pub(super) fn active(&self) -> &[(usize, u8)] {
        &self.active
    }

    pub(super) fn judge(&mut self, op: TopologyChangeOp, element: usize, signer: u8) -> Verdict {
        let removal = op == TopologyChangeOp::Remove;
        let is_there = self.active.iter().any(|(other, _)| *other == element);
        if self.accepted.contains(&(removal, element, signer)) {
            let has_effect = if removal { !is_there } else { self.active.contains(&(element, signer)) };
            return if has_effect { Verdict::Duplicate } else { Verdict::Undone };
        }
        if removal && !is_there {
            return Verdict::Undone;
        }
        if !self.may_sign(&self.elements[element], signer, removal) {
            return Verdict::Unauthorized;
        }
        self.accepted.push((removal, element, signer));
        if removal {
            self.active.retain(|(other, _)| *other != element);
        } else {
            self.active.push((element, signer));
        }
        Verdict::Accepted
    }

    /// The keys of a participant, each where it was registered last.
    pub(super) fn keys(&self, participant: Uid) -> Vec<u8> {
        let mut keys = Vec::new();
        for claim in self.effective() {
            if let Claim::Key { owner, key } = claim
                && owner == participant
            {
                keys.retain(|other| *other != key);
                keys.push(key);
            }
        }
        keys
    }

    pub(super) fn participant(&self, uid: Uid) -> Option<ParticipantPermission> {
        let said = self.effective().into_iter().filter_map(|claim| match claim {
            Claim::Participant { side, participant, permission } if participant == uid => {
                Some((side, permission))
            }
            _ => None,
        });
        agreed(&said.collect::<Vec<_>>())
    }

    pub(super) fn mediator(&self, uid: Uid) -> bool {
        let said = self.effective().into_iter().filter_map(|claim| match claim {
            Claim::Mediator { side, mediator } if mediator == uid => {
                Some((side, ParticipantPermission::Submission))
            }
            _ => None,
        });
        agreed(&said.collect::<Vec<_>>()).is_some()
    }

    pub(super) fn hosting(&self, of: Uid, at: Uid) -> Option<ParticipantPermission> {
        let on_domain = self.participant(at)?;
        let said = self.effective().into_iter().filter_map(|claim| match claim {
            Claim::Party { side, party, participant, permission } if party == of && participant == at => {
                Some((side, permission))
            }
            _ => None,
        });
        let agreed = if of == at {
            Some(ParticipantPermission::Submission)
        } else {
            agreed(&said.collect::<Vec<_>>())
        };
        agreed.map(|agreed| least(&[agreed, on_domain])).filter(|least| least.is_active())
    }

    pub(super) fn is_valid_for(&self, uid: Uid, signer: u8) -> bool {
        let by_identifier = |(element, by): &(usize, u8)| {
            self.elements[*element] == Claim::Identifier { uid, target: signer }
                && self.level(uid.0, *by).is_some()
        };
        self.level(uid.0, signer).is_some() || self.active.iter().any(by_identifier)
    }

    /// What is active and authorized.
    fn effective(&self) -> Vec<Claim> {
        let authorized = self.active.iter().filter(|(element, signer)| {
            let claim = &self.elements[*element];
            self.may_sign(claim, *signer, false)
        });
        authorized.map(|(element, _)| self.elements[*element].clone()).collect()
    }

    /// Whether a manager would choose a key for a new claim: for delegations it takes none but those of the root's level.
    pub(super) fn would_sign(&self, claim: &Claim, signer: u8) -> bool {
        match *claim {
            Claim::Namespace { namespace, target, .. } => {
                self.level(namespace, signer) == Some(true) || (namespace == target && target == signer)
            }
            Claim::Identifier { uid, .. } => self.level(uid.0, signer) == Some(true),
            _ => self.may_sign(claim, signer, false),
        }
    }

    fn may_sign(&self, claim: &Claim, signer: u8, removal: bool) -> bool {
        let sided = |side: RequestSide, from: Uid, to: Uid| {
            (side == RequestSide::To || self.is_valid_for(from, signer))
                && (side == RequestSide::From || self.is_valid_for(to, signer))
        };
        match *claim {
            Claim::Namespace { namespace, target, .. } => {
                (namespace == target && target == signer && !removal)
                    || self.level(namespace, signer) == Some(true)
            }
            Claim::Identifier { uid, .. } => self.level(uid.0, signer).is_some(),
            Claim::Key { owner, .. } => self.is_valid_for(owner, signer),
            Claim::Participant { side, participant, .. } => sided(side, DOMAIN, participant),
            Claim::Party { side, party, participant, .. } => sided(side, party, participant),
            Claim::Mediator { side, mediator } => sided(side, DOMAIN, mediator),
        }
    }

    /// Whether a key may act for a namespace, and whether it may delegate it further.
    fn level(&self, of: u8, key: u8) -> Option<bool> {
        let delegations: Vec<(u8, u8, bool)> = self
            .active
            .iter()
            .filter_map(|(element, signer)| match self.elements[*element] {
                Claim::Namespace { namespace, target, root } if namespace == of => {
                    Some((*signer, target, root))
                }
                _ => None,
            })
            .collect();
        let mut may = Vec::new();
        if delegations.contains(&(of, of, true)) {
            may.push((of, true));
        }
        loop {
            let next = delegations.iter().find(|(from, to, root)| {
                let signer = may.contains(&(*from, true)) || (!root && may.contains(&(*from, false)));
                signer && !may.contains(&(*to, *root))
            });
            match next {
                Some((_, to, root)) => may.push((*to, *root)),
                None => break,
            }
        }
        if may.contains(&(key, true)) { Some(true) } else { may.contains(&(key, false)).then_some(false) }
    }
}

/// What both sides allow, if both have said something.
fn agreed(said: &[(RequestSide, ParticipantPermission)]) -> Option<ParticipantPermission> {
    let of_side = |wanted| {
        let permissions = said.iter().filter(|(side, _)| *side == wanted || *side == RequestSide::Both);
        permissions.map(|(_, permission)| *permission).collect::<Vec<_>>()
    };
    let (from, to) = (of_side(RequestSide::From), of_side(RequestSide::To));
    if from.is_empty() || to.is_empty() { None } else { Some(least(&[from, to].concat())) }
}

fn least(permissions: &[ParticipantPermission]) -> ParticipantPermission {
    let from_least = [
        ParticipantPermission::Disabled,
        ParticipantPermission::Observation,
        ParticipantPermission::Confirmation,
        ParticipantPermission::Submission,
    ];
    from_least.into_iter().find(|permission| permissions.contains(permission)).expect("there is one")
}
