//! An exact log of the last window.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Hit, Limit};

/// Accepts as long as the last window holds fewer than the quota.
#[derive(Debug)]
pub(super) struct SlidingLog {
    window: Duration,
    counts_refused: bool,
    log: VecDeque<Duration>,
}

impl SlidingLog {
    pub(super) fn new(window: Duration, counts_refused: bool) -> Self {
        Self { window, counts_refused, log: VecDeque::new() }
    }

    /// How long `quota` and more stay in the window; nothing if there is room.
    pub(super) fn full_for(&mut self, quota: u32, now: Duration) -> Option<Duration> {
        while self.log.front().is_some_and(|at| *at + self.window <= now) {
            self.log.pop_front();
        }
        let excess = self.log.len().checked_sub(usize::try_from(quota).unwrap_or(usize::MAX))?;
        self.log.get(excess).map(|at| (*at + self.window).saturating_sub(now))
    }
}

impl Limit for SlidingLog {
    fn hit(&mut self, quota: u32, now: Duration) -> Hit {
        if let Some(free_in) = self.full_for(quota, now) {
            if self.counts_refused {
                self.log.push_back(now);
            }
            return Hit::refused(free_in, free_in);
        }
        self.log.push_back(now);
        let oldest = self.log.front().copied().unwrap_or(now);
        let used = u32::try_from(self.log.len()).unwrap_or(u32::MAX);
        Hit::accepted(quota.saturating_sub(used), (oldest + self.window).saturating_sub(now))
    }
}
