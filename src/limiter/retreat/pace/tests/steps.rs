//! Claims about steps above a known limit: one at a time, verified or taken back.

use std::time::Duration;

use super::*;

#[test]
fn at_a_limit_the_pace_waits_for_its_time_and_then_takes_one_step() {
    let rules = mk_rules();
    let mut pace = mk_recovering(&rules);
    assert_eq!(pace.next_step(103 * SECOND), Some(7 * SECOND));
    pace.grow(100 * SECOND, &rules, 110 * SECOND - 1);
    assert_eq!((pace.sends(), pace.probing_from()), (20 * ONE, None));
    pace.grow(100 * SECOND, &rules, 110 * SECOND);
    assert_eq!((pace.sends(), pace.probing_from()), (21 * ONE, Some(20 * ONE)));
    assert_eq!((pace.limit(), pace.next_step(110 * SECOND)), (None, None));
}

#[test]
fn a_step_is_a_fortieth_of_the_rate_and_at_least_one() {
    for (rate, step) in [(20, 1_000), (40, 1_000), (60, 1_500), (400, 10_000)] {
        let mut settings = Settings::default();
        settings.rate.requests_per_minute = rate;
        let rules = Rules::new(&settings);
        let mut pace = mk_recovering(&rules);
        limited(&mut pace, 10 * ONE, 10 * ONE, &rules, 0);
        pace.grow(0, &rules, 10 * SECOND);
        assert_eq!(pace.sends(), 10 * ONE + step, "{rate} a minute");
    }
}

#[test]
fn a_step_stays_one_step_until_it_is_verified() {
    let rules = mk_rules();
    let mut pace = mk_probing(&rules);
    for second in 111..=200 {
        pace.served(19, &rules, second * SECOND);
        pace.grow(100 * SECOND, &rules, second * SECOND);
        assert_eq!(pace.sends(), 21 * ONE, "{second} s");
    }
    pace.served(20, &rules, 200 * SECOND);
    assert_eq!(pace.probing_from(), None, "20 had left before one more was served");
    pace.grow(100 * SECOND, &rules, 201 * SECOND);
    assert!(pace.sends() > 21 * ONE);
}

#[test]
fn a_step_that_is_not_reached_stays_under_way() {
    let rules = mk_rules();
    let mut pace = mk_probing(&rules);
    pace.served(5, &rules, 1_000 * SECOND);
    pace.grow(100 * SECOND, &rules, 1_000 * SECOND);
    assert_eq!((pace.probing_from(), pace.sends()), (Some(20 * ONE), 21 * ONE));
}

#[test]
fn a_verified_step_runs_free_as_if_nothing_had_been_refused_for_25_seconds() {
    let rules = mk_rules();
    let mut pace = mk_probing(&rules);
    pace.served(20, &rules, 130 * SECOND);
    pace.pause_growth(130 * SECOND);
    pace.grow(100 * SECOND, &rules, 131 * SECOND);
    let free = 26 * SECOND;
    assert_eq!(pace.sends(), 21 * ONE + growth(21 * ONE, SECOND, free));
}

#[test]
fn a_served_send_verifies_nothing_where_no_step_is_under_way() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    pace.free_since = 101 * SECOND;
    pace.probe_interval = 90 * SECOND;
    pace.served(40, &rules, 400 * SECOND);
    assert_eq!((pace.free_since, pace.probe_interval), (101 * SECOND, 90 * SECOND));
}

#[test]
fn a_refused_step_goes_back_to_where_it_began_and_the_next_comes_three_times_later() {
    let rules = mk_rules();
    let mut pace = mk_probing(&rules);
    let mut now = 112 * SECOND;
    // 3 % of 20 a minute is one in 100 s: no refused step makes the next one rarer than that.
    for seconds in [30, 90, 100, 100] {
        pace.refused_step(0, &rules, now);
        assert_eq!((pace.sends(), pace.limit(), pace.probing_from()), (20 * ONE, Some(20 * ONE), None));
        assert_eq!(pace.next_step(now), Some(seconds * SECOND));
        pace.recover(now);
        now += seconds * SECOND;
        pace.grow(0, &rules, now);
        assert_eq!(pace.sends(), 21 * ONE);
    }
}

#[test]
fn the_next_step_comes_no_sooner_than_ten_times_what_the_refused_one_cost() {
    for (cost, seconds) in [(2, 30), (3, 30), (4, 40), (25, 250), (30, 300), (31, 300), (3600, 300)] {
        let rules = mk_rules();
        let mut pace = mk_probing(&rules);
        pace.refused_step(cost * SECOND, &rules, 150 * SECOND);
        assert_eq!(pace.next_step(150 * SECOND), Some(seconds * SECOND), "it cost {cost} s");
    }
}

#[test]
fn refused_steps_of_a_low_limit_come_every_four_minutes() {
    let rules = mk_rules();
    let mut pace = Pace::new(&rules, 0);
    let mut now = 100 * SECOND;
    limited(&mut pace, 5 * ONE, rules.base, &rules, now);
    for seconds in [10, 30, 90, 240, 240] {
        assert_eq!(pace.next_step(now), Some(seconds * SECOND));
        now += seconds * SECOND;
        pace.grow(0, &rules, now);
        pace.refused_step(0, &rules, now);
    }
}

