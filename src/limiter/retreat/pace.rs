//! The pace: how many sends a window may hold, between the floor and the ceiling.
//!
//! It falls only at the end of an episode, and rises only while nothing is refused: step by
//! verified step at a known limit, and ever faster where none is known. The states and their
//! edges are those of `docs/rate-control.md`: normal to retreat, retreat to recover, recover
//! to retreat, recover to normal, no others. It never rises in retreat and never falls in recover.

use super::super::clock::Nanos;
use super::rules::{
    GROWTH_ACCELERATION, GROWTH_STRETCH, GROWTH_TIME, Milli, ONE, PROBE_COST, PROBE_FACTOR, QUIET,
    QUIET_STEP, Rules, SECOND,
};
use super::transition::PaceState;

/// How many sends a window may hold, and where it goes from there.
#[derive(Debug)]
pub(super) struct Pace {
    state: PaceState,
    sends: Milli,
    /// The limit that is believed; a step above it is a probe.
    limit: Option<Milli>,
    /// What was in force before that limit.
    before_limit: Milli,
    /// Where the step under way began.
    probing_from: Option<Milli>,
    probe_interval: Nanos,
    probe_at: Nanos,
    /// Since when nothing stands above the pace.
    free_since: Nanos,
    grown: Nanos,
    changed: Nanos,
}

impl Pace {
    pub(super) fn new(rules: &Rules, now: Nanos) -> Self {
        Self {
            state: PaceState::Normal,
            sends: rules.base,
            limit: None,
            before_limit: rules.base,
            probing_from: None,
            probe_interval: rules.probe_after,
            probe_at: now,
            free_since: now,
            grown: now,
            changed: now,
        }
    }

    pub(super) fn state(&self) -> PaceState {
        self.state
    }

    /// Sends that a window may hold.
    pub(super) fn sends(&self) -> Milli {
        self.sends
    }

    /// The limit that is believed.
    pub(super) fn limit(&self) -> Option<Milli> {
        self.limit
    }

    /// Time to the next step above a limit that is believed and reached.
    pub(super) fn next_step(&self, now: Nanos) -> Option<Nanos> {
        self.limit.filter(|limit| self.sends >= *limit).map(|_| self.probe_at.saturating_sub(now))
    }

    /// The pace before the step under way.
    pub(super) fn probing_from(&self) -> Option<Milli> {
        self.probing_from
    }

    pub(super) fn is_rising(&self, rules: &Rules) -> bool {
        self.state == PaceState::Recover || (self.state == PaceState::Normal && rules.ceiling > self.sends)
    }

    /// Refusals have come that mean something.
    pub(super) fn retreat(&mut self) {
        self.state = PaceState::Retreat;
    }

    /// Nothing has been refused for a moment.
    pub(super) fn recover(&mut self, now: Nanos) {
        self.state = PaceState::Recover;
        self.grown = now;
    }

    /// Growth counts from now: what was just served says nothing about the pace.
    pub(super) fn pause_growth(&mut self, now: Nanos) {
        self.grown = now;
    }

    /// A departure was served with `count` others in its window: a step that it reached is verified.
    pub(super) fn served(&mut self, count: u32, rules: &Rules, now: Nanos) {
        let count = u64::from(count) * ONE + self.in_margin(rules);
        if self.probing_from.is_some_and(|from| count >= from) {
            self.probing_from = None;
            self.probe_interval = rules.probe_after;
            self.free_since = now.saturating_sub(GROWTH_TIME);
        }
    }

    /// Sends that fall into the window's margin where they are spread evenly: the window alone never holds them.
    pub(super) fn in_margin(&self, rules: &Rules) -> Milli {
        let sends = u128::from(self.sends / ONE) * u128::from(rules.span - rules.window);
        Milli::try_from(sends / u128::from(rules.span.max(1))).unwrap_or(0) * ONE
    }

    /// A departure that the pace held back was served, `clean` after the last refusal.
    pub(super) fn grow(&mut self, refused: Nanos, rules: &Rules, now: Nanos) {
        let elapsed = now.saturating_sub(self.grown).min(GROWTH_STRETCH);
        self.grown = now;
        match self.limit {
            Some(limit) if self.sends >= limit => {
                if now >= self.probe_at {
                    self.probing_from = Some(self.sends).filter(|from| *from < rules.ceiling);
                    self.limit = None;
                    self.free_since = now;
                    self.set(self.sends + rules.step(), rules, now);
                }
            }
            // One step until it is verified.
            _ if self.probing_from.is_some() => {}
            limit => {
                let free = now.saturating_sub(self.free_since.max(refused));
                let grown = self.sends + growth(self.sends, elapsed, free).min(rules.base / 8);
                let bound = limit.unwrap_or(rules.ceiling);
                if grown >= bound && limit.is_some() {
                    self.probe_at = self.probe_at.max(now.saturating_add(self.probe_interval));
                }
                self.set(grown.min(bound), rules, now);
            }
        }
    }

