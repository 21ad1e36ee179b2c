//! A bucket at the configured rate, and nothing learned: what most clients have.

use super::{Job, NEARLY, Peer};
use crate::rng::Rng;
use crate::scenario::Scenario;

/// A static token bucket. A refusal goes to the client.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    capacity: f64,
    /// Tokens a second.
    rate: f64,
    tokens: f64,
    refilled: f64,
}

impl TokenBucket {
    pub(super) fn full(scenario: &Scenario, now: f64) -> Self {
        let capacity = f64::from(scenario.capacity);
        Self { capacity, rate: f64::from(scenario.rpm) / 60.0, tokens: capacity, refilled: now }
    }

    /// When there is a token.
    pub(super) fn free_at(&mut self, now: f64) -> f64 {
        self.refill(now);
        if self.tokens >= 1.0 - NEARLY { now } else { now + (1.0 - self.tokens) / self.rate }
    }

    pub(super) fn take(&mut self, now: f64) {
        self.refill(now);
        self.tokens -= 1.0;
    }

    fn refill(&mut self, now: f64) {
        self.tokens = (self.tokens + (now - self.refilled) * self.rate).min(self.capacity);
        self.refilled = now;
    }
}

impl Peer for TokenBucket {
    fn start(scenario: &Scenario, _rng: Rng, now: f64) -> Self {
        Self::full(scenario, now)
    }

    fn ready_at(&mut self, _job: &mut Job, now: f64) -> f64 {
        self.free_at(now)
    }

    fn sent(&mut self, _job: &Job, now: f64) {
        self.take(now);
    }
}
