//! Claims about how the pace moves: its states and bounds here, the rest by kind of move.

mod growth;
mod steps;

use super::super::super::settings::Settings;
use super::super::tests::{mk_rules, mk_settings};
use super::*;

/// Falls to a limit.
fn limited(pace: &mut Pace, sends: Milli, base: Milli, rules: &Rules, now: Nanos) {
    pace.locate(sends, base, rules, now);
    pace.fall(sends, rules, now);
}

/// A pace with the limit of 20 a minute, believed since second 100 and refused last then.
fn mk_limited(rules: &Rules) -> Pace {
    let mut pace = Pace::new(rules, 0);
    limited(&mut pace, 20 * ONE, rules.base, rules, 100 * SECOND);
    pace
}

/// The same, recovering.
fn mk_recovering(rules: &Rules) -> Pace {
    let mut pace = mk_limited(rules);
    pace.recover(105 * SECOND);
    pace
}

/// The same with a step under way since second 110.
fn mk_probing(rules: &Rules) -> Pace {
    let mut pace = mk_recovering(rules);
    pace.grow(100 * SECOND, rules, 110 * SECOND);
    assert_eq!(pace.probing_from(), Some(20 * ONE));
    pace
}

/// A pace cut to 20 a minute at second 100 that recovers, with no limit to be seen.
fn mk_cut(rules: &Rules) -> Pace {
    let mut pace = Pace::new(rules, 0);
    pace.cut(20 * ONE, true, rules, 100 * SECOND);
    pace.recover(105 * SECOND);
    pace
}

/// Rules that let the pace go up to 60 a minute.
fn mk_rules_with_ceiling() -> Rules {
    Rules::new(&mk_settings(|retreat| retreat.ceiling_requests_per_minute = Some(60)))
}

#[test]
fn the_state_takes_four_edges() {
    let rules = mk_rules();
    let mut pace = Pace::new(&rules, 0);
    assert_eq!((pace.state(), pace.sends()), (PaceState::Normal, rules.base));
    pace.retreat();
    assert_eq!(pace.state(), PaceState::Retreat, "normal to retreat");
    pace.recover(SECOND);
    assert_eq!(pace.state(), PaceState::Recover, "retreat to recover");
    pace.retreat();
    assert_eq!(pace.state(), PaceState::Retreat, "recover to retreat");
    pace.cut(20 * ONE, true, &rules, SECOND);
    pace.recover(SECOND);
    pace.rise_to(rules.base - 1, &rules, SECOND);
    assert_eq!(pace.state(), PaceState::Recover, "not yet what the settings allow");
    pace.rise_to(rules.base, &rules, SECOND);
    assert_eq!((pace.state(), pace.sends()), (PaceState::Normal, rules.base), "recover to normal");
}

#[test]
fn whatever_lowers_the_pace_is_a_retreat() {
    let rules = mk_rules();
    let falls: [fn(&mut Pace, &Rules); 3] = [
        |pace, rules| limited(pace, 30 * ONE, rules.base, rules, 0),
        |pace, rules| pace.cut(30 * ONE, false, rules, 0),
        |pace, rules| {
            pace.probing_from = Some(30 * ONE);
            pace.refused_step(0, rules, 0);
        },
    ];
    for fall in falls {
        let mut pace = Pace::new(&rules, 0);
        fall(&mut pace, &rules);
        assert_eq!((pace.state(), pace.sends()), (PaceState::Retreat, 30 * ONE));
    }
}

#[test]
fn no_limit_and_no_cut_takes_the_pace_below_the_floor_and_no_rise_above_the_ceiling() {
    let rules = mk_rules_with_ceiling();
    let mut pace = Pace::new(&rules, 0);
    limited(&mut pace, ONE, rules.base, &rules, 0);
    assert_eq!(pace.sends(), rules.floor);
    pace.cut(ONE, false, &rules, 0);
    assert_eq!(pace.sends(), rules.floor);
    pace.recover(0);
    pace.rise_to(100 * ONE, &rules, 0);
    assert_eq!(pace.sends(), 60 * ONE);
}

