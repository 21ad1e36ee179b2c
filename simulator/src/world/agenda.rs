//! What will happen, in order of time and, at the same time, of planning.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use pacer::limiter::Priority;

use crate::sidecar::RequestId;
use crate::upstream::Answer;

/// Something that happens to the world.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A closed client of this demand asks, if it is not too late for it.
    Asks { priority: Priority, until: Duration },
    /// A request of this Poisson demand comes.
    Poisson(usize),
    /// A request of a burst comes.
    Submit(Priority),
    /// A request of this tenant comes.
    Tenant(usize),
    /// A client's patience ends.
    Deadline(RequestId),
    /// An attempt arrives at the upstream.
    Arrives(RequestId),
    /// The head of an answer arrives here.
    Answered(RequestId, Answer),
    /// A pause between two attempts is over.
    Readmit(RequestId),
    /// The sidecar wanted to be asked.
    Wake,
    /// The sidecar's process restarts.
    Restart,
    /// Whoever watches wanted to be told.
    Tick(Duration),
}

#[derive(Debug)]
struct Entry {
    at: Duration,
    serial: u64,
    event: Event,
}

impl Entry {
    /// `BinaryHeap` gives the largest first, so what comes first is the largest.
    fn urgency(&self) -> (std::cmp::Reverse<Duration>, std::cmp::Reverse<u64>) {
        (std::cmp::Reverse(self.at), std::cmp::Reverse(self.serial))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.urgency().cmp(&other.urgency())
    }
}

/// Everything that is planned.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    planned: BinaryHeap<Entry>,
    serial: u64,
}

impl Agenda {
    pub(super) fn at(&mut self, at: Duration, event: Event) {
        self.serial += 1;
        self.planned.push(Entry { at, serial: self.serial, event });
    }

    pub(super) fn next(&mut self) -> Option<(Duration, Event)> {
        self.planned.pop().map(|Entry { at, event, .. }| (at, event))
    }
}
