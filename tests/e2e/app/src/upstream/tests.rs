use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::call::{Call, Caller, Kind};
use crate::load::{self, Load, Summary};

/// An upstream on a port of its own, with the application in front of it.
struct Served {
    upstream: Arc<Upstream>,
    base_url: String,
    tasks: JoinSet<()>,
}

impl Served {
    async fn start(rpm: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let upstream = Arc::new(Upstream::new(rpm));
        let router = router(Arc::clone(&upstream));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { upstream, base_url, tasks }
    }

    fn caller(&self, stream: bool) -> Caller {
        let kind = Kind { stream, priority: None, timeout: Duration::from_secs(60), prompt_bytes: 16 };
        Caller::new(&self.base_url, kind).unwrap()
    }

    /// What is written on the way, and the sum of it.
    async fn load(&self, load: Load, stream: bool) -> (String, Summary) {
        let mut lines = Vec::new();
        let summary =
            load::run(load, self.caller(stream), CancellationToken::new(), &mut lines).await.unwrap();
        (String::from_utf8(lines).unwrap(), summary)
    }

    fn change(&self, change: Value) {
        let change: Change = serde_json::from_value(change).unwrap();
        self.upstream.rules.send_modify(|rules| change.apply(rules));
    }

    fn counts(&self) -> Counts {
        self.upstream.with_seen(|seen| seen.counts.clone())
    }

    async fn until(&self, condition: impl Fn(&Counts) -> bool) {
        while !condition(&self.counts()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn of_many_at_once_the_quota_is_answered_and_the_rest_refused() {
    let served = Served::start(5).await;
    let (lines, summary) = served.load(Load { requests: 12, concurrency: 12 }, false).await;
    assert_eq!((summary.started, summary.succeeded, summary.failed), (12, 5, 7));
    assert_eq!(summary.statuses, [(200, 5), (429, 7)].into());
    let counts = served.counts();
    assert_eq!((counts.arrivals_ms.len(), counts.completed, counts.refused), (12, 5, 7));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().all(|line| line["end_ms"].as_u64() >= line["start_ms"].as_u64()));
}

#[tokio::test]
async fn a_held_stream_is_open_until_it_is_released_and_then_ends_with_done() {
    let mut served = Served::start(5).await;
    served.change(json!({"hold": true, "chunks": 3, "chunk_gap_ms": 0}));
    let caller = served.caller(true);
    let (ended, call) = tokio::sync::oneshot::channel();
    served.tasks.spawn(async move { drop(ended.send(caller.call().await)) });
    served.until(|counts| counts.open_streams == 1).await;
    served.change(json!({"hold": false}));
    let call: Call = call.await.unwrap();
    assert!(call.succeeded() && call.first_byte_ms.is_some(), "{call:?}");
    served.until(|counts| counts.open_streams == 0).await;
    assert_eq!((served.counts().completed, served.counts().max_open_streams), (1, 1));
}

#[tokio::test]
async fn a_client_that_leaves_closes_its_stream_and_completes_nothing() {
    let mut served = Served::start(5).await;
    served.change(json!({"hold": true}));
    let caller = served.caller(true);
    let call = served.tasks.spawn(async move { drop(caller.call().await) });
    served.until(|counts| counts.open_streams == 1).await;
    call.abort();
    served.until(|counts| counts.open_streams == 0).await;
    assert_eq!((served.counts().accepted, served.counts().completed), (1, 0));
}

#[tokio::test]
async fn an_upstream_that_is_down_answers_503_and_counts_no_quota() {
    let served = Served::start(1).await;
    served.change(json!({"down": true}));
    assert_eq!(served.caller(false).call().await.status, 503);
    served.change(json!({"down": false}));
    assert!(served.caller(false).call().await.succeeded());
    assert_eq!(served.counts().unavailable, 1);
}

#[tokio::test]
async fn told_to_stop_a_load_finishes_what_runs_and_begins_no_more() {
    let mut served = Served::start(100).await;
    served.change(json!({"hold": true}));
    let (caller, stop) = (served.caller(false), CancellationToken::new());
    let (ended, summary) = tokio::sync::oneshot::channel();
    let told = stop.clone();
    served.tasks.spawn(async move {
        let endless = Load { requests: 0, concurrency: 3 };
        drop(ended.send(load::run(endless, caller, told, std::io::sink()).await.unwrap()));
    });
    served.until(|counts| counts.accepted == 3).await;
    stop.cancel();
    served.change(json!({"hold": false}));
    let summary = summary.await.unwrap();
    assert_eq!((summary.started, summary.succeeded), (3, 3));
}

#[tokio::test]
async fn an_unknown_rule_is_refused_by_its_name() {
    // Without a content type, as kubectl sends it.
    let request = Request::post("/control").body(Body::from(r#"{"rmp": 3}"#)).unwrap();
    let answer = tower::ServiceExt::oneshot(router(Arc::new(Upstream::new(1))), request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("unknown field `rmp`"), "{text:?}");
}
