//! What an upstream says of its limit in `x-ratelimit-*` headers.
//!
//! "None left until then" is a wall where windows are fixed, and none at all where a bucket
//! or a sliding counter leaks all the time: waiting for the reset would idle half of every
//! minute. So one departure looks behind the wall early, and what it meets is believed for a while.

use std::time::Duration;

use super::super::clock::{Nanos, nanos};
use super::rules::{BACKOFF, Rules, SECOND};

/// How long the outcome of a look behind the wall is believed.
const BELIEVED: Nanos = 600 * SECOND;
/// Several sidecars told the same time must not come back in the same instant.
pub(in super::super) const SPREAD: (Nanos, Nanos) = (SECOND / 10, 3 * SECOND / 10);

/// What the upstream says is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Requests that may be sent in the time the limit is meant for.
    pub limit: Option<u32>,
    /// Requests that may still be sent.
    pub remaining: u32,
    /// Time until the limit is whole again.
    pub reset: Duration,
}

/// Advice, and the departure whose answer carried it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) advice: Advice,
    /// When that left.
    pub(super) departed: Nanos,
    /// How many have left after it.
    pub(super) since: u64,
    /// Drawn from [`SPREAD`].
    pub(super) spread: Nanos,
}

/// What was said last, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// Departures left until the reset, if there is such a bound.
    left: Option<u64>,
    reset: Nanos,
    /// The latest departure whose answer said so.
    newest: Nanos,
    /// The reset as it was told.
    wall: Nanos,
    /// Serial of the departure that looks behind it.
    look: Option<u64>,
    is_wall: bool,
    believed_until: Nanos,
}

impl Headers {
    /// Takes advice, unless the answer to a later departure has said something newer.
    pub(super) fn told(&mut self, told: Told, rules: &Rules, now: Nanos) {
        let Told { advice, departed, since, spread } = told;
        let (window, verify) = (rules.window, rules.enabled);
        if verify && departed < self.newest {
            return;
        }
        self.newest = departed;
        let reset = departed.saturating_add(nanos(advice.reset).min(window)).saturating_add(spread);
        if reset <= now {
            return;
        }
        let left = u64::from(advice.remaining).saturating_sub(since);
        self.left = Some(left);
        self.reset = reset;
        if left > 0 || !verify {
            return;
        }
        self.wall = reset;
        if now >= self.believed_until {
            self.reset = reset.min(now.saturating_add(BACKOFF.0));
        } else if !self.is_wall {
            let refill = advice.limit.map_or(0, |limit| window / u64::from(limit.max(1)));
            self.reset = reset.min(departed.saturating_add(refill));
        }
    }

    /// When there is something left.
    pub(super) fn free_at(&self, now: Nanos) -> Nanos {
        if self.left == Some(0) { self.reset.max(now) } else { now }
    }

    pub(super) fn departed(&mut self, serial: u64, now: Nanos) {
        let exhausted = self.left == Some(0);
        self.left = self.left.map(|left| left.saturating_sub(1));
        if exhausted && now < self.wall && self.look.is_none() && now >= self.believed_until {
            self.look = Some(serial);
        }
    }

    /// The departure was served, or refused for quota.
    pub(super) fn judged(&mut self, serial: u64, refused: bool, now: Nanos) {
        if self.look == Some(serial) {
            self.look = None;
            self.is_wall = refused;
            self.believed_until = now.saturating_add(BELIEVED);
        }
    }

    /// The departure ended without telling.
    pub(super) fn forget(&mut self, serial: u64) {
        self.look = self.look.filter(|look| *look != serial);
    }
}

#[cfg(test)]
mod tests;
