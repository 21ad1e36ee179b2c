//! AWS's adaptive client rate limiter (`smithy-rs`, `client_rate_limiter.rs`) over a static bucket.
//!
//! Off until the first refusal; then a bucket whose rate falls by 30 % with a refusal and follows a cubic
//! of the time since, never above twice the measured rate nor below half a request a second. An
//! attempt costs a token, a retry five; three attempts with full jitter, out of a budget.
//!
//! The published code refills the budget with successes. Here nothing does, which is in its favour: what is
//! not sent again costs no five tokens. Refilled, it uses .72 of the quota where it now uses .89 (A1).

use super::token_bucket::TokenBucket;
use super::{Job, NEARLY, Peer};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::upstream::{Answer, Status};

const BETA: f64 = 0.7;
const SCALE: f64 = 0.4;
const SMOOTH: f64 = 0.8;
const LEAST_FILL: f64 = 0.5;
const LEAST_CAPACITY: f64 = 1.0;
const RETRY_COST: f64 = 5.0;
const ATTEMPTS: u32 = 3;
const LONGEST_PAUSE: f64 = 20.0;
const RETRY_BUDGET: u32 = 500;
const RETRY_TAKES: u32 = 5;

/// The adaptive limiter.
#[derive(Debug)]
pub(crate) struct Aws {
    fixed: TokenBucket,
    rng: Rng,
    enabled: bool,
    /// Tokens a second, the most the bucket holds, what it holds.
    fill: f64,
    capacity: f64,
    tokens: f64,
    refilled: f64,
    /// Answers a second, smoothed, and what it is made of.
    measured: f64,
    counted_from: f64,
    counted: u32,
    /// The rate at the last refusal, and when that was.
    rate_max: f64,
    refused_at: f64,
    budget: u32,
}

impl Aws {
    fn refill(&mut self, now: f64) {
        self.tokens = (self.tokens + (now - self.refilled) * self.fill).min(self.capacity);
        self.refilled = now;
    }

    fn measure(&mut self, now: f64) {
        let half_second = (now * 2.0).floor() / 2.0;
        self.counted += 1;
        if half_second > self.counted_from {
            let rate = f64::from(self.counted) / (half_second - self.counted_from);
            self.measured = rate * SMOOTH + self.measured * (1.0 - SMOOTH);
            (self.counted, self.counted_from) = (0, half_second);
        }
    }

    /// Where the cubic stands `now`.
    fn cubic(&self, now: f64) -> f64 {
        let flat_after = (self.rate_max * (1.0 - BETA) / SCALE).cbrt();
        SCALE * (now - self.refused_at - flat_after).powi(3) + self.rate_max
    }
}

fn cost(tries_before: u32) -> f64 {
    if tries_before == 0 { 1.0 } else { RETRY_COST }
}

impl Peer for Aws {
    fn start(scenario: &Scenario, rng: Rng, now: f64) -> Self {
        Self {
            fixed: TokenBucket::full(scenario, now),
            rng,
            enabled: false,
            fill: LEAST_FILL,
            capacity: f64::INFINITY,
            tokens: 0.0,
            refilled: now,
            measured: LEAST_FILL,
            counted_from: 0.0,
            counted: 0,
            rate_max: 0.0,
            refused_at: 0.0,
            budget: RETRY_BUDGET,
        }
    }

    fn ready_at(&mut self, job: &mut Job, now: f64) -> f64 {
        let fixed = self.fixed.free_at(now);
        if !self.enabled {
            return fixed;
        }
        self.refill(now);
        let missing = cost(job.tries) - self.tokens;
        let ready_at = if missing > 0.0 { fixed.max(now + missing / self.fill) } else { fixed };
        // The published code sleeps once and sends then, though a bucket of one never holds five.
        match job.told {
            Some(told) if told <= now + NEARLY => return fixed,
            None if ready_at > now => job.told = Some(ready_at),
            Some(_) | None => {}
        }
        ready_at
    }

    fn sent(&mut self, job: &Job, now: f64) {
        self.fixed.take(now);
        if self.enabled {
            self.refill(now);
            self.tokens -= cost(job.tries.saturating_sub(1));
        }
    }

    fn answered(&mut self, _job: &Job, answer: &Answer, now: f64) {
        self.measure(now);
        let rate = if answer.status == Status::RateLimited {
            let rate = if self.enabled { self.measured.min(self.fill) } else { self.measured };
            (self.rate_max, self.refused_at, self.enabled) = (rate, now, true);
            rate * BETA
        } else {
            self.cubic(now)
        };
        let rate = rate.min(2.0 * self.measured);
        self.refill(now);
        self.fill = rate.max(LEAST_FILL);
        self.capacity = rate.max(LEAST_CAPACITY);
        self.tokens = self.tokens.min(self.capacity);
    }

    fn retry(&mut self, job: &Job, _answer: &Answer) -> Option<f64> {
        if job.tries >= ATTEMPTS || self.budget < RETRY_TAKES {
            return None;
        }
        self.budget -= RETRY_TAKES;
        let longest = f64::from(1_u32 << job.tries.saturating_sub(1)).min(LONGEST_PAUSE);
        Some(self.rng.unit() * longest)
    }
}
