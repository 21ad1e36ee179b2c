//! Claims about the numbers that divide one verdict from the other, on episodes made to measure.

use super::super::super::tests::{mk_counts, mk_episode};
use super::*;

#[test]
fn a_limit_above_the_pace_is_risen_to_where_a_limit_that_was_none_held_more_back() {
    use PaceState::{Normal, Recover, Retreat};
    let cases = [
        (15, 15, Recover, Some(15)),
        (50, 40, Normal, None),
        (10, 10, Retreat, Some(10)),
        (8, 8, Retreat, Some(8)),
    ];
    for (believed, sends, state, limit) in cases {
        let mut trial = Trial::new();
        let rules = trial.law.rules;
        trial.law.pace.cut(10 * ONE, true, &rules, 0);
        let believed = Some((Scale::WINDOW, believed));
        let evidence = Evidence { believed, base: 40 * ONE, share: trial.share };
        let episode = mk_episode(0, mk_counts([0, 0, 0, 0, 0, 15, 15]));
        assert_eq!(trial.law.sentence(&episode, &evidence, SECOND), Cause::Limit);
        let pace = &trial.law.pace;
        let found = (pace.sends(), pace.state(), pace.limit());
        assert_eq!(found, (sends * ONE, state, limit.map(|limit| limit * ONE)), "{believed:?}");
    }
}

/// A rate of 500 with a limit of 400, and an episode of one refusal at these counts of the window.
fn mk_large(granted: u32, every: u32) -> (Trial, Episode) {
    let mut settings = mk_settings(|_| ());
    settings.rate.requests_per_minute = 500;
    let mut trial = Trial::of(&settings);
    let rules = trial.law.rules;
    trial.law.pace.locate(400 * ONE, rules.base, &rules, 0);
    trial.law.pace.fall(400 * ONE, &rules, 0);
    (trial, mk_episode(0, mk_counts([0, 0, 0, 0, 0, granted, every])))
}

#[test]
fn well_below_is_a_twentieth_and_one_and_counts_what_was_granted() {
    for (granted, every, doubted) in [(379, 379, false), (378, 378, true), (378, 400, true)] {
        let (mut trial, episode) = mk_large(granted, every);
        let held_back = trial.law.doubt_of_limit(&episode, 0);
        assert_eq!(held_back, doubted.then_some(500 * ONE), "{granted} granted of {every}");
    }
}

#[test]
fn a_cut_forgets_a_limit_that_refused_a_twentieth_below_itself() {
    for (granted, every, forgotten) in [(380, 380, true), (381, 381, false), (380, 400, true)] {
        let (mut trial, episode) = mk_large(granted, every);
        trial.law.cut(&episode, 400 * ONE, 0);
        assert_eq!(trial.law.pace.limit().is_none(), forgotten, "{granted} granted of {every}");
    }
}

#[test]
fn a_step_is_refused_within_a_twentieth_of_where_it_began() {
    for (granted, refused) in [(376, false), (379, false), (380, true), (420, true), (421, false)] {
        let (mut trial, episode) = mk_large(granted, 500);
        let rules = trial.law.rules;
        trial.law.pace.recover(SECOND);
        trial.law.pace.grow(0, &rules, 10 * SECOND);
        assert!(!trial.law.refused_step(&episode) || granted != 376, "three fall into the margin");
        trial.law.rules.span = rules.window;
        assert_eq!(trial.law.refused_step(&episode), refused, "{granted} granted");
    }
}

#[test]
fn a_step_is_refused_where_either_count_of_the_window_is_that_of_its_beginning() {
    for (granted, every, refused) in [(20, 40, true), (10, 20, true), (10, 40, false)] {
        let trial = mk_probing();
        let episode = mk_episode(0, mk_counts([0, 0, 0, 0, 0, granted, every]));
        assert_eq!(trial.law.refused_step(&episode), refused, "{granted} granted of {every}");
    }
}
