//! What a refusal does to the next departure (rate-control section 4, without the moves of the pace).
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
use super::rng::SplitMix64;
use super::slab::Key;

const MILLISECOND: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MILLISECOND;

/// An attempt not refused this long after it departed counts as accepted; refusals come in about 60 ms.
const PRESUME_AFTER: Nanos = SECOND;
/// The longest back-off where the upstream names no time.
const BACKOFF_MAX: Nanos = 8 * SECOND;
/// The longest a `Retry-After` is believed.
const RETRY_AFTER_MAX: Nanos = 300 * SECOND;
/// A shorter `Retry-After` is a rounding of "soon", and the back-off decides.
const RETRY_AFTER_MEANT: Nanos = SECOND;
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

    /// When the probe that is out will be presumed accepted.
    pub(super) fn presumes_at(&self) -> Option<Nanos> {
        self.probe
            .filter(|_| self.one_at_a_time())?
            .departed
            .map(|departed| departed.saturating_add(PRESUME_AFTER))
    }

    /// Presumes what may be presumed by now.
    pub(super) fn presume(&mut self, now: Nanos) {
        if self.presumes_at().is_some_and(|at| at <= now)
            && let Some(departed) = self.probe.and_then(|probe| probe.departed)
        {
            self.accepted(departed);
        }
    }

    /// An attempt that departed at `departed` was accepted.
    pub(super) fn accepted(&mut self, departed: Nanos) {
        if !self.is_news(departed) {
            return;
        }
        self.unavailable = 0;
        self.refusals = None;
        self.probe = None;
    }

    /// An attempt was refused for quota; true if that is news. `pace` is the time between two
    /// departures at the rate in force.
    pub(super) fn refused(
        &mut self,
        departed: Nanos,
        retry_after: Option<Nanos>,
        pace: Nanos,
        now: Nanos,
    ) -> bool {
        let news = self.is_news(departed);
        if news {
            self.refusals = Some(self.refusals.unwrap_or(0).saturating_add(1));
            self.epoch = Some(now);
            self.probe = None;
        }
        let doublings = self.refusals.unwrap_or(1).saturating_sub(1).min(16);
        let backoff = pace.saturating_mul(1 << doublings).min(BACKOFF_MAX);
        let pause = match retry_after {
            Some(asked) if asked > RETRY_AFTER_MEANT => {
                let (least, most) = RETRY_AFTER_SPREAD;
                asked.min(RETRY_AFTER_MAX) + self.rng.between(least, most)
            }
            asked => {
                let pause = backoff.max(asked.unwrap_or(0));
                self.rng.between(pause, pause + pause * 15 / 100)
            }
        };
        self.open_at = self.open_at.max(now.saturating_add(pause));
        news
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

    fn is_news(&self, departed: Nanos) -> bool {
        self.epoch.is_none_or(|epoch| departed >= epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::super::slab::Slab;
    use super::*;

    const PACE: Nanos = 1_500 * MILLISECOND;

    fn mk_keys() -> (Key, Key) {
        let mut slab = Slab::new();
        (slab.insert(()), slab.insert(()))
    }

    #[test]
    fn retry_after_closes_the_gate_for_at_least_that_long() {
        let mut gate = Gate::new(1);
        assert!(gate.refused(0, Some(7 * SECOND), PACE, SECOND));
        assert!(
            gate.open_at() >= 8 * SECOND + 50 * MILLISECOND
                && gate.open_at() <= 8 * SECOND + 250 * MILLISECOND
        );
    }

    #[test]
    fn an_absurd_retry_after_is_believed_for_five_minutes() {
        let mut gate = Gate::new(1);
        gate.refused(0, Some(Nanos::MAX), PACE, 0);
        assert!(gate.open_at() <= 301 * SECOND);
    }

    #[test]
    fn back_off_doubles_within_an_episode_up_to_eight_seconds() {
        let mut gate = Gate::new(1);
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..5 {
            gate.refused(now, None, PACE, now);
            pauses.push((gate.open_at() - now) / SECOND);
            now = gate.open_at();
        }
        assert_eq!(pauses.first(), Some(&1));
        assert!(pauses.is_sorted() && pauses.iter().all(|pause| *pause <= 9), "{pauses:?}");
    }

    #[test]
    fn one_probe_at_a_time_until_an_acceptance_that_is_news() {
        let (probe, _) = mk_keys();
        let mut gate = Gate::new(1);
        gate.refused(0, None, PACE, SECOND);
        assert!(!gate.waits_for_probe());
        gate.granted(probe);
        assert!(gate.waits_for_probe());
        gate.accepted(SECOND - 1);
        assert!(gate.waits_for_probe(), "an attempt of before the refusal proves nothing");
        gate.departed(probe, 4 * SECOND);
        gate.accepted(4 * SECOND);
        assert!(!gate.waits_for_probe() && gate.refusals.is_none());
    }

    #[test]
    fn a_probe_nobody_refuses_is_presumed_accepted_and_may_still_be_refused_later() {
        let (probe, _) = mk_keys();
        let mut gate = Gate::new(1);
        gate.refused(0, None, PACE, 0);
        gate.granted(probe);
        assert_eq!(gate.presumes_at(), None, "it has not left yet");
        gate.departed(probe, 2 * SECOND);
        assert_eq!(gate.presumes_at(), Some(3 * SECOND));
        gate.presume(3 * SECOND);
        assert!(!gate.waits_for_probe() && gate.refusals.is_none());
        assert!(gate.refused(2 * SECOND, None, PACE, 5 * SECOND), "that is a fresh refusal");
    }

    #[test]
    fn a_probe_that_teaches_nothing_makes_way_for_another() {
        let (probe, other) = mk_keys();
        let mut gate = Gate::new(1);
        gate.refused(0, None, PACE, 0);
        gate.granted(probe);
        gate.forget(other);
        assert!(gate.waits_for_probe());
        gate.forget(probe);
        assert!(!gate.waits_for_probe());
    }

    #[test]
    fn the_first_503_pauses_one_request_and_the_following_ones_everybody() {
        let (attempt, _) = mk_keys();
        let mut gate = Gate::new(1);
        assert_eq!((gate.unavailable(attempt, None, 0), gate.open_at()), (SECOND, 0));
        assert_eq!((gate.unavailable(attempt, Some(0), 0), gate.open_at()), (0, SECOND), "0 is no pause");
        assert_eq!((gate.unavailable(attempt, None, 0), gate.open_at()), (0, 2 * SECOND));
        gate.granted(attempt);
        assert!(gate.waits_for_probe());
        gate.accepted(0);
        assert!(!gate.waits_for_probe());
    }

    #[test]
    fn an_acceptance_ends_the_row_of_503s() {
        let (attempt, _) = mk_keys();
        let mut gate = Gate::new(1);
        gate.unavailable(attempt, None, 0);
        gate.accepted(0);
        assert_eq!(
            (gate.unavailable(attempt, None, 0), gate.open_at()),
            (SECOND, 0),
            "it is the first again"
        );
        gate.unavailable(attempt, None, 0);
        assert!(gate.is_outage());
        gate.accepted(0);
        assert!(!gate.is_outage());
    }

    #[test]
    fn a_burst_refused_together_is_one_refusal() {
        let mut gate = Gate::new(1);
        assert!(gate.refused(0, None, PACE, SECOND));
        for _ in 0..9 {
            assert!(!gate.refused(0, None, PACE, SECOND), "it left before anybody knew");
        }
        assert!(gate.open_at() <= SECOND + PACE * 115 / 100, "the back-off has not doubled");
    }
}
