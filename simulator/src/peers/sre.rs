//! Client-side throttling (Google SRE book, chapter 21, K = 2) over a static bucket.

use std::collections::VecDeque;

use super::token_bucket::TokenBucket;
use super::{Job, Peer};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::time::count;
use crate::upstream::{Answer, Status};

/// How many requests there may be for one accepted.
const K: f64 = 2.0;
/// How far back requests count.
const WINDOW: f64 = 120.0;

/// Refuses by itself, with a probability that grows with the share of requests refused upstream. An
/// attempt counts as accepted until it is refused: answers of a language model take too long to wait for.
#[derive(Debug)]
pub(crate) struct Sre {
    bucket: TokenBucket,
    rng: Rng,
    requests: VecDeque<Request>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    at: f64,
    /// Its attempt; 0 if it was not even sent.
    attempt: u64,
    accepted: bool,
}

impl Peer for Sre {
    fn start(scenario: &Scenario, rng: Rng, now: f64) -> Self {
        Self { bucket: TokenBucket::full(scenario, now), rng, requests: VecDeque::new() }
    }

    fn admits(&mut self, now: f64) -> bool {
        while self.requests.front().is_some_and(|request| request.at < now - WINDOW) {
            self.requests.pop_front();
        }
        let requests = count(self.requests.len());
        let accepted = count(self.requests.iter().filter(|request| request.accepted).count());
        let refuses = self.rng.chance((requests - K * accepted) / (requests + 1.0));
        if refuses {
            self.requests.push_back(Request { at: now, attempt: 0, accepted: false });
        }
        !refuses
    }

    fn ready_at(&mut self, _job: &mut Job, now: f64) -> f64 {
        self.bucket.free_at(now)
    }

    fn sent(&mut self, job: &Job, now: f64) {
        self.bucket.take(now);
        self.requests.push_back(Request { at: now, attempt: job.attempt, accepted: true });
    }

    fn answered(&mut self, job: &Job, answer: &Answer, _now: f64) {
        if answer.status == Status::RateLimited
            && let Some(request) = self.requests.iter_mut().find(|request| request.attempt == job.attempt)
        {
            request.accepted = false;
        }
    }
}
