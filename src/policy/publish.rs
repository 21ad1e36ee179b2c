//! Putting a policy in force, and telling everyone who asks.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::error::{Error, brief};
use super::{Feed, Report, convert, fields};
use crate::api::{Fault, Metadata, RateLimitPolicy};
use crate::limiter::Settings;
use crate::metrics::{Metrics, PolicySource, PolicyState};

/// A policy that was accepted.
#[derive(Debug)]
pub(super) struct Policy {
    source: PolicySource,
    metadata: Metadata,
    settings: Settings,
    ignored: Vec<String>,
}

impl Policy {
    /// Reads a checked object and the fields it has that this version does not know.
    pub(super) fn new(source: PolicySource, object: RateLimitPolicy, unknown: Vec<Fault>) -> Self {
        Self {
            source,
            settings: convert::settings(&object.spec),
            metadata: object.metadata,
            ignored: unknown.into_iter().map(|fault| fault.path).collect(),
        }
    }
}

/// What taking a policy changed, for those who read the log.
#[derive(Debug)]
#[must_use]
pub(super) struct News {
    changes: Vec<String>,
    ignored: Vec<String>,
    settings_differ: bool,
    report_differs: bool,
}

/// The sending side of a [`Feed`].
#[derive(Debug)]
pub(super) struct Publisher {
    settings: watch::Sender<Arc<Settings>>,
    report: watch::Sender<Report>,
    metrics: Arc<Metrics>,
}

impl Publisher {
    /// Holds the bootstrap settings until a policy is known.
    pub(super) fn new(state: PolicyState, bootstrap: Settings, metrics: Arc<Metrics>) -> Self {
        let report = Report {
            source: PolicySource::Environment,
            state,
            since: Instant::now(),
            reason: None,
            name: None,
            namespace: None,
            generation: None,
            rejected: None,
        };
        metrics.policy.set_source(report.source);
        metrics.policy.set_state(report.state);
        Self {
            settings: watch::Sender::new(Arc::new(bootstrap)),
            report: watch::Sender::new(report),
            metrics,
        }
    }

    /// A receiving side, for which what holds now is no change.
    pub(super) fn feed(&self) -> Feed {
        Feed { settings: self.settings.subscribe(), report: self.report.subscribe() }
    }

    /// How following the policy goes.
    pub(super) fn state(&self) -> PolicyState {
        self.report.borrow().state
    }

    /// Says that no policy decides.
    pub(super) fn announce_bootstrap(&self) {
        info!(source = self.source(), "no policy known: flags and environment decide");
    }

    /// Puts the first policy in force. It replaces settings nobody has seen, so it counts as no change.
    ///
    /// It is not announced yet: the sidecar may still fail to start, and says why in one line then.
    pub(super) fn begin(&self, policy: Policy, state: PolicyState, reason: Option<String>) -> News {
        self.put_in_force(policy, state, reason)
    }

    /// Says which policy the sidecar started with.
    pub(super) fn announce(&self, first: &News) {
        self.tell(first);
    }

    /// Puts a policy in force.
    pub(super) fn accept(&self, policy: Policy) {
        let news = self.put_in_force(policy, PolicyState::Synced, None);
        self.tell(&news);
        if news.settings_differ {
            self.metrics.policy.changes.inc();
        }
    }

    /// Keeps what is in force, and says why the newest policy is not.
    pub(super) fn reject(&self, error: &Error) {
        let reason = error.one_line();
        warn!(source = self.source(), reason, "policy refused: the settings in force stay");
        self.metrics.policy.rejections.inc();
        let state = if error.is_unreadable() { PolicyState::Unreachable } else { PolicyState::Invalid };
        self.report.send_modify(|report| {
            report.rejected = Some(reason.clone());
            report.set_state(state, Some(reason));
        });
        self.metrics.policy.set_state(state);
    }

    /// Notes that the newest policy is one that was judged before, and why it was refused then, if it was. Says whether
    /// following had failed.
    pub(super) fn confirm(&self, source: PolicySource, refused: Option<&str>) -> bool {
        let refused = refused.map(str::to_owned);
        let mut recovered = false;
        self.report.send_if_modified(|report| {
            let before = report.clone();
            report.rejected.clone_from(&refused);
            recovered = if refused.is_some() {
                report.set_state(PolicyState::Invalid, refused)
            } else {
                report.source = source;
                report.set_state(PolicyState::Synced, None)
            };
            *report != before
        });
        self.show_standing();
        recovered
    }

