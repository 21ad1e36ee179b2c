//! Port 9191: probes, metrics, the status and the page. Read-only, and without secrets.
//!
//! The three probes read atomics and nothing else, so that they answer whatever the load
//! or the upstream does. Everything that asks the scheduler or the upstream has a path of its own.

mod checker;
mod dashboard;
mod exposition;
#[cfg(test)]
mod fixture;
mod health;
mod probes;
mod readiness;
mod settings_view;
mod status;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use http::StatusCode;
use tokio::sync::watch;
use tokio::time::Instant;

pub use readiness::{Readiness, Unready};

use checker::Checker;
use dashboard::{History, Latest};

use crate::limiter::Settings;
use crate::metrics::{Metrics, PolicySource, PolicyState};
use crate::scheduler::Scheduler;

/// Every path of the port.
pub const PATHS: [&str; 13] = [
    "/livez",
    "/readyz",
    "/startupz",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/status",
    "/dashboard",
    "/dashboard/data",
    "/dashboard/page.css",
    "/dashboard/page.js",
    "/dashboard/chart.js",
];

/// What the port reports on.
pub struct Parts {
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// The queue, the bucket and the window.
    pub scheduler: Scheduler,
    /// The settings in force.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The latch the probes read.
    pub readiness: Arc<Readiness>,
    /// Where the settings come from.
    pub policy: Box<dyn Fn() -> PolicyView + Send + Sync>,
    /// Whether the upstream answers; takes 5 s at most.
    pub upstream: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

/// Where the settings in force come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyView {
    /// What decided them.
    pub source: PolicySource,
    /// How following the policy goes.
    pub state: PolicyState,
    /// When it came into this state.
    pub since: Instant,
    /// Why it is in this state, where that is not as wished.
    pub reason: Option<String>,
    /// Name of the policy in force.
    pub name: Option<String>,
    /// Namespace of the policy in force.
    pub namespace: Option<String>,
    /// `metadata.generation` of the policy in force.
    pub generation: Option<i64>,
    /// Why the newest policy is not in force.
    pub rejected: Option<String>,
}

/// The port's handlers. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    state: Arc<State>,
}

/// What the handlers share.
struct State {
    parts: Parts,
    checker: Checker,
    history: History,
    latest: Latest,
    started: Instant,
}

impl Admin {
    /// The handlers, and the task that checks what the sidecar depends on and keeps its last minutes.
    pub fn new(parts: Parts) -> (Self, BoxFuture<'static, ()>) {
        let state = Arc::new(State {
            parts,
            checker: Checker::default(),
            history: History::default(),
            latest: Latest::default(),
            started: Instant::now(),
        });
        let work = future::join(checker::run(state.clone()), dashboard::sample(state.clone()));
        (Self { state }, work.map(|_| ()).boxed())
    }

    /// Everything the port answers.
    pub fn router(&self) -> Router {
        probes::router(self.state.clone())
            .merge(health::router(self.state.clone()))
            .merge(exposition::router(self.state.clone()))
            .merge(status::router(self.state.clone()))
            .merge(dashboard::router(self.state.clone()))
            .method_not_allowed_fallback(read_only)
            .fallback(unknown_path)
    }

    /// `/health`, `/health/live` and `/health/ready`, which the application's port answers too.
    pub fn health_router(&self) -> Router {
        health::router(self.state.clone())
    }
}

impl State {
    fn uptime(&self) -> Duration {
        Instant::now().duration_since(self.started)
    }
}

async fn read_only() -> (StatusCode, &'static str) {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "nothing here changes a setting: GET and HEAD only; the RateLimitPolicy is the admin interface\n",
    )
}

async fn unknown_path() -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("there is {} here\n", PATHS.join(", ")))
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
