//! Claims about the gate alone.

use super::super::slab::Slab;
use super::*;

const PACE: Nanos = 1_500 * MILLISECOND;

/// The patience of a limiter that has learned nothing.
const PATIENCE: Patience =
    Patience { pace: PACE, backoff_max: 8 * SECOND, doubts_after: None, not_before: 0 };

fn mk_keys() -> (Key, Key) {
    let mut slab = Slab::new();
    (slab.insert(()), slab.insert(()))
}

#[test]
fn retry_after_closes_the_gate_for_at_least_that_long() {
    let mut gate = Gate::new(1);
    gate.refused(0, Some(7 * SECOND), PATIENCE, SECOND);
    assert!(
        gate.open_at() >= 8 * SECOND + 50 * MILLISECOND && gate.open_at() <= 8 * SECOND + 250 * MILLISECOND
    );
}

#[test]
fn an_absurd_retry_after_is_believed_for_five_minutes() {
    let mut gate = Gate::new(1);
    gate.refused(0, Some(Nanos::MAX), PATIENCE, 0);
    assert!(gate.open_at() <= 301 * SECOND);
}

#[test]
fn back_off_doubles_within_an_episode_up_to_eight_seconds() {
    let mut gate = Gate::new(1);
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..5 {
        gate.refused(now, None, PATIENCE, now);
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
    gate.refused(0, None, PATIENCE, SECOND);
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
fn a_probe_is_presumed_accepted_a_second_after_it_left() {
    let (probe, _) = mk_keys();
    let mut gate = Gate::new(1);
    gate.refused(0, None, PATIENCE, 0);
    gate.granted(probe);
    assert_eq!(gate.presumes_at(), None, "it has not left yet");
    gate.departed(probe, 2 * SECOND);
    assert_eq!(gate.presumes_at(), Some(3 * SECOND));
    assert!(gate.accepted(2 * SECOND), "that it left after the refusal makes it news");
    assert_eq!(gate.presumes_at(), None);
}

#[test]
fn a_probe_that_teaches_nothing_makes_way_for_another() {
    let (probe, other) = mk_keys();
    let mut gate = Gate::new(1);
    gate.refused(0, None, PATIENCE, 0);
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
    assert!(gate.is_news(0));
    for _ in 0..10 {
        gate.refused(0, None, PATIENCE, SECOND);
        assert!(!gate.is_news(0), "it left before anybody knew");
    }
    assert!(gate.open_at() <= SECOND + PACE * 115 / 100, "the back-off has not doubled");
}

#[test]
fn a_retry_after_that_proved_too_short_three_times_no_longer_shortens_the_back_off() {
    for (doubts_after, least) in [(None, 2 * SECOND), (Some(3), 4 * PACE)] {
        let mut gate = Gate::new(1);
        let mut now = 0;
        for _ in 0..3 {
            let patience = Patience { doubts_after, ..PATIENCE };
            now = gate.open_at();
            gate.refused(now, Some(2 * SECOND), patience, now);
        }
        let pause = gate.open_at() - now;
        assert!(pause >= least && pause <= least * 115 / 100 + SECOND / 4, "{doubts_after:?}: {pause}");
    }
}

#[test]
fn the_gate_stays_closed_until_an_own_departure_leaves_where_that_is_waited_for() {
    let mut gate = Gate::new(1);
    gate.refused(0, None, Patience { not_before: 12 * SECOND, ..PATIENCE }, SECOND);
    assert_eq!(gate.open_at(), 12 * SECOND);
    gate.refused(0, Some(20 * SECOND), Patience { not_before: 12 * SECOND, ..PATIENCE }, SECOND);
    assert!(gate.open_at() > 21 * SECOND, "never before Retry-After ends");
}
