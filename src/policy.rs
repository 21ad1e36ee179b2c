//! Where the settings in force come from, and how a change reaches those who use them.
//!
//! A source is read, checked by [`crate::api`], turned into [`Settings`] and published
//! on a `watch` channel. A policy that is refused changes nothing: the last good one
//! stays in force, and metric, log and [`Report`] say why. So does a policy that
//! disappears, because a mistaken delete must not change the pressure on a shared key.

mod check;
mod convert;
mod document;
mod error;
mod fields;
mod file;
mod publish;

use std::future;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::limiter::Settings;
use crate::metrics::{Metrics, PolicySource};

pub use check::check;
pub use error::Error;

use publish::Publisher;

/// Where the policy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// There is none: flags and environment decide, once and for all.
    Environment,
    /// One `RateLimitPolicy` in a YAML file, followed as it changes.
    File(PathBuf),
}

/// What the rest of the sidecar sees of the policy.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The settings in force. They change only when they differ.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Where they come from, and what is not as its author wishes.
    pub report: watch::Receiver<Report>,
}

/// Where the settings in force come from, and what is not as their author wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What decided the settings in force.
    pub source: PolicySource,
    /// `metadata.name` of the policy in force.
    pub name: Option<String>,
    /// `metadata.namespace` of the policy in force.
    pub namespace: Option<String>,
    /// `metadata.generation` of the policy in force.
    pub generation: Option<i64>,
    /// Why the newest policy is not in force; `None` when it is.
    pub rejected: Option<String>,
    /// What the policy in force asks for and this version does not do, like
    /// `spec.retreat.mode: Enabled (...)`.
    pub not_in_force: Vec<String>,
}

/// Announces the source and returns the future that follows it.
pub type Follow = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Reads the source for the first time, so that what is wrong with it is known before a port is bound.
///
/// The function announces the source in the log, once nothing else can go wrong, and returns the future that follows
/// it. That never ends by itself and keeps the feed's channels open: run it until the sidecar ends.
///
/// # Errors
/// The file cannot be read or holds no acceptable policy.
pub fn start(source: Source, bootstrap: Settings, metrics: Arc<Metrics>) -> Result<(Feed, Follow), Error> {
    match source {
        Source::Environment => {
            let publisher = Publisher::new(PolicySource::Environment, bootstrap, metrics);
            let feed = publisher.feed();
            let follow = move || {
                publisher.announce_bootstrap();
                let kept_open = async move {
                    future::pending::<()>().await;
                    drop(publisher);
                };
                kept_open.boxed()
            };
            Ok((feed, Box::new(follow)))
        }
        Source::File(path) => {
            let (file, policy) = file::open(path)?;
            let publisher = Publisher::new(PolicySource::File, bootstrap, metrics);
            let first = publisher.begin(policy);
            let feed = publisher.feed();
            let follow = move || {
                publisher.announce(&first);
                file::follow(file, publisher).boxed()
            };
            Ok((feed, Box::new(follow)))
        }
    }
}

#[cfg(test)]
mod tests;
