//! Who waits: four lanes over one pool, one order of deadlines, one rule of turns.

use super::clock::Nanos;
use super::deadlines::Deadlines;
use super::lane::{Lane, Place};
use super::priority::{PerPriority, Priority};
use super::slab::{Key, Slab};
use super::turns::Turns;

/// What a request is to the queue, wherever it is: waiting, or out and perhaps coming back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) priority: Priority,
    pub(super) deadline: Nanos,
    /// When it was admitted first.
    pub(super) since: Nanos,
    /// Order of admission, kept when it comes back.
    pub(super) serial: u64,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiter<W> {
    pub(super) who: W,
    pub(super) standing: Standing,
}

/// Everybody who waits. Every operation is O(log n) or better.
#[derive(Debug)]
pub(super) struct WaitQueue<W> {
    pool: Slab<Place<Waiter<W>>>,
    lanes: PerPriority<Lane>,
    deadlines: Deadlines,
    turns: Turns,
}

impl<W> WaitQueue<W> {
    pub(super) fn new(share: PerPriority<u32>) -> Self {
        Self {
            pool: Slab::new(),
            lanes: PerPriority::default(),
            deadlines: Deadlines::default(),
            turns: Turns::new(share),
        }
    }

    pub(super) fn reconfigure(&mut self, share: PerPriority<u32>) {
        self.turns.reconfigure(share);
    }

    pub(super) fn len(&self) -> usize {
        self.pool.len()
    }

    pub(super) fn depth(&self) -> [usize; 4] {
        Priority::ALL.map(|priority| self.lanes[priority].len())
    }

    /// Goes to the end of its lane.
    pub(super) fn push(&mut self, who: W, standing: Standing) -> Key {
        let lane = &mut self.lanes[standing.priority];
        let key = lane.push(&mut self.pool, Waiter { who, standing }, standing.serial);
        self.deadlines.push(standing.deadline, key);
        key
    }

    /// Goes to the head of its lane.
    pub(super) fn push_returned(&mut self, who: W, standing: Standing) -> Key {
        let lane = &mut self.lanes[standing.priority];
        let key = lane.push_returned(&mut self.pool, Waiter { who, standing }, standing.serial);
        self.deadlines.push(standing.deadline, key);
        key
    }

    /// Leaves, from wherever it stands.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waiter<W>> {
        let priority = self.pool.get(key)?.entry.standing.priority;
        let waiter = self.lanes[priority].remove(&mut self.pool, key)?;
        let pool = &self.pool;
        self.deadlines.left(pool.len(), |key| pool.get(key).is_some());
        Some(waiter)
    }

    /// Takes the one whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Waiter<W>> {
        let priority = self.turns.next(&self.lanes)?;
        let key = self.lanes[priority].first(&self.pool)?;
        self.turns.served(priority, &self.lanes);
        self.remove(key)
    }

    /// Takes the one whose deadline is the earliest, if that is before or at `reach`.
    pub(super) fn pop_due(&mut self, reach: Nanos) -> Option<Waiter<W>> {
        let (deadline, key) = self.first_deadline()?;
        if deadline > reach { None } else { self.remove(key) }
    }

    /// Takes anybody.
    pub(super) fn pop_any(&mut self) -> Option<Waiter<W>> {
        self.pop_due(Nanos::MAX)
    }

    /// The earliest deadline of all who wait.
    pub(super) fn first_deadline(&mut self) -> Option<(Nanos, Key)> {
        let pool = &self.pool;
        self.deadlines.first(|key| pool.get(key).is_some())
    }

    /// Turns before that of a newcomer to this lane.
    pub(super) fn turns_before(&self, priority: Priority) -> u64 {
        self.turns.before(priority, self.lanes[priority].len(), &self.lanes)
    }

    /// Turns before that of a request which comes back.
    pub(super) fn turns_before_returned(&self, standing: Standing) -> u64 {
        let ahead = self.lanes[standing.priority].returned_before(standing.serial);
        self.turns.before(standing.priority, ahead, &self.lanes)
    }

    /// Notes that a request was turned away because its turn would come too late.
    pub(super) fn turned_away(&mut self, priority: Priority) {
        self.turns.want(priority);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_standing(serial: u64, deadline: Nanos) -> Standing {
        Standing { priority: Priority::Normal, deadline, since: 0, serial }
    }

    #[test]
    fn who_left_early_is_forgotten_and_who_waits_keeps_a_deadline() {
        let mut queue = WaitQueue::new(PerPriority::default());
        let patient = queue.push((), mk_standing(0, 1_000_000));
        for serial in 1..10_000 {
            let key = queue.push((), mk_standing(serial, 1_000_000 + serial));
            queue.remove(key);
        }
        assert!(queue.deadlines.held() < 100, "{} deadlines for one who waits", queue.deadlines.held());
        assert_eq!(queue.first_deadline(), Some((1_000_000, patient)));
    }

    #[test]
    fn who_comes_back_does_not_overtake_who_was_admitted_before() {
        let mut queue = WaitQueue::new(PerPriority::default());
        queue.push("first", mk_standing(0, 10));
        queue.push_returned("second", mk_standing(1, 10));
        queue.push("third", mk_standing(2, 10));
        let order = [(); 3].map(|()| queue.pop().unwrap().who);
        assert_eq!(order, ["first", "second", "third"]);
    }
}
