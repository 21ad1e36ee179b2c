//! What the upstream's answers teach the pace, and what they must not.

use std::time::Duration;

use pacer::limiter::settings::{Mode, WhenFull};
use pacer::limiter::{Cause, PaceState};

use crate::support::sidecar::call;
use crate::support::{Answer, Sidecar, Upstream, eventually};

const WORKERS: &str = r#"{"detail":"ResourceExhausted: Worker local total request limit reached (32/32)"}"#;
const HEALTHY: &str = r#"{"model":"healthy"}"#;

fn state(sidecar: &Sidecar) -> PaceState {
    sidecar.scheduler.snapshot().learned.state
}

/// A sidecar whose requests may wait for an hour.
async fn patient(upstream: &Upstream) -> Sidecar {
    let hour = Duration::from_secs(3_600);
    Sidecar::builder(&upstream.base())
        .settings(|it| it.queue.lanes.iter_mut().for_each(|lane| lane.max_wait = hour))
        .start()
        .await
}

#[tokio::test]
async fn with_retries_off_429s_are_handed_on_and_teach_the_pace_all_the_same() {
    let upstream = Upstream::start((0..40).map(|_| Answer::too_many().header("retry-after-ms", "1"))).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.retry.rate_limited = false).start().await;
    for _ in 0..3 {
        assert_eq!(call(sidecar.post()).await.status, 429);
    }
    assert_eq!(upstream.asked().len(), 3, "each was sent once");
    assert_eq!(state(&sidecar), PaceState::Retreat);
    let last = sidecar.scheduler.last_transition().unwrap().transition;
    assert_eq!((last.from, last.to, last.cause), (PaceState::Normal, PaceState::Retreat, Cause::Refused));
    let series = r#"sidecar_retreat_transitions_total{cause="refused",from="normal",to="retreat"}"#;
    assert_eq!(sidecar.metric(series), 1);
}

#[tokio::test]
async fn with_retreat_disabled_429s_move_no_state() {
    let upstream = Upstream::start((0..3).map(|_| Answer::too_many().header("retry-after-ms", "1"))).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retreat.enabled = false).start().await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    assert_eq!(upstream.asked().len(), 4);
    assert_eq!((state(&sidecar), sidecar.scheduler.last_transition()), (PaceState::Normal, None));
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_left_holds_the_next_request_back() {
    let spent = Answer::ok()
        .header("x-ratelimit-limit-requests", "60000")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "6m0s");
    let upstream = Upstream::start([spent]).await;
    let sidecar = patient(&upstream).await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    tokio::select! {
        reply = call(sidecar.post()) => panic!("it waited for nothing: {reply:?}"),
        () = eventually("the next one waits", || sidecar.waiting() == 1) => {}
    }
    assert_eq!(upstream.asked().len(), 1);
}

/// The answer takes longer than what is left until the moment it names.
#[tokio::test]
async fn the_moment_that_a_late_answer_names_is_waited_for() {
    let spent = Answer::ok()
        .header("date", "Sun, 09 Sep 2001 01:46:40 GMT")
        .header("x-ratelimit-remaining", "0")
        .header("x-ratelimit-reset", "1000000003");
    let upstream = Upstream::start([spent.after(Duration::from_secs(4))]).await;
    let sidecar = patient(&upstream).await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    tokio::select! {
        reply = call(sidecar.post()) => panic!("it waited for nothing: {reply:?}"),
        () = eventually("the next one waits", || sidecar.waiting() == 1) => {}
    }
}

#[tokio::test]
async fn an_answer_that_says_something_is_left_or_speaks_of_tokens_holds_nobody_back() {
    let some_left = Answer::ok()
        .header("x-ratelimit-remaining-requests", "39")
        .header("x-ratelimit-reset-requests", "6m0s");
    let no_tokens =
        Answer::ok().header("x-ratelimit-remaining-tokens", "0").header("x-ratelimit-reset-tokens", "6m0s");
    let upstream = Upstream::start([some_left, no_tokens]).await;
    let sidecar = patient(&upstream).await;
    for _ in 0..3 {
        let reply = call(sidecar.post()).await;
        assert_eq!((reply.status, reply.header("x-pacer-queue-wait-ms")), (200, "0"));
    }
}

#[tokio::test]
async fn busy_workers_of_one_model_hold_its_next_request_back_and_no_other() {
    let upstream = Upstream::start([Answer::json(503, WORKERS).header("retry-after", "3600")]).await;
    let sidecar = patient(&upstream).await;
    let before = sidecar.scheduler.snapshot();
    let busy = async {
        let first = call(sidecar.post());
        let next = async {
            upstream.is_asked(1).await;
            eventually("it is judged", || sidecar.scheduler.snapshot().unsettled == 0).await;
            call(sidecar.post()).await
        };
        tokio::join!(first, next)
    };
    let others = async {
        eventually("both are here", || sidecar.metrics.requests.in_flight.get() == 2).await;
        for _ in 0..3 {
            assert_eq!(call(sidecar.post().body(HEALTHY)).await.status, 200);
        }
    };
    tokio::select! {
        answered = busy => panic!("{answered:?}"),
        () = others => {}
    }
    let asked = upstream.asked();
    assert_eq!(asked.iter().filter(|asked| asked.body == HEALTHY).count(), 3);
    assert_eq!(asked.len(), 4, "the busy workers were asked once");
    let after = sidecar.scheduler.snapshot();
    assert_eq!((after.gate, after.effective_rpm), (Duration::ZERO, before.effective_rpm));
    assert_eq!((after.learned.state, after.refusal_ratio), (PaceState::Normal, 0.0));
}

