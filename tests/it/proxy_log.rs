//! One line and one count a request, however it ends.

use std::time::Duration;

use pacer::limiter::Priority;
use pacer::limiter::settings::Mode;
use pacer::metrics::RequestStatus;
use serde_json::Value;

use crate::support::logs::{proxy_lines, request_line};
use crate::support::sidecar::{BODY, call, head, tight};
use crate::support::{Answer, Sidecar, Upstream, eventually, process, soon};

#[tokio::test]
async fn the_line_of_a_served_request_says_everything_but_the_prompt() {
    let upstream = Upstream::start([Answer::json(502, "{}"), Answer::json(200, "12345")]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let body = r#"{"model":"meta/llama","messages":[{"role":"user","content":"PROMPT"}]}"#;
    let request = sidecar.post().header("x-request-id", "log-served").header("x-priority", "urgent");
    call(request.body(body)).await;

    let line = request_line("log-served").await;
    assert_eq!(line["model"], "meta/llama");
    assert_eq!(line["priority"], "urgent");
    assert_eq!(line["outcome"], "relayed");
    assert_eq!(line["status"], 200);
    assert_eq!(line["attempts"], 2);
    assert_eq!(line["bytes_in"], body.len());
    assert_eq!(line["bytes_out"], 5);
    for number in ["queue_wait_ms", "ttfb_ms", "duration_ms"] {
        assert!(line[number].is_u64(), "{number} in {line}");
    }
    assert!(!line.to_string().contains("PROMPT"), "{line}");
}

#[tokio::test]
async fn the_trace_id_is_that_of_the_traceparent() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    call(sidecar.post().header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))).await;
    request_line(trace).await;
    assert!(upstream.asked_once().headers["traceparent"].to_str().unwrap().contains(trace));
}

#[tokio::test]
async fn a_refusal_is_logged_with_its_reason() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let answer = call(sidecar.post().header("x-request-id", "log-refused").header("x-priority", "vip")).await;
    let line = request_line("log-refused").await;
    assert_eq!(line["bytes_out"], answer.body.len(), "our own answers have a length, too");
    assert_eq!((&line["outcome"], &line["status"]), (&"bad_request".into(), &400.into()));
    assert_eq!(line["attempts"], 0);
}

#[tokio::test]
async fn a_request_to_nowhere_is_logged_and_counted_apart() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let request = sidecar.request(http::Method::POST, "/chat/completions").header("x-request-id", "log-404");
    call(request.body(BODY)).await;
    let line = request_line("log-404").await;
    assert_eq!((&line["priority"], &line["status"]), (&"unpaced".into(), &404.into()));
    assert_eq!(sidecar.metrics.requests.unpaced(RequestStatus::Error).get(), 1);
}

#[tokio::test]
async fn an_error_of_the_upstream_is_logged_with_its_code() {
    let upstream = Upstream::start([Answer::Slam]).await;
    let sidecar = Sidecar::before(&upstream).await;
    call(sidecar.post().header("x-request-id", "log-slam")).await;
    let line = request_line("log-slam").await;
    assert_eq!((&line["outcome"], &line["status"]), (&"upstream_broken".into(), &502.into()));
}

#[tokio::test]
async fn a_broken_stream_and_a_client_that_left_are_told_apart() {
    let (broken, first) = Answer::stream(200);
    let (left, second) = Answer::stream(200);
    let upstream = Upstream::start([first, second]).await;
    let sidecar = Sidecar::before(&upstream).await;

    let response = head(sidecar.post().header("x-request-id", "log-broken")).await;
    broken.cut().await;
    assert!(response.bytes().await.is_err());
    assert_eq!(request_line("log-broken").await["outcome"], "broken");

    let mut response = head(sidecar.post().header("x-request-id", "log-left")).await;
    left.push("x").await;
    soon("a piece", response.chunk()).await.unwrap();
    drop(response);
    let line = request_line("log-left").await;
    assert_eq!((&line["outcome"], &line["bytes_out"]), (&"client_gone".into(), &1.into()));
}

#[tokio::test]
async fn a_client_that_left_before_the_answer_is_logged_without_a_status() {
    let upstream = Upstream::start([Answer::Hang]).await;
    let sidecar = Sidecar::before(&upstream).await;
    tokio::select! {
        _ = sidecar.post().header("x-request-id", "log-early").send() => panic!("an answer"),
        () = upstream.is_asked(1) => {}
    }
    let line = request_line("log-early").await;
    assert_eq!(line["outcome"], "client_gone");
    assert_eq!(line.get("status"), None);
    assert_eq!(line.get("ttfb_ms"), None);
}

#[tokio::test]
async fn a_client_that_left_the_queue_is_logged_and_measured_with_its_wait() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream).start().await;
    let waits = || sidecar.metrics.queue.latency(Priority::Normal).get_sample_count();
    assert_eq!(call(sidecar.post()).await.status, 200);
    assert_eq!(waits(), 1, "served at once");
    assert_eq!(call(sidecar.post().header("x-stainless-timeout", "1")).await.status, 429);
    assert_eq!(waits(), 1, "refused at once");
    let wait = async {
        eventually("one waiting", || sidecar.waiting() == 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    tokio::select! {
        _ = sidecar.post().header("x-request-id", "log-waited").send() => panic!("an answer"),
        () = wait => {}
    }
    let line = request_line("log-waited").await;
    assert_eq!(line["outcome"], "client_gone");
    assert!(line["queue_wait_ms"].as_u64().unwrap() >= 50, "{line}");
    assert_eq!(waits(), 2, "left while waiting");
}

#[tokio::test]
async fn passing_through_is_logged_and_is_no_wait() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream).settings(|it| it.queue.max_depth = 0).start().await;
    call(sidecar.post().header("x-request-id", "log-paced")).await;
    call(sidecar.post().header("x-request-id", "log-passed")).await;
    assert_eq!(request_line("log-paced").await.get("passthrough"), None);
    assert_eq!(request_line("log-passed").await["passthrough"], true);
    assert_eq!(sidecar.metrics.queue.latency(Priority::Normal).get_sample_count(), 1);
}

