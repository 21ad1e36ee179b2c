//! Where the settings in force come from, and how a change reaches those who use them.
//!
//! A source is read, checked by [`crate::api`], turned into [`Settings`] and published
//! on a `watch` channel. A policy that is refused changes nothing: the last good one
//! stays in force, and metric, log and [`Report`] say why. So does a policy that
//! disappears, because a mistaken delete must not change the pressure on a shared key,
//! and one whose source cannot be reached any more.

mod cache;
mod check;
pub mod cluster;
mod convert;
mod document;
mod error;
mod fields;
mod file;
mod publish;
mod report;

use std::future;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::limiter::Settings;
use crate::metrics::{Metrics, PolicyState};

pub use check::check;
pub use cluster::Named;
pub use error::Error;
pub use report::{Feed, Report};

use publish::Publisher;

/// Where the policy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// There is none: flags and environment decide, once and for all.
    Environment,
    /// One `RateLimitPolicy` in a YAML file, followed as it changes.
    File(PathBuf),
    /// One `RateLimitPolicy` of the cluster, followed as it changes.
    Cluster(Named),
}

/// Announces the source and returns the future that follows it.
pub type Follow = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Reads a file for the first time, so that what is wrong with it is known before a port is bound.
///
/// The function announces the source in the log, once nothing else can go wrong, and returns the future that follows
/// it. That never ends by itself and keeps the feed's channels open: run it until the sidecar ends. A cluster is asked
/// only then: what decides the first settings is known when [`Feed::decided`] ends.
///
/// # Errors
/// The file cannot be read or holds no acceptable policy. Nothing about a cluster is an error: the sidecar serves
/// without one, and says so.
pub fn start(source: Source, bootstrap: Settings, metrics: Arc<Metrics>) -> Result<(Feed, Follow), Error> {
    match source {
        Source::Environment => {
            let publisher = Publisher::new(PolicyState::Unused, bootstrap, metrics);
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
            let publisher = Publisher::new(PolicyState::Starting, bootstrap, metrics);
            let first = publisher.begin(policy, PolicyState::Synced, None);
            let feed = publisher.feed();
            let follow = move || {
                publisher.announce(&first);
                file::follow(file, publisher).boxed()
            };
            Ok((feed, Box::new(follow)))
        }
        Source::Cluster(named) => Ok(cluster::start(
            named,
            cluster::from_surroundings(),
            cluster::Timing::default(),
            bootstrap,
            metrics,
        )),
    }
}

#[cfg(test)]
mod tests;
