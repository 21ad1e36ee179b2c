//! Chat completions, whole or in pieces.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Rules, Upstream, Verdict};

/// What of a request matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    model: String,
    #[serde(default)]
    stream: bool,
}

pub(super) async fn answer(State(upstream): State<Arc<Upstream>>, Json(asked): Json<Asked>) -> Response {
    match upstream.arrive() {
        // As NVIDIA's API words them.
        Verdict::TooMany => problem(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        Verdict::Unavailable => problem(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Verdict::Accepted => {
            tokio::time::sleep(Duration::from_millis(upstream.rules().delay_ms)).await;
            if asked.stream { in_pieces(upstream, asked.model) } else { whole(&upstream, &asked.model).await }
        }
    }
}

fn problem(status: StatusCode, title: &str) -> Response {
    (status, Json(json!({"status": status.as_u16(), "title": title}))).into_response()
}

async fn whole(upstream: &Upstream, model: &str) -> Response {
    upstream.released().await;
    upstream.with_seen(|seen| seen.counts.completed += 1);
    let message = json!({"role": "assistant", "content": "a few words"});
    Json(json!({
        "id": "chatcmpl-e2e", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
    }))
    .into_response()
}

/// An open stream, counted for as long as it is.
struct Open {
    upstream: Arc<Upstream>,
    rules: Rules,
    model: String,
}

impl Open {
    fn new(upstream: Arc<Upstream>, model: String) -> Self {
        upstream.with_seen(|seen| {
            seen.counts.open_streams += 1;
            seen.counts.max_open_streams = seen.counts.max_open_streams.max(seen.counts.open_streams);
        });
        Self { rules: upstream.rules(), upstream, model }
    }

    /// Event number `index`, when its time has come; there are as many as pieces, and `[DONE]`.
    async fn event(&self, index: u32) -> Option<Bytes> {
        if index > self.rules.chunks {
            return None;
        }
        if index > 0 {
            tokio::time::sleep(Duration::from_millis(self.rules.chunk_gap_ms)).await;
            self.upstream.released().await;
        }
        if index == self.rules.chunks {
            self.upstream.with_seen(|seen| seen.counts.completed += 1);
            return Some(Bytes::from_static(b"data: [DONE]\n\n"));
        }
        let last = index + 1 == self.rules.chunks;
        let finish_reason = if last { json!("stop") } else { Value::Null };
        let chunk = json!({
            "id": "chatcmpl-e2e", "object": "chat.completion.chunk", "created": 0, "model": self.model,
            "choices": [{"index": 0, "delta": {"content": format!("word{index} ")}, "finish_reason": finish_reason}],
        });
        Some(Bytes::from(format!("data: {chunk}\n\n")))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.upstream.with_seen(|seen| seen.counts.open_streams -= 1);
    }
}

fn in_pieces(upstream: Arc<Upstream>, model: String) -> Response {
    let open = Open::new(upstream, model);
    let events = stream::unfold((open, 0), |(open, index)| async move {
        let event = open.event(index).await?;
        Some((Ok::<_, Infallible>(event), (open, index + 1)))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(events)).into_response()
}
