//! Concurrency AIMD (`Netflix/concurrency-limits`, `AIMDLimit`) over a static bucket.

use super::token_bucket::TokenBucket;
use super::{Job, Peer};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::upstream::{Answer, Status};

const FIRST: u32 = 20;
const MOST: u32 = 200;

/// How many may be out grows by one with a success and shrinks by a tenth with a refusal, which goes to
/// the client.
#[derive(Debug)]
pub(crate) struct Netflix {
    bucket: TokenBucket,
    limit: u32,
    out: u32,
}

impl Peer for Netflix {
    fn start(scenario: &Scenario, _rng: Rng, now: f64) -> Self {
        Self { bucket: TokenBucket::full(scenario, now), limit: FIRST, out: 0 }
    }

    fn ready_at(&mut self, _job: &mut Job, now: f64) -> f64 {
        if self.out >= self.limit { f64::INFINITY } else { self.bucket.free_at(now) }
    }

    fn sent(&mut self, _job: &Job, now: f64) {
        self.out += 1;
        self.bucket.take(now);
    }

    fn answered(&mut self, _job: &Job, answer: &Answer, _now: f64) {
        if answer.status == Status::RateLimited {
            self.limit = (self.limit * 9 / 10).min(self.limit - 1).max(1);
        } else if self.out * 2 >= self.limit {
            self.limit = (self.limit + 1).min(MOST);
        }
        self.out = self.out.saturating_sub(1);
    }
}
