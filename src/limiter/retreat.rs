//! The law: how the pace finds the limit that the upstream really has.
//!
//! `docs/rate-control.md` is this module in words. Refusals are gathered into an
//! [`episode`]; the first request served after them ends it, and then it is judged, once:
//! was a step refused, did too much leave at once, do episodes agree on a limit on one of
//! the time scales ([`suspicion`]), or are there just too many of them? A limit of the whole
//! window moves the [`pace`], one of a part of it becomes a [`short`] window. Every limit is
//! tried upward again and again.
//!
//! Nothing here decides when a request leaves; the limiter asks for the window's quota, the
//! pace, the burst and the short windows.

mod advice;
mod doubt;
mod episode;
mod history;
mod judge;
mod outlook;
mod pace;
mod patience;
mod rules;
mod short;
mod suspicion;
mod transition;

use std::collections::VecDeque;

pub use advice::Advice;
pub(super) use advice::SPREAD as ADVICE_SPREAD;
pub(super) use patience::Patience;
pub use transition::{Cause, PaceState, Transition};

use super::clock::Nanos;
use super::settings::Settings;
use advice::{Headers, Told};
use doubt::Doubt;
use episode::Episode;
use history::{Counts, History, Scale};
use pace::Pace;
use rules::{BURST_AGE, CLEAN, HELD_BACK, ONE, Rules, STALE};
use short::ShortWindows;
use suspicion::Suspicions;

/// How many time scales shorter than the window are watched.
pub const SHORT_SCALES: usize = Scale::SHORT;
/// Transitions kept until somebody asks; the oldest are dropped.
const TRANSITIONS_KEPT: usize = 16;

/// A departure, and what was counted at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    serial: u64,
    pub(super) at: Nanos,
    counts: Counts,
    /// Whether the request had been held back.
    held_back: bool,
    /// The short window that made the pace, if one did.
    bound_by: Option<Scale>,
}

/// How the bucket fills: `tokens` in `period`, up to `capacity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) tokens: u32,
    pub(super) period: Nanos,
    pub(super) capacity: u32,
}

/// What else is known of a refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    /// Whether the departure left after the last refusal that was news.
    pub(super) news: bool,
    /// Whether the upstream named the time to come back.
    pub(super) named: bool,
}

/// How often refusals came, over the retreat's window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) refused: u32,
    pub(super) departed: u32,
}

/// The burst that the upstream takes, where it takes less than the settings allow.
#[derive(Clone, Copy, Debug)]
struct Burst {
    tokens: u32,
    since: Nanos,
}

/// What was learned of the upstream's limit, and the pace that follows from it.
#[derive(Debug)]
pub(super) struct Retreat {
    rules: Rules,
    history: History,
    pace: Pace,
    short: ShortWindows,
    suspicions: Suspicions,
    headers: Headers,
    episode: Option<Episode>,
    burst: Option<Burst>,
    doubt: Doubt,
    /// When the upstream last refused.
    refused: Nanos,
    /// Episodes by what they were found to mean.
    found: [u64; Cause::ALL.len()],
    transitions: VecDeque<Transition>,
}

impl Retreat {
    pub(super) fn new(settings: &Settings, now: Nanos) -> Self {
        let rules = Rules::new(settings);
        Self {
            history: History::new(rules.window),
            pace: Pace::new(&rules, now),
            short: ShortWindows::default(),
            suspicions: Suspicions::new(rules.window),
            headers: Headers::default(),
            episode: None,
            burst: None,
            doubt: Doubt::default(),
            refused: now,
            found: [0; Cause::ALL.len()],
            transitions: VecDeque::with_capacity(TRANSITIONS_KEPT),
            rules,
        }
    }

    /// Puts new settings in force. What was learned stays where it still means something.
    pub(super) fn reconfigure(&mut self, settings: &Settings, now: Nanos) {
        let old = std::mem::replace(&mut self.rules, Rules::new(settings));
        if old == self.rules {
            return;
        }
        if old.window != self.rules.window || old.enabled != self.rules.enabled {
            self.suspicions = Suspicions::new(self.rules.window);
            self.short = ShortWindows::default();
            self.burst = None;
            self.doubt = Doubt::default();
            self.headers = Headers::default();
            self.episode = None;
        }
        if old.window == self.rules.window {
            self.step(Cause::Settings, |pace, rules| pace.reconfigure(rules, now));
        } else {
            self.history.rescale(self.rules.window);
            self.step(Cause::Settings, |pace, rules| *pace = Pace::new(rules, now));
        }
    }

