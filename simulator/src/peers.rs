//! Limiters that others have built, to compare with: their laws and constants, from their sources.
//!
//! A peer has a queue of its own, as the sidecar it would be has: bounded, four classes, patient for as
//! long as its clients are. What it decides is when the head of that queue may leave, what it learns from
//! answers, and what it sends again. Times are seconds since the run began, as in the laws' own texts.

mod aws;
mod nemo;
mod netflix;
mod queue;
mod rolling_log;
mod sre;
mod token_bucket;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use pacer::limiter::Priority;

pub(crate) use aws::Aws;
pub(crate) use nemo::Nemo;
pub(crate) use netflix::Netflix;
pub(crate) use rolling_log::RollingLog;
pub(crate) use sre::Sre;
pub(crate) use token_bucket::TokenBucket;

use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::sidecar::{Fate, Gauges, Next, RequestId, Sidecar, TurnedAway};
use crate::time::seconds;
use crate::upstream::{Answer, Status};
use queue::Queue;

/// What sums of seconds may lose.
const NEARLY: f64 = 1e-9;

/// A request as a peer knows it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) priority: Priority,
    pub(crate) came: f64,
    /// When it was sent last.
    pub(crate) sent: f64,
    /// How often it was sent.
    pub(crate) tries: u32,
    /// Until when it was told to wait before its next attempt.
    pub(crate) told: Option<f64>,
    /// The serial number of its last attempt.
    pub(crate) attempt: u64,
}

/// A law.
pub(crate) trait Peer: fmt::Debug + Send {
    /// The state of a process that starts at `now`.
    fn start(scenario: &Scenario, rng: Rng, now: f64) -> Self
    where
        Self: Sized;

    /// Whether its queue is first come, first served.
    const FIFO: bool = false;

    /// Whether a new request may wait; otherwise it is refused with a 429.
    fn admits(&mut self, _now: f64) -> bool {
        true
    }

    /// When the request may leave; infinite if that hangs on an answer.
    fn ready_at(&mut self, job: &mut Job, now: f64) -> f64;

    /// It leaves.
    fn sent(&mut self, job: &Job, now: f64);

    /// It is answered.
    fn answered(&mut self, _job: &Job, _answer: &Answer, _now: f64) {}

    /// The pause before a request that was refused or failed is sent again; `None` if it is not.
    fn retry(&mut self, _job: &Job, _answer: &Answer) -> Option<f64> {
        None
    }
}

/// A sidecar that is a peer.
#[derive(Debug)]
pub(crate) struct PeerSidecar<P> {
    scenario: Scenario,
    rng: Rng,
    peer: P,
    queue: Queue,
    jobs: BTreeMap<RequestId, Job>,
    attempts: u64,
}

impl<P: Peer> PeerSidecar<P> {
    pub(crate) fn new(scenario: &Scenario, mut rng: Rng) -> Self {
        let peer = P::start(scenario, rng.split(), 0.0);
        let queue = Queue::new(scenario, P::FIFO);
        Self { scenario: scenario.clone(), rng, peer, queue, jobs: BTreeMap::new(), attempts: 0 }
    }
}

impl<P: Peer> Sidecar for PeerSidecar<P> {
    fn admit(&mut self, request: RequestId, priority: Priority, now: Duration) -> Result<(), TurnedAway> {
        let now = now.as_secs_f64();
        if !self.peer.admits(now) {
            return Err(TurnedAway::Locally);
        }
        if self.queue.is_full() {
            return Err(TurnedAway::Full);
        }
        self.jobs.insert(request, Job { priority, came: now, sent: now, tries: 0, told: None, attempt: 0 });
        self.queue.push(request, priority, now);
        Ok(())
    }

    fn readmit(&mut self, request: RequestId, _now: Duration) -> Result<(), TurnedAway> {
        if let Some(job) = self.jobs.get(&request) {
            self.queue.push_returned(request, job.priority, job.came);
        }
        Ok(())
    }

    fn leave(&mut self, request: RequestId, _now: Duration) {
        if let Some(job) = self.jobs.remove(&request) {
            self.queue.remove(request, job.priority);
        }
    }

    fn poll(&mut self, now: Duration) -> Next {
        let now = now.as_secs_f64();
        let Some((priority, request)) = self.queue.next(now) else { return Next::Sleep(None) };
        let Some(job) = self.jobs.get_mut(&request) else { return Next::Sleep(None) };
        let ready_at = self.peer.ready_at(job, now);
        if ready_at > now + NEARLY {
            return Next::Sleep(ready_at.is_finite().then(|| seconds(ready_at)));
        }
        self.queue.served(priority);
        self.attempts += 1;
        job.tries += 1;
        (job.sent, job.attempt) = (now, self.attempts);
        self.peer.sent(job, now);
        job.told = None;
        Next::Send(request)
    }

    fn answered(&mut self, request: RequestId, answer: &Answer, now: Duration) -> Fate {
        let Some(job) = self.jobs.get(&request) else { return Fate::Relayed };
        self.peer.answered(job, answer, now.as_secs_f64());
        let again = match answer.status {
            Status::Accepted => None,
            Status::RateLimited | Status::Unavailable => self.peer.retry(job, answer),
        };
        let Some(pause) = again else {
            self.jobs.remove(&request);
            return Fate::Relayed;
        };
        Fate::Again(seconds(pause))
    }

    fn restart(&mut self, now: Duration) -> Vec<RequestId> {
        self.peer = P::start(&self.scenario, self.rng.split(), now.as_secs_f64());
        Vec::new()
    }

    fn gauges(&mut self, _now: Duration) -> Gauges {
        Gauges { waiting: self.queue.len(), ..Gauges::default() }
    }
}

/// The `Retry-After` of an answer in seconds, unless it is zero or missing.
fn asked(answer: &Answer) -> Option<f64> {
    answer.retry_after.filter(|asked| !asked.is_zero()).map(|asked| asked.as_secs_f64())
}

#[cfg(test)]
mod tests;
