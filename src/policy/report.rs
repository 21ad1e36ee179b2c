//! What the rest of the sidecar sees of the policy.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::limiter::Settings;
use crate::metrics::{PolicySource, PolicyState};

/// What the rest of the sidecar sees of the policy.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The settings in force. They change only when they differ.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Where they come from, and what is not as its author wishes.
    pub report: watch::Receiver<Report>,
}

impl Feed {
    /// Waits until it is known what decides the first settings.
    pub async fn decided(&self) {
        let mut report = self.report.clone();
        // The sender lives as long as the source is followed: an error means that the sidecar ends.
        report.wait_for(|report| report.state != PolicyState::Starting).await.ok();
    }
}

/// Where the settings in force come from, and what is not as their author wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What decided the settings in force.
    pub source: PolicySource,
    /// How following the policy goes.
    pub state: PolicyState,
    /// When it came into this state.
    pub since: Instant,
    /// Why it is in this state, where that is not as wished.
    pub reason: Option<String>,
    /// `metadata.name` of the policy in force.
    pub name: Option<String>,
    /// `metadata.namespace` of the policy in force.
    pub namespace: Option<String>,
    /// `metadata.generation` of the policy in force.
    pub generation: Option<i64>,
    /// Why the newest policy is not in force; `None` when it is.
    pub rejected: Option<String>,
}

impl Report {
    /// Notes how following goes; says whether that is news.
    pub(super) fn set_state(&mut self, state: PolicyState, reason: Option<String>) -> bool {
        let is_news = self.state != state;
        if is_news {
            self.state = state;
            self.since = Instant::now();
        }
        self.reason = reason;
        is_news
    }
}