    /// Lets time pass: what is old is forgotten, and a quiet pace rises. `idle` is whether nobody waits.
    pub(super) fn advance(&mut self, idle: bool, now: Nanos) {
        self.history.prune(now);
        self.short.age(now);
        if let Some(burst) = &mut self.burst
            && now.saturating_sub(burst.since) > BURST_AGE
        {
            *burst = Burst { tokens: burst.tokens.saturating_mul(2), since: now };
            self.burst = Some(*burst).filter(|burst| burst.tokens < self.rules.capacity);
        }
        if idle && now.saturating_sub(self.refused) > STALE {
            // Nobody was left to end an episode that is open: what it meant will not be known.
            self.episode = None;
        }
        let used = u64::from(self.history.counts().get(Scale::EVERY)) * ONE;
        while let Some(at) = self.pace.quiet_at(self.refused)
            && self.rules.enabled
            && idle
            && at <= now
            && (used == 0 || used + ONE < self.pace.sends())
        {
            self.episode = None;
            self.step(Cause::Quiet, |pace, _| pace.recover(at));
            self.step(Cause::Quiet, |pace, rules| pace.rise_quietly(rules, at));
        }
    }

    /// A request departs that has waited for `waited`.
    pub(super) fn departed(&mut self, waited: Nanos, now: Nanos) -> Sent {
        let counts = self.history.counts();
        let serial = self.history.record(now);
        self.headers.departed(serial, now);
        let bound_by = self.binding().map(|(scale, ..)| scale);
        Sent { serial, at: now, counts, held_back: waited > HELD_BACK, bound_by }
    }

    /// A departure was refused for quota.
    pub(super) fn refused(&mut self, sent: &Sent, refused: Refused, share: Share, now: Nanos) -> Patience {
        let Refused { news, named } = refused;
        self.headers.judged(sent.serial, true, now);
        let expected = self.suspicions.expected(&sent.counts, now);
        if news {
            let pace = self.rules.span / u64::from(self.quota());
            match &mut self.episode {
                Some(episode) => episode.refused(&sent.counts),
                none => *none = Some(Episode::new(sent, &self.history, pace, now)),
            }
            if let Some(episode) = &mut self.episode {
                episode.named &= named;
            }
        }
        self.history.refuse(sent.serial);
        self.refused = now;
        let refusals = self.episode.map_or(1, |episode| episode.refusals);
        let often = share.departed >= self.rules.minimum_samples && self.is_often(share);
        if news && self.rules.enabled && (often || refusals >= 2 || self.pace.state() == PaceState::Recover) {
            self.step(Cause::Refused, |pace, _| pace.retreat());
        }
        self.patience(refusals, expected.filter(|_| news), sent, now)
    }

    /// A departure was served, or is presumed to have been; `news` as in [`Refused`].
    pub(super) fn served(&mut self, sent: &Sent, news: bool, share: Share, now: Nanos) {
        self.headers.judged(sent.serial, false, now);
        if !news {
            return;
        }
        self.suspicions.served(&sent.counts, now);
        self.short.served(&sent.counts, &self.rules, now);
        if let Some(episode) = self.episode.take() {
            if self.rules.enabled {
                self.judge(&episode, sent, share, now);
            }
            return;
        }
        if self.rules.enabled {
            self.rise(sent, now);
        }
    }

    /// The answer to a departure came with this advice. `spread` is drawn from [`ADVICE_SPREAD`].
    pub(super) fn advised(&mut self, sent: &Sent, advice: Advice, spread: Nanos, now: Nanos) {
        let since = self.history.next_serial() - sent.serial - 1;
        self.headers.told(Told { advice, departed: sent.at, since, spread }, &self.rules, now);
    }

    /// A departure ended without telling anything about the quota.
    pub(super) fn forget(&mut self, sent: &Sent) {
        self.headers.forget(sent.serial);
    }

    /// The oldest transition that nobody has asked for yet.
    pub(super) fn next_transition(&mut self) -> Option<Transition> {
        self.transitions.pop_front()
    }

    fn is_often(&self, share: Share) -> bool {
        u64::from(share.refused) * 1_000 > u64::from(share.departed) * u64::from(self.rules.threshold)
    }

    /// Lets the pace or the short window that held a served request back rise.
    fn rise(&mut self, sent: &Sent, now: Nanos) {
        self.pace.served(sent.counts.get(Scale::WINDOW), &self.rules, now);
        if self.pace.state() == PaceState::Retreat && now.saturating_sub(self.refused) >= CLEAN {
            self.step(Cause::Served, |pace, _| pace.recover(now));
        }
        if sent.at < self.refused || !sent.held_back {
            self.pace.pause_growth(now);
        } else if let Some(scale) = sent.bound_by {
            self.pace.pause_growth(now);
            self.short.probe(scale, &self.rules, now);
        } else if self.pace.is_rising(&self.rules) {
            let refused = self.refused;
            self.step(Cause::Restored, |pace, rules| pace.grow(refused, rules, now));
        }
    }

    /// Moves the pace, and notes the change of state that this makes.
    fn step(&mut self, cause: Cause, change: impl FnOnce(&mut Pace, &Rules)) {
        let (from, before) = (self.pace.state(), self.effective_rpm());
        change(&mut self.pace, &self.rules);
        let to = self.pace.state();
        if from == to {
            return;
        }
        if self.transitions.len() >= TRANSITIONS_KEPT {
            self.transitions.pop_front();
        }
        let to_rpm = self.effective_rpm();
        self.transitions.push_back(Transition { from, to, cause, from_rpm: before, to_rpm });
    }
}

#[cfg(test)]
mod tests;
