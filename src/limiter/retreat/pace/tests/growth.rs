//! Claims about the pace that rises: what was held back pays for it, or a quiet minute.

use super::*;

#[test]
fn below_a_limit_the_pace_grows_up_to_it_and_then_waits() {
    let rules = mk_rules();
    let mut pace = mk_limited(&rules);
    pace.cut(19 * ONE, false, &rules, 110 * SECOND);
    pace.recover(115 * SECOND);
    for second in 116..=180 {
        pace.grow(110 * SECOND, &rules, second * SECOND);
        if pace.sends() == 20 * ONE {
            assert_eq!(pace.next_step(second * SECOND), Some(10 * SECOND));
            return;
        }
        assert!((19 * ONE..20 * ONE).contains(&pace.sends()) && pace.probing_from().is_none());
    }
    panic!("it does not reach its limit: {pace:?}");
}

#[test]
fn a_limit_met_exactly_is_waited_at_too() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    let limit = 20 * ONE + growth(20 * ONE, 5 * SECOND, 10 * SECOND);
    pace.limit = Some(limit);
    pace.grow(100 * SECOND, &rules, 110 * SECOND);
    assert_eq!((pace.sends(), pace.next_step(110 * SECOND)), (limit, Some(10 * SECOND)));
}

#[test]
fn growth_is_a_tenth_in_25_seconds_and_eleven_times_that_after_another_25() {
    for (elapsed, free, grown) in [
        (GROWTH_TIME, 0, 10_000),
        (GROWTH_TIME / 5, 0, 2_000),
        (GROWTH_TIME / 5, GROWTH_TIME, 22_000),
        (GROWTH_TIME / 5, 2 * GROWTH_TIME, 82_000),
        (0, GROWTH_TIME, 0),
    ] {
        assert_eq!(growth(100_000, elapsed, free), grown, "{elapsed} ns, free for {free} ns");
    }
    assert_eq!(growth(ONE, SECOND, Nanos::MAX), growth(ONE, SECOND, 100 * GROWTH_TIME), "within bounds");
    assert_eq!(growth(Milli::MAX, GROWTH_STRETCH, Nanos::MAX), Milli::MAX / 2);
}

#[test]
fn one_acceptance_accounts_for_five_seconds_at_most() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    pace.grow(100 * SECOND, &rules, 112 * SECOND);
    assert_eq!(pace.sends(), 20 * ONE + growth(20 * ONE, 5 * SECOND, 12 * SECOND));
}

#[test]
fn growth_counts_from_the_last_acceptance_that_was_held_back() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    pace.pause_growth(111 * SECOND);
    pace.grow(100 * SECOND, &rules, 112 * SECOND);
    let first = 20 * ONE + growth(20 * ONE, SECOND, 12 * SECOND);
    assert_eq!(pace.sends(), first, "what was served until 111 s does not count");
    pace.grow(100 * SECOND, &rules, 114 * SECOND);
    assert_eq!(pace.sends(), first + growth(first, 2 * SECOND, 14 * SECOND), "and none counts twice");
}

#[test]
fn recovery_counts_growth_from_its_beginning() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    pace.grow(100 * SECOND, &rules, 106 * SECOND);
    assert_eq!(pace.sends(), 20 * ONE + growth(20 * ONE, SECOND, 6 * SECOND));
}

#[test]
fn a_refusal_slows_growth_down_again() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    pace.pause_growth(199 * SECOND);
    pace.grow(190 * SECOND, &rules, 200 * SECOND);
    assert_eq!(pace.sends(), 20 * ONE + growth(20 * ONE, SECOND, 10 * SECOND));
}

#[test]
fn one_growth_is_no_more_than_an_eighth_of_the_rate() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    pace.grow(0, &rules, 10_000 * SECOND);
    assert_eq!(pace.sends(), 25 * ONE);
}

#[test]
fn growth_ends_at_what_the_settings_allow() {
    let rules = mk_rules();
    let mut pace = mk_cut(&rules);
    for second in 0..6 {
        pace.grow(0, &rules, (1_000 + second) * SECOND);
    }
    assert_eq!((pace.state(), pace.sends(), pace.is_rising(&rules)), (PaceState::Normal, rules.base, false));
}

#[test]
fn only_while_recovering_or_below_a_ceiling_does_the_pace_rise() {
    let (rules, with_ceiling) = (mk_rules(), mk_rules_with_ceiling());
    assert!(!Pace::new(&rules, 0).is_rising(&rules));
    assert!(Pace::new(&with_ceiling, 0).is_rising(&with_ceiling));
    assert!(!mk_limited(&rules).is_rising(&rules), "in retreat");
    assert!(!mk_limited(&with_ceiling).is_rising(&with_ceiling), "in retreat");
    assert!(mk_recovering(&rules).is_rising(&rules));
}

#[test]
fn the_pace_rises_by_itself_a_minute_after_a_refusal_and_half_a_minute_after_a_change() {
    let rules = mk_rules();
    assert_eq!(Pace::new(&rules, 0).quiet_at(0), None, "a normal pace does not");
    let pace = mk_limited(&rules);
    assert_eq!(pace.quiet_at(100 * SECOND), Some(160 * SECOND));
    assert_eq!(pace.quiet_at(50 * SECOND), Some(130 * SECOND), "changed at 100 s");
}

#[test]
fn a_quiet_rise_is_a_tenth_of_the_rate_whatever_the_limit() {
    let rules = mk_rules();
    let mut pace = mk_limited(&rules);
    pace.recover(160 * SECOND);
    for (index, sends) in [24, 28, 32, 36, 40].into_iter().enumerate() {
        assert_eq!(pace.state(), PaceState::Recover);
        let at = (160 + 30 * index as u64) * SECOND;
        pace.rise_quietly(&rules, at);
        assert_eq!((pace.sends(), pace.limit()), (sends * ONE, None));
        assert_eq!(pace.quiet_at(0).is_some_and(|next| next == at + 30 * SECOND), sends < 40);
    }
    assert_eq!(pace.state(), PaceState::Normal);
}

#[test]
fn a_quiet_rise_ends_at_the_rate_and_lowers_nothing_above_it() {
    let rules = mk_rules_with_ceiling();
    for (sends, risen) in [(38, 40), (50, 50)] {
        let mut pace = Pace::new(&rules, 0);
        pace.cut(sends * ONE, true, &rules, 0);
        pace.recover(0);
        pace.rise_quietly(&rules, SECOND);
        assert_eq!(pace.sends(), risen * ONE);
    }
}
