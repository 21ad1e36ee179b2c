//! Claims about the gate alone.

use super::super::slab::Slab;
use super::*;

const PACE: Nanos = 1_500 * MILLISECOND;

fn mk_keys() -> (Key, Key) {
    let mut slab = Slab::new();
    (slab.insert(()), slab.insert(()))
}

#[test]
fn retry_after_closes_the_gate_for_at_least_that_long() {
    let mut gate = Gate::new(1);
    assert!(gate.refused(0, Some(7 * SECOND), PACE, SECOND));
    assert!(
        gate.open_at() >= 8 * SECOND + 50 * MILLISECOND && gate.open_at() <= 8 * SECOND + 250 * MILLISECOND
    );
}

#[test]
fn an_absurd_retry_after_is_believed_for_five_minutes() {
    let mut gate = Gate::new(1);
    gate.refused(0, Some(Nanos::MAX), PACE, 0);
    assert!(gate.open_at() <= 301 * SECOND);
}

#[test]
fn back_off_doubles_within_an_episode_up_to_eight_seconds() {
    let mut gate = Gate::new(1);
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..5 {
        gate.refused(now, None, PACE, now);
        pauses.push((gate.open_at() - now) / SECOND);
        now = gate.open_at();
    }
    assert_eq!(pauses.first(), Some(&1));
    assert!(pauses.is_sorted() && pauses.iter().all(|pause| *pause <= 9), "{pauses:?}");
}

#[test]
fn one_probe_at_a_time_until_an_acceptance_that_is_news() {
    let (probe, _) = mk_keys();
    let mut gate = Gate::new(1);
    gate.refused(0, None, PACE, SECOND);
    assert!(!gate.waits_for_probe());
    gate.granted(probe);
    assert!(gate.waits_for_probe());
    gate.accepted(SECOND - 1);
    assert!(gate.waits_for_probe(), "an attempt of before the refusal proves nothing");
    gate.departed(probe, 4 * SECOND);
    gate.accepted(4 * SECOND);
    assert!(!gate.waits_for_probe() && gate.refusals.is_none());
}

#[test]
fn a_probe_nobody_refuses_is_presumed_accepted_and_may_still_be_refused_later() {
    let (probe, _) = mk_keys();
    let mut gate = Gate::new(1);
    gate.refused(0, None, PACE, 0);
    gate.granted(probe);
    assert_eq!(gate.presumes_at(), None, "it has not left yet");
    gate.departed(probe, 2 * SECOND);
    assert_eq!(gate.presumes_at(), Some(3 * SECOND));
    gate.presume(3 * SECOND);
    assert!(!gate.waits_for_probe() && gate.refusals.is_none());
    assert!(gate.refused(2 * SECOND, None, PACE, 5 * SECOND), "that is a fresh refusal");
}

#[test]
fn a_probe_that_teaches_nothing_makes_way_for_another() {
    let (probe, other) = mk_keys();
    let mut gate = Gate::new(1);
    gate.refused(0, None, PACE, 0);
    gate.granted(probe);
    gate.forget(other);
    assert!(gate.waits_for_probe());
    gate.forget(probe);
    assert!(!gate.waits_for_probe());
}

#[test]
fn the_first_503_pauses_one_request_and_the_following_ones_everybody() {
    let (attempt, _) = mk_keys();
    let mut gate = Gate::new(1);
    assert_eq!((gate.unavailable(attempt, None, 0), gate.open_at()), (SECOND, 0));
    assert_eq!((gate.unavailable(attempt, Some(0), 0), gate.open_at()), (0, SECOND), "0 is no pause");
    assert_eq!((gate.unavailable(attempt, None, 0), gate.open_at()), (0, 2 * SECOND));
    gate.granted(attempt);
    assert!(gate.waits_for_probe());
    gate.accepted(0);
    assert!(!gate.waits_for_probe());
}

#[test]
fn an_acceptance_ends_the_row_of_503s() {
    let (attempt, _) = mk_keys();
    let mut gate = Gate::new(1);
    gate.unavailable(attempt, None, 0);
    gate.accepted(0);
    assert_eq!((gate.unavailable(attempt, None, 0), gate.open_at()), (SECOND, 0), "it is the first again");
    gate.unavailable(attempt, None, 0);
    assert!(gate.is_outage());
    gate.accepted(0);
    assert!(!gate.is_outage());
}

#[test]
fn a_burst_refused_together_is_one_refusal() {
    let mut gate = Gate::new(1);
    assert!(gate.refused(0, None, PACE, SECOND));
    for _ in 0..9 {
        assert!(!gate.refused(0, None, PACE, SECOND), "it left before anybody knew");
    }
    assert!(gate.open_at() <= SECOND + PACE * 115 / 100, "the back-off has not doubled");
}
