//! What happened in a run, as far as figures are made of it.

use std::time::Duration;

use pacer::limiter::{PerPriority, Priority};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an answer.
    Served,
    /// With a 429 that its client saw.
    RateLimited,
    /// With a 503 that its client saw.
    Unavailable,
    /// Its client left, or would have, before it was answered.
    TimedOut,
    /// It found the queue full.
    Full,
    /// The sidecar refused it by itself.
    Locally,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Requests that came, by class.
    pub offered: PerPriority<u32>,
    /// How long each request that was served waited for its last departure, by class.
    pub waits: PerPriority<Vec<Duration>>,
    /// Requests that ended in a 429.
    pub rate_limited: u32,
    /// Requests that ended in a 503.
    pub unavailable: u32,
    /// Requests whose client left; those of class LOW that left the queue are what LOW is for, and
    /// are not counted.
    pub timed_out: u32,
    /// Requests that found the queue full.
    pub full: u32,
    /// Requests that the sidecar refused by itself.
    pub locally: u32,
    /// When attempts left.
    pub sent: Vec<Duration>,
    /// When attempts arrived at the upstream.
    pub arrived: Vec<Duration>,
    /// When those arrived that were accepted.
    pub accepted: Vec<Duration>,
    /// When refusals were heard of.
    pub refused: Vec<Duration>,
    /// Requests of the other tenants.
    pub tenants_asked: u32,
    /// Those that were accepted.
    pub tenants_served: u32,
}

impl History {
    /// Requests of one class that were served.
    pub fn served(&self, priority: Priority) -> usize {
        self.waits[priority].len()
    }

    /// A request that was not served ended.
    pub(crate) fn failed(&mut self, end: End) {
        let count = match end {
            End::Served => return,
            End::RateLimited => &mut self.rate_limited,
            End::Unavailable => &mut self.unavailable,
            End::TimedOut => &mut self.timed_out,
            End::Full => &mut self.full,
            End::Locally => &mut self.locally,
        };
        *count += 1;
    }
}
