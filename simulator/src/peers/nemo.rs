//! Concurrency AIMD that sends again: `ThrottleManager` of NVIDIA `NeMo` `DataDesigner`, over a static bucket.

use super::token_bucket::TokenBucket;
use super::{Job, Peer, asked};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::upstream::{Answer, Status};

const MOST: u32 = 20;
/// Successes in a row for one more at a time.
const GROWS_AFTER: u32 = 25;
/// How long nothing leaves after a refusal that names no time.
const COOLDOWN: f64 = 2.0;
const ATTEMPTS: u32 = 20;

/// A quarter fewer at a time with a refusal that is news; growth stops a tenth above the last ceiling.
#[derive(Debug)]
pub(crate) struct Nemo {
    bucket: TokenBucket,
    limit: u32,
    out: u32,
    successes: u32,
    cool_until: f64,
    ceiling: Option<u32>,
    cut_at: f64,
}

impl Nemo {
    fn top(&self) -> u32 {
        self.ceiling.map_or(MOST, |ceiling| (ceiling * 11 / 10 + 1).min(MOST))
    }
}

impl Peer for Nemo {
    fn start(scenario: &Scenario, _rng: Rng, now: f64) -> Self {
        Self {
            bucket: TokenBucket::full(scenario, now),
            limit: MOST,
            out: 0,
            successes: 0,
            cool_until: 0.0,
            ceiling: None,
            cut_at: -1.0,
        }
    }

    fn ready_at(&mut self, _job: &mut Job, now: f64) -> f64 {
        if self.out >= self.limit { f64::INFINITY } else { self.bucket.free_at(now).max(self.cool_until) }
    }

    fn sent(&mut self, _job: &Job, now: f64) {
        self.out += 1;
        self.bucket.take(now);
    }

    fn answered(&mut self, job: &Job, answer: &Answer, now: f64) {
        self.out = self.out.saturating_sub(1);
        if answer.status == Status::RateLimited {
            self.successes = 0;
            if job.sent > self.cut_at {
                (self.ceiling, self.cut_at) = (Some(self.limit), now);
                self.limit = (self.limit * 3 / 4).max(1);
            }
            self.cool_until = self.cool_until.max(now + asked(answer).unwrap_or(COOLDOWN));
            return;
        }
        self.successes += 1;
        if self.successes >= GROWS_AFTER {
            self.successes = 0;
            self.limit = (self.limit + 1).min(self.top());
        }
    }

    fn retry(&mut self, job: &Job, _answer: &Answer) -> Option<f64> {
        (job.tries < ATTEMPTS).then_some(0.0)
    }
}
