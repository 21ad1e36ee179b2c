//! Claims about which episodes make a limit: agreement and acquittal here, the rest in `evidence`.

mod evidence;

use super::super::tests::{mk_counts, mk_episode};
use super::*;

/// Nothing speaks for or against a limit.
const PLAIN: Circumstances = Circumstances { doubt: 0, steady: 0 };

type Seven = [u32; Scale::COUNT];

/// Counts that tell of the window alone: the short scales hold nothing, and [`served_at`] acquits the last one.
fn window_at(count: u32) -> Seven {
    [0, 0, 0, 0, 0, count, 200]
}

fn served_at(count: u32) -> Seven {
    [0, 0, 0, 0, 0, count, 201]
}

/// Counts that tell of a sixth of the window alone.
fn sixth_at(count: u32) -> Seven {
    [0, count, 200, 200, 200, 200, 200]
}

fn served_sixth_at(count: u32) -> Seven {
    [0, count, 201, 201, 201, 202, 202]
}

/// Counts that tell of the last scale alone.
fn every_at(count: u32) -> Seven {
    [0, 0, 0, 0, 0, 1, count]
}

fn served_every_at(count: u32) -> Seven {
    [0, 0, 0, 0, 0, 2, count]
}

/// When the tests begin: not at 0, where a time and the time since are the same.
const BEGIN: u64 = 1_000;

/// The cases, with episodes and sends told in counts and in seconds since [`BEGIN`].
struct Court {
    suspicions: Suspicions,
    circumstances: Circumstances,
    refusals: u32,
}

impl Court {
    fn new() -> Self {
        Self { suspicions: Suspicions::new(60 * SECOND), circumstances: PLAIN, refusals: 1 }
    }

    fn under(circumstances: Circumstances) -> Self {
        Self { circumstances, ..Self::new() }
    }

    fn episode(&mut self, second: u64, refused: Seven, served: Seven) -> Option<(Scale, u32)> {
        let mut episode = mk_episode((BEGIN + second) * SECOND, mk_counts(refused));
        episode.refusals = self.refusals;
        self.suspicions.judge(&episode, &mk_counts(served), self.circumstances)
    }

    /// An episode of the window, ended by a send served at `served`.
    fn window(&mut self, second: u64, refused: u32, served: u32) -> Option<(Scale, u32)> {
        self.episode(second, window_at(refused), served_at(served))
    }

    fn serve(&mut self, second: u64, counts: Seven) {
        self.suspicions.served(&mk_counts(counts), (BEGIN + second) * SECOND);
    }
}

#[test]
fn one_episode_of_any_length_makes_no_limit() {
    for refusals in [1, 2, 50] {
        let mut court = Court { refusals, ..Court::new() };
        assert_eq!(court.episode(0, [3, 6, 9, 12, 15, 30, 31], [0, 0, 0, 0, 0, 10, 11]), None);
    }
}

#[test]
fn episodes_within_a_twentieth_of_each_other_agree_on_the_lower_count() {
    for (first, second, agrees) in [
        (40, 38, false),
        (40, 39, true),
        (40, 40, true),
        (40, 42, true),
        (40, 43, false),
        (100, 95, false),
        (100, 96, true),
        (100, 105, true),
        (100, 106, false),
        (3, 4, true),
        (3, 5, false),
    ] {
        let mut court = Court::new();
        assert_eq!(court.window(0, first, 0), None);
        let expected = agrees.then_some((Scale::WINDOW, first.min(second)));
        assert_eq!(court.window(60, second, 0), expected, "{first}, then {second}");
    }
}

#[test]
fn small_counts_of_short_scales_agree_only_if_they_are_equal() {
    for (first, second, agrees) in [(5, 5, true), (5, 4, false), (5, 6, true), (4, 5, false), (40, 43, false)]
    {
        let mut court = Court::new();
        assert_eq!(court.episode(0, sixth_at(first), served_sixth_at(0)), None);
        let found = court.episode(30, sixth_at(second), served_sixth_at(0));
        assert_eq!(found, agrees.then_some((Scale::SIXTH, first.min(second))), "{first}, then {second}");
    }
}

#[test]
fn counts_that_keep_what_was_refused_agree_only_if_they_are_equal_below_twenty() {
    for (first, second, agrees) in [(12, 12, true), (12, 13, false), (40, 42, true), (40, 43, false)] {
        let mut court = Court::new();
        assert_eq!(court.episode(0, every_at(first), served_every_at(5)), None);
        let found = court.episode(60, every_at(second), served_every_at(5));
        assert_eq!(found, agrees.then_some((Scale::EVERY, first.min(second))), "{first}, then {second}");
    }
}

