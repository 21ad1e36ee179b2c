//! One priority's waiting line: first in, first out, with cancellation from the middle.
//!
//! New requests form a doubly linked list through the queue's pool. A request that comes
//! back after a refusal goes before all of them, and among those that came back the one
//! that was admitted first stays first: everything that was ever granted was admitted
//! before everything that still waits, so the order of admission is the order of service.

use std::collections::BTreeMap;

use super::slab::{Key, Slab};

/// A place in a lane.
#[derive(Debug)]
pub(super) struct Place<W> {
    pub(super) entry: W,
    /// Order of admission.
    pub(super) serial: u64,
    returned: bool,
    before: Option<Key>,
    behind: Option<Key>,
}

/// The waiting line of one priority.
#[derive(Debug, Default)]
pub(super) struct Lane {
    returned: BTreeMap<u64, Key>,
    first: Option<Key>,
    last: Option<Key>,
    len: usize,
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Goes to the end of the line.
    pub(super) fn push<W>(&mut self, pool: &mut Slab<Place<W>>, entry: W, serial: u64) -> Key {
        let key = pool.insert(Place { entry, serial, returned: false, before: self.last, behind: None });
        match self.last.replace(key).and_then(|last| pool.get_mut(last)) {
            Some(last) => last.behind = Some(key),
            None => self.first = Some(key),
        }
        self.len += 1;
        key
    }

    /// Comes back, to before everybody admitted later.
    pub(super) fn push_returned<W>(&mut self, pool: &mut Slab<Place<W>>, entry: W, serial: u64) -> Key {
        let key = pool.insert(Place { entry, serial, returned: true, before: None, behind: None });
        self.returned.insert(serial, key);
        self.len += 1;
        key
    }

    /// Who is next: whoever was admitted first.
    pub(super) fn first<W>(&self, pool: &Slab<Place<W>>) -> Option<Key> {
        let Some((returned, key)) = self.returned.first_key_value() else { return self.first };
        let first = self.first.filter(|first| pool.get(*first).is_some_and(|place| place.serial < *returned));
        first.or(Some(*key))
    }

    /// How many that came back stand before the one admitted as `serial`.
    pub(super) fn returned_before(&self, serial: u64) -> usize {
        self.returned.range(..serial).count()
    }

    /// Leaves the line, from wherever it stands. The key must be one of this lane's.
    pub(super) fn remove<W>(&mut self, pool: &mut Slab<Place<W>>, key: Key) -> Option<W> {
        let place = pool.remove(key)?;
        self.len -= 1;
        if place.returned {
            self.returned.remove(&place.serial);
            return Some(place.entry);
        }
        match place.before.and_then(|before| pool.get_mut(before)) {
            Some(before) => before.behind = place.behind,
            None => self.first = place.behind,
        }
        match place.behind.and_then(|behind| pool.get_mut(behind)) {
            Some(behind) => behind.before = place.before,
            None => self.last = place.before,
        }
        Some(place.entry)
    }
}
