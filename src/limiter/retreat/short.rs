//! Learned short windows: no more than so many departures in so many seconds.
//!
//! At most one per short scale. Each is tried upward step by step, and a step
//! is verified by a departure served at the new count; one that nothing touches ages away.

use std::time::Duration;

use super::super::clock::Nanos;
use super::episode::Episode;
use super::history::{Counts, History, Scale};
use super::rules::{ONE, PROBE_FACTOR, Rules, SHORT_AGE, SHORT_MARGIN};

#[derive(Clone, Copy, Debug)]
struct ShortWindow {
    limit: u32,
    /// Where the step under way began.
    probing_from: Option<u32>,
    /// From one step to the next.
    interval: Nanos,
    probe_at: Nanos,
    touched: Nanos,
}

impl ShortWindow {
    /// Whether a departure served at this count, on a scale of this length, verifies the step under way.
    fn reached(&self, count: u32, length: Nanos) -> bool {
        self.probing_from.is_some() && self.with_margin(count, length) + 1 >= u64::from(self.limit)
    }

    /// Whether a departure refused at this count was one more than where the step under way began.
    fn exceeded(&self, count: u32, length: Nanos) -> bool {
        self.probing_from.is_some_and(|from| self.with_margin(count, length) >= u64::from(from))
    }

    /// The count with those that fall into the margin.
    ///
    /// Departures are spread over the scale and its margin. Where they come so fast that some fall
    /// into the margin, the scale alone never holds as many as the limit.
    fn with_margin(&self, count: u32, length: Nanos) -> u64 {
        u64::from(count) + u64::from(self.limit) * SHORT_MARGIN / (length + SHORT_MARGIN)
    }
}

/// The learned short windows.
#[derive(Debug, Default)]
pub(super) struct ShortWindows([Option<ShortWindow>; Scale::SHORT]);

impl ShortWindows {
    /// The limits that stand.
    pub(super) fn limits(&self) -> impl Iterator<Item = (Scale, u32)> {
        Scale::short().zip(&self.0).filter_map(|(scale, window)| Some((scale, window.as_ref()?.limit)))
    }

    /// When all of them allow a departure; `None` while that hangs on the `reserved` ones about to happen.
    pub(super) fn free_at(&self, history: &History, reserved: u64, now: Nanos) -> Option<Nanos> {
        self.limits().try_fold(now, |latest, (scale, limit)| {
            Some(latest.max(history.below_at(scale, limit, reserved, now)?))
        })
    }

    /// Whether one of them explains refusals at these counts.
    pub(super) fn explain(&self, counts: &Counts) -> bool {
        self.limits().any(|(scale, limit)| counts.get(scale) >= limit)
    }

    /// Learns a limit; false if a tighter one is known.
    pub(super) fn learn(&mut self, scale: Scale, limit: u32, rules: &Rules, now: Nanos) -> bool {
        let Some(window) = self.0.get_mut(scale.index()) else { return false };
        let limit = limit.max(floor(scale, rules));
        if window.is_some_and(|window| window.limit <= limit) {
            return false;
        }
        let interval = rules.probe_after;
        let probe_at = now.saturating_add(interval);
        *window = Some(ShortWindow { limit, probing_from: None, interval, probe_at, touched: now });
        true
    }

    /// A departure at these counts was served: a step that it reached is verified.
    pub(super) fn served(&mut self, counts: &Counts, rules: &Rules, now: Nanos) {
        for (scale, window) in Scale::short().zip(&mut self.0) {
            if let Some(window) = window
                && window.reached(counts.get(scale), scale.length(rules.window))
            {
                *window = ShortWindow {
                    probing_from: None,
                    interval: rules.probe_after,
                    probe_at: now.saturating_add(rules.probe_after),
                    touched: now,
                    ..*window
                };
            }
        }
    }

    /// Takes a step up, if it is time; forgets a window that allows far more than the rate does.
    pub(super) fn probe(&mut self, scale: Scale, rules: &Rules, now: Nanos) {
        let Some(place) = self.0.get_mut(scale.index()) else { return };
        if let Some(window) = place
            && window.probing_from.is_none()
            && now >= window.probe_at
        {
            window.probing_from = Some(window.limit);
            window.limit = window.limit.saturating_add(step(scale, rules));
            if sends(scale, window.limit, rules) > rules.ceiling * 3 / 2 {
                *place = None;
            }
        }
    }

    /// Takes a refused step back, if this episode refused one.
    pub(super) fn refused(&mut self, episode: &Episode, rules: &Rules, now: Nanos) -> bool {
        for (scale, window) in Scale::short().zip(&mut self.0) {
            if let Some(window) = window
                && window.exceeded(episode.counts.get(scale), scale.length(rules.window))
            {
                window.limit = window.probing_from.take().unwrap_or(window.limit);
                window.touched = now;
                let rarest = rules.probe_interval(sends(scale, window.limit, rules));
                window.interval = (window.interval * PROBE_FACTOR).min(rarest);
                window.probe_at = now.saturating_add(window.interval);
                return true;
            }
        }
        false
    }

    /// Forgets what nothing has touched for long.
    pub(super) fn age(&mut self, now: Nanos) {
        for window in &mut self.0 {
            *window = window.filter(|window| now.saturating_sub(window.touched) <= SHORT_AGE);
        }
    }

    /// The limits that stand, with the time each is for.
    pub(super) fn view(&self, rules: &Rules) -> [Option<(Duration, u32)>; Scale::SHORT] {
        let mut view = [None; Scale::SHORT];
        for (place, (scale, window)) in view.iter_mut().zip(Scale::short().zip(&self.0)) {
            *place = window.map(|window| (Duration::from_nanos(scale.length(rules.window)), window.limit));
        }
        view
    }

    /// Sends of a whole window that the tightest of them allows.
    pub(super) fn sends(&self, rules: &Rules) -> Option<u64> {
        self.limits().map(|(scale, limit)| sends(scale, limit, rules)).min()
    }

    /// The tightest pace of them: departures, and the time they take.
    pub(super) fn pace(&self, rules: &Rules) -> Option<(Scale, u32, Nanos)> {
        self.limits().map(|(scale, limit)| (scale, limit, scale.length(rules.window) + SHORT_MARGIN)).min_by(
            |(_, a, a_takes), (_, b, b_takes)| {
                (u128::from(*a) * u128::from(*b_takes)).cmp(&(u128::from(*b) * u128::from(*a_takes)))
            },
        )
    }
}

/// How many times a scale fits into the window.
fn in_window(scale: Scale, rules: &Rules) -> u64 {
    (rules.window / scale.length(rules.window).max(1)).max(1)
}

/// The smallest step up: a fortieth of the configured rate, at least one departure.
fn step(scale: Scale, rules: &Rules) -> u32 {
    u32::try_from(rules.step() / ONE / in_window(scale, rules)).unwrap_or(u32::MAX).max(1)
}

/// Sends of a whole window, in thousandths, where a scale holds no more than `limit`.
fn sends(scale: Scale, limit: u32, rules: &Rules) -> u64 {
    u64::from(limit) * ONE * in_window(scale, rules)
}

/// The least that a scale may hold so that the pace stays at the floor of the settings.
fn floor(scale: Scale, rules: &Rules) -> u32 {
    u32::try_from(rules.floor.div_ceil(ONE * in_window(scale, rules))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
