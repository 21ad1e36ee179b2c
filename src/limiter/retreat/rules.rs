//! The numbers of the law: those of the settings, and the ones nobody needs to change.
//!
//! `docs/rate-control.md` says what those that shape the behaviour are for; the rest are details of their rules.

use super::super::clock::{Nanos, nanos};
use super::super::settings::{Mode, Settings};

pub(super) const SECOND: Nanos = 1_000_000_000;

/// Sends of one window in thousandths: the pace moves in steps smaller than one request.
pub(super) type Milli = u64;

/// One request.
pub(super) const ONE: Milli = 1_000;

/// Added to a learned short window against jitter.
pub(super) const SHORT_MARGIN: Nanos = SECOND / 5;
/// Episodes that must agree before a limit is believed.
pub(super) const HITS: u32 = 2;
/// A request that waited longer than this was held back by the pace, and so tells something about it.
pub(super) const HELD_BACK: Nanos = SECOND / 10;
/// Refusal-free this long, the pace may rise again.
pub(super) const CLEAN: Nanos = 5 * SECOND;
/// Refusals within the retreat's window from which the pace is cut though no limit explains them.
pub(super) const UNEXPLAINED: u32 = 12;
/// The deepest such cut, in percent; the policy's factor can make it less.
pub(super) const UNEXPLAINED_CUT: u64 = 10;
/// Every that many seconds without a refusal the pace rises by a tenth, and by [`GROWTH_ACCELERATION`] faster.
pub(super) const GROWTH_TIME: Nanos = 25 * SECOND;
/// How much faster the pace rises after another [`GROWTH_TIME`] without a refusal.
pub(super) const GROWTH_ACCELERATION: u128 = 10;
/// The longest stretch one acceptance accounts for.
pub(super) const GROWTH_STRETCH: Nanos = 5 * SECOND;
/// While a step is tried departures may come closer by this ratio, so that the count reaches it.
pub(super) const PROBE_HURRY: (u32, u32) = (6, 5);
/// How much rarer a refused step makes the next one.
pub(super) const PROBE_FACTOR: u64 = 3;
/// A refused step is this many times rarer than the wait that it cost.
pub(super) const PROBE_COST: u64 = 10;
/// The share of sends, in percent, that refused steps may cost.
pub(super) const PROBE_SHARE: u64 = 3;
/// The bounds of the interval that makes.
pub(super) const PROBE_INTERVAL: (Nanos, Nanos) = (60 * SECOND, 240 * SECOND);
/// A learned short window that nothing has touched for so long is forgotten.
pub(super) const SHORT_AGE: Nanos = 900 * SECOND;
/// A learned burst size doubles after so long.
pub(super) const BURST_AGE: Nanos = 300 * SECOND;
/// The most doubt, and how long one doubt lasts.
pub(super) const DOUBT_MAX: u32 = 6;
pub(super) const DOUBT_AGE: Nanos = 1_200 * SECOND;
/// So many episodes that agree make a limit of the window though each of them was rare and cheap.
pub(super) const STEADY: u32 = 5;
/// The same where the upstream names the time to come back: a limit saves less there.
pub(super) const STEADY_NAMED: u32 = 24;
/// A rare refusal that cost no more than this is cheap.
pub(super) const CHEAP: Nanos = 30 * SECOND;
/// Without a refusal and without demand for so long the pace rises by itself, every half of it.
pub(super) const QUIET: Nanos = 60 * SECOND;
/// An episode that nobody was there to end says nothing after so long.
pub(super) const STALE: Nanos = 300 * SECOND;
/// By how much, in percent of the configured rate.
pub(super) const QUIET_STEP: u64 = 10;
/// The longest back-off where the upstream names no time, and the longest one where it grants little.
pub(super) const BACKOFF: (Nanos, Nanos) = (8 * SECOND, 30 * SECOND);
/// That many refusals in a row prove a `Retry-After` too short, and a poll pointless before an own departure leaves the window.
pub(super) const STUBBORN: u32 = 3;
/// The longest wait for that.
pub(super) const RELEASE_WAIT: Nanos = 15 * SECOND;
/// The longest such wait at a count that has been refused before.
pub(super) const RELEASE_WAIT_KNOWN: Nanos = 30 * SECOND;
/// What an own departure that leaves the window takes to arrive there.
pub(super) const RELEASE_MARGIN: Nanos = 3 * SECOND / 10;

/// What the settings say, in sends of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Whether the pace moves at all.
    pub(super) enabled: bool,
    pub(super) window: Nanos,
    /// Window and margin.
    pub(super) span: Nanos,
    /// What the settings allow.
    pub(super) base: Milli,
    pub(super) floor: Milli,
    pub(super) ceiling: Milli,
    pub(super) capacity: u32,
    /// The share of refusals, in thousandths, from which they mean something.
    pub(super) threshold: u32,
    pub(super) minimum_samples: u32,
    /// The deepest cut of one episode: what is left, in percent.
    pub(super) factor: u64,
    pub(super) probe_after: Nanos,
    pub(super) probe_max: Nanos,
}

impl Rules {
    pub(super) fn new(settings: &Settings) -> Self {
        let (rate, retreat) = (&settings.rate, &settings.retreat);
        let base = u64::from(rate.window_quota()) * ONE;
        // Whole requests: a step that begins at a fraction of one is never seen to be reached.
        let scaled = |rpm: u32| u64::from(rate.in_window(rpm)) * ONE;
        Self {
            enabled: retreat.enabled && settings.mode == Mode::Enforce,
            window: nanos(rate.window),
            span: nanos(rate.window + rate.window_margin),
            base,
            floor: scaled(retreat.floor_requests_per_minute).min(base),
            ceiling: retreat.ceiling_requests_per_minute.map_or(base, scaled).max(base),
            capacity: rate.capacity,
            threshold: u32::from(retreat.threshold_percent) * 10,
            minimum_samples: retreat.minimum_samples,
            factor: u64::from(retreat.factor_percent),
            probe_after: nanos(retreat.probe_after),
            probe_max: nanos(retreat.probe_max),
        }
    }

    /// The smallest step up: a fortieth of the configured rate, at least one request.
    pub(super) fn step(&self) -> Milli {
        (self.base / 40).max(ONE)
    }

    /// How rare a step must be at this pace so that its refusals cost no more than their share;
    /// within what the policy asks.
    pub(super) fn probe_interval(&self, sends: Milli) -> Nanos {
        let (least, most) = PROBE_INTERVAL;
        let interval =
            u128::from(self.window) * 100 * u128::from(ONE) / u128::from(PROBE_SHARE * sends.max(ONE));
        let interval = Nanos::try_from(interval).unwrap_or(most).clamp(least, most);
        interval.max(self.probe_after).min(self.probe_max)
    }
}
