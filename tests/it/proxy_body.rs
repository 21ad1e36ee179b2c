//! Request bodies: bounded, held no longer than they may be needed.

use pacer::metrics::RefusalReason;

use crate::support::sidecar::{call, head};
use crate::support::{Answer, Sidecar, Upstream, eventually, soon};

fn body(length: usize) -> String {
    let frame = r#"{"model":"m","x":""}"#.len();
    format!(r#"{{"model":"m","x":"{}"}}"#, "a".repeat(length - frame))
}

#[tokio::test]
async fn a_body_of_20_mib_arrives_whole() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let body = body(20 << 20);
    assert_eq!(call(sidecar.post().body(body.clone())).await.status, 200);
    assert!(upstream.asked_once().body == body);
    sidecar.is_idle().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_the_limit() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::builder(&upstream.base()).options(|it| it.body_limit = 100_000).start().await;
    assert_eq!(call(sidecar.post().body(body(100_000))).await.status, 200);
    let reply = call(sidecar.post().body(body(10 << 20))).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "body_too_large"));
    assert!(reply.body.contains("100000 bytes"), "{}", reply.body);
    assert_eq!(reply.header("x-pacer-reason"), "body_too_large");
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(sidecar.refused(RefusalReason::BodyTooLarge), 1);
    assert_eq!(upstream.asked().len(), 1);
    sidecar.is_idle().await;
}

#[tokio::test]
async fn a_body_too_large_that_asks_first_is_told_before_it_is_sent() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::builder(&upstream.base()).options(|it| it.body_limit = 100).start().await;
    let mut raw = sidecar.raw().await;
    raw.write("POST /v1/x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 101\r\n\r\n").await;
    let head = raw.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

#[tokio::test]
async fn bodies_beyond_the_budget_are_refused_for_a_moment() {
    let upstream = Upstream::start([Answer::Hang]).await;
    let sidecar = Sidecar::builder(&upstream.base()).options(|it| it.body_budget = 150_000).start().await;
    let first = sidecar.post().body(body(100_000)).send();
    let second = async {
        upstream.is_asked(1).await;
        assert_eq!(sidecar.metrics.requests.buffered_bytes.get(), 100_000);
        let reply = call(sidecar.post().body(body(50_001))).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "buffer_full"));
        assert_eq!((reply.header("retry-after"), reply.header("x-pacer-reason")), ("1", "buffer_full"));
        assert_eq!(sidecar.refused(RefusalReason::BufferFull), 1);
    };
    tokio::select! {
        _ = first => panic!("an answer"),
        () = second => {}
    }
    // The first client is gone now, and so is its body.
    sidecar.is_idle().await;
    assert_eq!(call(sidecar.post().body(body(150_000))).await.status, 200);
}

#[tokio::test]
async fn a_body_is_let_go_when_its_answer_begins() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut response = head(sidecar.post().body(body(100_000))).await;
    stream.push("x").await;
    soon("a piece", response.chunk()).await.unwrap();
    assert_eq!(sidecar.metrics.requests.buffered_bytes.get(), 0);
    assert_eq!(sidecar.metrics.requests.streams_open.get(), 1);
}

#[tokio::test]
async fn a_chunked_body_without_end_is_cut_off_and_its_memory_given_back() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::builder(&upstream.base()).options(|it| it.body_limit = 100_000).start().await;
    let mut raw = sidecar.raw().await;
    raw.write("POST /v1/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..11 {
        raw.write(format!("2710\r\n{}\r\n", "x".repeat(10_000))).await;
    }
    raw.write("0\r\n\r\n").await;
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 413 "));
    sidecar.is_idle().await;
}

#[tokio::test]
async fn a_client_that_leaves_mid_upload_gives_its_memory_back() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    raw.write("POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n").await;
    eventually("the head", || sidecar.metrics.requests.in_flight.get() == 1).await;
    assert_eq!(sidecar.metrics.requests.buffered_bytes.get(), 0, "nothing came yet");
    raw.write("half").await;
    let held = || sidecar.metrics.requests.buffered_bytes.get() == 1_000;
    eventually("the reservation", held).await;
    drop(raw);
    sidecar.is_idle().await;
    assert!(upstream.asked().is_empty());
}
