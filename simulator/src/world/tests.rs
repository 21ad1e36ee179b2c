use std::time::Duration;

use super::*;
use crate::law::Law;
use crate::scenario::read;
use crate::time::seconds;
use crate::upstream::Status;

fn mk_scenario(keys: &str) -> Scenario {
    read(&format!(r#"{{"name": "X", {}}}"#, keys.replace('\n', " "))).unwrap().remove(0)
}

fn mk_pacer(scenario: &Scenario) -> crate::Pacer {
    crate::Pacer::new(scenario, Rng::named(&scenario.name, "sidecar", 1))
}

/// Writes down what happens.
#[derive(Default)]
struct Diary(Vec<(Duration, Happened)>);

impl<S> Watch<S> for Diary {
    fn after(&mut self, happened: &Happened, _: &mut S, now: Duration) {
        self.0.push((now, *happened));
    }
}

fn diary_of(scenario: &Scenario) -> (History, Vec<(Duration, Happened)>) {
    let (history, Diary(diary)) = World::watched(scenario, mk_pacer(scenario), 1, Diary::default()).finish();
    (history, diary)
}

/// An event in a word or two, without its time.
fn word(happened: &Happened) -> String {
    match happened {
        Happened::Came(id, _) => format!("came {}", id.0),
        Happened::Sent(id) => format!("sent {}", id.0),
        Happened::Arrived(id, answer) => format!("arrived {} {:?}", id.0, answer.status),
        Happened::Answered(id, _) => format!("answered {}", id.0),
        Happened::Returned(id) => format!("returned {}", id.0),
        Happened::Ended(id, end) => format!("ended {} {end:?}", id.0),
        Happened::TenantAsked { accepted } => format!("tenant {accepted}"),
        Happened::Restarted => "restarted".to_owned(),
        Happened::Woke => "woke".to_owned(),
        Happened::Tick => "tick".to_owned(),
    }
}

#[test]
fn the_order_of_events_is_as_it_was() {
    let scenario = mk_scenario(
        r#""T": 12, "up": {"q": 3, "window": 8, "ra": "exact"}, "restart": [9], "timeouts": [120, 120, 4, 2],
        "demand": [{"kind": "burst", "n": 3, "every": 100, "t0": 0}, {"kind": "closed", "n": 1, "cls": "URGENT", "t0": 6.5}],
        "other": {"rpm": 20, "const": true}"#,
    );
    let (_, diary) = diary_of(&scenario);
    let words: Vec<_> = diary.iter().map(|(_, happened)| word(happened)).collect();
    assert_eq!(words, include_str!("tests/order.txt").lines().collect::<Vec<_>>(), "\n{}", words.join("\n"));
}

#[test]
fn a_seed_gives_the_same_run_and_another_seed_another() {
    let text = include_str!("../../scenarios.jsonl");
    for scenario in read(text).unwrap().iter().filter(|scenario| scenario.name.contains("mix step")) {
        for law in [Law::Pacer, Law::Aws] {
            let run = |seed| format!("{:?}", law.history(scenario, seed, Unwatched));
            assert_eq!(run(1), run(1), "{law}");
            assert_ne!(run(1), run(2), "{law}");
        }
    }
}

#[test]
fn looking_on_changes_nothing() {
    let scenario = mk_scenario(r#""T": 900, "up": {"q": 20}, "demand": [{"kind": "closed", "n": 30}]"#);
    let (watched, _) = diary_of(&scenario);
    let alone = World::new(&scenario, mk_pacer(&scenario), 1).run();
    assert_eq!(format!("{watched:?}"), format!("{alone:?}"));
    let csv = crate::trace::csv(&scenario, Law::Pacer, 1, Duration::from_secs(10));
    assert_eq!(csv.lines().count(), 1 + 91);
    let column = |index: usize| csv.lines().skip(1).map(move |line| line.split(',').nth(index).unwrap());
    let accepted: usize = column(8).map(|count| count.parse::<usize>().unwrap()).sum();
    assert!(accepted <= alone.accepted.len() && accepted + 5 > alone.accepted.len(), "{accepted}");
    assert!(column(1).all(|quota| quota == "20"));
}

#[test]
fn who_waits_leaves_at_the_deadline_and_who_is_out_does_not() {
    let scenario = mk_scenario(
        r#""T": 60, "rpm": 1, "timeouts": [120, 120, 0.01, 2], "demand": [{"kind": "burst", "n": 2, "every": 100, "t0": 0}]"#,
    );
    let (history, diary) = diary_of(&scenario);
    assert_eq!((history.waits[Priority::Normal].len(), history.timed_out), (1, 1));
    let left =
        diary.iter().find(|(_, happened)| matches!(happened, Happened::Ended(RequestId(1), _))).unwrap();
    assert_eq!(left.0, seconds(0.012), "2 ms after the first, and 10 ms of patience");
}

#[test]
fn low_that_leaves_the_queue_is_no_failure() {
    let scenario = mk_scenario(
        r#""T": 60, "rpm": 1, "demand": [{"kind": "burst", "n": 3, "every": 100, "t0": 0, "cls": "LOW"}]"#,
    );
    let (history, _) = diary_of(&scenario);
    assert_eq!((history.offered[Priority::Low], history.timed_out), (3, 0));
}

#[test]
fn a_request_that_a_503_met_five_times_fails() {
    let scenario = mk_scenario(
        r#""T": 300, "up": {"err": [[0, 300, 1]]}, "demand": [{"kind": "burst", "n": 1, "every": 1000}]"#,
    );
    let (history, diary) = diary_of(&scenario);
    assert_eq!((history.unavailable, history.sent.len()), (1, 5), "four retries");
    assert!(diary.iter().all(|(_, happened)| !matches!(happened, Happened::Answered(_, answer) if answer.status != Status::Unavailable)));
}

/// Counts what a limiter knows of at the end.
#[derive(Default)]
struct Unsettled {
    restarted: bool,
    sent_since: usize,
}

impl Watch<crate::Pacer> for Unsettled {
    fn after(&mut self, happened: &Happened, sidecar: &mut crate::Pacer, now: Duration) {
        self.restarted |= *happened == Happened::Restarted;
        self.sent_since += usize::from(self.restarted && matches!(happened, Happened::Sent(_)));
        let now = sidecar.instant(now);
        let snapshot = sidecar.limiter().snapshot(now);
        if self.restarted {
            assert!(snapshot.unsettled <= self.sent_since, "an attempt from before the restart is known");
        }
    }
}

#[test]
fn a_restart_forgets_what_is_out_and_keeps_who_waits() {
    let scenario = mk_scenario(
        r#""T": 300, "restart": [100], "up": {"q": 20}, "demand": [{"kind": "burst", "n": 60, "every": 1000, "t0": 90}]"#,
    );
    let (history, watch) = World::watched(&scenario, mk_pacer(&scenario), 1, Unsettled::default()).finish();
    assert!(watch.restarted && watch.sent_since > 20);
    let ended = history.served(Priority::Normal) + history.timed_out as usize;
    assert_eq!(ended, 60, "nobody is lost");
}
