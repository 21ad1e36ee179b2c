use serde_json::{Value, json};

use super::*;

fn mk_upstream(up: Value) -> Upstream {
    let up: Up = serde_json::from_value(up).unwrap();
    Upstream::new(&up, Rng::named("upstream", "up", 1))
}

/// What a request at each time meets: `None` if it is accepted, else the seconds it is told to wait.
fn waits(up: Value, times: &[f64]) -> Vec<Option<f64>> {
    let mut upstream = mk_upstream(up);
    let answers = times.iter().map(|at| upstream.handle(seconds(*at)));
    answers
        .map(|answer| match answer.status {
            Status::Accepted => None,
            Status::RateLimited => Some(answer.retry_after.unwrap().as_secs_f64()),
            Status::Unavailable => panic!("no 503 was asked for"),
        })
        .collect()
}

#[test]
fn a_sliding_log_frees_a_place_as_its_oldest_entry_leaves() {
    let up = json!({ "kind": "slog", "q": 2, "ra": "exact" });
    let met = waits(up, &[0.0, 10.0, 30.0, 59.5, 60.0, 61.0, 70.0]);
    assert_eq!(met, [None, None, Some(30.0), Some(0.5), None, Some(9.0), None]);
}

#[test]
fn a_refusal_that_counts_takes_a_place_in_the_log() {
    let up = json!({ "kind": "slog", "q": 2, "ra": "exact", "count429": true });
    let met = waits(up, &[0.0, 10.0, 30.0, 60.0, 95.0]);
    assert_eq!(met, [None, None, Some(30.0), Some(10.0), None], "30 s and 60 s are in the log of the fourth");
}

#[test]
fn after_a_step_down_as_many_must_leave_as_are_too_many() {
    let up = json!({ "kind": "slog", "q": 3, "ra": "exact", "sched": [[20, 1]] });
    assert_eq!(waits(up, &[0.0, 1.0, 2.0, 30.0, 62.0]), [None, None, None, Some(32.0), None]);
}

#[test]
fn a_fixed_window_counts_anew_when_it_begins() {
    let up = json!({ "kind": "fixed", "q": 1, "phase": 10, "ra": "exact" });
    assert_eq!(waits(up, &[5.0, 9.0, 10.0, 69.0, 70.0]), [None, Some(1.0), None, Some(1.0), None]);
}

#[test]
fn a_sliding_counter_weighs_the_last_window_by_what_is_left_of_it() {
    let up = json!({ "kind": "swc", "q": 10, "phase": 0, "ra": "exact" });
    let mut times = vec![0.0; 10];
    times.extend([59.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0, 200.0]);
    let met = waits(up, &times);
    assert_eq!(met[10], Some(1.0), "until the window ends");
    assert_eq!(met[11..16], [None; 5], "half of ten count");
    assert_eq!(met[16], Some(6.0), "a sixtieth of ten leaves every second... and one has to");
    assert_eq!(met[17], None, "the window between is empty");
}

#[test]
fn a_bucket_holds_a_burst_and_refills_by_the_quota() {
    let up = json!({ "kind": "bucket", "q": 60, "burst": 2, "ra": "exact" });
    assert_eq!(
        waits(up, &[0.0, 0.0, 0.0, 0.5, 1.0, 1.0]),
        [None, None, Some(1.0), Some(0.5), None, Some(1.0)]
    );
    let counts = json!({ "kind": "gcra", "q": 60, "burst": 1, "ra": "exact", "count429": true });
    assert_eq!(waits(counts, &[0.0, 0.0, 1.0, 2.5]), [None, Some(1.5), Some(1.0), None]);
}

#[test]
fn the_short_limit_refuses_first_and_spends_nothing_of_the_long_one() {
    let up = json!({ "q": 2, "sub": [1, 10], "ra": "exact" });
    assert_eq!(waits(up, &[0.0, 5.0, 10.0, 20.0]), [None, Some(5.0), None, Some(40.0)]);
}

#[test]
fn the_retry_after_is_as_told() {
    for (ra, told) in
        [("none", None), ("exact", Some(59.5)), ("ceil", Some(60.0)), ("one", Some(1.0)), ("zero", Some(0.0))]
    {
        let mut upstream = mk_upstream(json!({ "q": 1, "ra": ra }));
        upstream.handle(seconds(0.0));
        let answer = upstream.handle(seconds(0.5));
        assert_eq!(answer.retry_after.map(|wait| wait.as_secs_f64()), told, "{ra}");
    }
}

#[test]
fn headers_tell_what_remains_and_when_it_is_whole_again() {
    let mut upstream = mk_upstream(json!({ "q": 3, "hdrs": "std" }));
    upstream.handle(seconds(0.0));
    let advice = upstream.handle(seconds(20.0)).advice;
    assert_eq!(advice, Some(Advice { limit: Some(3), remaining: 1, reset: seconds(40.0) }));
    assert_eq!(mk_upstream(json!({})).handle(seconds(0.0)).advice, None);
}

#[test]
fn a_brownout_refuses_everybody_and_an_error_spends_a_place() {
    let mut upstream =
        mk_upstream(json!({ "q": 1, "ra": "ceil", "brown": [[10, 15, 1]], "err": [[20, 30, 1.0]] }));
    let refused = upstream.handle(seconds(12.5));
    assert_eq!((refused.status, refused.retry_after), (Status::RateLimited, Some(seconds(3.0))));
    assert_eq!(upstream.handle(seconds(20.0)).status, Status::Unavailable);
    assert_eq!(upstream.handle(seconds(40.0)).status, Status::RateLimited, "the 503 was counted");
    assert_eq!(upstream.handle(seconds(80.0)).status, Status::Accepted);
}

#[test]
fn half_a_brownout_hits_half_of_the_requests() {
    let mut upstream = mk_upstream(json!({ "q": 100_000, "brown": [[0, 60, 0.5]] }));
    let refused = (0..10_000).filter(|_| upstream.handle(seconds(1.0)).status == Status::RateLimited).count();
    assert!((4_700..5_300).contains(&refused), "{refused} of 10000");
}
