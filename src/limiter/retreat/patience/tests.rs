//! Claims about how long a refusal is waited out.

use super::super::Refused;
use super::super::rules::SECOND;
use super::super::tests::{Trial, mk_settings};

/// Twelve sends from second 0 to 5.5, then until second 20.
fn mk_trial() -> Trial {
    let mut trial = Trial::new();
    trial.fill(12, 500);
    trial.pass(14_000);
    assert_eq!(trial.now, 20 * SECOND);
    trial
}

#[test]
fn from_the_third_refusal_in_a_row_an_own_send_is_waited_for_up_to_fifteen_seconds() {
    let mut trial = mk_trial();
    assert_eq!(trial.refuse().not_before, 0);
    assert_eq!(trial.refuse().not_before, 0);
    assert_eq!(trial.refuse().not_before, 35 * SECOND);
    trial.pass(30_000);
    assert_eq!(trial.refuse().not_before, 60 * SECOND + 3 * SECOND / 10, "when the first one leaves");
}

#[test]
fn what_was_refused_is_waited_for_too() {
    let mut trial = Trial::new();
    trial.refuse();
    trial.pass(50_000);
    trial.serve();
    for _ in 0..2 {
        trial.refuse();
    }
    assert_eq!(trial.refuse().not_before, 60 * SECOND + 3 * SECOND / 10);
}

#[test]
fn where_a_refusal_was_to_be_expected_it_is_waited_for_thirty_seconds_halved_by_each_doubt() {
    for (doubts, wait) in [(0, 30_000), (1, 15_000), (2, 7_500)] {
        let mut trial = mk_trial();
        trial.refuse();
        trial.pass(61_000);
        trial.serve();
        (0..doubts).for_each(|_| trial.law.doubt.raise(trial.now));
        trial.fill(12, 500);
        let patience = trial.refuse();
        assert_eq!(patience.not_before, trial.now + wait * SECOND / 1_000, "{doubts} doubts");
    }
}

#[test]
fn an_expected_refusal_waits_for_no_more_than_the_own_send_that_leaves_first() {
    let mut trial = mk_trial();
    trial.refuse();
    trial.pass(61_000);
    let first = trial.now;
    trial.serve();
    trial.fill(12, 4_000);
    assert_eq!(trial.refuse().not_before, first + 60 * SECOND + 3 * SECOND / 10);
}

#[test]
fn a_refusal_that_is_no_news_is_not_waited_out_longer() {
    let mut trial = mk_trial();
    trial.refuse();
    trial.pass(61_000);
    trial.serve();
    trial.fill(12, 500);
    let sent = trial.send();
    let patience = trial.law.refused(&sent, Refused { news: false, named: false }, trial.share, trial.now);
    assert_eq!(patience.not_before, 0);
}

#[test]
fn the_ceiling_of_the_back_off_is_twice_the_pace_last_granted_within_eight_and_thirty_seconds() {
    for (granted, ceiling) in [(0, 30_000), (4, 30_000), (5, 24_200), (10, 12_100), (20, 8_000), (45, 8_000)]
    {
        let mut trial = Trial::new();
        trial.fill(granted, 100);
        let patience = trial.refuse();
        assert_eq!(patience.backoff_max, ceiling * SECOND / 1_000, "{granted} granted");
        assert_eq!(patience.pace, 60_500 * SECOND / 1_000 / 40);
    }
}

#[test]
fn within_an_episode_that_ceiling_is_the_one_of_its_first_refusal() {
    let mut trial = Trial::new();
    trial.fill(10, 100);
    let first = trial.refuse().backoff_max;
    trial.pass(60_000);
    assert_eq!(trial.refuse().backoff_max, first);
}

#[test]
fn where_no_episode_is_open_that_ceiling_is_of_what_had_been_granted_too() {
    let mut trial = Trial::new();
    trial.fill(10, 100);
    for serial in 0..5 {
        trial.law.history.refuse(serial);
    }
    let sent = trial.send();
    let patience = trial.law.refused(&sent, Refused { news: false, named: false }, trial.share, trial.now);
    assert_eq!(patience.backoff_max, 24_200 * SECOND / 1_000, "five were");
}

#[test]
fn the_third_refusal_in_a_row_proves_a_retry_after_too_short() {
    assert_eq!(Trial::new().refuse().doubts_after, Some(3));
}

#[test]
fn without_the_law_refusals_are_waited_out_without_what_was_learned() {
    let mut trial = Trial::of(&mk_settings(|retreat| retreat.enabled = false));
    trial.fill(5, 100);
    for _ in 0..4 {
        let patience = trial.refuse();
        assert_eq!((patience.doubts_after, patience.not_before), (None, 0));
        assert_eq!(patience.backoff_max, 8 * SECOND);
    }
}
