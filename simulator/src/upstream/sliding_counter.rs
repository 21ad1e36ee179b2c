//! Two fixed windows that imitate a sliding one.

use std::time::Duration;

use super::phase::Phase;
use super::{Hit, Limit};
use crate::time::seconds;

/// Weighs the last window by how much of it a sliding one would still hold.
#[derive(Debug)]
pub(super) struct SlidingCounter {
    phase: Phase,
    window: Option<u128>,
    last: u32,
    count: u32,
}

impl SlidingCounter {
    pub(super) fn new(phase: Phase) -> Self {
        Self { phase, window: None, last: 0, count: 0 }
    }

    fn enter(&mut self, window: u128) {
        if self.window == Some(window) {
            return;
        }
        let follows = self.window.is_some_and(|before| before + 1 == window);
        self.last = if follows { self.count } else { 0 };
        (self.window, self.count) = (Some(window), 0);
    }
}

impl Limit for SlidingCounter {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0, below the quota"
    )]
    fn hit(&mut self, quota: u32, now: Duration) -> Hit {
        let (window, passed) = self.phase.locate(now);
        self.enter(window);
        let length = self.phase.window().as_secs_f64();
        let left = 1.0 - passed.as_secs_f64() / length;
        let estimate = f64::from(self.last) * left + f64::from(self.count);
        let reset = seconds(left * length);
        let excess = estimate + 1.0 - f64::from(quota);
        if excess <= 0.0 {
            self.count += 1;
            return Hit::accepted(-excess as u32, reset);
        }
        let leaks = (excess / f64::from(self.last.max(1)) * length).max(0.5);
        Hit::refused(if self.count < quota { seconds(leaks) } else { reset }, reset)
    }
}
