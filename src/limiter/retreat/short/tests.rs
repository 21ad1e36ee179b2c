//! Claims about the learned short windows.

use super::super::rules::SECOND;
use super::super::tests::{mk_counts, mk_episode, mk_rules, mk_settings};
use super::*;

/// The shortest scale, a twelfth of the window.
fn twelfth() -> Scale {
    Scale::short().next().unwrap()
}

/// Counts with as many on every short scale.
fn at(count: u32) -> Counts {
    mk_counts([count; Scale::COUNT])
}

/// Six in ten seconds, learned at second 0.
fn mk_six() -> ShortWindows {
    let mut short = ShortWindows::default();
    assert!(short.learn(Scale::SIXTH, 6, &mk_rules(), 0));
    short
}

/// The same, with the step to seven under way since second 10.
fn mk_probing() -> ShortWindows {
    let mut short = mk_six();
    short.probe(Scale::SIXTH, &mk_rules(), 10 * SECOND);
    assert_eq!(limit(&short), Some(7));
    short
}

/// The limit of a sixth of the window.
fn limit(short: &ShortWindows) -> Option<u32> {
    short.limits().find(|(scale, _)| *scale == Scale::SIXTH).map(|(_, limit)| limit)
}

fn refuse(short: &mut ShortWindows, count: u32, second: u64) -> bool {
    short.refused(&mk_episode(0, at(count)), &mk_rules(), second * SECOND)
}

/// When the step after the one under way comes, tried every second from `from` on.
fn next_step(short: &mut ShortWindows, from: u64) -> Option<u64> {
    let before = limit(short);
    (from..from + 1_000).find(|second| {
        short.probe(Scale::SIXTH, &mk_rules(), second * SECOND);
        limit(short) != before
    })
}

#[test]
fn a_tighter_window_takes_the_place_of_a_wider_one_of_its_scale_only() {
    let mut short = mk_six();
    for (scale, learned, news, sixth) in [
        (Scale::SIXTH, 6, false, 6),
        (Scale::SIXTH, 7, false, 6),
        (twelfth(), 9, true, 6),
        (Scale::SIXTH, 5, true, 5),
    ] {
        assert_eq!(short.learn(scale, learned, &mk_rules(), SECOND), news, "{learned} in {scale:?}");
        assert_eq!(limit(&short), Some(sixth));
    }
    assert_eq!(short.limits().collect::<Vec<_>>(), [(twelfth(), 9), (Scale::SIXTH, 5)]);
}

#[test]
fn the_window_itself_is_no_short_window() {
    let mut short = ShortWindows::default();
    assert!(!short.learn(Scale::WINDOW, 5, &mk_rules(), 0));
    assert_eq!(short.limits().count(), 0);
}

#[test]
fn a_departure_waits_until_every_window_has_a_place_for_it() {
    let mut short = mk_six();
    short.learn(twelfth(), 2, &mk_rules(), 0);
    let mut history = History::new(60 * SECOND);
    for second in [0, 2, 4] {
        history.prune(second * SECOND);
        history.record(second * SECOND);
    }
    let now = 4 * SECOND;
    let first_leaves = |serial_at: u64, span: u64| Some((serial_at + span) * SECOND + SHORT_MARGIN);
    assert_eq!(short.free_at(&history, 0, now), first_leaves(2, 5), "two of three leave five seconds");
    assert_eq!(short.free_at(&history, 1, now), first_leaves(4, 5), "one is about to depart");
    assert_eq!(short.free_at(&history, 2, now), None, "that hangs on those");
    short.learn(Scale::SIXTH, 2, &mk_rules(), 0);
    assert_eq!(short.free_at(&history, 0, now), first_leaves(2, 10));
}

#[test]
fn a_window_explains_refusals_at_its_limit() {
    let short = mk_six();
    assert!(short.explain(&at(6)) && !short.explain(&at(5)));
    assert!(!ShortWindows::default().explain(&at(6)));
}

#[test]
fn a_step_up_is_one_departure_and_comes_when_it_is_time() {
    let mut short = mk_six();
    short.probe(twelfth(), &mk_rules(), 60 * SECOND);
    assert_eq!(limit(&short), Some(6), "another scale made the pace");
    assert_eq!(next_step(&mut short, 0), Some(10));
    assert_eq!(limit(&short), Some(7));
    assert_eq!(next_step(&mut short, 10), None, "one step until it is verified");
}

#[test]
fn at_a_high_rate_a_step_up_is_a_fortieth_of_it() {
    let rules = Rules { base: 2_400 * ONE, ceiling: 2_400 * ONE, ..mk_rules() };
    let mut short = ShortWindows::default();
    short.learn(Scale::SIXTH, 100, &rules, 0);
    short.probe(Scale::SIXTH, &rules, 10 * SECOND);
    assert_eq!(limit(&short), Some(110), "400 in ten seconds are what the rate allows");
    short.served(&at(106), &rules, 11 * SECOND);
    assert!(!short.refused(&mk_episode(0, at(97)), &rules, 11 * SECOND), "below where the step began");
    assert!(short.refused(&mk_episode(0, at(98)), &rules, 11 * SECOND), "it was not verified at 106");
    assert_eq!(limit(&short), Some(100));
}

#[test]
fn a_step_is_verified_by_a_departure_served_at_the_new_count() {
    let mut short = mk_probing();
    short.served(&at(5), &mk_rules(), 20 * SECOND);
    assert_eq!(next_step(&mut short, 20), None, "that was the sixth");
    short.served(&at(6), &mk_rules(), 20 * SECOND);
    assert_eq!(next_step(&mut short, 20), Some(30), "that was the seventh");
}

