//! Windows that begin at fixed times.

use std::time::Duration;

/// Where windows of one length begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    /// How far the first whole window begins after a multiple of the length.
    begin: Duration,
    window: Duration,
}

impl Phase {
    /// `begin` is the beginning of any window.
    pub(super) fn new(begin: Duration, window: Duration) -> Self {
        Self { begin: remainder(begin, window), window }
    }

    /// The number of the window that holds `now`, from 0, and how much of it has passed.
    pub(super) fn locate(&self, now: Duration) -> (u128, Duration) {
        // One window is added, since the first one has begun before the run.
        let since = (now + self.window).saturating_sub(self.begin);
        (since.as_nanos() / self.window.as_nanos(), remainder(since, self.window))
    }

    pub(super) fn window(&self) -> Duration {
        self.window
    }
}

fn remainder(time: Duration, window: Duration) -> Duration {
    let nanos = time.as_nanos() % window.as_nanos().max(1);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}
