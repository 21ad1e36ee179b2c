//! What the application is spared, and what it gets when nothing helps.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use pacer::limiter::Priority;
use pacer::limiter::settings::Mode;

use crate::support::sidecar::{BODY, call, head};
use crate::support::{Answer, Reply, Sidecar, Upstream, eventually};

/// Short enough to wait for, long enough for everything else to happen on a busy machine.
const A_WHILE: Duration = Duration::from_millis(500);

const WORKERS: &str = r#"{"message":"ResourceExhausted: All workers are busy, please retry later","type":"Service Unavailable"}"#;

/// A sidecar whose gate opens again at once after a 429.
async fn sidecar(upstream: &Upstream) -> Sidecar {
    Sidecar::before(upstream).await
}

fn soon_again() -> Answer {
    Answer::too_many().header("retry-after-ms", "1")
}

#[tokio::test]
async fn a_429_is_absorbed() {
    let upstream = Upstream::start([soon_again(), soon_again()]).await;
    let sidecar = sidecar(&upstream).await;
    let reply = call(sidecar.post()).await;
    assert_eq!(reply.status, 200);
    assert!(upstream.asked().iter().all(|asked| asked.body == BODY));
    assert_eq!(upstream.asked().len(), 3);
    sidecar.is_idle().await;
    assert_eq!(sidecar.metric("sidecar_retries_total{reason=\"rate_limited\"}"), 2);
    assert_eq!(sidecar.metric("sidecar_upstream_errors_total{provider=\"test\",status_code=\"429\"}"), 2);
    assert_eq!(sidecar.finished(Priority::Normal, "success"), 1);
    assert_eq!(sidecar.finished(Priority::Normal, "ratelimited"), 0);
}

#[tokio::test]
async fn a_429_with_retries_off_is_answered_in_the_shape_clients_parse() {
    let upstream =
        Upstream::start([Answer::too_many().header("retry-after", "7").header("x-request-id", "up-1")]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.retry.rate_limited = false).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit_exceeded"));
    let error = &reply.json()["error"];
    assert_eq!(error["type"], "rate_limit_error");
    assert_eq!(error["upstream"]["title"], "Too Many Requests");
    assert_eq!((reply.header("retry-after"), reply.header("retry-after-ms")), ("7", "7000"));
    assert_eq!(reply.header("x-pacer-reason"), "upstream_rate_limited");
    assert_eq!(reply.header("x-request-id"), "up-1");
    assert_eq!(reply.header("x-should-retry"), "-");
    assert_eq!(upstream.asked().len(), 1);
    sidecar.is_idle().await;
    assert_eq!(sidecar.finished(Priority::Normal, "ratelimited"), 1);
}

#[tokio::test]
async fn an_upstreams_long_pause_is_cut_to_what_clients_obey() {
    let upstream = Upstream::start([Answer::too_many().header("retry-after", "7200")]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.retry.rate_limited = false).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.header("retry-after"), reply.header("retry-after-ms")), ("60", "60000"));
}

#[tokio::test]
async fn a_429_in_the_apis_own_format_keeps_its_body() {
    let body =
        r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    let upstream = Upstream::start([Answer::json(429, body)]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.retry.rate_limited = false).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.body.as_str()), (429, body));
    assert!((1..=60).contains(&reply.number("retry-after")));
}

