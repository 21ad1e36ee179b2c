//! Claims about what headers are believed.

use super::super::tests::{mk_rules, mk_settings};
use super::*;

/// Headers with the rules they are read by, told of in seconds.
struct Reader {
    headers: Headers,
    rules: Rules,
}

impl Reader {
    fn new() -> Self {
        Self { headers: Headers::default(), rules: mk_rules() }
    }

    /// Without the law.
    fn trusting() -> Self {
        let rules = Rules::new(&mk_settings(|retreat| retreat.enabled = false));
        Self { headers: Headers::default(), rules }
    }

    /// The answer to what left at `departed` says at once that so many are left of 40 until `reset` later.
    fn told(&mut self, departed: u64, remaining: u32, reset: u64) {
        self.told_late(departed, remaining, reset, (0, departed));
    }

    /// The same at `now`, when `since` more have left.
    fn told_late(&mut self, departed: u64, remaining: u32, reset: u64, (since, now): (u64, u64)) {
        let advice = Advice { limit: Some(40), remaining, reset: Duration::from_secs(reset) };
        let told = Told { advice, departed: departed * SECOND, since, spread: 0 };
        self.headers.told(told, &self.rules, now * SECOND);
    }

    fn depart(&mut self, serial: u64, second: u64) {
        self.headers.departed(serial, second * SECOND);
    }

    fn judge(&mut self, serial: u64, refused: bool, second: u64) {
        self.headers.judged(serial, refused, second * SECOND);
    }

    /// At second 0 nothing is left for 50 seconds; what leaves at 8 looks, and is judged then.
    fn looked(refused: bool) -> Self {
        let mut reader = Self::new();
        reader.told(0, 0, 50);
        reader.depart(1, 8);
        reader.judge(1, refused, 8);
        reader
    }

    /// How many milliseconds later there is something left.
    fn waits(&self, second: u64) -> u64 {
        (self.headers.free_at(second * SECOND) - second * SECOND) / (SECOND / 1_000)
    }
}

#[test]
fn nothing_said_is_nothing_to_wait_for() {
    assert_eq!(Reader::new().waits(5), 0);
}

#[test]
fn what_is_left_may_leave_and_then_the_reset_is_waited_for() {
    for left in [1, 2] {
        let mut reader = Reader::new();
        reader.told_late(10, left + 1, 20, (1, 12));
        for serial in 0..left {
            assert_eq!(reader.waits(12), 0);
            reader.depart(u64::from(serial), 12);
        }
        assert_eq!(reader.waits(12), 18_000, "from the departure, not from the answer");
        assert_eq!(reader.waits(30), 0);
    }
}

#[test]
fn more_departures_than_were_left_leave_nothing() {
    let mut reader = Reader::trusting();
    reader.told_late(10, 3, 20, (4, 12));
    assert_eq!(reader.waits(12), 18_000);
}

#[test]
fn a_reset_is_no_later_than_a_window_and_is_spread() {
    let mut reader = Reader::trusting();
    let advice = Advice { limit: None, remaining: 0, reset: Duration::from_secs(3600) };
    let spread = SECOND / 5;
    reader.headers.told(Told { advice, departed: 0, since: 0, spread }, &reader.rules, 0);
    assert_eq!(reader.waits(0), 60_200);
}

#[test]
fn a_reset_that_has_passed_says_nothing() {
    for now in [30, 31] {
        let mut reader = Reader::trusting();
        reader.told_late(0, 0, 30, (0, now));
        assert_eq!(reader.headers.left, None, "told at {now} s");
    }
}

#[test]
fn nothing_left_is_looked_at_after_eight_seconds() {
    for (reset, waits) in [(50, 8_000), (9, 8_000), (7, 7_000)] {
        let mut reader = Reader::new();
        reader.told(0, 0, reset);
        assert_eq!(reader.waits(0), waits, "reset after {reset} s");
    }
}

#[test]
fn a_wall_that_refused_the_look_is_believed_for_ten_minutes() {
    let mut reader = Reader::looked(true);
    for (second, waits) in [(20, 40_000), (607, 40_000), (608, 8_000)] {
        reader.told(second, 0, 40);
        assert_eq!(reader.waits(second), waits, "told at {second} s");
    }
}