    /// A limit was located at `sends`, where `base` was in force; the pace is yet to go there.
    pub(super) fn locate(&mut self, sends: Milli, base: Milli, rules: &Rules, now: Nanos) {
        self.before_limit = base;
        self.limit = Some(sends);
        self.probe_interval = rules.probe_after;
        self.probe_at = now.saturating_add(self.probe_interval);
    }

    /// The step under way was refused after waiting `cost`: back to where it began.
    pub(super) fn refused_step(&mut self, cost: Nanos, rules: &Rules, now: Nanos) {
        let Some(from) = self.probing_from.take() else { return };
        let back = from.min(self.sends);
        self.limit = Some(back);
        let rarer = self.probe_interval.saturating_mul(PROBE_FACTOR).min(rules.probe_interval(back));
        self.probe_interval = rarer.max(cost.saturating_mul(PROBE_COST)).min(rules.probe_max);
        self.fall(back, rules, now);
    }

    /// Too many refusals that no limit explains.
    pub(super) fn cut(&mut self, sends: Milli, forget_limit: bool, rules: &Rules, now: Nanos) {
        if forget_limit {
            self.limit = None;
        }
        self.fall(sends, rules, now);
    }

    /// The believed limit was none: what was in force before it.
    pub(super) fn doubt_limit(&mut self, rules: &Rules) -> Milli {
        self.limit = None;
        self.before_limit.min(rules.ceiling)
    }

    /// Rises at once, while recovering.
    pub(super) fn rise_to(&mut self, sends: Milli, rules: &Rules, now: Nanos) {
        self.set(sends.max(self.sends), rules, now);
    }

    /// When the pace rises by itself, if nothing is refused or asked until then.
    pub(super) fn quiet_at(&self, refused: Nanos) -> Option<Nanos> {
        let rises = self.state != PaceState::Normal;
        rises.then(|| refused.saturating_add(QUIET).max(self.changed.saturating_add(QUIET / 2)))
    }

    /// That has happened, while recovering.
    pub(super) fn rise_quietly(&mut self, rules: &Rules, at: Nanos) {
        self.limit = None;
        let step = (rules.base * QUIET_STEP / 100).max(ONE);
        self.set((self.sends + step).min(rules.base.max(self.sends)), rules, at);
    }

    /// Puts new rules in force: a lower rate at once, a higher one only where nothing was learned.
    pub(super) fn reconfigure(&mut self, rules: &Rules, now: Nanos) {
        if !rules.enabled || self.state == PaceState::Normal {
            *self = Self::new(rules, now);
        } else {
            self.limit = self.limit.map(|limit| limit.clamp(rules.floor, rules.ceiling));
            // A count above the ceiling is never reached again, so such a step would stay for ever.
            self.probing_from = self.probing_from.filter(|from| *from < rules.ceiling);
            self.set(self.sends, rules, now);
        }
    }

    /// Falls. That ends the step under way: what is below where it began can never reach it.
    pub(super) fn fall(&mut self, sends: Milli, rules: &Rules, now: Nanos) {
        self.state = PaceState::Retreat;
        self.probing_from = None;
        self.probe_at = now.saturating_add(self.probe_interval);
        self.set(sends, rules, now);
    }

    fn set(&mut self, sends: Milli, rules: &Rules, now: Nanos) {
        self.sends = sends.clamp(rules.floor, rules.ceiling);
        self.changed = now;
        if self.state == PaceState::Recover && self.sends >= rules.base {
            self.state = PaceState::Normal;
            if rules.ceiling <= rules.base {
                self.limit = None;
                self.probing_from = None;
                self.probe_interval = rules.probe_after;
            }
        }
    }
}

/// By how much the pace grows in `elapsed`, `free` after the last refusal.
fn growth(sends: Milli, elapsed: Nanos, free: Nanos) -> Milli {
    const MILLISECOND: Nanos = SECOND / 1_000;
    let elapsed = u128::from(elapsed / MILLISECOND);
    let time = u128::from(GROWTH_TIME / MILLISECOND);
    let free = u128::from(free / MILLISECOND).min(100 * time);
    let faster = 1_000 + GROWTH_ACCELERATION * 1_000 * free * free / (time * time);
    Milli::try_from(u128::from(sends) * elapsed * faster / (10 * time * 1_000)).unwrap_or(Milli::MAX / 2)
}

#[cfg(test)]
mod tests;
