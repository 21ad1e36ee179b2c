//! What the limiter looks like at one instant.

use std::time::Duration;

use super::retreat::{Cause, PaceState, SHORT_SCALES};

/// What the limiter looks like at one instant, for `/status` and `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Whole and partial tokens in the bucket.
    pub tokens: f64,
    /// The most the bucket holds.
    pub capacity: u32,
    /// Requests the rolling window holds, those about to depart included.
    pub window_used: u64,
    /// Requests the rolling window may hold.
    pub window_limit: u32,
    /// How long nothing may leave because the upstream refused; zero when the gate is open.
    pub gate: Duration,
    /// How long nothing may leave because the upstream's headers said that nothing is left; zero when it may.
    pub wall: Duration,
    /// Waiting requests by priority, in the order of `Priority::ALL`.
    pub depth: [usize; 4],
    /// How many may wait, all priorities together.
    pub queue_limit: usize,
    /// Requests a minute the settings allow.
    pub base_rpm: u32,
    /// Requests a minute allowed now.
    pub effective_rpm: u32,
    /// Attempts that were granted and have not been settled.
    pub unsettled: usize,
    /// Share of departures refused for quota over the retreat's window, 0 to 1.
    pub refusal_ratio: f64,
    /// What was learned of the upstream's limit.
    pub learned: Learned,
}

impl Snapshot {
    /// How long nothing may leave because of something that the upstream said.
    pub fn paused(&self) -> Duration {
        self.gate.max(self.wall)
    }
}

/// What was learned of the upstream's limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// How the pace stands to what the settings allow.
    pub state: PaceState,
    /// The limit of the whole window, in requests a minute, while episodes of refusals agree on one. The pace may
    /// be above it for a while: meeting it once a minute is the cheapest way to notice that it rose.
    pub limit_rpm: Option<u32>,
    /// Time to the next step above that limit; `None` while none is due.
    pub next_step: Option<Duration>,
    /// No more than this many requests in this time, shortest first.
    pub short: [Option<(Duration, u32)>; SHORT_SCALES],
    /// The most that may leave at once, while that is less than the settings allow.
    pub burst: Option<u32>,
    /// How often refusals were found to mean each [`Cause`], in the order of [`Cause::ALL`].
    pub episodes: [u64; Cause::ALL.len()],
}

/// How much of the window is left, in the terms of `x-ratelimit-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests the rolling window may hold.
    pub limit: u32,
    /// Requests that may still leave within the window.
    pub remaining: u32,
    /// Time until the window is empty if nothing else leaves.
    pub reset: Duration,
}