#[test]
fn a_departure_verifies_only_what_is_being_tried() {
    let mut short = mk_six();
    short.served(&at(6), &mk_rules(), 9 * SECOND);
    assert_eq!(next_step(&mut short, 9), Some(10), "the step is not put off");
}

#[test]
fn a_refused_step_is_taken_back_and_the_next_comes_three_times_later() {
    let mut short = mk_probing();
    assert!(!refuse(&mut short, 5, 11), "that was the sixth: no step was refused");
    let mut now = 11;
    // 3 % of 36 a minute is one in 60 s, the least of its bounds.
    for seconds in [30, 60, 60] {
        assert!(refuse(&mut short, 6, now));
        assert_eq!(limit(&short), Some(6));
        assert_eq!(next_step(&mut short, now), Some(now + seconds));
        now += seconds;
    }
    short.served(&at(6), &mk_rules(), now * SECOND);
    assert_eq!(next_step(&mut short, now), Some(now + 10), "a verified one is followed soon");
}

#[test]
fn what_was_not_being_tried_is_not_taken_back() {
    let mut short = mk_six();
    assert!(!refuse(&mut short, 9, 1));
    assert_eq!(limit(&short), Some(6));
}

#[test]
fn a_step_of_a_tight_window_is_rarer() {
    let mut short = ShortWindows::default();
    short.learn(Scale::SIXTH, 2, &mk_rules(), 0);
    let mut now = 10;
    short.probe(Scale::SIXTH, &mk_rules(), now * SECOND);
    // 3 % of 12 a minute is one in 166.7 s.
    for seconds in [30, 90, 167, 167] {
        assert!(refuse(&mut short, 2, now));
        assert_eq!(next_step(&mut short, now), Some(now + seconds));
        now += seconds;
    }
}

#[test]
fn a_step_of_a_short_window_is_no_rarer_than_the_settings_allow() {
    let rules = Rules::new(&mk_settings(|retreat| retreat.probe_max = Duration::from_secs(20)));
    let mut short = mk_probing();
    assert!(short.refused(&mk_episode(11 * SECOND, at(6)), &rules, 11 * SECOND));
    assert_eq!(next_step(&mut short, 11), Some(11 + 20));
}

#[test]
fn a_window_holds_at_least_one() {
    let mut short = ShortWindows::default();
    short.learn(Scale::SIXTH, 1, &mk_rules(), 0);
    short.probe(Scale::SIXTH, &mk_rules(), 10 * SECOND);
    for second in [11, 50] {
        refuse(&mut short, 2, second);
        assert_eq!(limit(&short), Some(1));
    }
}

#[test]
fn what_nothing_touches_for_a_quarter_of_an_hour_ages_away() {
    type Touch = fn(&mut ShortWindows);
    let touch: [(Touch, u64); 4] = [
        (|_| (), 0),
        (|short| short.served(&at(6), &mk_rules(), 50 * SECOND), 50),
        (|short| assert!(refuse(short, 6, 40)), 40),
        (|short| assert!(short.learn(Scale::SIXTH, 4, &mk_rules(), 30 * SECOND)), 30),
    ];
    for (touch, touched) in touch {
        let mut short = mk_probing();
        touch(&mut short);
        short.age((touched + 900) * SECOND);
        assert!(limit(&short).is_some(), "touched at {touched} s");
        short.age((touched + 900) * SECOND + 1);
        assert_eq!(limit(&short), None, "touched at {touched} s");
    }
}

#[test]
fn what_is_far_above_the_ceiling_is_forgotten() {
    // Ten in ten seconds are 60 in a minute, half as much again as the 40 that may leave.
    let mut short = ShortWindows::default();
    short.learn(Scale::SIXTH, 9, &mk_rules(), 0);
    short.probe(Scale::SIXTH, &mk_rules(), 10 * SECOND);
    assert_eq!(limit(&short), Some(10));
    short.served(&at(9), &mk_rules(), 11 * SECOND);
    short.probe(Scale::SIXTH, &mk_rules(), 21 * SECOND);
    assert_eq!(limit(&short), None);
}

#[test]
fn the_tightest_window_makes_the_pace() {
    let (rules, mut short) = (mk_rules(), ShortWindows::default());
    assert_eq!((short.pace(&rules), short.sends(&rules)), (None, None));
    for (scale, learned, tightest, sends) in [
        (Scale::SIXTH, 6, (Scale::SIXTH, 6, 10 * SECOND + SHORT_MARGIN), 36),
        (twelfth(), 4, (Scale::SIXTH, 6, 10 * SECOND + SHORT_MARGIN), 36),
        (twelfth(), 2, (twelfth(), 2, 5 * SECOND + SHORT_MARGIN), 24),
    ] {
        short.learn(scale, learned, &rules, 0);
        assert_eq!(short.pace(&rules), Some(tightest));
        assert_eq!(short.sends(&rules), Some(sends * ONE));
    }
    let [five, ten, rest @ ..] = short.view(&rules);
    assert_eq!(five, Some((Duration::from_secs(5), 2)));
    assert_eq!(ten, Some((Duration::from_secs(10), 6)));
    assert_eq!(rest, [None; 3]);
}

#[test]
fn no_window_holds_less_than_the_floor_brings() {
    let rules = mk_rules();
    for (divisor, floor) in [(0, 1), (4, 2)] {
        let scale = Scale::short().nth(divisor).unwrap();
        let mut windows = ShortWindows::default();
        windows.learn(scale, 1, &rules, 0);
        assert_eq!(windows.limits().collect::<Vec<_>>(), [(scale, floor)], "4 a minute");
    }
}
