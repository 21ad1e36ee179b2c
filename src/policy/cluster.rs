//! One `RateLimitPolicy` of a cluster, by name, as the API server holds it.
//!
//! [`answers`] speaks with the API server for ever: it connects, lists, watches, and starts again after whatever
//! goes wrong, later and later. [`follower`] judges what comes: which object is newer, what it means when there is
//! none, what decides before the first answer. Nothing that a cluster says or does ends the sidecar.

mod answers;
mod backoff;
mod connect;
mod follower;
mod standstill;
mod trouble;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::limiter::Settings;
use crate::metrics::{Metrics, PolicyState};

pub use connect::{Connect, from_kubeconfig, from_surroundings};

use super::cache::Cache;
use super::publish::Publisher;
use super::{Feed, Follow};
use answers::Answers;
use follower::Follower;

/// Which policy is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`; none: the pod's own, or that of the kubeconfig's context.
    pub namespace: Option<String>,
    /// Where the last good policy is kept across restarts.
    pub cache: Option<PathBuf>,
}

/// How long the API server is waited for, and how often it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The first answer is waited for so long before the cache, or the environment, decides.
    pub answer_within: Duration,
    /// One watch lasts so many seconds, drawn anew for each connection, so that the watches of many pods do not end
    /// together.
    pub watch_seconds: RangeInclusive<u32>,
    /// A connection on which nothing comes for so long is given up. A watch hears a bookmark every minute or so.
    pub silence: Duration,
    /// A watch that broke is started again after a time drawn from this window, so that the pods of a cluster whose
    /// API server restarts come back one by one. It doubles with every failure in a row.
    pub spread: Duration,
    /// The longest such window.
    pub spread_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(5),
            watch_seconds: 240..=300,
            silence: Duration::from_secs(150),
            spread: Duration::from_secs(12),
            spread_max: Duration::from_secs(60),
        }
    }
}

/// Follows a policy through the connections that `connect` makes. As [`super::start`].
pub fn start(
    named: Named,
    connect: Connect,
    timing: Timing,
    bootstrap: Settings,
    metrics: Arc<Metrics>,
) -> (Feed, Follow) {
    let publisher = Publisher::new(PolicyState::Starting, bootstrap, metrics);
    let feed = publisher.feed();
    let follow = move || {
        let answer_within = timing.answer_within;
        let cache = named.cache.clone().map(Cache::new);
        let answers = Answers::new(named.name.clone(), named.namespace.clone(), connect, timing);
        Follower::new(named, publisher, cache).follow(answers, answer_within).boxed()
    };
    (feed, Box::new(follow))
}

#[cfg(test)]
mod tests;
