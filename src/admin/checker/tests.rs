//! What a check finds, and when there is one. All waiting is on a paused clock.

use std::sync::atomic::Ordering;

use super::*;
use crate::admin::fixture::Fixture;

fn mk_snapshot(tokens: f64, waiting: usize) -> Snapshot {
    Snapshot {
        tokens,
        capacity: 40,
        window_used: 0,
        window_limit: 40,
        gate: Duration::ZERO,
        wall: Duration::ZERO,
        depth: [0, 0, waiting, 0],
        queue_limit: 500,
        base_rpm: 40,
        effective_rpm: 40,
        unsettled: 0,
        refusal_ratio: 0.0,
        learned: crate::limiter::Learned::default(),
    }
}

fn reason(tokens: f64, waiting: usize, upstream: bool) -> Option<&'static str> {
    let checked = Checked::new(&mk_snapshot(tokens, waiting), upstream, Instant::now());
    checked.unhealthy().map(|unhealthy| unhealthy.reason)
}

#[test]
fn the_thresholds_are_90_percent_of_the_queue_and_5_percent_of_the_bucket() {
    assert_eq!(reason(2.1, 449, true), None);
    assert_eq!(reason(2.1, 450, true), Some("queue_nearly_full"));
    assert_eq!(reason(2.0, 449, true), Some("tokens_low"));
    assert_eq!(reason(2.1, 449, false), Some("upstream_unreachable"));
}

#[test]
fn an_empty_bucket_is_unhealthy_only_while_more_is_asked() {
    let cold_start = mk_snapshot(1.0, 0);
    let verdict = |snapshot: &Snapshot| Checked::new(snapshot, true, Instant::now()).tokens;
    assert!(verdict(&cold_start));
    assert!(!verdict(&mk_snapshot(1.0, 1)), "somebody waits");
    assert!(!verdict(&Snapshot { window_used: 40, ..cold_start }), "the window is full");
}

/// The levels of what is logged when checks find `findings`, one after another.
fn levels(findings: &[Checked]) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.reopen().unwrap()).finish();
    tracing::subscriber::with_default(subscriber, || {
        findings.iter().fold(None, |streak, checked| report(checked, streak));
    });
    let text = std::fs::read_to_string(log.path()).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

#[test]
fn a_failure_that_lasts_is_an_error_but_a_busy_bucket_never_is() {
    let check = |tokens, upstream| Checked::new(&mk_snapshot(tokens, 1), upstream, Instant::now());
    let [busy, unreachable, well] = [check(0.0, true), check(40.0, false), check(40.0, true)];
    let for_long = |checked: &Checked, after: &Checked| {
        let mut findings = vec![checked.clone(); 10];
        findings.push(after.clone());
        levels(&findings)
    };
    assert_eq!(for_long(&busy, &well), ["WARN", "INFO"]);
    assert_eq!(for_long(&unreachable, &well), ["WARN", "ERROR", "INFO"]);
    assert_eq!(for_long(&busy, &unreachable), ["WARN", "WARN"], "another reason starts anew");
}

#[test]
fn a_queue_that_holds_nobody_is_healthy() {
    let snapshot = Snapshot { queue_limit: 0, ..mk_snapshot(40.0, 0) };
    assert_eq!(Checked::new(&snapshot, true, Instant::now()).unhealthy(), None);
}

#[test]
fn trace_ids_differ() {
    assert_eq!(trace_id().len(), 32);
    assert_ne!(trace_id(), trace_id());
}

async fn ask(fixture: &Fixture) -> Checked {
    fixture.admin.state.checker.ask().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_and_nothing_is_checked() {
    let fixture = Fixture::start();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(fixture.checks(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_questions_share_one_check() {
    let fixture = Fixture::start();
    let answers = futures_util::future::join_all((0..100).map(|_| ask(&fixture))).await;
    assert!(answers.iter().all(|answer| answer.upstream && answer.trace_id == answers[0].trace_id));
    for _ in 0..9 {
        sleep(Duration::from_secs(1)).await;
        ask(&fixture).await;
    }
    assert_eq!(fixture.checks(), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(fixture.checks(), 2);
}

#[tokio::test(start_paused = true)]
async fn checking_stops_when_nobody_asks_and_starts_afresh() {
    let fixture = Fixture::start();
    ask(&fixture).await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(fixture.checks(), 3, "at 0, 10 and 20 s");
    fixture.upstream_answers.store(false, Ordering::Relaxed);
    assert!(!ask(&fixture).await.upstream, "an hour-old result is no answer");
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_checked_all_the_time_and_decides_on_readiness() {
    let fixture = Fixture::start();
    fixture.upstream_answers.store(false, Ordering::Relaxed);
    fixture.gate_on(&[ReadinessGate::Upstream]);
    sleep(Duration::from_secs(1)).await;
    assert!(fixture.readiness.check().is_err());

    fixture.upstream_answers.store(true, Ordering::Relaxed);
    sleep(EVERY).await;
    assert_eq!(fixture.readiness.check(), Ok(()));

    fixture.upstream_answers.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(3600)).await;
    assert!(fixture.readiness.check().is_err());
    fixture.gate_on(&[]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fixture.readiness.check(), Ok(()), "without gates nothing but draining is in the way");
}

#[tokio::test(start_paused = true)]
async fn a_shut_dependency_that_is_no_gate_leaves_the_sidecar_ready() {
    let fixture = Fixture::start();
    fixture.upstream_answers.store(false, Ordering::Relaxed);
    fixture.gate_on(&[ReadinessGate::Queue]);
    assert!(!ask(&fixture).await.upstream);
    assert_eq!(fixture.readiness.check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn without_a_result_the_question_is_answered_after_five_seconds() {
    let fixture = Fixture::start();
    fixture.drain.finish().await;
    let begin = Instant::now();
    assert_eq!(fixture.admin.state.checker.ask().await, None);
    assert_eq!(Instant::now().duration_since(begin), FIRST_RESULT_WITHIN);
}