#[test]
fn a_lower_count_right_above_the_highest_served_since_agrees_too() {
    for (refused, agrees) in [(34, false), (35, true), (36, true), (37, false)] {
        let mut court = Court::new();
        assert_eq!(court.window(0, 40, 20), None);
        court.serve(30, served_at(34));
        court.serve(31, served_at(25));
        let expected = agrees.then_some((Scale::WINDOW, refused));
        assert_eq!(court.window(60, refused, 20), expected, "40, 34 served, then {refused}");
    }
}

#[test]
fn what_ended_the_first_episode_is_the_lower_end_of_that_bracket() {
    let mut court = Court::new();
    assert_eq!(court.window(0, 40, 30), None);
    assert_eq!(court.window(60, 31, 30), Some((Scale::WINDOW, 31)));
}

#[test]
fn the_bracket_holds_nothing_above_the_count_suspected() {
    let mut court = Court::new();
    assert_eq!(court.window(0, 40, 20), None);
    court.serve(30, served_at(41));
    assert_eq!(court.window(60, 43, 20), None);
}

#[test]
fn an_agreement_empties_the_bracket() {
    let mut court = Court::under(Circumstances { doubt: 2, steady: 0 });
    for (second, refused) in [(0, 40), (20, 40)] {
        assert_eq!(court.window(second, refused, 20), None);
    }
    assert_eq!(court.window(40, 21, 20), None, "nothing was served since: this is another suspicion");
    assert_eq!(court.window(60, 40, 20), None, "so there are not four in agreement");
}

#[test]
fn short_scales_have_no_bracket() {
    let mut court = Court::new();
    assert_eq!(court.episode(0, sixth_at(12), served_sixth_at(9)), None);
    assert_eq!(court.episode(30, sixth_at(10), served_sixth_at(9)), None);
}

#[test]
fn a_send_served_a_twentieth_above_the_count_acquits() {
    for (count, served, acquitted) in [
        (40, 39, false),
        (40, 41, false),
        (40, 42, true),
        (40, 50, true),
        (400, 419, false),
        (400, 420, true),
    ] {
        let (refused, before) = ([0, 0, 0, 0, 0, count, 600], [0, 0, 0, 0, 0, 20, 601]);
        let mut court = Court::new();
        court.episode(0, refused, before);
        court.serve(1, [0, 0, 0, 0, 0, served, 601]);
        // Late enough for the send not to count as a contradiction.
        let found = court.episode(120, refused, before);
        assert_eq!(found.is_none(), acquitted, "{count}, then {served} served");
    }
}

#[test]
fn a_small_count_is_acquitted_by_a_send_served_at_it() {
    for (served, acquitted) in [(11, false), (12, true)] {
        let mut court = Court::new();
        court.episode(0, sixth_at(12), served_sixth_at(2));
        court.serve(1, served_sixth_at(served));
        let found = court.episode(58, sixth_at(12), served_sixth_at(2));
        assert_eq!(found.is_none(), acquitted, "served at {served}");
    }
}

#[test]
fn the_send_that_ends_an_episode_at_its_count_acquits() {
    for (refusals, served, acquitted) in [(1, 39, false), (1, 40, true), (2, 40, false), (2, 41, true)] {
        let mut court = Court { refusals, ..Court::new() };
        court.window(0, 40, 20);
        let second = court.window(20, 40, served);
        assert_eq!(second.is_none(), acquitted, "{refusals} refusals, {served} served");
        let third = court.window(40, 40, 20);
        assert_eq!(third, None, "it has been judged either way, and begins anew");
    }
}

#[test]
fn an_acquittal_of_a_short_scale_needs_no_more_after_several_refusals() {
    let mut court = Court { refusals: 2, ..Court::new() };
    court.episode(0, sixth_at(12), served_sixth_at(2));
    assert_eq!(court.episode(30, sixth_at(12), served_sixth_at(12)), None);
}

#[test]
fn a_refusal_with_nothing_on_a_scale_says_nothing_of_it_and_one_is_something() {
    let mut court = Court { refusals: 2, ..Court::new() };
    for second in [0, 60, 120] {
        assert_eq!(court.window(second, 0, 0), None);
    }
    assert_eq!(court.window(200, 1, 0), None);
    assert_eq!(court.window(220, 1, 0), Some((Scale::WINDOW, 1)));
}
