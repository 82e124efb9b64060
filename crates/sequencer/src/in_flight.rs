//! Submissions on their way to disk: so many of all, and so many of one member, that nobody fills the line alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cantle_types::Member;

/// The places in line.
#[derive(Debug, Clone)]
pub(crate) struct InFlight(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    limits: Limits,
    count: usize,
    bytes: usize,
    by_member: HashMap<Member, usize>,
}

/// How many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    pub(crate) of_member: usize,
}

/// A place in line, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    line: InFlight,
    member: Member,
    bytes: usize,
}

impl InFlight {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Table { limits, count: 0, bytes: 0, by_member: HashMap::new() })))
    }

    /// A place for so many bytes of a member, if there is one. What is larger than all room has it when it is alone.
    pub(crate) fn enter(&self, member: &Member, bytes: usize) -> Option<Place> {
        let mut table = self.lock();
        let Limits { count, bytes: room, of_member } = table.limits;
        let own = table.by_member.get(member).copied().unwrap_or_default();
        let fits = table.bytes == 0 || table.bytes.saturating_add(bytes) <= room;
        if table.count >= count || own >= of_member || !fits {
            return None;
        }
        table.count += 1;
        table.bytes = table.bytes.saturating_add(bytes);
        *table.by_member.entry(member.clone()).or_default() += 1;
        Some(Place { line: self.clone(), member: member.clone(), bytes })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.line.lock();
        table.count -= 1;
        table.bytes -= self.bytes;
        if let Some(own) = table.by_member.get_mut(&self.member) {
            *own -= 1;
            if *own == 0 {
                table.by_member.remove(&self.member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        format!("PAR::{name}::1220aa").parse().unwrap()
    }

    #[test]
    fn one_member_leaves_room_for_others() {
        let line = InFlight::new(Limits { count: 3, bytes: 100, of_member: 2 });
        let own: Vec<_> = (0..3).map_while(|_| line.enter(&member("a"), 1)).collect();
        assert_eq!(own.len(), 2);
        let other = line.enter(&member("b"), 1).unwrap();
        assert!(line.enter(&member("c"), 1).is_none(), "the line is full");
        drop(other);
        assert!(line.enter(&member("c"), 1).is_some());
        drop(own);
        assert!(line.enter(&member("a"), 1).is_some());
        assert_eq!(line.lock().count, 0);
        assert!(line.lock().by_member.is_empty());
    }

    #[test]
    fn bytes_are_bounded_and_what_is_larger_goes_alone() {
        let line = InFlight::new(Limits { count: 10, bytes: 100, of_member: 10 });
        let large = line.enter(&member("a"), 1000).unwrap();
        assert!(line.enter(&member("b"), 1).is_none());
        drop(large);
        let first = line.enter(&member("a"), 60).unwrap();
        assert!(line.enter(&member("b"), 41).is_none());
        assert!(line.enter(&member("b"), 40).is_some());
        drop(first);
        assert_eq!(line.lock().bytes, 0);
    }
}
