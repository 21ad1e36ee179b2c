//! What follows for the next departure from what was learned, and what is told of it.

use std::time::Duration;

use super::super::clock::Nanos;
use super::super::snapshot::Learned;
use super::history::Scale;
use super::rules::{ONE, PROBE_HURRY, SECOND};
use super::{Flow, Retreat};

impl Retreat {
    /// Sends that the window may hold.
    pub(in super::super) fn quota(&self) -> u32 {
        u32::try_from(self.pace.sends() / ONE).unwrap_or(u32::MAX).max(1)
    }

    /// How the bucket fills.
    pub(in super::super) fn flow(&self) -> Flow {
        let quota = self.quota();
        let capacity = self.rules.capacity.min(quota);
        let capacity = self.burst.map_or(capacity, |burst| burst.tokens.clamp(1, capacity));
        if let Some((_, tokens, period)) = self.binding() {
            return Flow { tokens, period, capacity };
        }
        let (tokens, period) = self.pace_of(quota);
        Flow { tokens, period, capacity }
    }

    /// When the short windows and the headers allow a departure; `None` while that hangs on what is about to depart.
    pub(in super::super) fn free_at(&self, reserved: u64, now: Nanos) -> Option<Nanos> {
        Some(self.short.free_at(&self.history, reserved, now)?.max(self.headers.free_at(now)))
    }

    /// Until when nothing is left, as the upstream said.
    pub(in super::super) fn wall(&self, now: Nanos) -> Nanos {
        self.headers.free_at(now)
    }

    /// Until when who waits is held back by more than the pace.
    pub(in super::super) fn blocked_until(&self, reserved: u64, now: Nanos) -> Nanos {
        let learned = if self.rules.enabled { self.free_at(reserved, now) } else { None };
        learned.unwrap_or(now)
    }

    /// Requests a minute that may leave.
    pub(in super::super) fn effective_rpm(&self) -> u32 {
        let sends =
            self.short.sends(&self.rules).map_or(self.pace.sends(), |short| short.min(self.pace.sends()));
        self.rpm(sends)
    }

    /// What was learned.
    pub(in super::super) fn learned(&self, now: Nanos) -> Learned {
        let agreed = || self.suspicions.agreed(now).map(|count| u64::from(count) * ONE);
        Learned {
            state: self.pace.state(),
            limit_rpm: self
                .pace
                .limit()
                .or(self.pace.probing_from())
                .or_else(agreed)
                .filter(|limit| *limit < self.rules.ceiling)
                .map(|limit| self.rpm(limit)),
            next_step: self.pace.next_step(now).map(Duration::from_nanos),
            short: self.short.view(&self.rules),
            burst: self.burst.map(|burst| burst.tokens).filter(|tokens| *tokens < self.rules.capacity),
            episodes: self.found,
        }
    }

    fn rpm(&self, sends: u64) -> u32 {
        let rpm = sends / ONE * 60 * SECOND / self.rules.window.max(1);
        u32::try_from(rpm).unwrap_or(u32::MAX).max(1)
    }

    fn pace_of(&self, quota: u32) -> (u32, Nanos) {
        let (more, than) = PROBE_HURRY;
        match self.pace.probing_from() {
            Some(_) => (quota.saturating_mul(more), self.rules.span.saturating_mul(u64::from(than))),
            None => (quota, self.rules.span),
        }
    }

    /// The short window that is tighter than the pace.
    pub(super) fn binding(&self) -> Option<(Scale, u32, Nanos)> {
        let (quota, span) = self.pace_of(self.quota());
        self.short.pace(&self.rules).filter(|(_, limit, takes)| {
            u128::from(*limit) * u128::from(span) < u128::from(quota) * u128::from(*takes)
        })
    }
}
