//! When the next departures may happen, and what that means for who waits.

use std::time::{Duration, Instant};

use super::clock::{Nanos, nanos};
use super::queue::Standing;
use super::{Budget, Limiter, Refusal, RefusedBecause, Snapshot};

/// The longest pause before a retry that the `OpenAI` clients accept from a server.
const LONGEST_RETRY: Nanos = 60 * 1_000_000_000;
/// No refusal invites a retry sooner than this.
const SHORTEST_RETRY: Nanos = 1_000_000_000;

impl<W> Limiter<W> {
    /// When the next departure may happen; `None` while that hangs on what becomes of an attempt that is out.
    pub(super) fn ready_at(&self, now: Nanos) -> Option<Nanos> {
        if self.gate.waits_for_probe() {
            return None;
        }
        let window = self.window.free_at(0, now)?.max(self.retreat.free_at(self.window.reserved(), now)?);
        let tokens = self.bucket.ready_at(1, self.blocked_until(now), now);
        Some(window.max(self.gate.open_at()).max(self.gap_over_at()).max(tokens))
    }

    /// When a request with `turns_before` others before it may depart, if nobody else comes and
    /// everybody departs as soon as they may. Never earlier than `now`.
    ///
    /// Once the window is full those who wait behind it leave one token apart, whatever
    /// burst the window remembers, since no more than one token accrues meanwhile. During an
    /// outage one leaves at a time, a back-off apart.
    pub(super) fn forecast(&self, turns_before: u64, now: Nanos) -> Nanos {
        let (free, gate) = (self.window.free(), self.gate.open_at());
        let mut tokens = self.bucket.ready_at(turns_before + 1, self.blocked_until(now), now);
        if free > 0 && turns_before >= free {
            let blocked_until = self.place_at(free, now).max(gate);
            tokens = tokens.max(self.bucket.ready_after(free, blocked_until, turns_before - free + 1));
        }
        let gaps = self.gap().saturating_mul(turns_before);
        let learned = self.retreat.free_at(0, now).unwrap_or(now);
        let first = now.max(gate).max(self.gap_over_at()).max(learned);
        let probes = gate.saturating_add(self.gate.outage_pause().saturating_mul(turns_before));
        self.place_at(turns_before, now).max(tokens).max(first.saturating_add(gaps)).max(probes)
    }

    /// When the window has a place for the `index`-th next departure; what is about to depart is taken to do so now.
    fn place_at(&self, index: u64, now: Nanos) -> Nanos {
        self.window.free_at(index, now).unwrap_or_else(|| {
            let laps = index / u64::from(self.window.quota()) + 1;
            now.saturating_add(self.window.span().saturating_mul(laps))
        })
    }

    /// When the window and the gate hold nothing back any more.
    pub(super) fn blocked_until(&self, now: Nanos) -> Nanos {
        let learned = self.retreat.blocked_until(self.window.reserved(), now);
        self.window.free_at(0, now).unwrap_or(now).max(learned).max(self.gate.open_at())
    }

    /// Who has a deadline before this waits in vain.
    pub(super) fn hopeless_before(&self) -> Nanos {
        self.gate.open_at().saturating_sub(1)
    }

    fn gap(&self) -> Nanos {
        nanos(self.settings.rate.minimum_gap)
    }

    fn gap_over_at(&self) -> Nanos {
        self.last_departure.map_or(0, |last| last.saturating_add(self.gap()))
    }

    /// When [`Limiter::poll`] has something to do next, given when the next departure may happen.
    pub(super) fn next_event(&mut self, ready: Option<Nanos>) -> Option<Instant> {
        let ready = ready.filter(|_| self.queue.len() > 0);
        let deadline = self.queue.first_deadline().map(|(deadline, _)| deadline);
        let next = [ready, deadline, self.gate.presumes_at()].into_iter().flatten().min()?;
        self.clock.instant(next)
    }

    /// A refusal for a turn that would come after the deadline, or did.
    pub(super) fn too_late(&self, standing: Standing, turns_before: u64, now: Nanos) -> Refusal {
        let late = self.forecast(turns_before, now).saturating_sub(standing.deadline);
        let because = if self.gate.is_outage() {
            RefusedBecause::UpstreamUnavailable
        } else if standing.deadline <= now {
            RefusedBecause::TimedOut
        } else if late > LONGEST_RETRY {
            RefusedBecause::DeadlineUnreachable
        } else {
            RefusedBecause::WouldMissDeadline
        };
        self.refusal(because, standing, turns_before, now)
    }

    pub(super) fn refusal(
        &self,
        because: RefusedBecause,
        standing: Standing,
        turns_before: u64,
        now: Nanos,
    ) -> Refusal {
        let ready_at = self.forecast(turns_before, now);
        let retry_after = match because {
            RefusedBecause::WouldMissDeadline | RefusedBecause::DeadlineUnreachable => {
                ready_at.saturating_sub(standing.deadline)
            }
            RefusedBecause::QueueFull
            | RefusedBecause::TimedOut
            | RefusedBecause::UpstreamUnavailable
            | RefusedBecause::Draining => ready_at - now,
        };
        Refusal {
            because,
            priority: standing.priority,
            estimated_wait: Duration::from_nanos(ready_at - now),
            position: usize::try_from(turns_before).unwrap_or(usize::MAX),
            retry_after: Duration::from_nanos(retry_after.max(SHORTEST_RETRY)),
        }
    }

    /// What is left of the window.
    pub fn budget(&mut self, now: Instant) -> Budget {
        let now = self.advance(now);
        let limit = self.window.quota();
        let used = u32::try_from(self.window.used()).unwrap_or(u32::MAX);
        Budget {
            limit,
            remaining: limit.saturating_sub(used),
            reset: Duration::from_nanos(self.window.empty_in(now)),
        }
    }

    /// What the limiter looks like.
    pub fn snapshot(&mut self, now: Instant) -> Snapshot {
        let now = self.advance(now);
        let base_rpm = self.settings.rate.requests_per_minute;
        Snapshot {
            tokens: self.bucket.tokens(),
            capacity: self.bucket.capacity(),
            window_used: self.window.used(),
            window_limit: self.window.quota(),
            gate: Duration::from_nanos(self.gate.open_at().saturating_sub(now)),
            wall: Duration::from_nanos(self.retreat.wall(now).saturating_sub(now)),
            depth: self.queue.depth(),
            queue_limit: self.settings.queue.max_depth,
            base_rpm,
            effective_rpm: self.retreat.effective_rpm(),
            unsettled: self.attempts.len(),
            refusal_ratio: self.refusals.ratio(now),
            learned: self.retreat.learned(now),
        }
    }
}
