//! What the tests of the law's modules build with, and claims about these modules together.

mod every;
mod time;
mod together;
mod told;

use std::time::Duration;

use super::super::settings;
use super::rules::SECOND;
use super::*;

/// The default settings, in which 40 may leave in a minute, after this edit.
pub(super) fn mk_settings(edit: impl FnOnce(&mut settings::Retreat)) -> Settings {
    let mut settings = Settings::default();
    edit(&mut settings.retreat);
    settings
}

/// The numbers of the default settings.
pub(super) fn mk_rules() -> Rules {
    Rules::new(&Settings::default())
}

/// The counts of a real history on all scales, from the shortest; none is lower than the one before it.
pub(super) fn mk_counts(wanted: [u32; Scale::COUNT]) -> Counts {
    /// An age, in seconds, that the scale holds and the next shorter one does not.
    const AGES: [u64; Scale::COUNT] = [0, 7, 12, 17, 25, 45, 55];
    let mut history = History::new(60 * SECOND);
    for index in (0..Scale::COUNT).rev() {
        let shorter = index.checked_sub(1).map_or(0, |shorter| wanted[shorter]);
        for _ in shorter..wanted[index] {
            let serial = history.record((60 - AGES[index]) * SECOND);
            if index == Scale::EVERY.index() {
                history.refuse(serial);
            }
        }
    }
    history.prune(60 * SECOND);
    let counts = history.counts();
    let made: Vec<_> = Scale::all().map(|scale| counts.get(scale)).collect();
    assert_eq!(made, wanted, "no history has these counts");
    counts
}

/// An episode of one refusal, at these counts.
pub(super) fn mk_episode(opened: Nanos, counts: Counts) -> Episode {
    let first_count = counts.get(Scale::WINDOW);
    Episode { opened, refusals: 1, counts, first_count, recent: 0, named: false, burst: false }
}

/// No more than so many in ten seconds, learned at second 0.
fn mk_short(limit: u32) -> Trial {
    let mut trial = Trial::new();
    trial.law.short.learn(Scale::SIXTH, limit, &mk_rules(), 0);
    trial
}

/// The law, driven send by send in virtual time; no send has been held back unless it is said so.
pub(super) struct Trial {
    pub(super) law: Retreat,
    pub(super) now: Nanos,
    /// How often refusals are said to come.
    pub(super) share: Share,
    /// Whether the upstream names the time to come back.
    pub(super) named: bool,
}

impl Trial {
    pub(super) fn new() -> Self {
        Self::of(&Settings::default())
    }

    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            law: Retreat::new(settings, 0),
            now: 0,
            share: Share { refused: 1, departed: 100 },
            named: false,
        }
    }

    /// Lets so many milliseconds pass, in which somebody waits.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds * (SECOND / 1_000);
        self.law.advance(false, self.now);
    }

    /// The same while nobody waits.
    pub(super) fn idle(&mut self, milliseconds: u64) {
        self.now += milliseconds * (SECOND / 1_000);
        self.law.advance(true, self.now);
    }

    pub(super) fn send(&mut self) -> Sent {
        self.law.departed(0, self.now)
    }

    pub(super) fn serve(&mut self) {
        let sent = self.send();
        self.law.served(&sent, true, self.share, self.now);
    }

    /// Serves a send that had waited for the pace.
    pub(super) fn serve_held_back(&mut self) {
        let sent = self.law.departed(SECOND, self.now);
        self.law.served(&sent, true, self.share, self.now);
    }

    pub(super) fn refuse(&mut self) -> Patience {
        let sent = self.send();
        self.law.refused(&sent, Refused { news: true, named: self.named }, self.share, self.now)
    }

    /// Serves until the window holds so many.
    pub(super) fn fill(&mut self, count: u32, gap: u64) {
        while self.law.history.counts().get(Scale::WINDOW) < count {
            self.serve();
            self.pass(gap);
        }
    }

    /// An episode at that count of the window and of no shorter scale: of two refusals, dear, and over
    /// when everything has left the window.
    pub(super) fn episode(&mut self, count: u32) {
        self.fill(count, 200);
        self.pass(30_000);
        for _ in 0..2 {
            self.refuse();
            self.pass(1_000);
        }
        self.pass(60_000);
        self.serve();
    }

    /// Two such episodes, of which nothing but their limit is left.
    pub(super) fn limited(count: u32) -> Self {
        let mut trial = Self::new();
        trial.episode(count);
        trial.episode(count);
        assert_eq!(trial.law.pace.limit(), Some(u64::from(count) * ONE));
        trial.law.suspicions = Suspicions::new(60 * SECOND);
        trial
    }

    /// How many episodes were found to mean this.
    pub(super) fn found(&self, cause: Cause) -> u64 {
        self.law.found[Cause::ALL.iter().position(|each| *each == cause).unwrap()]
    }

    /// Every change of state since the last call.
    pub(super) fn moves(&mut self) -> Vec<(PaceState, PaceState, Cause)> {
        let moves = std::iter::from_fn(|| self.law.next_transition());
        moves.map(|step| (step.from, step.to, step.cause)).collect()
    }
}

/// A pace cut to 20 a minute at second 0, recovering since second 5.
fn mk_recovering() -> Trial {
    let mut trial = Trial::new();
    trial.law.pace.cut(20 * ONE, true, &mk_rules(), 0);
    trial.pass(5_000);
    trial.serve();
    assert_eq!(trial.law.pace.state(), PaceState::Recover);
    trial
}
