//! Who gets an answer at all.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::Quota;
use super::window::QuotaExceeded;

/// Somebody who brought a key, or did not need to.
pub(super) struct Authorized;

impl FromRequestParts<Arc<Quota>> for Authorized {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, quota: &Arc<Quota>) -> Result<Self, Response> {
        if quota.options.requires_authorization && !carries_key(&parts.headers) {
            quota.turn_away();
            return Err(refusal(StatusCode::UNAUTHORIZED, "no API key", "invalid_api_key"));
        }
        Ok(Self)
    }
}

fn carries_key(headers: &HeaderMap) -> bool {
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    value.and_then(|value| value.strip_prefix(b"Bearer ")).is_some_and(|key| !key.is_empty())
}

/// What of a request matters here.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    pub(super) stream: bool,
}

/// A request within the quota whose answer is ready: what it asked, and what it is answered from.
pub(super) struct Admitted {
    pub(super) asked: Asked,
    pub(super) chunks: u32,
    pub(super) chunk_gap: Duration,
}

impl FromRequest<Arc<Quota>> for Admitted {
    type Rejection = Response;

    /// The order of a real API: who is it, is it a request at all, is there quota left.
    async fn from_request(request: Request, quota: &Arc<Quota>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Authorized = Authorized::from_request_parts(&mut parts, quota).await?;
        let body = Bytes::from_request(Request::from_parts(parts, body), quota)
            .await
            .map_err(IntoResponse::into_response)?;
        let asked = serde_json::from_slice(&body)
            .map_err(|error| refusal(StatusCode::BAD_REQUEST, &error.to_string(), "invalid_json"))?;
        let options = &quota.options;
        let latency = quota.arrive().await.map_err(|full| too_many(full, options.sends_retry_after))?;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        Ok(Self { asked, chunks: options.chunks, chunk_gap: options.chunk_gap })
    }
}

/// In the form NVIDIA's API is seen to use, which is not the one `OpenAI`'s clients parse.
fn too_many(exceeded: QuotaExceeded, sends_retry_after: bool) -> Response {
    let body = Json(json!({"status": 429, "title": "Too Many Requests"}));
    let mut response = (StatusCode::TOO_MANY_REQUESTS, body).into_response();
    if sends_retry_after {
        let seconds = exceeded.retry_after.as_millis().div_ceil(1000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

pub(super) fn refusal(status: StatusCode, message: &str, code: &str) -> Response {
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    (status, Json(json!({"error": error}))).into_response()
}
