//! Claims about which episodes make a limit.

use super::super::tests::{mk_counts, mk_episode};
use super::*;

/// Nothing speaks for or against a limit.
const PLAIN: Circumstances = Circumstances { doubt: 0, cheap: false };

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

/// The cases, with episodes and sends told in seconds and counts.
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
        let mut episode = mk_episode(second * SECOND, mk_counts(refused));
        episode.refusals = self.refusals;
        self.suspicions.judge(&episode, &mk_counts(served), self.circumstances)
    }

    /// An episode of the window, ended by a send served at `served`.
    fn window(&mut self, second: u64, refused: u32, served: u32) -> Option<(Scale, u32)> {
        self.episode(second, window_at(refused), served_at(served))
    }

    fn serve(&mut self, second: u64, counts: Seven) {
        self.suspicions.served(&mk_counts(counts), second * SECOND);
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
    for (first, second, agrees) in [(5, 5, true), (5, 4, false), (5, 6, true), (4, 5, false), (40, 43, false)] {
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
fn an_agreement_empties_the_bracket() {
    let mut court = Court::under(Circumstances { doubt: 2, cheap: false });
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
    for (served, acquitted) in [(39, false), (41, false), (42, true), (50, true)] {
        let mut court = Court::new();
        court.window(0, 40, 20);
        court.serve(1, served_at(served));
        // Late enough for the send not to count as a contradiction.
        let found = court.window(120, 40, 20);
        assert_eq!(found.is_none(), acquitted, "served at {served}");
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
    for (refusals, served, acquitted) in
        [(1, 39, false), (1, 40, true), (2, 40, false), (2, 41, true)]
    {
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
fn a_refusal_with_nothing_on_a_scale_says_nothing_of_it() {
    let mut court = Court::new();
    for second in [0, 60, 120] {
        assert_eq!(court.episode(second, [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1]), None);
    }
}

#[test]
fn a_count_served_in_the_last_minute_asks_for_one_episode_more() {
    for (peak_at, served, needed) in [(1, 42, 3), (1, 41, 2), (100, 42, 3)] {
        let mut court = Court::new();
        court.serve(peak_at, served_at(served));
        let from = peak_at + 1;
        let seconds = [from, from + 16, from + 32];
        let convicted = seconds.iter().position(|second| court.window(*second, 40, 20).is_some());
        assert_eq!(convicted.map(|index| index + 1), Some(needed), "{served} served at {peak_at} s");
    }
}

#[test]
fn what_was_served_long_ago_contradicts_nothing() {
    for (second, contradicted) in [(59, true), (61, false)] {
        let mut court = Court::new();
        court.serve(0, served_at(80));
        for sent in 1..second - 16 {
            court.serve(sent, served_at(25));
        }
        court.window(second - 16, 40, 20);
        for sent in second - 16..second {
            court.serve(sent, served_at(25));
        }
        assert_eq!(court.window(second, 40, 20).is_none(), contradicted, "{second} s after it");
    }
}

#[test]
fn a_peak_is_forgotten_where_nothing_is_sent_too() {
    let mut court = Court::new();
    court.serve(0, served_at(80));
    court.window(75, 40, 20);
    assert!(court.window(91, 40, 20).is_some());
}

#[test]
fn episodes_less_than_a_quarter_of_the_scale_apart_are_one() {
    for (scale, first, second) in [
        (15, Court::window as fn(&mut Court, u64, u32, u32) -> _, 40),
        (3, |court: &mut Court, second, count, served| court.episode(second, sixth_at(count), served_sixth_at(served)), 12),
    ] {
        let mut court = Court::new();
        assert_eq!(first(&mut court, 0, second, 0), None);
        assert_eq!(first(&mut court, scale - 1, second, 0), None, "too soon");
        assert!(first(&mut court, scale, second, 0).is_some(), "counted from the first");
    }
}

#[test]
fn every_doubt_asks_for_one_episode_more() {
    for doubt in 0..=6_u32 {
        let mut court = Court::under(Circumstances { doubt, cheap: false });
        let convicted = (0..10).find(|episode| court.window(episode * 20, 40, 20).is_some());
        assert_eq!(convicted, Some(u64::from(doubt) + 1), "doubt {doubt}");
    }
}

#[test]
fn rare_and_cheap_refusals_need_no_limit_of_the_window_but_are_remembered() {
    let mut court = Court::under(Circumstances { doubt: 0, cheap: true });
    for second in [0, 20, 40] {
        assert_eq!(court.window(second, 40, 20), None);
    }
    court.circumstances = PLAIN;
    assert!(court.window(41, 40, 20).is_some());
}

#[test]
fn cheap_refusals_still_show_a_limit_of_a_short_scale() {
    let mut court = Court::under(Circumstances { doubt: 0, cheap: true });
    court.episode(0, sixth_at(12), served_sixth_at(2));
    assert_eq!(court.episode(20, sixth_at(12), served_sixth_at(2)), Some((Scale::SIXTH, 12)));
}

#[test]
fn a_suspicion_is_forgotten_after_two_and_a_half_scales_and_not_within_a_minute() {
    let half = [0, 0, 0, 0, 12, 200, 200];
    let served_half = [0, 0, 0, 0, 2, 201, 202];
    for (refused, served, last) in [
        (window_at(40), served_at(20), 150),
        (sixth_at(12), served_sixth_at(2), 60),
        (half, served_half, 75),
    ] {
        for (second, fresh) in [(last, true), (last + 1, false)] {
            let mut court = Court::new();
            court.episode(0, refused, served);
            assert_eq!(court.episode(second, refused, served).is_some(), fresh, "{second} s");
        }
    }
}

#[test]
fn of_several_scales_the_one_that_allows_most_is_believed() {
    for (sixth, window, believed) in
        [(5, 40, (Scale::WINDOW, 40)), (7, 40, (Scale::SIXTH, 7)), (10, 60, (Scale::SIXTH, 10))]
    {
        let mut court = Court::new();
        // The scales between are acquitted, and so is the last one.
        let refused = [0, sixth, sixth, sixth, sixth, window, window + 300];
        let served = [0, 0, sixth, sixth, sixth, sixth + 1, window + 301];
        court.episode(0, refused, served);
        assert_eq!(court.episode(20, refused, served), Some(believed), "{sixth}, {window}");
    }
}

#[test]
fn a_believed_limit_leaves_the_cases_of_the_other_scales_open() {
    let (refused, served) = ([0, 7, 7, 7, 7, 40, 300], [0, 0, 7, 7, 7, 8, 301]);
    let mut court = Court::new();
    court.episode(0, refused, served);
    assert_eq!(court.episode(20, refused, served), Some((Scale::SIXTH, 7)));
    assert_eq!(court.episode(40, refused, served), Some((Scale::WINDOW, 40)));
}

#[test]
fn a_refusal_is_expected_at_a_suspected_count_of_the_window_while_that_is_fresh() {
    let mut court = Court::new();
    court.episode(0, [0, 0, 0, 0, 0, 30, 40], [0, 0, 0, 0, 0, 5, 8]);
    for (counts, second, expected) in [
        ([0, 0, 0, 0, 0, 30, 40], 10, Some(Scale::WINDOW)),
        ([0, 0, 0, 0, 0, 31, 60], 10, Some(Scale::WINDOW)),
        ([0, 0, 0, 0, 0, 20, 40], 10, Some(Scale::EVERY)),
        ([0, 0, 0, 0, 0, 20, 50], 10, None),
        ([0, 0, 0, 0, 0, 30, 40], 150, Some(Scale::WINDOW)),
        ([0, 0, 0, 0, 0, 30, 40], 151, None),
    ] {
        let found = court.suspicions.expected(&mk_counts(counts), second * SECOND);
        assert_eq!(found, expected, "{counts:?} after {second} s");
    }
}

#[test]
fn short_scales_make_no_refusal_expected() {
    let mut court = Court::new();
    court.episode(0, sixth_at(12), served_sixth_at(2));
    assert_eq!(court.suspicions.expected(&mk_counts([0, 12, 12, 12, 12, 12, 12]), SECOND), None);
}
