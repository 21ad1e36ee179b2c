//! Answers are forwarded as they come, and end as they end.

use std::time::Duration;

use bytes::Bytes;
use pacer::limiter::Priority;
use pacer::metrics::RequestStatus;
use reqwest::Method;

use crate::support::sidecar::{BODY, call, head};
use crate::support::{Answer, Sidecar, Upstream, eventually, soon};

/// Short enough to wait for, long enough for everything else to happen on a busy machine.
const IDLE: Duration = Duration::from_millis(500);

const EVENT: &str = "data: {\"choices\":[]}\n\n";

#[tokio::test]
async fn every_piece_is_forwarded_when_it_comes() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut response = head(sidecar.post()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(sidecar.metrics.requests.streams_open.get(), 1);
    for _ in 0..3 {
        // The next piece does not exist until the last one was read at the other end.
        stream.push(EVENT).await;
        assert_eq!(soon("a piece", response.chunk()).await.unwrap().unwrap(), EVENT);
    }
    drop(stream);
    assert_eq!(soon("the end", response.chunk()).await.unwrap(), None);
    sidecar.is_idle().await;
    assert_eq!(sidecar.finished(Priority::Normal, "success"), 1);
}

#[tokio::test]
async fn a_stream_of_events_has_a_rate_and_another_answer_has_none() {
    let (stream, events) = Answer::stream(200);
    let upstream = Upstream::start([Answer::ok(), events]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let rated = || sidecar.metric("sidecar_stream_events_per_second_count{provider=\"test\"}");
    call(sidecar.post()).await;
    sidecar.is_idle().await;
    assert_eq!(rated(), 0);
    let mut response = head(sidecar.post()).await;
    for _ in 0..3 {
        stream.push(EVENT).await;
        soon("a piece", response.chunk()).await.unwrap();
    }
    drop(stream);
    assert_eq!(soon("the end", response.chunk()).await.unwrap(), None);
    sidecar.is_idle().await;
    assert_eq!(rated(), 1);
}

#[tokio::test]
async fn an_upstream_that_dies_mid_stream_is_a_broken_stream() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut raw = sidecar.raw().await;
    raw.write(format!("POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len()))
        .await;
    stream.push(EVENT).await;
    raw.read_until(EVENT).await;
    stream.cut().await;
    let rest = raw.read_to_end().await;
    assert!(!rest.contains("0\r\n\r\n"), "a clean end: {rest:?}");
    sidecar.is_idle().await;
    assert_eq!(sidecar.finished(Priority::Normal, "error"), 1);
}

#[tokio::test]
async fn a_known_length_that_is_not_reached_is_a_broken_answer() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer.header("content-length", "100")]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let response = head(sidecar.post()).await;
    assert_eq!(response.headers()["content-length"], "100");
    stream.push("half").await;
    stream.cut().await;
    assert!(soon("the end", response.bytes()).await.is_err());
    sidecar.is_idle().await;
    assert_eq!(sidecar.finished(Priority::Normal, "error"), 1);
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_broken_off() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.timeouts.idle = Some(IDLE)).start().await;
    stream.push(EVENT).await;
    let mut response = head(sidecar.post()).await;
    assert_eq!(soon("a piece", response.chunk()).await.unwrap().unwrap(), EVENT);
    assert!(soon("the break", response.chunk()).await.is_err());
    stream.abandoned().await;
    sidecar.is_idle().await;
}

#[tokio::test]
async fn a_reader_slower_than_the_idle_timeout_gets_everything() {
    const PIECES: usize = 256;
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.timeouts.idle = Some(IDLE)).start().await;
    let feed = async {
        for _ in 0..PIECES {
            assert!(stream.offer(piece.clone()).await, "the stream was cut");
        }
        drop(stream);
    };
    let read = async {
        let mut response = head(sidecar.post()).await;
        let mut length = response.chunk().await.unwrap().unwrap().len();
        // Buffers on the way are full long before this is over.
        tokio::time::sleep(IDLE * 4).await;
        while let Some(chunk) = response.chunk().await.unwrap() {
            length += chunk.len();
        }
        length
    };
    let ((), length) = soon("the end", futures_util::future::join(feed, read)).await;
    assert_eq!(length, PIECES * piece.len());
}

#[tokio::test]
async fn the_total_time_ends_a_stream_that_never_pauses() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.timeouts.total = Some(IDLE)).start().await;
    let feed = async { while stream.offer(Bytes::from_static(EVENT.as_bytes())).await {} };
    let read = async { head(sidecar.post()).await.bytes().await };
    let ((), read) = soon("the end", futures_util::future::join(feed, read)).await;
    assert!(read.is_err());
}

#[tokio::test]
async fn a_client_that_leaves_mid_stream_frees_everything() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut response = head(sidecar.post()).await;
    stream.push(EVENT).await;
    soon("a piece", response.chunk()).await.unwrap();
    drop(response);
    stream.abandoned().await;
    sidecar.is_idle().await;
    assert_eq!(sidecar.finished(Priority::Normal, "error"), 1);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_frees_everything() {
    let upstream = Upstream::start([Answer::Hang]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let request = soon("nothing", async {
        tokio::select! {
            _ = sidecar.post().send() => panic!("an answer"),
            () = upstream.is_asked(1) => {}
        }
    });
    request.await;
    sidecar.is_idle().await;
    assert_eq!(sidecar.finished(Priority::Normal, "error"), 1);
}

#[tokio::test]
async fn an_unpaced_answer_streams_as_well() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut response = head(sidecar.request(Method::GET, "/v1/events")).await;
    stream.push(EVENT).await;
    assert_eq!(soon("a piece", response.chunk()).await.unwrap().unwrap(), EVENT);
    drop(stream);
    assert_eq!(soon("the end", response.chunk()).await.unwrap(), None);
    sidecar.is_idle().await;
    assert_eq!(sidecar.metrics.requests.unpaced(RequestStatus::Success).get(), 1);
}

#[tokio::test]
async fn answers_without_a_body_end_at_their_head() {
    let answers = [204, 304].map(|status| Answer::Say(status, Vec::new(), Bytes::new()));
    let upstream = Upstream::start(answers).await;
    let sidecar = Sidecar::before(&upstream).await;
    assert_eq!(call(sidecar.post()).await.status, 204);
    assert_eq!(call(sidecar.post()).await.status, 304);
    sidecar.is_idle().await;
    assert_eq!(sidecar.finished(Priority::Normal, "success"), 2);
}

#[tokio::test]
async fn nothing_is_sent_again_once_a_byte_was_relayed() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    let mut response = head(sidecar.post()).await;
    stream.push(EVENT).await;
    soon("a piece", response.chunk()).await.unwrap();
    stream.cut().await;
    assert!(soon("the break", response.chunk()).await.is_err());
    sidecar.is_idle().await;
    eventually("the account", || sidecar.metrics.requests.in_flight.get() == 0).await;
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_client_that_uploads_slowly_is_not_the_upstreams_silence() {
    let upstream = Upstream::start([]).await;
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.timeouts.idle = Some(IDLE)).start().await;
    let mut raw = sidecar.raw().await;
    raw.write("PUT /v1/files/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345").await;
    upstream.is_being_asked().await;
    tokio::time::sleep(IDLE * 3).await;
    raw.write("67890").await;
    let head = raw.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
}
