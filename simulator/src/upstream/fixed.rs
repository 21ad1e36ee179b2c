//! A window that begins at fixed times.

use std::time::Duration;

use super::phase::Phase;
use super::{Hit, Limit};

/// Counts anew with every window.
#[derive(Debug)]
pub(super) struct Fixed {
    phase: Phase,
    /// Whether what is refused counts as well; it changes no answer, since the window is full then.
    counts_refused: bool,
    window: Option<u128>,
    count: u32,
}

impl Fixed {
    pub(super) fn new(phase: Phase, counts_refused: bool) -> Self {
        Self { phase, counts_refused, window: None, count: 0 }
    }
}

impl Limit for Fixed {
    fn hit(&mut self, quota: u32, now: Duration) -> Hit {
        let (window, passed) = self.phase.locate(now);
        if self.window != Some(window) {
            (self.window, self.count) = (Some(window), 0);
        }
        let reset = self.phase.window().saturating_sub(passed);
        if self.count < quota {
            self.count += 1;
            return Hit::accepted(quota - self.count, reset);
        }
        if self.counts_refused {
            self.count = self.count.saturating_add(1);
        }
        Hit::refused(reset, reset)
    }
}
