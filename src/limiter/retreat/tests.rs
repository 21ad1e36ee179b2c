//! What the tests of the law's modules build with, and claims about these modules together.

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
    Episode { opened, refusals: 1, counts, first_count, recent: 0, burst: false }
}
