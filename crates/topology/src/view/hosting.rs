//! Which participants host a party, and what they may do for it.

use std::collections::{BTreeMap, BTreeSet};

use cantle_types::{ParticipantId, PartyId};

use super::{ParticipantAttributes, Sides, TopologyView};
use crate::change::ParticipantPermission;
use crate::mapping::TopologyMapping;
use crate::path::{MappingCode, Subject};

/// The participants that host a party and may do something for it, with what that is.
pub type PartyHosting = BTreeMap<ParticipantId, ParticipantAttributes>;

impl TopologyView {
    /// The participants that host a party and may do something for it.
    ///
    /// What each may do is the least of what the party allows it, what it agrees to, and what it may do on the domain.
    /// The party of a participant's own name is hosted by it without a mapping, as long as it is on the domain.
    #[must_use]
    pub fn active_participants_of(&self, party: &PartyId) -> PartyHosting {
        let mut hosting: BTreeMap<ParticipantId, Sides<ParticipantPermission>> = BTreeMap::new();
        let subject = Subject::of_uid(MappingCode::PartyToParticipant, party.uid());
        for active in self.authorized_of(&subject) {
            let TopologyMapping::PartyToParticipant(mapping) = active.mapping() else { continue };
            let sides = hosting.entry(mapping.participant().clone()).or_default();
            sides.add(mapping.side(), mapping.permission(), ParticipantPermission::lower_of);
        }
        let agreed = hosting.into_iter().filter_map(|(participant, sides)| {
            let (party, own) = sides.both()?;
            let attributes = self.participant_attributes(&participant)?;
            let permission = party.lower_of(own).lower_of(attributes.permission);
            Some((participant, ParticipantAttributes { permission, ..attributes }))
        });
        let own = ParticipantId::new(party.uid().clone());
        let own = self.participant_attributes(&own).map(|attributes| (own, attributes));
        agreed.chain(own).filter(|(_, attributes)| attributes.permission.is_active()).collect()
    }

    /// What a participant may do for a party; nothing if it does not host it.
    #[must_use]
    pub fn hosting(&self, party: &PartyId, participant: &ParticipantId) -> Option<ParticipantAttributes> {
        self.active_participants_of(party).remove(participant)
    }

    /// The parties that a participant may do something for.
    #[must_use]
    pub fn parties_of(&self, participant: &ParticipantId) -> BTreeSet<PartyId> {
        self.known_parties().filter(|party| self.hosting(party, participant).is_some()).collect()
    }

    /// The parties that some participant may do something for.
    #[must_use]
    pub fn parties(&self) -> BTreeSet<PartyId> {
        self.known_parties().filter(|party| !self.active_participants_of(party).is_empty()).collect()
    }

    /// The parties that are named, and those of participants.
    fn known_parties(&self) -> impl Iterator<Item = PartyId> {
        let named = self.state().of_code(MappingCode::PartyToParticipant);
        let of_participants = self.state().of_code(MappingCode::ParticipantState);
        let parties = named.chain(of_participants).filter_map(|active| match active.mapping() {
            TopologyMapping::PartyToParticipant(mapping) => Some(mapping.party().clone()),
            TopologyMapping::ParticipantState(state) => Some(state.participant().admin_party()),
            _ => None,
        });
        parties.collect::<BTreeSet<_>>().into_iter()
    }
}