#[test]
fn no_step_is_rarer_than_the_settings_allow() {
    let rules = Rules::new(&mk_settings(|retreat| retreat.probe_max = std::time::Duration::from_secs(20)));
    let mut pace = mk_probing(&rules);
    pace.refused_step(0, &rules, 112 * SECOND);
    assert_eq!(pace.next_step(112 * SECOND), Some(20 * SECOND));
}

#[test]
fn a_fall_ends_the_step_under_way() {
    let rules = mk_rules();
    let mut pace = mk_probing(&rules);
    pace.cut(15 * ONE, true, &rules, 111 * SECOND);
    assert_eq!(pace.probing_from(), None, "it could never be reached");
    pace.refused_step(0, &rules, 112 * SECOND);
    assert_eq!((pace.sends(), pace.limit()), (15 * ONE, None), "it is not refused any more");
}

#[test]
fn a_step_that_is_not_under_way_is_not_refused() {
    let rules = mk_rules();
    let mut pace = mk_recovering(&rules);
    pace.refused_step(0, &rules, 106 * SECOND);
    assert_eq!((pace.state(), pace.next_step(106 * SECOND)), (PaceState::Recover, Some(4 * SECOND)));
}

#[test]
fn verified_steps_and_new_limits_are_tried_soon_again() {
    let rules = mk_rules();
    let refuse = |pace: &mut Pace| pace.refused_step(25 * SECOND, &rules, 112 * SECOND);
    let mut pace = mk_probing(&rules);
    refuse(&mut pace);
    limited(&mut pace, 18 * ONE, 20 * ONE, &rules, 120 * SECOND);
    assert_eq!(pace.next_step(120 * SECOND), Some(10 * SECOND), "another limit");

    let mut pace = mk_probing(&rules);
    refuse(&mut pace);
    pace.grow(0, &rules, 362 * SECOND);
    pace.served(20, &rules, 370 * SECOND);
    pace.probing_from = Some(pace.sends());
    pace.refused_step(0, &rules, 380 * SECOND);
    assert_eq!(pace.next_step(380 * SECOND), Some(30 * SECOND), "a step in between was served");
}

#[test]
fn a_cut_puts_the_next_step_off_and_leaves_its_interval() {
    let rules = mk_rules();
    let mut pace = mk_probing(&rules);
    pace.refused_step(9 * SECOND, &rules, 112 * SECOND);
    pace.cut(20 * ONE, false, &rules, 150 * SECOND);
    assert_eq!((pace.limit(), pace.next_step(150 * SECOND)), (Some(20 * ONE), Some(90 * SECOND)));
    pace.cut(19 * ONE, false, &rules, 160 * SECOND);
    assert_eq!(
        (pace.limit(), pace.next_step(160 * SECOND)),
        (Some(20 * ONE), None),
        "the limit is not reached"
    );
    pace.cut(18 * ONE, true, &rules, 170 * SECOND);
    assert_eq!(pace.limit(), None);
}

#[test]
fn a_step_that_an_edit_puts_out_of_reach_is_over() {
    for (rate, sends, from) in [(16, 21, Some(20 * ONE)), (15, 20, None)] {
        let mut settings = mk_settings(|retreat| retreat.ceiling_requests_per_minute = Some(rate + 5));
        settings.rate.requests_per_minute = rate;
        let mut pace = mk_probing(&mk_rules());
        pace.reconfigure(&Rules::new(&settings), 111 * SECOND);
        assert_eq!((pace.sends(), pace.probing_from()), (sends * ONE, from), "{rate} a minute");
    }
}

#[test]
fn at_the_ceiling_there_is_no_step_to_take() {
    let rules = mk_rules_with_ceiling();
    let mut pace = Pace::new(&rules, 0);
    limited(&mut pace, rules.ceiling, rules.ceiling, &rules, 0);
    pace.recover(5 * SECOND);
    pace.grow(0, &rules, 10 * SECOND);
    assert_eq!((pace.sends(), pace.probing_from()), (rules.ceiling, None));
}

#[test]
fn a_refused_step_is_never_tried_again_sooner_than_the_first_was() {
    let rules = Rules::new(&mk_settings(|retreat| {
        retreat.probe_after = Duration::from_secs(600);
        retreat.probe_max = Duration::from_secs(3_600);
    }));
    let mut pace = mk_limited(&rules);
    pace.recover(105 * SECOND);
    pace.grow(100 * SECOND, &rules, 700 * SECOND);
    pace.refused_step(0, &rules, 701 * SECOND);
    assert_eq!(pace.next_step(701 * SECOND), Some(600 * SECOND));
}

#[test]
fn what_falls_into_the_margin_counts_for_a_step() {
    // Of 21 sends in 65 s one falls into the margin, of 21 in 120 s half.
    for (margin, least) in [(0, 20), (5, 19), (60, 10)] {
        let mut settings = Settings::default();
        settings.rate.window_margin = Duration::from_secs(margin);
        let rules = Rules::new(&settings);
        let verifies = |count| {
            let mut pace = mk_probing(&rules);
            pace.served(count, &rules, 111 * SECOND);
            pace.probing_from().is_none()
        };
        assert_eq!((verifies(least - 1), verifies(least)), (false, true), "{margin} s");
    }
}
