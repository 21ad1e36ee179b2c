//! One line and one count a request, however it ends.

use std::time::Duration;

use pacer::metrics::RequestStatus;
use serde_json::Value;

use crate::support::logs::request_line;
use crate::support::sidecar::{BODY, call, head};
use crate::support::{Answer, Sidecar, Upstream, soon};

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
    call(sidecar.post().header("x-request-id", "log-refused").header("x-priority", "vip")).await;
    let line = request_line("log-refused").await;
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
async fn an_unpaced_request_is_logged_as_such_with_its_bytes() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    call(sidecar.request(http::Method::PUT, "/v1/files/1").header("x-request-id", "log-put").body(BODY))
        .await;
    let line = request_line("log-put").await;
    assert_eq!((&line["priority"], &line["bytes_in"]), (&"unpaced".into(), &Value::from(BODY.len())));
    assert_eq!(line.get("model"), None);
}

#[tokio::test]
async fn a_stream_that_fell_silent_is_logged_as_broken() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let idle = Some(Duration::from_millis(300));
    let sidecar = Sidecar::builder(&upstream.base()).settings(|it| it.timeouts.idle = idle).start().await;
    let response = head(sidecar.post().header("x-request-id", "log-silent")).await;
    stream.push("x").await;
    assert!(soon("the break", response.bytes()).await.is_err());
    assert_eq!(request_line("log-silent").await["outcome"], "broken");
}

#[tokio::test]
async fn a_long_model_name_is_cut_in_the_log() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let body = format!(r#"{{"model":"{}"}}"#, "m".repeat(1_000));
    call(sidecar.post().header("x-request-id", "log-model").body(body)).await;
    assert_eq!(request_line("log-model").await["model"], "m".repeat(128));
}