#[test]
fn a_rise_never_lowers() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    pace.rise_to(10 * ONE, &rules, 106 * SECOND);
    assert_eq!(pace.sends(), 20 * ONE);
}

#[test]
fn below_a_ceiling_the_normal_pace_keeps_its_step_and_its_limit() {
    let rules = mk_rules_with_ceiling();
    let mut pace = Pace::new(&rules, 0);
    limited(&mut pace, 40 * ONE, 45 * ONE, &rules, 0);
    pace.recover(5 * SECOND);
    pace.grow(0, &rules, 10 * SECOND);
    assert_eq!((pace.state(), pace.sends()), (PaceState::Normal, 41 * ONE));
    assert_eq!(pace.probing_from(), Some(40 * ONE));
}

#[test]
fn the_normal_pace_of_no_ceiling_forgets_step_limit_and_interval() {
    let rules = mk_rules();
    let mut pace = mk_probing(&rules);
    pace.limit = Some(39 * ONE);
    pace.probe_interval = 100 * SECOND;
    pace.rise_to(rules.base, &rules, 120 * SECOND);
    assert_eq!((pace.limit(), pace.probing_from(), pace.probe_interval), (None, None, rules.probe_after));
}

#[test]
fn a_limit_in_doubt_gives_back_what_was_in_force_before_it_and_no_more_than_the_ceiling() {
    let rules = mk_rules();
    let mut pace = mk_limited(&rules);
    assert_eq!(pace.doubt_limit(&rules), 40 * ONE);
    assert_eq!((pace.limit(), pace.sends()), (None, 20 * ONE), "rising is for whoever asked");
    limited(&mut pace, 15 * ONE, 20 * ONE, &rules, 110 * SECOND);
    assert_eq!(pace.doubt_limit(&rules), 20 * ONE);
    let mut pace = Pace::new(&rules, 0);
    limited(&mut pace, 20 * ONE, 70 * ONE, &rules, 0);
    assert_eq!(pace.doubt_limit(&rules), 40 * ONE);
}

#[test]
fn a_normal_pace_follows_an_edit_of_the_rate_both_ways() {
    for rate in [20, 80] {
        let mut settings = Settings::default();
        settings.rate.requests_per_minute = rate;
        let rules = Rules::new(&settings);
        let mut pace = Pace::new(&mk_rules(), 0);
        pace.reconfigure(&rules, SECOND);
        assert_eq!((pace.state(), pace.sends()), (PaceState::Normal, u64::from(rate) * ONE));
    }
}

#[test]
fn an_edit_takes_what_was_learned_only_within_the_new_bounds() {
    for (rate, sends, state) in
        [(80, 20, PaceState::Retreat), (10, 10, PaceState::Retreat), (30, 20, PaceState::Retreat)]
    {
        let mut settings = Settings::default();
        settings.rate.requests_per_minute = rate;
        let mut pace = mk_limited(&mk_rules());
        pace.reconfigure(&Rules::new(&settings), 101 * SECOND);
        assert_eq!((pace.sends(), pace.limit(), pace.state()), (sends * ONE, Some(sends * ONE), state));
    }
    let rules = Rules::new(&mk_settings(|retreat| retreat.floor_requests_per_minute = 25));
    let mut pace = mk_limited(&mk_rules());
    pace.reconfigure(&rules, 101 * SECOND);
    assert_eq!((pace.sends(), pace.limit()), (25 * ONE, Some(25 * ONE)));
}

#[test]
fn an_edit_that_disables_the_law_makes_the_pace_that_of_the_settings() {
    let mut pace = mk_probing(&mk_rules());
    let rules = Rules::new(&mk_settings(|retreat| retreat.enabled = false));
    pace.reconfigure(&rules, 111 * SECOND);
    assert_eq!((pace.state(), pace.sends()), (PaceState::Normal, rules.base));
    assert_eq!((pace.limit(), pace.probing_from()), (None, None));
}
