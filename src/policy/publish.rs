//! Putting a policy in force, and telling everyone who asks.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};

use super::error::Error;
use super::{Feed, Report, convert, fields};
use crate::api::{Fault, Metadata, RateLimitPolicy};
use crate::limiter::Settings;
use crate::metrics::{Metrics, PolicySource};

/// A policy that was accepted.
#[derive(Debug)]
pub(super) struct Policy {
    metadata: Metadata,
    settings: Settings,
    ignored: Vec<String>,
}

impl Policy {
    /// Reads a checked object and the fields it has that this version does not know.
    pub(super) fn new(object: RateLimitPolicy, unknown: Vec<Fault>) -> Self {
        Self {
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
    pub(super) fn new(source: PolicySource, bootstrap: Settings, metrics: Arc<Metrics>) -> Self {
        let report = Report {
            source,
            name: None,
            namespace: None,
            generation: None,
            rejected: None,
            not_in_force: not_in_force(&bootstrap),
        };
        metrics.policy.set_source(source);
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

    /// Says that no policy decides, and what the bootstrap settings ask for in vain.
    pub(super) fn announce_bootstrap(&self) {
        info!(source = self.source(), "no policy given: flags and environment decide");
        // Nobody wrote that, so nobody is warned.
        for field in &self.report.borrow().not_in_force {
            info!(field, "accepted, but not in force");
        }
    }

    /// Puts the first policy in force. It replaces settings nobody has seen, so it counts as no change.
    ///
    /// It is not announced yet: the sidecar may still fail to start, and says why in one line then.
    pub(super) fn begin(&self, policy: Policy) -> News {
        self.put_in_force(policy)
    }

    /// Says which policy the sidecar started with.
    pub(super) fn announce(&self, first: &News) {
        self.tell(first);
        warn_of_what_is_not_in_force(&self.report.borrow().not_in_force);
    }

    /// Puts a policy in force.
    pub(super) fn accept(&self, policy: Policy) {
        let before = self.report.borrow().clone();
        let news = self.put_in_force(policy);
        self.tell(&news);
        if news.settings_differ {
            self.metrics.policy.changes.inc();
        }
        let now = self.report.borrow();
        if (&before.name, &before.namespace, &before.not_in_force)
            != (&now.name, &now.namespace, &now.not_in_force)
        {
            warn_of_what_is_not_in_force(&now.not_in_force);
        }
    }

    /// Keeps what is in force, and says why the newest policy is not.
    pub(super) fn reject(&self, error: &Error) {
        let reason = error.one_line();
        warn!(source = self.source(), reason, "policy refused: the last good one stays in force");
        self.metrics.policy.rejections.inc();
        self.report.send_modify(|report| report.rejected = Some(reason));
    }

    /// Publishes a policy.
    fn put_in_force(&self, policy: Policy) -> News {
        let Policy { metadata, settings, ignored } = policy;
        let report = Report {
            source: self.report.borrow().source,
            name: metadata.name,
            namespace: metadata.namespace,
            generation: metadata.generation,
            rejected: None,
            not_in_force: not_in_force(&settings),
        };
        let changes = fields::changes(&self.settings.borrow(), &settings);
        self.metrics.policy.generation.set(report.generation.unwrap_or_default());
        let report_differs = self.report.send_if_modified(|current| replace(current, report));
        let settings_differ = self.settings.send_if_modified(|current| replace(current, Arc::new(settings)));
        News { changes, ignored, settings_differ, report_differs }
    }

    /// Logs what there is to know about the policy in force.
    fn tell(&self, news: &News) {
        let News { changes, ignored, settings_differ, report_differs } = news;
        let report = self.report.borrow();
        if *settings_differ || *report_differs {
            info!(
                source = report.source.as_str(),
                policy = report.name,
                generation = report.generation,
                changes = joined(changes),
                "policy in force"
            );
        }
        if let Some(fields) = joined(ignored) {
            warn!(fields, "the policy has fields this version does not know: they are ignored");
        }
    }

    fn source(&self) -> &'static str {
        self.report.borrow().source.as_str()
    }
}

/// The words as one text; nothing for none.
fn joined(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.join(", "))
}

/// Whether the new value differs from the old one.
fn replace<T: PartialEq>(current: &mut T, new: T) -> bool {
    let differs = *current != new;
    if differs {
        *current = new;
    }
    differs
}

/// What settings ask for that this version does not do.
fn not_in_force(settings: &Settings) -> Vec<String> {
    let retreat = "spec.retreat.mode: Enabled (this version keeps the pace at \
                   spec.rate.requestsPerMinute; retreat arrives with a later version)";
    settings.retreat.enabled.then(|| retreat.to_owned()).into_iter().collect()
}

fn warn_of_what_is_not_in_force(what: &[String]) {
    for field in what {
        warn!(field, "accepted, but not in force");
    }
}
