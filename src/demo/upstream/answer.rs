//! The endpoints and what they answer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};

use super::Quota;
use super::admission::{Admitted, Authorized, refusal};

/// Answers say when they were made; nobody reads it here, and a constant keeps them equal.
const CREATED: u64 = 1_700_000_000;

/// As much as the sidecar lets through, and more.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

pub(super) fn router(quota: Arc<Quota>) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completion))
        .route("/v1/embeddings", post(embedding))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(quota)
}

async fn models(Authorized: Authorized) -> Json<Value> {
    let model = |id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "pacer"});
    Json(json!({"object": "list", "data": [model("demo-small"), model("demo-large")]}))
}

async fn chat(admitted: Admitted) -> Response {
    if admitted.asked.stream {
        return stream_chat(admitted);
    }
    let message = json!({"role": "assistant", "content": text(admitted.chunks)});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    answer("chatcmpl-demo", "chat.completion", &admitted, &choice).into_response()
}

async fn completion(admitted: Admitted) -> Json<Value> {
    let choice =
        json!({"index": 0, "text": text(admitted.chunks), "logprobs": null, "finish_reason": "stop"});
    answer("cmpl-demo", "text_completion", &admitted, &choice)
}

async fn embedding(admitted: Admitted) -> Json<Value> {
    Json(json!({
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.75]}],
        "model": admitted.asked.model,
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }))
}

async fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "no such endpoint", "not_found")
}

fn answer(id: &str, object: &str, admitted: &Admitted, choice: &Value) -> Json<Value> {
    let words = u64::from(admitted.chunks);
    Json(json!({
        "id": id, "object": object, "created": CREATED, "model": admitted.asked.model, "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": words, "total_tokens": words + 1},
    }))
}

/// One event a chunk, each made when its time has come, then the finish reason and `[DONE]`.
fn stream_chat(admitted: Admitted) -> Response {
    let Admitted { asked, chunks, chunk_gap } = admitted;
    let events = stream::unfold(0, move |index| {
        let event = (index <= chunks.saturating_add(1)).then(|| event(&asked.model, index, chunks));
        async move {
            let event = event?;
            if index > 0 && !chunk_gap.is_zero() {
                tokio::time::sleep(chunk_gap).await;
            }
            Some((Ok::<_, Infallible>(event), index + 1))
        }
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(events)).into_response()
}

/// Event number `index` of a stream of `chunks` words.
fn event(model: &str, index: u32, chunks: u32) -> Bytes {
    if index > chunks {
        return Bytes::from_static(b"data: [DONE]\n\n");
    }
    let (delta, finish_reason) = match index {
        last if last == chunks => (json!({}), json!("stop")),
        0 => (json!({"role": "assistant", "content": word(0)}), Value::Null),
        middle => (json!({"content": word(middle)}), Value::Null),
    };
    let chunk = json!({
        "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": CREATED, "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    });
    Bytes::from(format!("data: {chunk}\n\n"))
}

/// A plain answer says what a stream says.
fn text(chunks: u32) -> String {
    (0..chunks).map(word).collect()
}

fn word(index: u32) -> String {
    format!("word{index} ")
}
