use std::time::Duration;

use pacer::limiter::Priority;

use super::*;
use crate::history::End;
use crate::scenario::read;
use crate::time::seconds;

fn mk_scenario(keys: &str) -> Scenario {
    read(&format!(r#"{{"name": "X", "demand": [], "T": 600, {keys}}}"#)).unwrap().remove(0)
}

/// A request every `apart` seconds from `from` to `to`.
fn every(apart: f64, from: f64, to: f64) -> Vec<Duration> {
    let number = ((to - from) / apart).floor();
    (0..1_000_000)
        .map(f64::from)
        .take_while(|index| *index < number)
        .map(|index| seconds(from + index * apart))
        .collect()
}

#[test]
fn utilisation_is_of_what_brownouts_and_tenants_leave() {
    let scenario =
        mk_scenario(r#""up": {"q": 60, "sched": [[300, 30]], "brown": [[0, 60, 1], [100, 200, 0.9]]}"#);
    // 4 minutes of 60 and 5 of 30, less the tenant's 90: 300 to be had.
    let history = History {
        accepted: every(2.0, 0.0, 300.0),
        tenants_served: 90,
        tenants_asked: 120,
        ..History::default()
    };
    let figures = Figures::of(&scenario, &history);
    assert!((figures.util - 0.5).abs() < 1e-9, "{}", figures.util);
    assert!((figures.goodput - 15.0).abs() < 1e-9);
    assert_eq!(figures.other_ok, Some(0.75));
}

#[test]
fn failures_are_counted_for_clients_above_low() {
    let mut history =
        History { sent: every(1.0, 0.0, 50.0), refused: every(1.0, 0.0, 5.0), ..History::default() };
    history.offered = PerPriority([10, 20, 20, 900]);
    for end in [End::RateLimited, End::Locally, End::Unavailable, End::TimedOut, End::Full, End::Served] {
        history.failed(end);
    }
    let figures = Figures::of(&mk_scenario(r#""up": {}"#), &history);
    assert!((figures.cvf - 10.0).abs() < 1e-9, "five of fifty");
    assert!((figures.cvf429 - 4.0).abs() < 1e-9, "two of fifty");
    assert!((figures.r429 - 100.0).abs() < 1e-9, "five of fifty attempts");
}

#[test]
fn waits_are_told_by_class_and_of_nobody_nothing() {
    let mut history = History::default();
    history.offered[Priority::High] = 400;
    history.waits[Priority::High] = (0..200).rev().map(Duration::from_secs).collect();
    let figures = Figures::of(&mk_scenario(r#""up": {}"#), &history);
    let high = figures.classes[Priority::High];
    assert_eq!((high.p50, high.p99, high.served), (Some(100.0), Some(198.0), Some(0.5)));
    assert_eq!(figures.classes[Priority::Low], ClassFigures::default());
}

#[test]
fn a_minute_holds_what_came_within_less_than_60_s() {
    let at = |times: &[f64]| times.iter().map(|at| seconds(*at)).collect::<Vec<_>>();
    assert_eq!(most_in_a_minute(&at(&[0.0, 59.9, 60.0, 60.1])), 3);
    assert_eq!(most_in_a_minute(&[]), 0);
}

#[test]
fn settled_is_the_first_stretch_that_uses_the_new_quota_with_few_refusals() {
    let scenario = mk_scenario(r#""steps": [[100, 30], [590, 40]]"#);
    // Sent every 2 s, which is the new quota; refused until 142 s.
    let sent = every(2.0, 0.0, 600.0);
    let (refused, accepted) = sent.iter().partition(|at| (100..142).contains(&at.as_secs()));
    let figures = Figures::of(&scenario, &History { sent, accepted, refused, ..History::default() });
    // 95 % of 60 less a half is 56.5: three may be missing and four refused, as from 135 s but not from 130 s.
    assert_eq!(
        figures.settle,
        [Settle { step: 100, seconds: Some(35.0) }, Settle { step: 590, seconds: None }]
    );
    let never = History { sent: every(2.0, 0.0, 3000.0), ..History::default() };
    let scenario = Scenario { end: Duration::from_secs(3000), ..scenario };
    assert_eq!(Figures::of(&scenario, &never).settle[0].seconds, Some(900.0));
}

#[test]
fn a_mean_leaves_out_what_is_not_there_and_keeps_the_largest_minute() {
    let run = |util, p50, max60, settled| Figures {
        util,
        classes: PerPriority([ClassFigures { p50, ..ClassFigures::default() }; 4]),
        max60,
        settle: vec![Settle { step: 600, seconds: settled }],
        ..Figures::default()
    };
    let mean = Figures::mean(&[run(0.5, Some(3.0), 40, Some(10.0)), run(0.7, None, 38, None)]);
    assert!((mean.util - 0.6).abs() < 1e-9);
    assert_eq!((mean.classes[Priority::Low].p50, mean.max60), (Some(3.0), 40));
    assert_eq!(mean.settle, [Settle { step: 600, seconds: Some(10.0) }]);
}

#[test]
fn the_names_are_those_of_the_reference() {
    let figures =
        Figures { settle: vec![Settle { step: 600, seconds: None }], max60: 40, ..Figures::default() };
    let names: Vec<_> = figures.named().into_iter().map(|(name, _)| name).collect();
    let expected = "util goodput r429 cvf cvf429 attempts p50_URGENT p99_URGENT served_URGENT p50_HIGH p99_HIGH served_HIGH \
        p50_NORMAL p99_NORMAL served_NORMAL p50_LOW p99_LOW served_LOW max60 other_ok settle_600";
    assert_eq!(names.join(" "), expected);
    let json = serde_json::to_string(&figures).unwrap();
    assert!(json.ends_with(r#""max60":40,"other_ok":null,"settle_600":null}"#), "{json}");
}
