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
        warn_of_what_is_not_in_force(&self.report.borrow().not_in_force);
    }

    /// Puts the first policy in force. It replaces settings nobody has seen, so it counts as no change.
    pub(super) fn begin(&self, policy: Policy) {
        self.put_in_force(policy);
        warn_of_what_is_not_in_force(&self.report.borrow().not_in_force);
    }

    /// Puts a policy in force.
    pub(super) fn accept(&self, policy: Policy) {
        let before = self.report.borrow().clone();
        if self.put_in_force(policy) {
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

    /// Publishes and logs a policy. Whether the settings differ from those before.
    fn put_in_force(&self, policy: Policy) -> bool {
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
        if !changes.is_empty() || *self.report.borrow() != report {
            info!(
                source = self.source(),
                policy = report.name,
                generation = report.generation,
                changes = changes.join(", "),
                "policy in force"
            );
        }
        if !ignored.is_empty() {
            let fields = ignored.join(", ");
            warn!(fields, "the policy has fields this version does not know: they are ignored");
        }
        self.metrics.policy.generation.set(report.generation.unwrap_or_default());
        self.report.send_if_modified(|current| replace(current, report));
        self.settings.send_if_modified(|current| replace(current, Arc::new(settings)))
    }

    fn source(&self) -> &'static str {
        self.report.borrow().source.as_str()
    }
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
