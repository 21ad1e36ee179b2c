//! Pure decisions: who may leave, when, and who must be told no.
//!
//! Everything takes `now` and returns values; nothing here waits, reads a clock,
//! locks or logs. `scheduler` is the shell that does. A request leaves when five things
//! agree: the rolling window has a place ([`window`]), the bucket has a token ([`bucket`]),
//! the last departure is a minimum gap ago, the upstream did not ask for a pause ([`gate`]),
//! and it is its turn ([`queue`], [`turns`]). All arithmetic is on whole nanoseconds.

mod bucket;
mod clock;
mod deadlines;
pub mod decision;
mod forecast;
mod gate;
mod lane;
pub mod outcome;
pub mod priority;
mod queue;
mod refusals;
mod retreat;
mod rng;
pub mod settings;
mod slab;
pub mod snapshot;
mod turns;
mod verdict;
mod window;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use decision::{Admission, Decision, Grant, GrantKind, Refusal};
pub use outcome::{Outcome, RefusedBecause};
pub use priority::{PerPriority, Priority, UnknownPriority};
pub use retreat::{Advice, Cause, PaceState, SHORT_SCALES, Transition};
pub use settings::Settings;
pub use slab::Key;
pub use snapshot::{Budget, Learned, Snapshot};

use bucket::{Taken, TokenBucket};
use clock::{Clock, Nanos, nanos};
use gate::Gate;
use queue::{Standing, WaitQueue};
use refusals::RefusalWindow;
use retreat::{Retreat, Sent};
use settings::{Mode, WhenFull};
use slab::Slab;
use window::RollingWindow;

/// A request that was granted and whose end has not been told.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    departed: Option<Sent>,
    /// When the request was admitted.
    since: Nanos,
    /// Whether it has been taken for accepted, since nobody refused it in time.
    presumed: bool,
    /// What it took from the bucket, and gives back if it never departs.
    token: Option<Taken>,
}

/// The limiter. `W` is whatever the caller knows a waiting request by.
#[derive(Debug)]
pub struct Limiter<W> {
    settings: Settings,
    clock: Clock,
    bucket: TokenBucket,
    window: RollingWindow,
    gate: Gate,
    queue: WaitQueue<W>,
    attempts: Slab<Attempt>,
    refusals: RefusalWindow,
    retreat: Retreat,
    /// Departures of the last second, which may still be presumed accepted.
    fresh: VecDeque<(Key, Nanos)>,
    last_departure: Option<Nanos>,
    next_serial: u64,
}

impl<W> Limiter<W> {
    /// A limiter that knows nothing of the past: it starts paced, with one token, because the
    /// upstream may remember what a process before this one sent.
    pub fn new(settings: &Settings, seed: u64, now: Instant) -> Self {
        let retreat = Retreat::new(settings, 0);
        Self {
            settings: settings.clone(),
            clock: Clock::new(now),
            bucket: TokenBucket::cold(retreat.flow(), 0),
            window: RollingWindow::new(span_of(settings), retreat.quota()),
            gate: Gate::new(seed),
            queue: WaitQueue::new(shares_of(settings)),
            attempts: Slab::new(),
            refusals: RefusalWindow::new(nanos(settings.retreat.window)),
            retreat,
            fresh: VecDeque::new(),
            last_departure: None,
            next_serial: 0,
        }
    }

    /// Puts new settings in force. Who waits keeps waiting, tokens and the window are kept.
    pub fn reconfigure(&mut self, settings: &Settings, now: Instant) {
        let now = self.advance(now);
        self.retreat.reconfigure(settings, now);
        self.queue.reconfigure(shares_of(settings));
        self.refusals.reconfigure(nanos(settings.retreat.window));
        self.settings = settings.clone();
        self.follow(now);
    }

    /// Admits a new request: to the queue, past it, or not at all.
    pub fn admit(&mut self, who: W, priority: Priority, deadline: Instant, now: Instant) -> Admission {
        let now = self.advance(now);
        let standing =
            Standing { priority, deadline: self.clock.at(deadline), since: now, serial: self.next_serial };
        self.next_serial += 1;
        let turns_before = self.queue.turns_before(priority);
        let ready_at = self.forecast(turns_before, now);
        if self.settings.mode == Mode::Observe {
            let wait = Duration::from_nanos(ready_at - now);
            return Admission::Granted(self.grant(standing, GrantKind::Observed(wait), now));
        }
        let leaves_at_once = turns_before == 0 && self.ready_at(now).is_some_and(|at| at <= now);
        if self.queue.len() >= self.settings.queue.max_depth && !leaves_at_once {
            // Past the queue is not past the gate: an upstream that said no would only say it again.
            let closed = self.gate.is_closed(now) || self.retreat.wall(now) > now;
            let passes = self.settings.queue.when_full == WhenFull::Passthrough && !closed;
            return if passes {
                Admission::Granted(self.grant(standing, GrantKind::Passthrough, now))
            } else {
                Admission::Refused(self.refusal(RefusedBecause::QueueFull, standing, turns_before, now))
            };
        }
        if ready_at >= standing.deadline {
            self.queue.turned_away(priority);
            return Admission::Refused(self.too_late(standing, turns_before, now));
        }
        Admission::Queued(self.queue.push(who, standing))
    }

