//! Claims about the counts of own departures.

use super::*;

const SECOND: Nanos = 1_000_000_000;

fn mk_history(departures: &[Nanos]) -> History {
    let mut history = History::new(60 * SECOND);
    for at in departures {
        history.prune(*at * SECOND);
        history.record(*at * SECOND);
    }
    history
}

#[test]
fn each_scale_counts_what_left_within_it() {
    let mut history = mk_history(&[0, 31, 46, 51, 56]);
    history.prune(59 * SECOND);
    assert_eq!(history.counts(), Counts([1, 2, 3, 3, 4, 5, 5]));
    history.prune(60 * SECOND);
    assert_eq!(history.counts(), Counts([1, 2, 3, 3, 4, 4, 4]), "what is a whole scale old has left");
}

#[test]
fn what_was_refused_counts_only_where_everything_does() {
    let mut history = mk_history(&[0, 1, 2]);
    history.refuse(1);
    history.refuse(1);
    assert_eq!(history.counts(), Counts([2, 2, 2, 2, 2, 2, 3]));
    history.prune(61 * SECOND);
    assert_eq!(history.counts(), Counts([0, 0, 0, 0, 0, 1, 1]));
    history.refuse(0);
    assert_eq!(history.counts(), Counts([0, 0, 0, 0, 0, 1, 1]), "it is gone");
}

#[test]
fn another_window_counts_what_is_held_and_mistakes_no_departure_for_another() {
    let mut history = mk_history(&[0, 1, 2]);
    history.refuse(1);
    history.rescale(120 * SECOND);
    history.prune(10 * SECOND);
    assert_eq!(history.counts(), Counts([1, 2, 2, 2, 2, 2, 3]));
    assert_eq!(history.record(10 * SECOND), 3);
}

#[test]
fn a_short_limit_waits_for_the_granted_departures_before_it() {
    let mut history = mk_history(&[0, 1, 2, 3]);
    history.refuse(1);
    let (sixth, now) = (Scale::SIXTH, 3 * SECOND);
    assert_eq!(history.below_at(sixth, 4, 0, now), Some(now));
    assert_eq!(history.below_at(sixth, 3, 0, now), Some(10 * SECOND + SHORT_MARGIN));
    assert_eq!(history.below_at(sixth, 2, 0, now), Some(12 * SECOND + SHORT_MARGIN));
    assert_eq!(history.below_at(sixth, 3, 2, now), Some(13 * SECOND + SHORT_MARGIN));
    assert_eq!(history.below_at(sixth, 3, 3, now), None);
}

#[test]
fn what_has_left_the_window_shifts_no_count() {
    let mut history = mk_history(&[0, 50, 61, 63]);
    let now = 63 * SECOND;
    history.prune(now);
    assert_eq!(history.first, 1, "the first one has left");
    assert_eq!(history.below_at(Scale::SIXTH, 2, 0, now), Some(71 * SECOND + SHORT_MARGIN));
    assert_eq!(history.next_release(Scale::SIXTH), Some(71 * SECOND));
    assert_eq!(history.spread(3, 2), Some(13 * SECOND));
}

#[test]
fn a_busy_window_gives_its_memory_back() {
    let mut history = mk_history(&vec![0; 100_000]);
    history.prune(60 * SECOND);
    assert!(history.departures.capacity() <= SLACK, "{}", history.departures.capacity());
}

#[test]
fn the_next_release_is_that_of_the_oldest_that_counts() {
    let mut history = mk_history(&[5, 9]);
    history.refuse(0);
    assert_eq!(history.next_release(Scale::EVERY), Some(65 * SECOND));
    assert_eq!(history.next_release(Scale::WINDOW), Some(69 * SECOND));
    history.prune(65 * SECOND);
    assert_eq!(history.next_release(Scale::EVERY), Some(69 * SECOND));
    assert_eq!(history.spread(1, 1), None, "the earlier one is gone");
}
