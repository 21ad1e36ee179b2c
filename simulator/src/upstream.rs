//! The other end: an upstream that counts to a quota it does not tell.
//!
//! Each kind of limit is one [`Limit`]. Around it stand what every kind shares: the schedule of
//! the quota, a second short limit, times of trouble, and what answers say about the limit.

mod bucket;
mod fixed;
mod phase;
mod sliding_counter;
mod sliding_log;

use std::fmt;
use std::time::Duration;

use pacer::limiter::Advice;

use crate::rng::Rng;
use crate::scenario::{Headers, LimitKind, RetryAfter, Up};
use crate::time::seconds;

use bucket::Bucket;
use fixed::Fixed;
use phase::Phase;
use sliding_counter::SlidingCounter;
use sliding_log::SlidingLog;

/// What one request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// When there will be room again, if there was none.
    pub(crate) refused: Option<Duration>,
    /// How many more would be accepted now.
    pub(crate) remaining: u32,
    /// When the count begins anew, or the oldest request leaves it.
    pub(crate) reset: Duration,
}

impl Hit {
    fn accepted(remaining: u32, reset: Duration) -> Self {
        Self { refused: None, remaining, reset }
    }

    fn refused(retry_after: Duration, reset: Duration) -> Self {
        Self { refused: Some(retry_after), remaining: 0, reset }
    }
}

/// A way to count to a quota.
pub(crate) trait Limit: fmt::Debug + Send {
    /// A request comes while `quota` is in force. `now` never runs backwards.
    fn hit(&mut self, quota: u32, now: Duration) -> Hit;
}

/// The status of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200.
    Accepted,
    /// 429.
    RateLimited,
    /// 503.
    Unavailable,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: Status,
    /// Its `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Its `x-ratelimit-*` headers.
    pub advice: Option<Advice>,
}

/// The upstream of one run.
#[derive(Debug)]
pub struct Upstream {
    up: Up,
    limit: Box<dyn Limit>,
    short: Option<(u32, SlidingLog)>,
    rng: Rng,
}

impl Upstream {
    /// A new upstream; where its windows begin is drawn if the scenario does not say.
    pub fn new(up: &Up, mut rng: Rng) -> Self {
        let begin = up.phase.unwrap_or_else(|| seconds(rng.between(0.0, up.window.as_secs_f64())));
        let phase = Phase::new(begin, up.window);
        let limit: Box<dyn Limit> = match up.kind {
            LimitKind::Slog => Box::new(SlidingLog::new(up.window, up.count429)),
            LimitKind::Fixed => Box::new(Fixed::new(phase, up.count429)),
            LimitKind::Swc => Box::new(SlidingCounter::new(phase)),
            LimitKind::Bucket | LimitKind::Gcra => Box::new(Bucket::new(up)),
        };
        let short = up.sub.map(|sub| (sub.quota, SlidingLog::new(sub.window, false)));
        Self { up: up.clone(), limit, short, rng }
    }

    /// A request comes.
    pub fn handle(&mut self, now: Duration) -> Answer {
        let rng = &mut self.rng;
        if let Some(fault) =
            self.up.brown.iter().find(|fault| fault.holds(now) && rng.chance(fault.probability))
        {
            let told = matches!(self.up.retry_after, RetryAfter::Exact | RetryAfter::Ceil);
            let left = seconds(fault.to.saturating_sub(now).as_secs_f64().ceil().clamp(1.0, 20.0));
            return Answer { status: Status::RateLimited, retry_after: told.then_some(left), advice: None };
        }
        if self.up.err.iter().any(|fault| fault.holds(now) && rng.chance(fault.probability)) {
            self.hit(now);
            return Answer { status: Status::Unavailable, retry_after: None, advice: None };
        }
        let hit = self.hit(now);
        let advice = (self.up.headers == Headers::Std).then_some(Advice {
            limit: Some(self.up.quota_at(now)),
            remaining: hit.remaining,
            reset: hit.reset,
        });
        let Some(wait) = hit.refused else {
            return Answer { status: Status::Accepted, retry_after: None, advice };
        };
        Answer { status: Status::RateLimited, retry_after: self.retry_after(wait), advice }
    }

    /// The quota in force.
    pub fn quota_at(&self, now: Duration) -> u32 {
        self.up.quota_at(now)
    }

    fn hit(&mut self, now: Duration) -> Hit {
        if let Some((quota, log)) = &mut self.short
            && let Some(free_in) = log.full_for(*quota, now)
        {
            return Hit::refused(free_in, free_in);
        }
        let hit = self.limit.hit(self.up.quota_at(now), now);
        if hit.refused.is_none()
            && let Some((quota, log)) = &mut self.short
        {
            log.hit(*quota, now);
        }
        hit
    }

    fn retry_after(&self, wait: Duration) -> Option<Duration> {
        match self.up.retry_after {
            RetryAfter::None => None,
            RetryAfter::Exact => Some(wait),
            RetryAfter::Ceil => Some(seconds(wait.as_secs_f64().ceil().max(1.0))),
            RetryAfter::One => Some(Duration::from_secs(1)),
            RetryAfter::Zero => Some(Duration::ZERO),
            RetryAfter::Over => Some(Duration::from_secs(60)),
        }
    }
}

#[cfg(test)]
mod tests;