    /// Admits a request again, at the head of its lane and with its old deadline, however full the queue is.
    pub fn readmit(&mut self, who: W, grant: Grant, now: Instant) -> Admission {
        let now = self.advance(now);
        let turns_before = self.queue.turns_before_returned(grant.standing);
        if self.forecast(turns_before, now) >= grant.standing.deadline {
            return Admission::Refused(self.too_late(grant.standing, turns_before, now));
        }
        Admission::Queued(self.queue.push_returned(who, grant.standing))
    }

    /// Takes a waiting request out of the queue; `None` if it does not wait any more.
    pub fn cancel(&mut self, key: Key, now: Instant) -> Option<W> {
        self.advance(now);
        let waiter = self.queue.remove(key)?;
        if self.queue.len() == 0 {
            self.bucket.block_until(0);
        }
        Some(waiter.who)
    }

    /// Takes anybody out of the queue, to be told that nothing is served any more.
    pub fn evict(&mut self) -> Option<(W, Priority)> {
        let waiter = self.queue.pop_any()?;
        Some((waiter.who, waiter.standing.priority))
    }

    /// Decides the next thing to do; to be called until it says [`Decision::Sleep`].
    pub fn poll(&mut self, now: Instant) -> Decision<W> {
        let now = self.advance(now);
        let observe = self.settings.mode == Mode::Observe;
        if !observe && let Some(waiter) = self.queue.pop_due(now.max(self.hopeless_before())) {
            let turns_before = self.queue.turns_before(waiter.standing.priority);
            return Decision::Refuse(waiter.who, self.too_late(waiter.standing, turns_before, now));
        }
        let ready = if observe { Some(now) } else { self.ready_at(now) };
        if ready.is_some_and(|at| at <= now)
            && let Some(waiter) = self.queue.pop()
        {
            let kind = if observe { GrantKind::Observed(Duration::ZERO) } else { GrantKind::Paced };
            return Decision::Grant(waiter.who, self.grant(waiter.standing, kind, now));
        }
        Decision::Sleep(self.next_event(ready))
    }

    /// The request's head has been written: it counts from `now`. Only the first call has an effect.
    ///
    /// An attempt that was settled before it departed, because its client left in that very
    /// moment, is charged all the same: the upstream counts it.
    pub fn depart(&mut self, grant: Grant, now: Instant) {
        let now = self.advance(now);
        if self.attempts.get(grant.attempt).is_some() {
            self.depart_at(grant.attempt, now);
        } else {
            self.window.reserve();
            self.window.depart(now);
            self.retreat.departed(0, now);
        }
    }

    /// The oldest change of the pace's state that has not been asked for yet.
    pub fn next_transition(&mut self) -> Option<Transition> {
        self.retreat.next_transition()
    }

    fn advance(&mut self, now: Instant) -> Nanos {
        let now = self.clock.advance(now);
        self.bucket.refill(now);
        self.window.prune(now);
        self.retreat.advance(self.queue.len() == 0, now);
        self.presume(now);
        self.follow(now);
        now
    }

    /// Puts the pace in force.
    fn follow(&mut self, now: Nanos) {
        self.window.reconfigure(span_of(&self.settings), self.retreat.quota(), now);
        self.bucket.reconfigure(self.retreat.flow(), now);
        let blocked_until = self.blocked_until(now);
        self.bucket.block_until(if self.queue.len() > 0 { blocked_until } else { 0 });
    }

    fn grant(&mut self, standing: Standing, kind: GrantKind, now: Nanos) -> Grant {
        let token = (kind != GrantKind::Passthrough).then(|| self.bucket.take());
        self.window.reserve();
        self.last_departure = Some(now);
        let attempt =
            self.attempts.insert(Attempt { departed: None, since: standing.since, presumed: false, token });
        if kind == GrantKind::Paced {
            self.gate.granted(attempt);
        }
        Grant { attempt, standing, kind }
    }

    fn depart_at(&mut self, key: Key, now: Nanos) {
        let Some(attempt) = self.attempts.get_mut(key).filter(|attempt| attempt.departed.is_none()) else {
            return;
        };
        attempt.departed = Some(self.retreat.departed(now - attempt.since, now));
        self.fresh.push_back((key, now));
        self.window.depart(now);
        self.gate.departed(key, now);
        self.refusals.departed(now);
        self.last_departure = Some(now);
    }
}

/// Length of the rolling window with its margin.
fn span_of(settings: &Settings) -> Nanos {
    nanos(settings.rate.window + settings.rate.window_margin)
}

fn shares_of(settings: &Settings) -> PerPriority<u32> {
    PerPriority(settings.queue.lanes.map(|lane| u32::from(lane.minimum_share_percent)))
}
