//! The headers and bodies the application is promised.

use std::time::Duration;

use pacer::limiter::Priority;
use pacer::limiter::settings::WhenFull;
use pacer::metrics::RefusalReason;

use crate::support::sidecar::{call, tight};
use crate::support::{Answer, Reply, Sidecar, Upstream, eventually};

#[track_caller]
fn is_rate_limit_refusal(reply: &Reply, reason: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(reply.json()["error"]["type"], "rate_limit_error");
    assert_eq!(reply.header("x-pacer-reason"), reason);
    let (seconds, millis) = (reply.number("retry-after"), reply.number("retry-after-ms"));
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(seconds, millis.div_ceil(1_000));
    assert_eq!(reply.header("x-should-retry"), "-");
    for name in [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-pacer-queue-wait-ms",
        "x-pacer-queue-position",
        "x-pacer-estimated-wait-ms",
    ] {
        reply.number(name);
    }
    assert!(reply.header("x-ratelimit-reset-requests").ends_with('s'));
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    for part in
        ["pacer's rate limiter refused this", "waited", "ahead", "the policy allows 1 requests per 60 s"]
    {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test]
async fn every_success_says_how_fast_the_application_may_go() {
    let upstream = Upstream::start([Answer::ok().header("x-ratelimit-remaining-tokens", "9")]).await;
    let sidecar = tight(&upstream).start().await;
    let reply = call(sidecar.post().header("x-priority", "HiGH")).await;
    assert_eq!(reply.header("x-pacer-priority"), "high");
    reply.number("x-pacer-queue-wait-ms");
    assert_eq!(reply.number("x-ratelimit-limit-requests"), 1);
    assert_eq!(reply.number("x-ratelimit-remaining-requests"), 0);
    let reset = reply.header("x-ratelimit-reset-requests");
    assert!(reset.starts_with("1m") || reset.starts_with("59") || reset.starts_with("60"), "{reset}");
    assert_eq!(reply.header("x-ratelimit-remaining-tokens"), "9");
    assert_eq!(reply.header("x-ratelimit-limit-tokens"), "-", "none of ours is invented");
    assert_eq!(reply.header("x-pacer-reason"), "-");
}

#[tokio::test]
async fn an_upstream_that_counts_requests_is_believed() {
    let answer = Answer::ok().header("x-ratelimit-remaining-requests", "17");
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let reply = call(sidecar.post()).await;
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "17");
    assert_eq!(reply.header("x-ratelimit-limit-requests"), "-");
}

#[tokio::test]
async fn an_unknown_priority_is_refused_by_name() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let reply = call(sidecar.post().header("x-priority", "vip")).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "unknown_priority"));
    assert!(reply.body.contains("vip") && reply.body.contains("urgent, high, normal, low"), "{}", reply.body);
    assert_eq!((reply.header("x-pacer-reason"), reply.header("x-should-retry")), ("bad_request", "false"));
    assert!(upstream.asked().is_empty());
    assert_eq!(sidecar.refused(RefusalReason::BadRequest), 1);
    assert_eq!(sidecar.finished(Priority::Normal, "error"), 1);
}

#[tokio::test]
async fn two_priorities_are_refused_and_an_empty_one_is_none() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let reply = call(sidecar.post().header("x-priority", "low").header("x-priority", "high")).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "unknown_priority"));
    assert!(reply.body.contains("more than once"), "{}", reply.body);
    assert!(upstream.asked().is_empty());
    for empty in ["", " "] {
        let reply = call(sidecar.post().header("x-priority", empty)).await;
        assert_eq!((reply.status, reply.header("x-pacer-priority")), (200, "normal"));
    }
}

#[tokio::test]
async fn a_refusal_behind_a_closed_gate_blames_the_upstreams_pause() {
    let upstream = Upstream::start([Answer::too_many().header("retry-after", "90")]).await;
    let sidecar = Sidecar::before(&upstream).await;
    assert_eq!(call(sidecar.post()).await.status, 429);
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.header("x-pacer-reason")), (429, "would_miss_deadline"));
    assert!(reply.body.contains("the upstream asked for a pause"), "{}", reply.body);
    assert!(!reply.body.contains("the policy allows"), "{}", reply.body);
    let said = format!("Try again in {} s.", reply.header("retry-after"));
    assert!(reply.body.contains(&said), "{}", reply.body);
}

