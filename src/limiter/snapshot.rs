//! What the limiter looks like at one instant.

use std::time::Duration;

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
