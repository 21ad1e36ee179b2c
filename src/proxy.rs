//! The data plane: the seam, until requests can be forwarded.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::sync::watch;

use crate::limiter::Settings;
use crate::metrics::Metrics;
use crate::scheduler::Scheduler;

/// What the proxy needs to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where requests go.
    pub upstream: UpstreamBase,
    /// The key that is attached.
    pub key: KeySource,
    /// Bytes one body may hold.
    pub body_limit: usize,
    /// Bytes all bodies together may hold.
    pub body_budget: usize,
}

/// Base URL of the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamBase(String);

/// The URL is not one the proxy can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an http:// or https:// URL")]
pub struct InvalidUpstream;

impl FromStr for UpstreamBase {
    type Err = InvalidUpstream;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if url.starts_with("http://") || url.starts_with("https://") {
            return Ok(Self(url.to_owned()));
        }
        Err(InvalidUpstream)
    }
}

impl fmt::Display for UpstreamBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The client's own header is forwarded.
    None,
    /// A fixed key.
    Value(ApiKey),
    /// A file that is read again when it changes.
    File(PathBuf),
}

/// The key.
#[derive(Clone)]
pub struct ApiKey(());

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// The key holds what no header may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of visible ASCII characters")]
pub struct InvalidKey;

impl TryFrom<String> for ApiKey {
    type Error = InvalidKey;

    fn try_from(key: String) -> Result<Self, Self::Error> {
        if key.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(Self(())) } else { Err(InvalidKey) }
    }
}

/// The proxy cannot start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

/// The data plane.
#[derive(Clone, Debug)]
pub struct Proxy {}

impl Proxy {
    /// A proxy and the task that keeps its key and its client fresh.
    pub fn new(
        options: Options,
        scheduler: Scheduler,
        settings: watch::Receiver<Arc<Settings>>,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, BoxFuture<'static, ()>), StartError> {
        let _ = (options, scheduler, settings, metrics);
        Ok((Self {}, std::future::pending().boxed()))
    }

    /// `/v1/*` and a fallback.
    pub fn router(&self) -> Router {
        Router::new().fallback(|| async { StatusCode::NOT_IMPLEMENTED })
    }

    /// Asks the upstream whether it answers.
    pub fn upstream_check(&self) -> impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static {
        || std::future::ready(true).boxed()
    }
}