#[tokio::test]
async fn an_upstream_out_of_order_is_no_rate_limit() {
    let sidecar = Sidecar::builder("http://127.0.0.1:1/v1")
        .settings(|it| {
            it.retry.server_errors = 0;
            it.queue.lanes[3].max_wait = Duration::from_millis(10);
        })
        .start()
        .await;
    for _ in 0..2 {
        assert_eq!(call(sidecar.post()).await.code(), "upstream_unreachable");
    }
    let reply = call(sidecar.post().header("x-priority", "low")).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_unavailable"));
    assert_eq!(reply.json()["error"]["type"], "server_error");
    assert!(reply.body.contains("the upstream is out of order"), "{}", reply.body);
    assert!(!reply.body.contains("limit"), "{}", reply.body);
}

#[tokio::test]
async fn a_full_queue_refuses_where_the_policy_says_reject() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream)
        .settings(|it| {
            it.queue.max_depth = 0;
            it.queue.when_full = WhenFull::Reject;
        })
        .start()
        .await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    is_rate_limit_refusal(&call(sidecar.post()).await, "queue_full");
    assert_eq!(sidecar.refused(RefusalReason::QueueFull), 1);
    assert_eq!(sidecar.finished(Priority::Normal, "ratelimited"), 1);
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_full_queue_lets_pass_where_the_policy_says_passthrough() {
    let upstream = Upstream::start([Answer::ok(), Answer::ok(), Answer::too_many()]).await;
    let sidecar = tight(&upstream).settings(|it| it.queue.max_depth = 0).start().await;
    assert_eq!(call(sidecar.post()).await.header("x-pacer-reason"), "-");
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.header("x-pacer-reason")), (200, "passthrough"));
    assert_eq!(reply.header("x-pacer-priority"), "normal");
    assert_eq!(sidecar.metrics.requests.passthrough.get(), 1);
    // It never waits, so the upstream's 429 is not absorbed either.
    assert_eq!(call(sidecar.post()).await.code(), "rate_limit_exceeded");
    assert_eq!(upstream.asked().len(), 3);
}

#[tokio::test]
async fn a_turn_after_the_clients_own_timeout_is_refused_at_once() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream).start().await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    for header in ["x-stainless-read-timeout", "x-stainless-timeout"] {
        let reply = call(sidecar.post().header(header, "5")).await;
        is_rate_limit_refusal(&reply, "would_miss_deadline");
        assert!(reply.number("x-pacer-estimated-wait-ms") > 50_000);
        assert!(reply.number("x-pacer-queue-wait-ms") < 5_000);
    }
    assert_eq!(sidecar.refused(RefusalReason::WouldMissDeadline), 2);
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_turn_no_retry_can_reach_is_not_worth_one() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream).start().await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    let waiting = async { futures_util::future::join_all((0..3).map(|_| sidecar.post().send())).await };
    let refused = async {
        eventually("three waiting", || sidecar.waiting() == 3).await;
        call(sidecar.post().header("x-stainless-timeout", "1")).await
    };
    let reply = tokio::select! {
        _ = waiting => panic!("an answer"),
        reply = refused => reply,
    };
    assert_eq!((reply.status, reply.code().as_str()), (429, "deadline_unreachable"));
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(reply.header("x-pacer-reason"), "deadline_unreachable");
    assert_eq!(reply.number("x-pacer-queue-position"), 3);
    assert_eq!(sidecar.refused(RefusalReason::DeadlineUnreachable), 1);
}