    /// Counts an attempt to ask the API server that failed.
    pub(super) fn count_failure(&self) {
        self.metrics.policy.watch_failures.inc();
    }

    /// Notes that the policy cannot be followed; what is in force stays. Says whether that is news.
    pub(super) fn fail(&self, state: PolicyState, reason: Option<String>) -> bool {
        let mut is_news = false;
        self.report.send_modify(|report| {
            if matches!(state, PolicyState::NotFound | PolicyState::Deleted) {
                // What was refused is gone as well.
                report.rejected = None;
            }
            is_news = report.set_state(state, reason);
        });
        self.show_standing();
        is_news
    }

    /// Publishes a policy.
    fn put_in_force(&self, policy: Policy, state: PolicyState, reason: Option<String>) -> News {
        let Policy { source, metadata, settings, ignored } = policy;
        let changes = fields::changes(&self.settings.borrow(), &settings);
        // The settings first: the report says that they are decided, and the application is served from then on.
        let settings_differ = self.settings.send_if_modified(|current| replace(current, Arc::new(settings)));
        let report_differs = self.report.send_if_modified(|report| {
            let before = report.clone();
            report.source = source;
            report.set_state(state, reason);
            report.name = metadata.name;
            report.namespace = metadata.namespace;
            report.generation = metadata.generation;
            report.rejected = None;
            *report != before
        });
        self.metrics.policy.generation.set(metadata.generation.unwrap_or_default());
        self.show_standing();
        News { changes, ignored, settings_differ, report_differs }
    }

    /// Shows source and state in the metrics.
    fn show_standing(&self) {
        let report = self.report.borrow();
        self.metrics.policy.set_source(report.source);
        self.metrics.policy.set_state(report.state);
    }

    /// Logs what there is to know about the policy in force.
    fn tell(&self, news: &News) {
        let News { changes, ignored, settings_differ, report_differs } = news;
        let report = self.report.borrow();
        if *settings_differ || *report_differs {
            info!(
                source = report.source.as_str(),
                policy = report.name,
                namespace = report.namespace,
                generation = report.generation,
                changes = joined(changes),
                "policy in force"
            );
        }
        if let Some(fields) = joined(ignored) {
            warn!(fields, "the policy has fields this version does not know: they are ignored");
        }
    }

    /// What decides, as a word for the log.
    pub(super) fn source(&self) -> &'static str {
        self.report.borrow().source.as_str()
    }
}

/// The words as one text of bounded length; nothing for none.
fn joined(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| brief(words.join(", ")))
}

/// Whether the new value differs from the old one.
fn replace<T: PartialEq>(current: &mut T, new: T) -> bool {
    let differs = *current != new;
    if differs {
        *current = new;
    }
    differs
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::OnceLock;
    use std::task::{Context, Poll, Wake, Waker};

    use serde_json::json;

    use super::*;
    use crate::api;

    #[test]
    fn many_unknown_fields_are_told_in_brief() {
        assert!(joined(&vec!["spec.x".to_owned(); 10_000]).unwrap().len() < 1_100);
    }

    /// Notes what was in force when it was woken.
    struct Witness {
        settings: watch::Receiver<Arc<Settings>>,
        rpm: OnceLock<u32>,
    }

    impl Wake for Witness {
        fn wake(self: Arc<Self>) {
            self.rpm.set(self.settings.borrow().rate.requests_per_minute).ok();
        }
    }

    #[tokio::test]
    async fn settings_are_in_force_before_the_report_says_so() {
        let publisher =
            Publisher::new(PolicyState::Starting, Settings::default(), Arc::new(Metrics::new("test")));
        let feed = publisher.feed();
        let witness = Arc::new(Witness { settings: feed.settings.clone(), rpm: OnceLock::new() });
        let mut decided = pin!(feed.decided());
        let waker = Waker::from(witness.clone());
        assert_eq!(decided.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        let object = json!({
            "apiVersion": api::API_VERSION, "kind": api::KIND, "metadata": {"name": "a"},
            "spec": {"rate": {"requestsPerMinute": 60}},
        });
        let policy = Policy::new(PolicySource::Cluster, api::check(object).policy.unwrap(), Vec::new());
        let _ = publisher.begin(policy, PolicyState::Synced, None);
        assert_eq!(witness.rpm.get(), Some(&60));
    }
}
