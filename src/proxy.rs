//! The data plane: what is between the application's request and the upstream's answer.
//!
//! `forward` shows the path of one request on one screen; every step is a file of its own.
//! Three things are decided in exactly one place each: what an upstream's answer means
//! (`classify`), what an error looks like (`error`) and what a request counts as (`exchange`).

mod advice;
mod answer;
mod attempts;
mod base;
mod body;
mod classify;
mod deadline;
mod error;
mod exchange;
mod forward;
mod headers;
mod hop_by_hop;
mod key;
mod matching;
mod model;
mod model_gates;
mod relay;
mod retry_after;
mod stamp;
mod trace_id;
mod upstream;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join};
use http::{HeaderMap, Method, Response};
use tokio::sync::watch;
use tokio::time::Instant;

pub use base::{BadBase, UpstreamBase};
pub use key::{ApiKey, BadKey, KeyFileError, KeySource};
pub use upstream::ClientError;

use body::Budget;
use error::{BodyLimits, Failure};
use exchange::Closing;
use forward::{Shared, forward};
use key::{Key, KeyFile};
use model_gates::ModelGates;
use stamp::Outgoing;
use upstream::{Outbound, Patience, Roots, Upstream};

use crate::limiter::Settings;
use crate::metrics::Metrics;
use crate::scheduler::Scheduler;

/// How long the upstream has to answer [`Proxy::upstream_check`]; fixed by the product's origin.
const CHECK_WITHIN: Duration = Duration::from_secs(5);

/// What the proxy needs to know to start, and never again.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where requests go.
    pub upstream: UpstreamBase,
    /// Whose key they carry.
    pub key: KeySource,
    /// The longest request body that is accepted, in bytes.
    pub body_limit: usize,
    /// What all buffered request bodies together may hold, in bytes.
    pub body_budget: usize,
}

impl Options {
    /// The default of `body_limit`: a long conversation with a few images.
    pub const BODY_LIMIT: usize = 32 * 1024 * 1024;
    /// The default of `body_budget`: half of the 512 MiB the origin gives the whole process.
    pub const BODY_BUDGET: usize = 256 * 1024 * 1024;
}

/// The proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The HTTP client cannot be built.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The data plane of one sidecar. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy and the task that keeps it up to date: a rotated key file, a changed
    /// `timeouts.connectSeconds`. The task ends only by being dropped.
    ///
    /// # Errors
    /// The key file or the HTTP client cannot be used.
    pub fn new(
        options: Options,
        scheduler: Scheduler,
        settings: watch::Receiver<Arc<Settings>>,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, BoxFuture<'static, ()>), StartError> {
        let (key, key_file) = Key::open(options.key)?;
        let connect = settings.borrow().timeouts.connect;
        let shared = Arc::new(Shared {
            base: options.upstream,
            upstream: Upstream::new(connect, Roots::System)?,
            key,
            limits: BodyLimits { each: options.body_limit, all: options.body_budget },
            budget: Budget::new(options.body_budget, metrics.requests.buffered_bytes.clone()),
            scheduler,
            settings,
            model_gates: ModelGates::default(),
            closing: Closing::default(),
            metrics,
        });
        let upkeep = join(follow_key(Arc::clone(&shared), key_file), follow_settings(Arc::clone(&shared)));
        Ok((Self { shared }, upkeep.map(|_| ()).boxed()))
    }

    /// Serves `/v1/*`; every other path is a 404 in the API's error format.
    pub fn router(&self) -> Router {
        let shared = Arc::clone(&self.shared);
        Router::new().fallback(move |request: Request| {
            let shared = Arc::clone(&shared);
            survive(Arc::clone(&shared.metrics), forward(shared, request))
        })
    }

    /// To be called before connections are ended that still have a request on them: their log lines then
    /// say that the sidecar cut them off, and not that the application left.
    pub fn close(&self) {
        self.shared.closing.begin();
    }

    /// A question that costs no quota: does the upstream answer `GET {upstream}/models` below 500
    /// within 5 s?
    pub fn upstream_check(&self) -> impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || check(Arc::clone(&shared)).boxed()
    }
}

/// The one place a panic of a handler ends: one request fails, and says so.
async fn survive(metrics: Arc<Metrics>, handler: impl Future<Output = Response<Body>>) -> Response<Body> {
    // Boxed, since what wraps a future would hold it twice: half of what a waiting request costs.
    AssertUnwindSafe(Box::pin(handler)).catch_unwind().await.unwrap_or_else(|_| {
        metrics.panics.inc();
        tracing::error!("a request handler panicked");
        Failure::Panicked.respond(&metrics, None, None)
    })
}

async fn check(shared: Arc<Shared>) -> bool {
    let mut headers = HeaderMap::new();
    headers.extend(shared.key.authorization().map(|key| (http::header::AUTHORIZATION, key)));
    let body = Outgoing::streamed(Body::empty());
    let outbound = Outbound { method: Method::GET, url: shared.base.models(), headers, body };
    let patience = Patience { idle: None, until: Some(Instant::now() + CHECK_WITHIN) };
    let answer = shared.upstream.send(outbound, patience).await;
    answer.is_ok_and(|answer| !answer.status().is_server_error())
}

async fn follow_key(shared: Arc<Shared>, file: Option<KeyFile>) {
    if let Some(file) = file {
        file.follow(Arc::clone(&shared.key)).await;
    }
}

/// Builds a new client whenever the connect time-out changes.
async fn follow_settings(shared: Arc<Shared>) {
    let mut settings = shared.settings.clone();
    let mut in_force = settings.borrow_and_update().timeouts.connect;
    while settings.changed().await.is_ok() {
        let wanted = settings.borrow_and_update().timeouts.connect;
        if wanted == in_force {
            continue;
        }
        match shared.upstream.set_connect_timeout(wanted) {
            Ok(()) => in_force = wanted,
            Err(reason) => tracing::error!(%reason, "timeouts.connectSeconds keeps its old value"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panicking_handler_is_answered_counted_and_survived() {
        let metrics = Arc::new(Metrics::new("test"));
        let response = survive(Arc::clone(&metrics), async { panic!("on purpose") }).await;
        assert_eq!(response.status(), 500);
        assert_eq!(metrics.panics.get(), 1);
    }
}
