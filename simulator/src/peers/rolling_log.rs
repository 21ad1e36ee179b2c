//! A rolling log of 61 s with a 10 s bench: `miztertea/nim-proxy` (`src/pool.rs`).

use std::collections::VecDeque;

use super::{Job, Peer, asked};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::upstream::{Answer, Status};

/// The window; the quota's and a second of margin.
const WINDOW: f64 = 61.0;
/// The least time between two departures.
const GAP: f64 = 0.025;
/// How long nothing leaves after a refusal or a failure that names no time.
const BENCH: f64 = 10.0;

/// First come, first served; sends again until the client leaves.
#[derive(Debug)]
pub(crate) struct RollingLog {
    quota: usize,
    log: VecDeque<f64>,
    benched_until: f64,
}

impl Peer for RollingLog {
    const FIFO: bool = true;

    fn start(scenario: &Scenario, _rng: Rng, _now: f64) -> Self {
        let quota = usize::try_from(scenario.rpm).unwrap_or(usize::MAX);
        Self { quota, log: VecDeque::new(), benched_until: 0.0 }
    }

    fn ready_at(&mut self, _job: &mut Job, now: f64) -> f64 {
        let last = self.log.back().copied();
        while self.log.front().is_some_and(|sent| *sent <= now - WINDOW) {
            self.log.pop_front();
        }
        let room = self.log.len().checked_sub(self.quota).and_then(|excess| self.log.get(excess));
        let free_at = room.map_or(now, |sent| sent + WINDOW);
        free_at.max(now).max(self.benched_until).max(last.map_or(now, |last| last + GAP))
    }

    fn sent(&mut self, _job: &Job, now: f64) {
        self.log.push_back(now);
    }

    fn answered(&mut self, _job: &Job, answer: &Answer, now: f64) {
        if answer.status != Status::Accepted {
            self.benched_until = self.benched_until.max(now + asked(answer).unwrap_or(BENCH));
        }
    }

    fn retry(&mut self, _job: &Job, _answer: &Answer) -> Option<f64> {
        Some(0.0)
    }
}