#[tokio::test]
async fn observing_logs_the_wait_it_spares() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream).settings(|it| it.mode = Mode::Observe).start().await;
    call(sidecar.post().header("x-request-id", "log-first")).await;
    call(sidecar.post().header("x-request-id", "log-second")).await;
    assert_eq!(request_line("log-first").await["would_have_waited_ms"], 0);
    let line = request_line("log-second").await;
    assert!(line["would_have_waited_ms"].as_u64().unwrap() > 50_000, "{line}");
}

#[tokio::test]
async fn a_timer_that_ends_a_stream_is_named() {
    let short = Some(Duration::from_millis(300));
    for (id, idle, total, outcome) in
        [("log-idle", short, None, "idle_timeout"), ("log-total", None, short, "total_timeout")]
    {
        let (stream, answer) = Answer::stream(200);
        let upstream = Upstream::start([answer]).await;
        let sidecar = Sidecar::builder(&upstream.base())
            .settings(|it| {
                it.timeouts.idle = idle;
                it.timeouts.total = total;
            })
            .start()
            .await;
        let response = head(sidecar.post().header("x-request-id", id)).await;
        assert!(soon("the break", response.bytes()).await.is_err());
        assert_eq!(request_line(id).await["outcome"], outcome);
        drop(stream);
    }
}

#[tokio::test]
async fn a_request_the_shutdown_cuts_off_did_not_leave() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let response = head(sidecar.post().header("x-request-id", "log-cut")).await;
    sidecar.proxy.close();
    drop(response);
    assert_eq!(request_line("log-cut").await["outcome"], "cut_off");
    drop(stream);
}

#[tokio::test]
async fn whoever_debugs_sees_retries_pauses_and_refusals_of_a_request() {
    let upstream = Upstream::start([Answer::too_many().header("retry-after", "90")]).await;
    let sidecar = Sidecar::before(&upstream).await;
    sidecar.set(|it| it.queue.lanes[2].max_wait = Duration::from_secs(3_600));
    tokio::select! {
        _ = sidecar.post().header("x-request-id", "debug-retry").send() => panic!("an answer"),
        () = eventually("it to wait again", || sidecar.waiting() == 1) => {}
    }
    let [retry] = proxy_lines("debug-retry").try_into().expect("one event");
    assert_eq!((&retry["reason"], &retry["attempt"]), (&"rate_limited".into(), &1.into()));
    assert_eq!((&retry["pause_ms"], &retry["level"]), (&90_000.into(), &"DEBUG".into()));

    call(sidecar.post().header("x-request-id", "debug-gate").header("x-stainless-timeout", "1")).await;
    let [gate, refusal] = proxy_lines("debug-gate").try_into().expect("two events");
    assert!(gate["gate_ms"].as_u64().unwrap() > 60_000, "{gate}");
    assert_eq!((&refusal["status"], &refusal["level"]), (&429.into(), &"DEBUG".into()));
}

#[tokio::test]
async fn the_warning_of_no_answer_names_its_request() {
    let upstream = Upstream::start([Answer::Slam]).await;
    let sidecar = Sidecar::before(&upstream).await;
    call(sidecar.post().header("x-request-id", "warn-slam")).await;
    assert!(proxy_lines("warn-slam").iter().any(|line| line["level"] == "WARN"));
}

#[tokio::test]
async fn an_unpaced_request_is_logged_as_such_with_its_bytes() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    call(sidecar.request(http::Method::PUT, "/v1/files/1").header("x-request-id", "log-put").body(BODY))
        .await;
    let line = request_line("log-put").await;
    assert_eq!((&line["priority"], &line["bytes_in"]), (&"unpaced".into(), &Value::from(BODY.len())));
    assert_eq!(line.get("model"), None);
}

#[test]
fn the_end_of_the_grace_period_cuts_off_and_says_so() {
    let upstream = process::Upstream::start();
    let sidecar = process::Sidecar::start(
        &["--upstream", &upstream.url(), "--drain-seconds=1", "--log-level=info"],
        &[],
    );
    let call = process::Call::chat(sidecar.proxy);
    let unanswered = upstream.next();
    sidecar.signal("TERM");
    let (_, lines) = sidecar.wait();
    let line = lines.iter().find(|line| line["target"] == "pacer::request").expect("a request line");
    assert_eq!(line["outcome"], "cut_off", "{line}");
    drop((call, unanswered));
}

#[tokio::test]
async fn a_long_model_name_is_cut_in_the_log() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let body = format!(r#"{{"model":"{}"}}"#, "m".repeat(1_000));
    call(sidecar.post().header("x-request-id", "log-model").body(body)).await;
    assert_eq!(request_line("log-model").await["model"], "m".repeat(128));
}
