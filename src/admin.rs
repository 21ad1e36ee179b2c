//! Port 9191: probes, metrics and the status. Read-only, and without secrets.
//!
//! The three probes read atomics and nothing else, so that they answer whatever the load
//! or the upstream does. Everything that asks the scheduler or the upstream has a path of its own.

mod probes;
mod readiness;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

pub use readiness::Readiness;

use crate::limiter::Settings;
use crate::metrics::{Metrics, PolicySource};
use crate::scheduler::Scheduler;

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
    /// Whether the upstream answers.
    pub upstream: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

/// Where the settings in force come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyView {
    /// What decided them.
    pub source: PolicySource,
    /// Name of the policy in force.
    pub name: Option<String>,
    /// Namespace of the policy in force.
    pub namespace: Option<String>,
    /// `metadata.generation` of the policy in force.
    pub generation: Option<i64>,
    /// Why the newest policy is not in force.
    pub rejected: Option<String>,
    /// What was accepted and is not acted on.
    pub not_in_force: Vec<String>,
}

/// The port's handlers. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    state: Arc<State>,
}

struct State {
    parts: Parts,
    started: Instant,
}

impl Admin {
    /// The handlers, and the task that checks what the sidecar depends on.
    pub fn new(parts: Parts) -> (Self, BoxFuture<'static, ()>) {
        let state = Arc::new(State { parts, started: Instant::now() });
        (Self { state }, std::future::pending().boxed())
    }

    /// Everything the port answers.
    pub fn router(&self) -> Router {
        probes::router(self.state.clone())
    }

    /// `/health`, `/health/live` and `/health/ready`, which the application's port answers too.
    pub fn health_router(&self) -> Router {
        Router::new()
    }
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
