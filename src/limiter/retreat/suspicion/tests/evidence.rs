//! Claims about how much evidence is asked, and which scale is believed.

use super::*;

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
    for (peak_at, second, contradicted) in [(0, 59, true), (0, 61, false), (40, 80, true), (40, 91, false)] {
        let mut court = Court::new();
        for sent in 0..second {
            if sent == second - 16 {
                court.window(sent, 40, 20);
            }
            court.serve(sent, served_at(if sent == peak_at { 80 } else { 25 }));
        }
        let found = court.window(second, 40, 20);
        assert_eq!(found.is_none(), contradicted, "served at {peak_at} s, refused at {second} s");
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
        (
            3,
            |court: &mut Court, second, count, served| {
                court.episode(second, sixth_at(count), served_sixth_at(served))
            },
            12,
        ),
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
        let mut court = Court::under(Circumstances { doubt, steady: 0 });
        let convicted = (0..10).find(|episode| court.window(episode * 20, 40, 20).is_some());
        assert_eq!(convicted, Some(u64::from(doubt) + 1), "doubt {doubt}");
    }
}

#[test]
fn rare_and_cheap_refusals_need_no_limit_of_the_window_but_are_remembered() {
    let mut court = Court::under(Circumstances { doubt: 0, steady: 5 });
    for second in [0, 20, 40] {
        assert_eq!(court.window(second, 40, 20), None);
    }
    court.circumstances = PLAIN;
    assert!(court.window(41, 40, 20).is_some());
}

#[test]
fn cheap_refusals_still_show_a_limit_of_a_short_scale() {
    let mut court = Court::under(Circumstances { doubt: 0, steady: 5 });
    court.episode(0, sixth_at(12), served_sixth_at(2));
    assert_eq!(court.episode(20, sixth_at(12), served_sixth_at(2)), Some((Scale::SIXTH, 12)));
}

#[test]
fn a_suspicion_is_forgotten_after_two_and_a_half_scales_and_not_within_a_minute() {
    let half = [0, 0, 0, 0, 12, 200, 200];
    let served_half = [0, 0, 0, 0, 2, 201, 202];
    for (refused, served, last) in
        [(window_at(40), served_at(20), 150), (sixth_at(12), served_sixth_at(2), 60), (half, served_half, 75)]
    {
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
        let found = court.suspicions.expected(&mk_counts(counts), (BEGIN + second) * SECOND);
        assert_eq!(found, expected, "{counts:?} after {second} s");
    }
}

#[test]
fn short_scales_make_no_refusal_expected() {
    let mut court = Court::new();
    court.episode(0, sixth_at(12), served_sixth_at(2));
    assert_eq!(court.suspicions.expected(&mk_counts([0, 12, 12, 12, 12, 12, 12]), BEGIN * SECOND), None);
}
