//! Open subscriptions, and how they are made to end.
//!
//! A subscription ends when its member is deactivated, its token is over, a newer one takes its place, or the sequencer
//! stops; whoever reads it learns which.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cantle_types::Member;
use tokio::sync::watch;

use crate::checks::is_authenticated;
use crate::options::SequencerOptions;
use crate::subscription::SubscriptionEnd;

/// All open subscriptions.
#[derive(Debug, Clone)]
pub(crate) struct Sessions(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    /// Of each member by age.
    open: HashMap<Member, BTreeMap<u64, watch::Sender<Option<SubscriptionEnd>>>>,
    count: usize,
    unauthenticated: usize,
    next: u64,
    max: usize,
    max_unauthenticated: usize,
    max_per_member: usize,
    closed: bool,
}

/// One of them. Dropped, it makes room for another.
#[derive(Debug)]
pub(crate) struct Session {
    sessions: Sessions,
    member: Member,
    id: u64,
    end: watch::Receiver<Option<SubscriptionEnd>>,
}

impl Sessions {
    pub(crate) fn new(options: &SequencerOptions) -> Self {
        Self(Arc::new(Mutex::new(Table {
            open: HashMap::new(),
            count: 0,
            unauthenticated: 0,
            next: 0,
            max: options.max_subscriptions,
            max_unauthenticated: options.max_unauthenticated_subscriptions,
            max_per_member: options.max_subscriptions_per_member,
            closed: false,
        })))
    }

    /// Opens one, in the place of the member's oldest if it has as many as it may.
    ///
    /// # Errors
    /// [`SubscriptionEnd::Full`] or [`SubscriptionEnd::Stopping`].
    pub(crate) fn open(&self, member: &Member) -> Result<Session, SubscriptionEnd> {
        let mut table = self.lock();
        if table.closed {
            return Err(SubscriptionEnd::Stopping);
        }
        let of_member = table.open.get(member).map_or(0, BTreeMap::len);
        if of_member >= table.max_per_member {
            table.end_oldest(member);
        }
        let counts = is_authenticated(member) || table.unauthenticated < table.max_unauthenticated;
        if table.count >= table.max || !counts {
            return Err(SubscriptionEnd::Full);
        }
        let id = table.next;
        table.next += 1;
        table.opened(member);
        let (sender, end) = watch::channel(None);
        table.open.entry(member.clone()).or_default().insert(id, sender);
        Ok(Session { sessions: self.clone(), member: member.clone(), id, end })
    }

    /// Ends all of a member.
    pub(crate) fn end(&self, member: &Member, end: &SubscriptionEnd) {
        if let Some(open) = self.lock().open.get(member) {
            open.values().for_each(|sender| {
                sender.send_replace(Some(end.clone()));
            });
        }
    }

    /// Ends all, and lets none be opened any more.
    pub(crate) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        for sender in table.open.values().flat_map(BTreeMap::values) {
            sender.send_replace(Some(SubscriptionEnd::Stopping));
        }
    }

    /// Who has one open.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.lock().open.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn opened(&mut self, member: &Member) {
        self.count += 1;
        self.unauthenticated += usize::from(!is_authenticated(member));
    }

    fn closed(&mut self, member: &Member) {
        self.count -= 1;
        self.unauthenticated -= usize::from(!is_authenticated(member));
    }

    fn end_oldest(&mut self, member: &Member) {
        if let Some(open) = self.open.get_mut(member)
            && let Some((_, sender)) = open.pop_first()
        {
            self.closed(member);
            sender.send_replace(Some(SubscriptionEnd::Replaced));
        }
    }
}

impl Session {
    /// Whether it goes on.
    pub(crate) fn check(&self) -> Result<(), SubscriptionEnd> {
        self.end.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits until it has to end.
    pub(crate) async fn ended(&mut self) -> SubscriptionEnd {
        match self.end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(SubscriptionEnd::Replaced),
            // The sender is dropped only after it has said why.
            Err(_) => SubscriptionEnd::Replaced,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut table = self.sessions.lock();
        let Some(open) = table.open.get_mut(&self.member) else { return };
        let removed = open.remove(&self.id).is_some();
        if open.is_empty() {
            table.open.remove(&self.member);
        }
        if removed {
            table.closed(&self.member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        format!("PAR::{name}::1220aa").parse().unwrap()
    }

    fn sessions(max_subscriptions: usize) -> Sessions {
        Sessions::new(&SequencerOptions {
            max_subscriptions,
            max_unauthenticated_subscriptions: 1,
            max_subscriptions_per_member: 2,
            ..SequencerOptions::default()
        })
    }

    #[test]
    fn members_without_a_token_leave_room_for_others() {
        let sessions = sessions(10);
        let nobody = |name: &str| format!("UNM::{name}::1220aa").parse::<Member>().unwrap();
        let open = sessions.open(&nobody("a")).unwrap();
        assert!(matches!(sessions.open(&nobody("b")), Err(SubscriptionEnd::Full)));
        assert!(sessions.open(&member("a")).is_ok());
        drop(open);
        assert!(sessions.open(&nobody("b")).is_ok());
    }

    #[tokio::test]
    async fn the_oldest_of_a_member_makes_room() {
        let sessions = sessions(10);
        let mut first = sessions.open(&member("a")).unwrap();
        let second = sessions.open(&member("a")).unwrap();
        let third = sessions.open(&member("a")).unwrap();
        assert!(matches!(first.check(), Err(SubscriptionEnd::Replaced)));
        assert!(matches!(first.ended().await, SubscriptionEnd::Replaced));
        assert!(second.check().is_ok() && third.check().is_ok());
        drop((first, second, third));
        assert!(sessions.members().is_empty());
        assert_eq!(sessions.lock().count, 0);
    }

    #[test]
    fn a_full_table_opens_none() {
        let sessions = sessions(2);
        let open = [sessions.open(&member("a")).unwrap(), sessions.open(&member("b")).unwrap()];
        assert!(matches!(sessions.open(&member("c")), Err(SubscriptionEnd::Full)));
        drop(open);
        assert!(sessions.open(&member("c")).is_ok());
    }

    #[test]
    fn a_deactivated_member_loses_all_of_its_own() {
        let sessions = sessions(10);
        let (one, two) = (sessions.open(&member("a")).unwrap(), sessions.open(&member("a")).unwrap());
        let other = sessions.open(&member("b")).unwrap();
        sessions.end(&member("a"), &SubscriptionEnd::Deactivated);
        assert!(matches!(one.check(), Err(SubscriptionEnd::Deactivated)));
        assert!(matches!(two.check(), Err(SubscriptionEnd::Deactivated)));
        assert!(other.check().is_ok());
        sessions.close();
        assert!(matches!(other.check(), Err(SubscriptionEnd::Stopping)));
        assert!(matches!(sessions.open(&member("b")), Err(SubscriptionEnd::Stopping)));
    }
}
