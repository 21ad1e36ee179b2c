//! A peer's queue: four classes and the order that the scenario asks for.

use std::collections::VecDeque;

use pacer::limiter::{PerPriority, Priority};

use super::NEARLY;
use crate::scenario::{Order, Scenario};
use crate::sidecar::RequestId;
use crate::time::count;

/// The most turns a class can have saved up.
const MOST_SAVED: f64 = 2.0;

/// Who waits at a peer.
#[derive(Debug)]
pub(super) struct Queue {
    lanes: PerPriority<VecDeque<Entry>>,
    limit: usize,
    order: Order,
    shares: PerPriority<f64>,
    ages: PerPriority<f64>,
    earned: PerPriority<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    request: RequestId,
    came: f64,
}

impl Queue {
    pub(super) fn new(scenario: &Scenario, fifo: bool) -> Self {
        let own = if fifo { Order::Fifo } else { Order::Strict };
        Self {
            lanes: PerPriority::default(),
            limit: usize::try_from(scenario.qmax).unwrap_or(usize::MAX),
            order: scenario.sched_policy.unwrap_or(own),
            shares: PerPriority(scenario.minshare),
            ages: PerPriority(scenario.age),
            earned: PerPriority::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.0.iter().map(VecDeque::len).sum()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    pub(super) fn push(&mut self, request: RequestId, priority: Priority, came: f64) {
        self.lanes[priority].push_back(Entry { request, came });
    }

    pub(super) fn push_returned(&mut self, request: RequestId, priority: Priority, came: f64) {
        self.lanes[priority].push_front(Entry { request, came });
    }

    pub(super) fn remove(&mut self, request: RequestId, priority: Priority) {
        self.lanes[priority].retain(|entry| entry.request != request);
    }

    /// Whose turn it is.
    pub(super) fn next(&self, now: f64) -> Option<(Priority, RequestId)> {
        let priority = match self.order {
            Order::Strict => self.waiting().next(),
            Order::Fifo => self.best(Priority::ALL, |_, came| -came),
            Order::Age => self.best(Priority::ALL, |class, came| {
                let age = self.ages[class];
                let added = if age > 0.0 { (now - came) / age } else { 0.0 };
                added - count(class.index())
            }),
            Order::Aged => self.next_aged(now),
            Order::Share => self.next_by_share(),
        }?;
        let head = self.lanes[priority].front()?;
        Some((priority, head.request))
    }

    /// The head of this class leaves.
    pub(super) fn served(&mut self, served: Priority) {
        self.lanes[served].pop_front();
        for class in Priority::ALL {
            if class == served {
                self.earned[class] = (self.earned[class] - 1.0).max(0.0);
            } else if class > served && !self.lanes[class].is_empty() {
                self.earned[class] = (self.earned[class] + self.shares[class]).min(MOST_SAVED);
            }
        }
    }

    fn waiting(&self) -> impl DoubleEndedIterator<Item = Priority> {
        Priority::ALL.into_iter().filter(|class| !self.lanes[*class].is_empty())
    }

    fn is_owed(&self, class: Priority) -> bool {
        self.earned[class] >= 1.0 - NEARLY
    }

    fn next_by_share(&self) -> Option<Priority> {
        let top = self.waiting().next()?;
        Some(self.waiting().rev().find(|class| *class > top && self.is_owed(*class)).unwrap_or(top))
    }

    fn next_aged(&self, now: f64) -> Option<Priority> {
        let waits = |class: Priority| !self.lanes[class].is_empty();
        if waits(Priority::Low) && self.is_owed(Priority::Low) {
            return Some(Priority::Low);
        }
        if waits(Priority::Urgent) {
            return Some(Priority::Urgent);
        }
        // Whole classes first, then the longer wait: a million seconds of it are less than a class.
        self.best([Priority::High, Priority::Normal, Priority::Low], |class, came| {
            let waited = now - came;
            let class_now = (count(class.index()) - (waited / self.ages[class]).floor()).max(1.0);
            waited / 1e6 - class_now
        })
    }

    /// The class whose head has the highest score; of equal ones the most urgent.
    fn best<const N: usize>(
        &self,
        classes: [Priority; N],
        score: impl Fn(Priority, f64) -> f64,
    ) -> Option<Priority> {
        let heads = classes.into_iter().filter_map(|class| Some((class, self.lanes[class].front()?.came)));
        let scored = heads.map(|(class, came)| (class, score(class, came)));
        let better = |best: (Priority, f64), next: (Priority, f64)| if next.1 > best.1 { next } else { best };
        scored.reduce(better).map(|(class, _)| class)
    }
}