#[tokio::test]
async fn a_spent_account_is_passed_on_untouched_and_not_retried() {
    let body = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    let upstream = Upstream::start([Answer::json(429, body)]).await;
    let sidecar = sidecar(&upstream).await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.body.as_str()), (429, body));
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn busy_workers_are_retried_and_never_counted_as_quota() {
    for busy in [
        Answer::json(503, WORKERS),
        Answer::json(429, r#"{"detail":"Worker local total request limit reached (33/32)"}"#),
        Answer::json(400, r#"{"detail":"Function id 'f': DEGRADED function cannot be invoked"}"#),
    ] {
        let upstream = Upstream::start([busy.header("retry-after-ms", "1")]).await;
        let sidecar = sidecar(&upstream).await;
        assert_eq!(call(sidecar.post()).await.status, 200);
        assert_eq!(sidecar.metric("sidecar_retries_total{reason=\"exhausted\"}"), 1);
        assert_eq!(sidecar.metric("sidecar_retries_total{reason=\"rate_limited\"}"), 0);
    }
}

#[tokio::test]
async fn a_healthy_model_is_served_while_another_models_request_pauses() {
    let busy = [Answer::json(503, WORKERS).header("retry-after", "3600")];
    let upstream = Upstream::start(busy).await;
    let sidecar = Sidecar::builder(&upstream.base())
        .settings(|it| it.queue.lanes[2].max_wait = Duration::from_secs(3_600))
        .start()
        .await;
    let paused = sidecar.post().send();
    let healthy = async {
        upstream.is_asked(1).await;
        eventually("it is judged", || sidecar.scheduler.snapshot().unsettled == 0).await;
        assert_eq!(sidecar.scheduler.snapshot().gate, Duration::ZERO);
        call(sidecar.post().body(r#"{"model":"healthy"}"#)).await
    };
    tokio::select! {
        _ = paused => panic!("an answer"),
        reply = healthy => assert_eq!(reply.status, 200),
    }
}

#[tokio::test]
async fn a_pause_past_the_deadline_is_not_sat_out() {
    let upstream = Upstream::start([Answer::json(503, WORKERS).header("retry-after", "120")]).await;
    let sidecar = sidecar(&upstream).await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_overloaded"));
    assert_eq!((reply.header("retry-after"), reply.header("x-should-retry")), ("60", "-"));
}

#[tokio::test]
async fn workers_busy_to_the_end_are_one_error_whatever_the_upstream_called_it() {
    let busy = [
        (503, WORKERS),
        (429, r#"{"detail":"Worker local total request limit reached (33/32)"}"#),
        (400, r#"{"detail":"Function id 'f': DEGRADED function cannot be invoked"}"#),
    ];
    for (status, body) in busy {
        let upstream = Upstream::start([Answer::json(status, body).header("retry-after", "3")]).await;
        let sidecar =
            Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
        let reply = call(sidecar.post()).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_overloaded"));
        assert_eq!(reply.json()["error"]["type"], "server_error");
        assert_eq!(
            reply.json()["error"]["upstream"],
            serde_json::from_str::<serde_json::Value>(body).unwrap()
        );
        assert_eq!(reply.header("retry-after"), "3");
        assert_eq!(reply.header("x-should-retry"), "-", "the sidecar did not retry");
    }
}

#[tokio::test]
async fn gateway_errors_are_retried_before_a_byte_was_relayed() {
    for status in [502, 503, 504] {
        let answer = Answer::json(status, "{}").header("retry-after", "0");
        let upstream = Upstream::start([answer]).await;
        let sidecar = sidecar(&upstream).await;
        assert_eq!(call(sidecar.post()).await.status, 200, "{status}");
        assert_eq!(sidecar.metric("sidecar_retries_total{reason=\"server_error\"}"), 1);
    }
}

#[tokio::test]
async fn a_gateway_errors_budget_headers_hold_nobody_back() {
    let answer = Answer::json(503, "{}")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "6m0s");
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
    assert_eq!(call(sidecar.post()).await.status, 503);
    assert_eq!(sidecar.scheduler.snapshot().gate, Duration::ZERO);
    assert_eq!(call(sidecar.post()).await.status, 200);
}

#[tokio::test]
async fn a_gateway_error_to_the_end_is_relayed_and_not_worth_another_try() {
    let upstream = Upstream::start([Answer::json(502, "{}"), Answer::json(503, "the last word")]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 1).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "the last word"));
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(upstream.asked().len(), 2);
    sidecar.is_idle().await;
    assert_eq!(sidecar.finished(Priority::Normal, "error"), 1);
}

#[tokio::test]
async fn a_gateway_error_that_was_not_retried_is_relayed_untouched() {
    let upstream = Upstream::start([Answer::json(502, "{}")]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.header("x-should-retry")), (502, "-"));
}

#[tokio::test]
async fn other_errors_are_answers() {
    for status in [400, 401, 403, 404, 408, 409, 410, 422, 500, 501] {
        let upstream = Upstream::start([Answer::json(status, r#"{"detail":"no"}"#)]).await;
        let sidecar = sidecar(&upstream).await;
        let reply = call(sidecar.post()).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, r#"{"detail":"no"}"#));
        assert_eq!(upstream.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_upstream_nobody_can_connect_to_is_retried_then_named() {
    let sidecar =
        Sidecar::builder("http://127.0.0.1:1/v1").settings(|it| it.retry.server_errors = 1).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_unreachable"));
    assert_eq!((reply.header("x-should-retry"), reply.header("retry-after")), ("false", "1"));
    assert_eq!(sidecar.metric("sidecar_retries_total{reason=\"connect\"}"), 1);
    assert_eq!(sidecar.metric("sidecar_upstream_errors_total{provider=\"test\",status_code=\"connect\"}"), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_after_sending_is_not_retried() {
    let upstream = Upstream::start([Answer::Slam]).await;
    let sidecar = sidecar(&upstream).await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_broken"));
    assert_eq!(upstream.asked().len(), 1);
    assert_eq!(sidecar.metric("sidecar_upstream_errors_total{provider=\"test\",status_code=\"broken\"}"), 1);
}

#[tokio::test]
async fn an_upstream_that_never_answers_times_out_and_is_not_asked_again() {
    let upstream = Upstream::start([Answer::Hang]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.timeouts.idle = Some(A_WHILE)).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
    assert_eq!(upstream.asked().len(), 1);
    assert_eq!(sidecar.metric("sidecar_upstream_errors_total{provider=\"test\",status_code=\"timeout\"}"), 1);
}

#[tokio::test]
async fn the_total_time_bounds_the_wait_for_an_answer() {
    let upstream = Upstream::start([Answer::Hang]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.timeouts.total = Some(A_WHILE)).start().await;
    assert_eq!(call(sidecar.post()).await.code(), "upstream_timeout");
}

#[tokio::test]
async fn observing_absorbs_nothing_and_rewrites_nothing() {
    for answer in [Answer::too_many(), Answer::json(503, WORKERS), Answer::json(502, "{}")] {
        let Answer::Say(status, _, body) = &answer else { unreachable!() };
        let (status, body) = (*status, String::from_utf8(body.to_vec()).unwrap());
        let upstream = Upstream::start([answer]).await;
        let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.mode = Mode::Observe).start().await;
        let reply = call(sidecar.post()).await;
        assert_eq!((reply.status, reply.body), (status, body));
        assert_eq!(upstream.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_error_too_long_to_be_read_whole_is_relayed_whole() {
    let long = format!(r#"{{"detail":"{}"}}"#, "x".repeat(1 << 20));
    for status in [400, 429, 502] {
        let upstream = Upstream::start([Answer::json(status, &long)]).await;
        let sidecar = Sidecar::builder(&upstream.base())
            .settings(|it| {
                it.retry.rate_limited = false;
                it.retry.server_errors = 0;
            })
            .start()
            .await;
        let reply = call(sidecar.post()).await;
        assert_eq!((reply.status, reply.body == long), (status, true));
    }
}

#[tokio::test]
async fn an_error_that_stalls_half_way_does_not_hold_the_request_for_ever() {
    let (stream, answer) = Answer::stream(429);
    let upstream = Upstream::start([answer]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.timeouts.idle = Some(A_WHILE)).start().await;
    stream.push("{").await;
    let reply = call(sidecar.post()).await;
    assert_eq!(reply.status, 200, "classified by its status alone, and retried");
    stream.abandoned().await;
}

#[tokio::test]
async fn an_error_that_stalls_is_judged_before_the_idle_timeout_and_relayed_with_its_rest() {
    let (stream, answer) = Answer::stream(400);
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    stream.push("{\"detail\":").await;
    let response = head(sidecar.post()).await;
    assert_eq!(response.status(), 400, "long before the idle time-out of a minute");
    stream.push("\"no\"}").await;
    drop(stream);
    assert_eq!(Reply::read(response).await.body, r#"{"detail":"no"}"#);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn encoded(status: u16, encoding: &str, body: impl Into<Bytes>) -> Answer {
    Answer::Say(status, vec![("content-encoding", encoding.into())], body.into())
}

#[tokio::test]
async fn a_compressed_error_means_what_its_text_says() {
    let upstream = Upstream::start([encoded(503, "gzip", gzip(WORKERS))]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 0).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_overloaded"));
    assert_eq!(reply.json()["error"]["upstream"]["type"], "Service Unavailable");
    assert_eq!(reply.header("content-encoding"), "-");
}

#[tokio::test]
async fn an_error_in_an_unknown_encoding_is_judged_by_its_status_and_relayed_as_it_is() {
    let upstream = Upstream::start([encoded(429, "br", "squeezed").header("retry-after", "7")]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.retry.rate_limited = false).start().await;
    let reply = call(sidecar.post()).await;
    assert_eq!((reply.status, reply.body.as_str()), (429, "squeezed"));
    assert_eq!((reply.header("content-encoding"), reply.header("retry-after")), ("br", "7"));
}

#[tokio::test]
async fn a_shorter_connect_timeout_is_in_force_without_a_restart() {
    // The kernel takes the connection, and nobody ever answers the handshake of TLS.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}/v1", silent.local_addr().unwrap());
    let sidecar = Sidecar::builder(&base)
        .settings(|it| {
            it.timeouts.connect = Duration::from_secs(3_600);
            it.timeouts.idle = None;
            it.retry.server_errors = 0;
        })
        .start()
        .await;
    let patience = Duration::from_millis(200);
    assert!(tokio::time::timeout(patience, call(sidecar.post())).await.is_err());
    sidecar.set(|it| it.timeouts.connect = Duration::from_millis(20));
    for _ in 0..50 {
        if let Ok(reply) = tokio::time::timeout(patience, call(sidecar.post())).await {
            assert_eq!(reply.code(), "upstream_unreachable");
            return;
        }
    }
    panic!("the new time-out never came into force");
}

#[tokio::test]
async fn absorbed_429s_use_up_no_try_of_a_gateway_error() {
    let gateway_error = Answer::json(502, "{}").header("retry-after", "0");
    let upstream = Upstream::start([soon_again(), gateway_error]).await;
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.retry.server_errors = 1).start().await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    assert_eq!(upstream.asked().len(), 3);
}
