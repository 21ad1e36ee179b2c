//! `/metrics`: the Prometheus text format.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::get;
use http::header::CONTENT_TYPE;

use super::State;
use crate::limiter::{PaceState, Priority, Snapshot};
use crate::metrics::Metrics;

/// What Prometheus asks for and older scrapers insist on.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(state)
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> ([(http::HeaderName, &'static str); 1], String) {
    let metrics = &state.parts.metrics;
    refresh(metrics, &state.parts.scheduler.snapshot());
    metrics.uptime_seconds.set(state.uptime().as_secs_f64());
    metrics.health_status.set(i64::from(state.parts.readiness.check().is_ok()));
    ([(CONTENT_TYPE, TEXT_FORMAT)], metrics.render())
}

/// Gauges that nobody keeps up to date between scrapes.
fn refresh(metrics: &Metrics, snapshot: &Snapshot) {
    let queue = &metrics.queue;
    for (priority, depth) in Priority::ALL.into_iter().zip(snapshot.depth) {
        queue.depth(priority).set(gauge(depth));
    }
    queue.limit.set(gauge(snapshot.queue_limit));
    queue.tokens_available.set(snapshot.tokens);
    queue.tokens_rate.set(f64::from(snapshot.effective_rpm));
    queue.window_used.set(gauge(snapshot.window_used));
    queue.window_limit.set(i64::from(snapshot.window_limit));
    queue.gate_seconds.set(snapshot.paused().as_secs_f64());
    metrics.policy.rate_rpm.set(i64::from(snapshot.base_rpm));
    let (retreat, learned) = (&metrics.retreat, &snapshot.learned);
    retreat.state.set(state(learned.state));
    retreat.effective_rate_rpm.set(f64::from(snapshot.effective_rpm));
    retreat.upstream_429_rate.set(snapshot.refusal_ratio);
    retreat.learned_limit_rpm.set(learned.limit_rpm.map_or(0.0, f64::from));
    retreat.set_episodes(learned.episodes);
}

/// Fixed by the product's origin.
fn state(state: PaceState) -> i64 {
    match state {
        PaceState::Normal => 0,
        PaceState::Retreat => 1,
        PaceState::Recover => 2,
    }
}

fn gauge(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
