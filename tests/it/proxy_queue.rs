//! Waiting requests: who goes first, and what is left of one that goes away.

use std::time::Duration;

use crate::support::sidecar::{BODY, call, tight};
use crate::support::{Answer, Sidecar, Upstream, eventually, soon};

#[tokio::test]
async fn urgent_overtakes_waiting_low() {
    let upstream = Upstream::start([]).await;
    let sidecar =
        tight(&upstream).settings(|it| it.rate.minimum_gap = Duration::from_millis(25)).start().await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    let request = |priority: &'static str| {
        sidecar.post().header("x-priority", priority).body(format!(r#"{{"model":"{priority}"}}"#))
    };
    let low = call(request("low"));
    let urgent = async {
        eventually("low to wait", || sidecar.waiting() == 1).await;
        call(request("urgent")).await
    };
    let open = async {
        eventually("both to wait", || sidecar.waiting() == 2).await;
        sidecar.set(|it| it.rate.requests_per_minute = 60_000);
    };
    let (low, urgent, ()) = soon("both answers", futures_util::future::join3(low, urgent, open)).await;
    assert_eq!((low.status, urgent.status), (200, 200));
    let order: Vec<_> = upstream.asked().into_iter().skip(1).map(|asked| asked.body).collect();
    assert_eq!(order, [r#"{"model":"urgent"}"#, r#"{"model":"low"}"#]);
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_frees_its_place_at_once() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream).start().await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    tokio::select! {
        _ = sidecar.post().send() => panic!("an answer"),
        () = eventually("one waiting", || sidecar.waiting() == 1) => {}
    }
    eventually("nobody waiting", || sidecar.waiting() == 0).await;
    sidecar.is_idle().await;
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_request_that_never_left_is_not_charged() {
    let sidecar =
        Sidecar::builder("http://127.0.0.1:1/v1").settings(|it| it.retry.server_errors = 0).start().await;
    for body in [BODY, ""] {
        assert_eq!(call(sidecar.post().body(body)).await.code(), "upstream_unreachable");
        let snapshot = sidecar.scheduler.snapshot();
        assert_eq!((snapshot.window_used, snapshot.unsettled), (0, 0), "{body:?}");
    }
}

#[tokio::test]
async fn every_attempt_that_left_is_charged_and_settled() {
    let (stream, answer) = Answer::stream(200);
    let upstream = Upstream::start([Answer::json(502, "{}"), Answer::Slam, answer]).await;
    let sidecar = Sidecar::before(&upstream).await;
    assert_eq!(call(sidecar.post()).await.code(), "upstream_broken");
    let response = soon("the head", sidecar.post().send()).await.unwrap();
    let snapshot = sidecar.scheduler.snapshot();
    assert_eq!((snapshot.window_used, snapshot.unsettled), (3, 0), "settled by the head, not the end");
    drop((stream, response));
}

#[tokio::test]
async fn a_client_that_leaves_after_sending_stays_charged() {
    let upstream = Upstream::start([Answer::Hang]).await;
    let sidecar = Sidecar::before(&upstream).await;
    tokio::select! {
        _ = sidecar.post().send() => panic!("an answer"),
        () = upstream.is_asked(1) => {}
    }
    sidecar.is_idle().await;
    let snapshot = sidecar.scheduler.snapshot();
    assert_eq!((snapshot.window_used, snapshot.unsettled), (1, 0));
}

#[tokio::test]
async fn an_empty_body_is_charged_like_any_other() {
    let upstream = Upstream::start([]).await;
    let sidecar = Sidecar::before(&upstream).await;
    assert_eq!(call(sidecar.post().body("")).await.status, 200);
    assert_eq!(sidecar.scheduler.snapshot().window_used, 1);
    assert_eq!(upstream.asked_once().headers["content-length"], "0");
}

#[tokio::test]
async fn a_slow_upload_is_not_a_wait() {
    let upstream = Upstream::start([]).await;
    let wait = Duration::from_millis(250);
    let sidecar =
        Sidecar::builder(&upstream.base()).settings(|it| it.queue.lanes[3].max_wait = wait).start().await;
    let mut raw = sidecar.raw().await;
    let length = BODY.len();
    raw.write(format!(
        "POST /v1/x HTTP/1.1\r\nhost: a\r\nx-priority: low\r\ncontent-length: {length}\r\n\r\n"
    ))
    .await;
    tokio::time::sleep(wait * 2).await;
    raw.write(BODY).await;
    let head = raw.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
}

#[tokio::test]
async fn a_policy_edit_drops_no_waiting_request() {
    let upstream = Upstream::start([]).await;
    let sidecar = tight(&upstream).start().await;
    assert_eq!(call(sidecar.post()).await.status, 200);
    let edits = async {
        eventually("one waiting", || sidecar.waiting() == 1).await;
        sidecar.set(|it| it.queue.max_depth = 0);
        sidecar.set(|it| it.timeouts.connect = Duration::from_secs(1));
        tokio::task::yield_now().await;
        assert_eq!(sidecar.waiting(), 1);
        sidecar.set(|it| it.rate.requests_per_minute = 60_000);
    };
    let (reply, ()) = soon("the answer", futures_util::future::join(call(sidecar.post()), edits)).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_while_its_429_is_absorbed_frees_its_place() {
    let upstream = Upstream::start([Answer::too_many().header("retry-after", "30")]).await;
    let sidecar = Sidecar::before(&upstream).await;
    tokio::select! {
        _ = sidecar.post().send() => panic!("an answer"),
        () = eventually("it to wait again", || sidecar.waiting() == 1) => {}
    }
    eventually("nobody waiting", || sidecar.waiting() == 0).await;
    sidecar.is_idle().await;
    assert_eq!(upstream.asked().len(), 1);
}
