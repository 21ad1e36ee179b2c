//! `/health*`: the same questions in JSON, for the application and for people.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use super::State;
use super::checker::{Checked, Unhealthy};
use super::readiness::Unready;

/// `/health`, `/health/live` and `/health/ready`.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/health", get(live))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(state)
}

/// The process answers.
#[derive(Debug, Serialize)]
struct Live {
    status: &'static str,
    /// Seconds since the sidecar started.
    uptime: u64,
    version: &'static str,
}

/// Whether requests would be served well right now.
#[derive(Debug, Default, Serialize)]
struct Readiness {
    ready: bool,
    upstream_reachable: Option<bool>,
    queue_healthy: Option<bool>,
    token_bucket_healthy: Option<bool>,
    reason: Option<&'static str>,
    hint: Option<&'static str>,
    /// How old the three verdicts are.
    checked_seconds_ago: Option<u64>,
    /// Finds the log line about the check.
    trace_id: Option<String>,
}

async fn live(Shared(state): Shared<Arc<State>>) -> Json<Live> {
    Json(Live { status: "ok", uptime: state.uptime().as_secs(), version: env!("CARGO_PKG_VERSION") })
}

async fn ready(Shared(state): Shared<Arc<State>>) -> (StatusCode, Json<Readiness>) {
    let checked = state.checker.ask().await;
    let unready = state.parts.readiness.check().err();
    let answer = Readiness::new(checked, unready, Instant::now());
    let status = if answer.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(answer))
}

impl Readiness {
    fn new(checked: Option<Checked>, unready: Option<Unready>, now: Instant) -> Self {
        let Some(checked) = checked else {
            return Self {
                reason: Some(unready.map_or("not_checked_yet", Unready::as_str)),
                hint: Some("the first check has not come back: ask again"),
                ..Self::default()
            };
        };
        let unhealthy = |Unhealthy { reason, hint, .. }| (reason, hint);
        let fault = blocking(unready).or_else(|| checked.unhealthy().map(unhealthy));
        Self {
            ready: fault.is_none(),
            upstream_reachable: Some(checked.upstream),
            queue_healthy: Some(checked.queue),
            token_bucket_healthy: Some(checked.tokens),
            reason: fault.map(|(reason, _)| reason),
            hint: fault.map(|(_, hint)| hint),
            checked_seconds_ago: Some(now.duration_since(checked.at).as_secs()),
            trace_id: Some(checked.trace_id),
        }
    }
}

/// What stands before any dependency. A shut gate is told by the dependency behind it.
fn blocking(unready: Option<Unready>) -> Option<(&'static str, &'static str)> {
    let unready = unready?;
    let hint = match unready {
        Unready::Starting => {
            "the ports are being bound, or the policy's first answer is waited for, 5 s at most: see /status"
        }
        Unready::Draining => "the sidecar was asked to stop",
        Unready::Gated => return None,
    };
    Some((unready.as_str(), hint))
}