#[tokio::test]
async fn the_next_request_of_a_busy_model_is_served_when_its_workers_may_be_asked_again() {
    let upstream = Upstream::start([Answer::json(503, WORKERS).header("retry-after", "1")]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
    assert_eq!(call(sidecar.post()).await.status, 503);
    let reply = call(sidecar.post()).await;
    assert_eq!(reply.status, 200);
    assert_ne!(reply.header("x-pacer-queue-wait-ms"), "0", "it waited");
}

#[tokio::test]
async fn a_request_that_cannot_wait_for_busy_workers_is_told_at_once() {
    let upstream = Upstream::start([Answer::json(503, WORKERS).header("retry-after", "3600")]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
    assert_eq!(call(sidecar.post()).await.status, 503);
    let reply = call(sidecar.post().header("x-priority", "low")).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_overloaded"));
    assert_eq!(reply.header("x-pacer-reason"), "upstream_unavailable");
    assert!((1..=60).contains(&reply.number("retry-after")), "{reply:?}");
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_request_that_waits_for_busy_workers_is_served_though_the_sidecar_drains() {
    let upstream = Upstream::start([Answer::json(503, WORKERS).header("retry-after", "1")]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
    assert_eq!(call(sidecar.post()).await.status, 503);
    sidecar.is_idle().await;
    let drain = async {
        eventually("it is here", || sidecar.metrics.requests.buffered_bytes.get() > 0).await;
        assert_eq!(call(sidecar.post().body(HEALTHY)).await.status, 200);
        sidecar.scheduler.drain();
        assert_eq!(call(sidecar.post()).await.code(), "shutting_down", "who comes later is refused");
    };
    let (reply, ()) = tokio::join!(call(sidecar.post()), drain);
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn in_observe_busy_workers_hold_nobody_back() {
    let upstream = Upstream::start([Answer::json(503, WORKERS).header("retry-after", "3600")]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.mode = Mode::Observe).start().await;
    assert_eq!(call(sidecar.post()).await.status, 503);
    let reply = call(sidecar.post().header("x-priority", "low")).await;
    assert_eq!((reply.status, reply.header("x-pacer-queue-wait-ms")), (200, "0"));
}

#[tokio::test]
async fn who_waits_for_busy_workers_is_told_when_nobody_is_served_any_more() {
    let upstream = Upstream::start([Answer::json(503, WORKERS).header("retry-after", "3600")]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
    assert_eq!(call(sidecar.post()).await.status, 503);
    sidecar.is_idle().await;
    let close = async {
        eventually("it is here", || sidecar.metrics.requests.buffered_bytes.get() > 0).await;
        assert_eq!(call(sidecar.post().body(HEALTHY)).await.status, 200);
        sidecar.scheduler.refuse_waiting();
    };
    let (reply, ()) = tokio::join!(call(sidecar.post()), close);
    assert_eq!((reply.status, reply.code().as_str()), (503, "shutting_down"));
    let low = call(sidecar.post().header("x-priority", "low")).await;
    assert_eq!(
        low.code(),
        "upstream_overloaded",
        "the workers are still left alone: it did not wait for them"
    );
}

#[tokio::test]
async fn a_request_that_was_sent_and_cannot_wait_for_busy_workers_is_not_to_be_sent_again() {
    let (busy, meanwhile) = Answer::stream(503);
    let refused = Answer::too_many().header("retry-after", "2");
    let upstream = Upstream::start([meanwhile.header("retry-after", "3600"), refused]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
    let refused = async {
        upstream.is_asked(1).await;
        call(sidecar.post().header("x-stainless-timeout", "8")).await
    };
    let overtakes = async {
        upstream.is_asked(2).await;
        eventually("it was refused", || sidecar.scheduler.snapshot().refusal_ratio > 0.0).await;
        busy.push(WORKERS).await;
        drop(busy);
    };
    let (first, reply, ()) = tokio::join!(call(sidecar.post()), refused, overtakes);
    assert_eq!(first.status, 503);
    assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_overloaded"), "{reply:?}");
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(upstream.asked().len(), 2);
}

#[tokio::test]
async fn a_refusal_names_the_pace_that_is_left_of_the_policys() {
    let refused = || Answer::too_many().header("retry-after-ms", "1");
    let upstream = Upstream::start((0..15).flat_map(|_| [refused(), Answer::ok()])).await;
    let sidecar = Sidecar::before(&upstream).await;
    for _ in 0..15 {
        assert_eq!(call(sidecar.post()).await.status, 200);
    }
    let pace = sidecar.scheduler.snapshot().effective_rpm;
    assert!(pace < 60_000, "{:?}", sidecar.scheduler.snapshot());
    sidecar.set(|it| {
        it.queue.max_depth = 0;
        it.queue.when_full = WhenFull::Reject;
        it.rate.minimum_gap = Duration::from_secs(3_600);
    });
    eventually("the edit is in force", || sidecar.scheduler.snapshot().queue_limit == 0).await;
    let message = call(sidecar.post()).await.json()["error"]["message"].to_string();
    let named = format!(
        "the policy allows 60000 requests per 60 s, and the upstream's refusals have lowered that to {pace} a minute"
    );
    assert!(message.contains(&named), "{message}");
}
