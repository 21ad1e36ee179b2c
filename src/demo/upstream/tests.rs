use std::collections::BTreeMap;
use std::sync::Once;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use super::*;

fn mk_client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().no_proxy().build().unwrap()
}

async fn mk_upstream(options: UpstreamOptions) -> (StrictUpstream, Client) {
    (StrictUpstream::start(options).await.unwrap(), mk_client())
}

async fn post(client: &Client, upstream: &StrictUpstream, endpoint: &str, body: &Value) -> Response {
    let url = format!("{}/{endpoint}", upstream.base_url());
    client.post(url).body(body.to_string()).send().await.unwrap()
}

async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn accepts_exactly_its_quota_of_concurrent_calls() {
    let (upstream, client) = mk_upstream(UpstreamOptions {
        quota: 40,
        accept_jitter: Duration::from_millis(20),
        ..UpstreamOptions::default()
    })
    .await;
    let mut calls = JoinSet::new();
    for index in 0..200 {
        let (client, url) = (client.clone(), format!("{}/chat/completions", upstream.base_url()));
        let body = json!({"model": "m", "stream": index % 2 == 0}).to_string();
        calls.spawn(async move { client.post(url).body(body).send().await.unwrap().status().as_u16() });
    }
    let mut answered = BTreeMap::new();
    while let Some(status) = calls.join_next().await {
        *answered.entry(status.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(answered, BTreeMap::from([(200, 40), (429, 160)]));
    let stats = upstream.stats();
    assert_eq!((stats.accepted, stats.refused, stats.used, stats.max_in_window), (40, 160, 40, 200));
}

#[tokio::test]
async fn refuses_as_nvidia_does_and_says_when_only_if_asked_to() {
    for sends_retry_after in [false, true] {
        let options = UpstreamOptions { quota: 1, sends_retry_after, ..UpstreamOptions::default() };
        let (upstream, client) = mk_upstream(options).await;
        let body = json!({"model": "m"});
        assert_eq!(post(&client, &upstream, "chat/completions", &body).await.status(), StatusCode::OK);
        let refused = post(&client, &upstream, "chat/completions", &body).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let after = refused.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(after.is_some(), sends_retry_after, "{after:?}");
        assert!(after.is_none_or(|seconds| (1..=60).contains(&seconds.parse::<u64>().unwrap())));
        assert_eq!(json_of(refused).await, json!({"status": 429, "title": "Too Many Requests"}));
    }
}

#[tokio::test]
async fn streams_one_event_a_chunk_and_says_the_same_as_a_plain_answer() {
    let options =
        UpstreamOptions { chunks: 3, chunk_gap: Duration::from_millis(1), ..UpstreamOptions::default() };
    let (upstream, client) = mk_upstream(options).await;
    let plain = json_of(post(&client, &upstream, "chat/completions", &json!({"model": "m"})).await).await;

    let asked = json!({"model": "m", "stream": true});
    let streamed = post(&client, &upstream, "chat/completions", &asked).await;
    assert_eq!(streamed.headers()["content-type"], "text/event-stream");
    let text = streamed.text().await.unwrap();
    let events: Vec<_> =
        text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert_eq!(chunks.len(), 4, "three words and a finish reason");
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
    let said: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, plain["choices"][0]["message"]["content"]);
    assert_eq!(plain["model"], "m");
}

#[tokio::test]
async fn other_endpoints_count_too_and_models_do_not() {
    let (upstream, client) = mk_upstream(UpstreamOptions::default()).await;
    let asked = json!({"model": "m", "input": "x"});
    let completion = json_of(post(&client, &upstream, "completions", &asked).await).await;
    assert_eq!(completion["object"], "text_completion");
    let embedding = json_of(post(&client, &upstream, "embeddings", &asked).await).await;
    assert_eq!(embedding["data"][0]["object"], "embedding");
    let models = client.get(format!("{}/models", upstream.base_url())).send().await.unwrap();
    assert_eq!(json_of(models).await["data"][0]["id"], "demo-small");
    assert_eq!(post(&client, &upstream, "images", &asked).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(upstream.stats().accepted, 2);
}

#[tokio::test]
async fn turns_away_who_brings_no_key_and_what_is_no_json_without_counting_them() {
    let options = UpstreamOptions { requires_authorization: true, ..UpstreamOptions::default() };
    let (upstream, client) = mk_upstream(options).await;
    let keyless = post(&client, &upstream, "chat/completions", &json!({"model": "m"})).await;
    assert_eq!(keyless.status(), StatusCode::UNAUTHORIZED);
    let url = format!("{}/chat/completions", upstream.base_url());
    let garbled = client.post(&url).bearer_auth("key").body("{").send().await.unwrap();
    assert_eq!(garbled.status(), StatusCode::BAD_REQUEST);
    let stats = upstream.stats();
    assert_eq!((stats.accepted, stats.refused, stats.unauthorized), (0, 0, 1));
    assert_eq!(stats.attainable, 0);
    let served = client.post(&url).bearer_auth("key").body("{}").send().await.unwrap();
    assert_eq!(served.status(), StatusCode::OK);
}

#[tokio::test]
async fn dropping_it_breaks_open_streams_and_closes_the_port() {
    let options = UpstreamOptions { chunk_gap: Duration::from_secs(3600), ..UpstreamOptions::default() };
    let (upstream, client) = mk_upstream(options).await;
    let asked = json!({"model": "m", "stream": true});
    let mut streamed = post(&client, &upstream, "chat/completions", &asked).await;
    assert!(streamed.chunk().await.unwrap().is_some(), "the first word comes at once");
    let addr = upstream.addr();
    drop(upstream);
    assert!(streamed.chunk().await.is_err(), "a broken stream, not a clean end");
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn share_of_quota_compares_with_evenly_spaced_requests() {
    let quota = Quota::new(UpstreamOptions { quota: 6, ..UpstreamOptions::default() });
    assert!(quota.stats().quota_used().abs() < f64::EPSILON);
    for _ in 0..3 {
        quota.arrive().await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    let stats = quota.stats();
    assert_eq!((stats.accepted, stats.attainable), (3, 7), "at 0, 10, 20, 30, 40, 50 and 60 s");
    assert!((stats.quota_used() - 3.0 / 7.0).abs() < 1e-9);
}
