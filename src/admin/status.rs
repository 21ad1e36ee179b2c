//! `/status`: everything at one instant, in JSON, for people and for tests.

mod retreat;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::readiness::Unready;
use super::{PolicyView, State, settings_view};
use crate::limiter::{Priority, Snapshot};
use crate::metrics::{Metrics, RefusalReason, RequestStatus};
use retreat::Retreat;

/// `/status`.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new().route("/status", get(status)).with_state(state)
}

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    /// RFC 3339, UTC.
    timestamp: String,
    uptime_seconds: f64,
    version: &'static str,
    ready: bool,
    /// `starting`, `draining` or `gated`, when it is not ready.
    unready_because: Option<&'static str>,
    draining: bool,
    policy: Policy,
    settings: Value,
    token_bucket: TokenBucket,
    window: Window,
    gate: Gate,
    queue: Queue,
    retreat: Retreat,
    requests: Requests,
    errors: Errors,
    in_flight: i64,
    streams_open: i64,
    buffered_bytes: i64,
}

#[derive(Debug, Serialize)]
struct Policy {
    source: &'static str,
    state: &'static str,
    /// How long it has been in this state.
    state_seconds: f64,
    reason: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    generation: Option<i64>,
    rejected: Option<String>,
}

#[derive(Debug, Serialize)]
struct TokenBucket {
    tokens: f64,
    capacity: u32,
    tokens_per_minute: u32,
}

#[derive(Debug, Serialize)]
struct Window {
    used: u64,
    limit: u32,
}

#[derive(Debug, Serialize)]
struct Gate {
    /// Seconds until the upstream may be asked again; 0 when it may.
    closed_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Queue {
    depth: BTreeMap<&'static str, usize>,
    total: usize,
    limit: usize,
}

/// Requests that ended.
#[derive(Debug, Serialize)]
struct Requests {
    total: u64,
    /// Those that the policy matches.
    limited: u64,
    /// Those that it does not.
    unpaced: u64,
    passthrough: u64,
    ratelimited: u64,
    /// Refused by the sidecar itself, by reason.
    refused: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Errors {
    queue_full_rejects: u64,
    upstream_errors: u64,
}

async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    Json(Status::of(&state, &state.parts.scheduler.snapshot()))
}

impl Status {
    /// How the sidecar is doing now, `snapshot` having just been taken.
    pub(super) fn of(state: &State, snapshot: &Snapshot) -> Self {
        let parts = &state.parts;
        let unready = parts.readiness.check().err();
        let metrics = &parts.metrics;
        let requests = &metrics.requests;
        let settings = settings_view::spec(&parts.settings.borrow());
        Self {
            timestamp: timestamp(),
            uptime_seconds: state.uptime().as_secs_f64(),
            version: env!("CARGO_PKG_VERSION"),
            ready: unready.is_none(),
            unready_because: unready.map(Unready::as_str),
            draining: parts.readiness.is_draining(),
            policy: Policy::from((parts.policy)()),
            settings,
            token_bucket: TokenBucket::from(snapshot),
            window: Window { used: snapshot.window_used, limit: snapshot.window_limit },
            gate: Gate { closed_seconds: snapshot.paused().as_secs_f64() },
            queue: Queue::from(snapshot),
            retreat: Retreat::new(snapshot, parts.scheduler.last_transition()),
            requests: Requests::from(&**metrics),
            errors: Errors::from(&**metrics),
            in_flight: requests.in_flight.get(),
            streams_open: requests.streams_open.get(),
            buffered_bytes: requests.buffered_bytes.get(),
        }
    }
}

/// Now, as log lines tell it.
fn timestamp() -> String {
    let mut text = String::new();
    // Writing into a String does not fail.
    SystemTime.format_time(&mut Writer::new(&mut text)).ok();
    text
}

impl From<PolicyView> for Policy {
    fn from(view: PolicyView) -> Self {
        let PolicyView { source, state, since, reason, name, namespace, generation, rejected } = view;
        Self {
            source: source.as_str(),
            state: state.as_str(),
            state_seconds: Instant::now().duration_since(since).as_secs_f64(),
            reason,
            name,
            namespace,
            generation,
            rejected,
        }
    }
}

impl From<&Snapshot> for TokenBucket {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            tokens: snapshot.tokens,
            capacity: snapshot.capacity,
            tokens_per_minute: snapshot.effective_rpm,
        }
    }
}

impl From<&Snapshot> for Queue {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            depth: Priority::ALL.map(Priority::as_str).into_iter().zip(snapshot.depth).collect(),
            total: snapshot.depth.iter().sum(),
            limit: snapshot.queue_limit,
        }
    }
}

impl From<&Metrics> for Requests {
    fn from(metrics: &Metrics) -> Self {
        let requests = &metrics.requests;
        let of = |status: RequestStatus| -> u64 {
            Priority::ALL.iter().map(|priority| requests.finished(*priority, status).get()).sum()
        };
        let limited: u64 = RequestStatus::ALL.map(of).iter().sum();
        let unpaced: u64 = RequestStatus::ALL.iter().map(|status| requests.unpaced(*status).get()).sum();
        Self {
            total: limited + unpaced,
            limited,
            unpaced,
            passthrough: requests.passthrough.get(),
            ratelimited: of(RequestStatus::RateLimited),
            refused: RefusalReason::ALL
                .map(|reason| (reason.as_str(), requests.refused(reason).get()))
                .into_iter()
                .collect(),
        }
    }
}

impl From<&Metrics> for Errors {
    fn from(metrics: &Metrics) -> Self {
        Self {
            queue_full_rejects: metrics.requests.refused(RefusalReason::QueueFull).get(),
            upstream_errors: metrics.upstream.errors_total(),
        }
    }
}