#[tokio::test]
async fn a_wait_that_became_too_long_is_refused_when_its_time_is_up() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream)
        .settings(|it| {
            // The turn of the second is a second and a half away when it is let in.
            it.rate.requests_per_minute = 40;
            it.rate.capacity = 1;
        })
        .start()
        .await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    let slow_down = async {
        eventually("one waiting", || sidecar.waiting() == 1).await;
        sidecar.set(|it| it.rate.requests_per_minute = 1);
    };
    let request = call(sidecar.post().header("x-stainless-timeout", "2.5"));
    let (reply, ()) = futures_util::future::join(request, slow_down).await;
    assert_eq!((reply.status, reply.header("x-pacer-reason")), (429, "timed_out"));
    assert!(reply.number("x-pacer-queue-wait-ms") >= 2_000);
    assert_eq!(sidecar.refused(RefusalReason::TimedOut), 1);
}

#[tokio::test]
async fn a_draining_sidecar_takes_nothing_new() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    sidecar.scheduler.drain();
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "shutting_down"));
    assert_eq!((reply.header("retry-after"), reply.header("x-pacer-reason")), ("1", "draining"));
    assert_eq!(sidecar.refused(RefusalReason::Draining), 1);
}

#[tokio::test]
async fn a_quota_that_stays_shut_past_the_deadline_is_answered_with_the_upstreams_pause() {
    let upstream = Upstream::start([Answer::too_many().header("retry-after", "100")]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(reply.header("x-pacer-reason"), "upstream_rate_limited");
    assert_eq!(reply.header("retry-after"), "60");
    assert_eq!(reply.json()["error"]["upstream"]["status"], 429);
    assert_eq!(upstream.asked().len(), 1);
    assert_eq!(sidecar.finished(Priority::Normal, "ratelimited"), 1);
}

#[tokio::test]
async fn the_longest_wait_is_that_of_the_lane_and_is_live() {
    let upstream = Upstream::start([]).await;
    let sidecar =
        tight(&upstream).settings(|it| it.queue.lanes[3].max_wait = Duration::from_secs(2)).start().await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    let reply = call(sidecar.post().header("x-priority", "low")).await;
    assert_eq!(reply.header("x-pacer-reason"), "would_miss_deadline");
    sidecar.set(|it| it.queue.lanes[2].max_wait = Duration::from_secs(2));
    assert_eq!(call(sidecar.post()).await.header("x-pacer-reason"), "would_miss_deadline");
    sidecar.set(|it| it.queue.default_priority = Priority::Urgent);
    tokio::select! {
        reply = call(sidecar.post()) => panic!("{reply:?}"),
        () = eventually("one waiting", || sidecar.waiting() == 1) => {}
    }
}

#[tokio::test]
async fn a_429_without_a_time_whose_next_turn_is_too_late_says_when_that_would_be() {
    let upstream = Upstream::start([Answer::too_many()]).await;
    let sidecar = tight(&upstream).start().await;
    let reply = call(sidecar.post().header("x-stainless-timeout", "5")).await;
    assert_eq!((reply.status, reply.header("x-pacer-reason")), (429, "upstream_rate_limited"));
    assert!(reply.number("retry-after") > 30, "{reply:?}");
}

#[tokio::test]
async fn the_wait_after_an_absorbed_429_is_told_too() {
    let upstream = Upstream::start([Answer::too_many()]).await;
    let sidecar = tight(&upstream).settings(|it| it.rate.requests_per_minute = 40).start().await;
    let slow_down = async {
        upstream.is_asked(1).await;
        eventually("it to be back", || sidecar.waiting() == 1).await;
        sidecar.set(|it| it.rate.requests_per_minute = 1);
    };
    let request = call(sidecar.post().header("x-stainless-timeout", "2.5"));
    let (reply, ()) = futures_util::future::join(request, slow_down).await;
    assert_eq!((reply.status, reply.header("x-pacer-reason")), (429, "upstream_rate_limited"));
    assert!(reply.number("x-pacer-queue-wait-ms") >= 2_000, "{reply:?}");
}

#[tokio::test]
async fn who_was_never_ranked_is_told_nothing_of_the_pace() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let reply = call(sidecar.post().header("x-priority", "vip")).await;
    for name in ["x-pacer-priority", "x-pacer-queue-wait-ms", "x-ratelimit-limit-requests"] {
        assert_eq!(reply.header(name), "-", "{name}");
    }
}