#[test]
fn after_a_served_look_nothing_left_means_one_share_for_ten_minutes() {
    let mut reader = Reader::looked(false);
    for (second, waits) in [(20, 1_500), (607, 1_500), (608, 8_000)] {
        reader.told(second, 0, 40);
        assert_eq!(reader.waits(second), waits, "told at {second} s");
    }
    let mut reader = Reader::looked(false);
    reader.told(20, 0, 1);
    assert_eq!(reader.waits(20), 1_000, "and never more than the reset");
}

#[test]
fn a_share_of_no_known_limit_is_nothing_to_wait_for() {
    for (limit, waits) in [(None, 0), (Some(0), 40_000), (Some(6), 10_000)] {
        let mut reader = Reader::looked(false);
        let advice = Advice { limit, remaining: 0, reset: Duration::from_secs(40) };
        let told = Told { advice, departed: 20 * SECOND, since: 0, spread: 0 };
        reader.headers.told(told, &reader.rules, 20 * SECOND);
        assert_eq!(reader.waits(20), waits, "{limit:?}");
    }
}

#[test]
fn only_the_first_that_leaves_before_the_reset_looks() {
    let mut reader = Reader::new();
    reader.depart(1, 0);
    assert_eq!(reader.headers.look, None, "nothing was said");
    reader.told(0, 1, 50);
    reader.depart(2, 1);
    assert_eq!(reader.headers.look, None, "one was left");
    reader.told(1, 0, 50);
    reader.told(2, 5, 50);
    reader.depart(3, 3);
    assert_eq!(reader.headers.look, None, "five were left again");
    reader.told(3, 0, 48);
    reader.depart(4, 51);
    assert_eq!(reader.headers.look, None, "the reset has come");
    reader.told(51, 0, 50);
    reader.depart(5, 60);
    reader.depart(6, 61);
    assert_eq!(reader.headers.look, Some(5));
}

#[test]
fn what_others_meet_is_no_look() {
    let mut reader = Reader::new();
    reader.told(0, 0, 50);
    reader.depart(1, 8);
    reader.judge(2, true, 9);
    reader.headers.forget(2);
    assert_eq!((reader.headers.look, reader.headers.believed_until), (Some(1), 0));
}

#[test]
fn nobody_looks_while_the_last_look_is_believed() {
    for refused in [true, false] {
        let mut reader = Reader::looked(refused);
        reader.told(20, 0, 40);
        reader.depart(2, 21);
        assert_eq!(reader.headers.look, None);
        reader.told(600, 0, 40);
        reader.depart(3, 608);
        assert_eq!(reader.headers.look, Some(3));
    }
}

#[test]
fn a_look_that_ends_without_telling_makes_way_for_another() {
    let mut reader = Reader::new();
    reader.told(0, 0, 50);
    reader.depart(1, 8);
    reader.headers.forget(1);
    reader.depart(2, 9);
    reader.judge(2, true, 9);
    reader.told(20, 0, 40);
    assert_eq!(reader.waits(20), 40_000);
}

#[test]
fn the_answer_to_an_older_departure_is_no_news() {
    let mut reader = Reader::new();
    reader.told(10, 0, 50);
    reader.told_late(9, 30, 50, (1, 11));
    assert_eq!(reader.waits(11), 7_000);
    reader.told_late(10, 30, 50, (0, 11));
    assert_eq!(reader.waits(11), 0, "one to the same departure is");
}

#[test]
fn a_reset_that_has_passed_makes_older_answers_old_all_the_same() {
    let mut reader = Reader::new();
    reader.told_late(10, 0, 1, (0, 12));
    reader.told_late(9, 0, 50, (1, 12));
    assert_eq!(reader.waits(12), 0);
}

#[test]
fn without_the_law_headers_are_taken_at_their_word() {
    let mut reader = Reader::trusting();
    reader.told(0, 0, 50);
    assert_eq!(reader.waits(0), 50_000, "nobody looks early");
    reader.depart(1, 8);
    assert_eq!(reader.headers.look, None);
    reader.told(20, 0, 30);
    reader.told_late(10, 5, 30, (0, 21));
    assert_eq!(reader.waits(21), 0, "whatever the order of the answers");
}
