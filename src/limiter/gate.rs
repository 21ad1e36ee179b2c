//! What a refusal does to the next departure (`docs/rate-control.md`, what never changes).
//!
//! A refusal opens an *episode* and closes the gate: for as long as the upstream asked, or
//! for a back-off that doubles with every refusal of the episode. While the episode is open
//! one attempt at a time goes out to see whether the limit has lifted; the first attempt
//! accepted after the last refusal closes it. Answers to attempts that left before that
//! refusal are old news and prove nothing. An acceptance may take a whole generation to be
//! told while a refusal comes within a round trip, so an attempt that nobody has refused
//! within a second is presumed accepted.
//!
//! 502, 503 and 504 say nothing about the quota: they close the gate only from the second in
//! a row, for a shorter time, and open no episode.

use super::clock::Nanos;
use super::retreat::Patience;
use super::rng::SplitMix64;
use super::slab::Key;

const MILLISECOND: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MILLISECOND;

/// An attempt not refused this long after it departed counts as accepted; refusals come in about 60 ms.
pub(super) const PRESUME_AFTER: Nanos = SECOND;
/// The longest a `Retry-After` is believed.
const RETRY_AFTER_MAX: Nanos = 300 * SECOND;
/// A shorter `Retry-After` is a rounding of "soon", and the back-off decides.
pub(super) const RETRY_AFTER_MEANT: Nanos = SECOND;
/// Several sidecars told the same time must not come back in the same instant.
const RETRY_AFTER_SPREAD: (Nanos, Nanos) = (50 * MILLISECOND, 250 * MILLISECOND);
/// The longest pause between attempts on an upstream that answers 502, 503 or 504.
const UNAVAILABLE_MAX: Nanos = 10 * SECOND;
/// The pause of the one request that met the first such answer.
const UNAVAILABLE_ONCE: Nanos = SECOND;

/// The gate in front of the upstream.
#[derive(Debug)]
pub(super) struct Gate {
    open_at: Nanos,
    /// When the last refusal that was news came.
    epoch: Option<Nanos>,
    /// Refusals of the open episode.
    refusals: Option<u32>,
    /// 502, 503, 504 in a row.
    unavailable: u32,
    /// The one attempt that is out while only one may be.
    probe: Option<Probe>,
    rng: SplitMix64,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    attempt: Key,
    departed: Option<Nanos>,
}

impl Gate {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            open_at: 0,
            epoch: None,
            refusals: None,
            unavailable: 0,
            probe: None,
            rng: SplitMix64::new(seed),
        }
    }

    /// Nothing may leave before this.
    pub(super) fn open_at(&self) -> Nanos {
        self.open_at
    }

    /// Whether the upstream asked to be left alone, and nobody knows yet that it changed its mind.
    pub(super) fn is_closed(&self, now: Nanos) -> bool {
        self.open_at > now || self.one_at_a_time()
    }

    /// Whether nothing may leave until the probe that is out has been judged.
    pub(super) fn waits_for_probe(&self) -> bool {
        self.one_at_a_time() && self.probe.is_some()
    }

    fn one_at_a_time(&self) -> bool {
        self.refusals.is_some() || self.is_outage()
    }

    pub(super) fn granted(&mut self, attempt: Key) {
        if self.one_at_a_time() && self.probe.is_none() {
            self.probe = Some(Probe { attempt, departed: None });
        }
    }

    pub(super) fn departed(&mut self, attempt: Key, now: Nanos) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.attempt == attempt) {
            probe.departed = Some(now);
        }
    }

    /// A number from `least` to `most`, from the limiter's one stream of them.
    pub(super) fn draw(&mut self, (least, most): (Nanos, Nanos)) -> Nanos {
        self.rng.between(least, most)
    }

    /// When the probe that is out will be presumed accepted.
    pub(super) fn presumes_at(&self) -> Option<Nanos> {
        self.probe
            .filter(|_| self.one_at_a_time())?
            .departed
            .map(|departed| departed.saturating_add(PRESUME_AFTER))
    }

    /// An attempt that departed at `departed` was accepted; true if that is news.
    pub(super) fn accepted(&mut self, departed: Nanos) -> bool {
        if !self.is_news(departed) {
            return false;
        }
        self.unavailable = 0;
        self.refusals = None;
        self.probe = None;
        true
    }

    /// An attempt was refused for quota, and is to be waited out with this patience.
    pub(super) fn refused(
        &mut self,
        departed: Nanos,
        retry_after: Option<Nanos>,
        patience: Patience,
        now: Nanos,
    ) {
        if self.is_news(departed) {
            self.refusals = Some(self.refusals.unwrap_or(0).saturating_add(1));
            self.epoch = Some(now);
            self.probe = None;
        }
        let refusals = self.refusals.unwrap_or(1);
        let backoff = patience.pace.saturating_mul(1 << (refusals - 1).min(16)).min(patience.backoff_max);
        let backoff = backoff.max(retry_after.unwrap_or(0).min(RETRY_AFTER_MEANT));
        let backoff = self.rng.between(backoff, backoff + backoff * 15 / 100);
        let believed = patience.doubts_after.is_none_or(|doubts| refusals < doubts);
        let pause = match retry_after {
            Some(asked) if asked > RETRY_AFTER_MEANT => {
                let (least, most) = RETRY_AFTER_SPREAD;
                let asked = asked.min(RETRY_AFTER_MAX) + self.rng.between(least, most);
                if believed { asked } else { asked.max(backoff) }
            }
            _ => backoff,
        };
        self.open_at = self.open_at.max(now.saturating_add(pause)).max(patience.not_before);
    }

    /// An attempt met a 502, 503 or 504; returns how long that request should pause of its own.
    pub(super) fn unavailable(&mut self, attempt: Key, retry_after: Option<Nanos>, now: Nanos) -> Nanos {
        self.forget(attempt);
        self.unavailable = self.unavailable.saturating_add(1);
        let pause = match (retry_after, self.unavailable) {
            (Some(asked), _) if asked > RETRY_AFTER_MEANT => asked.min(RETRY_AFTER_MAX),
            (_, 1) => return UNAVAILABLE_ONCE,
            _ => self.outage_pause(),
        };
        self.open_at = self.open_at.max(now.saturating_add(pause));
        0
    }

    /// Whether the upstream has failed several times in a row.
    pub(super) fn is_outage(&self) -> bool {
        self.unavailable >= 2
    }

    /// The pause between two attempts while that is so; none otherwise.
    pub(super) fn outage_pause(&self) -> Nanos {
        match self.unavailable {
            0 | 1 => 0,
            row => UNAVAILABLE_MAX.min(SECOND << (row - 2).min(8)),
        }
    }

    /// An attempt ended without teaching anything.
    pub(super) fn forget(&mut self, attempt: Key) {
        if self.probe.is_some_and(|probe| probe.attempt == attempt) {
            self.probe = None;
        }
    }

    /// Whether what became of an attempt that departed then says anything new.
    pub(super) fn is_news(&self, departed: Nanos) -> bool {
        self.epoch.is_none_or(|epoch| departed >= epoch)
    }
}

#[cfg(test)]
mod tests;
