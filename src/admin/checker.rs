//! Checking what the sidecar depends on, in the background.
//!
//! A probe must never become load: one task checks every ten seconds, however many ask, and
//! only while somebody asks or a policy gates readiness on the result. Questions read the
//! last result; the first one waits for it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::State;
use crate::limiter::Snapshot;
use crate::limiter::settings::ReadinessGate;

/// Time between two checks; fixed by the product's origin.
const EVERY: Duration = Duration::from_secs(10);

/// Who asked last this long ago has stopped asking: three of the usual ten-second probe periods.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// How long the first question waits for the first result.
const FIRST_RESULT_WITHIN: Duration = Duration::from_secs(5);

/// This many failures in a row are an error, no longer a warning; fixed by the product's origin.
const ALARMING: u32 = 3;

/// What one check found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checked {
    /// When.
    pub(super) at: Instant,
    /// The upstream answers.
    pub(super) upstream: bool,
    /// Less than 90 % of the queue is taken.
    pub(super) queue: bool,
    /// More than 5 % of the bucket is left, or nothing speaks of a shortage.
    pub(super) tokens: bool,
    /// Finds the log line about this check.
    pub(super) trace_id: String,
}

/// A dependency that keeps the sidecar from serving well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unhealthy {
    /// The machine-readable word for it.
    pub(super) reason: &'static str,
    /// What to look at.
    pub(super) hint: &'static str,
    /// Somebody should be told if it lasts: a busy bucket is the product at work.
    alarming: bool,
}

/// The questions and the results.
#[derive(Debug)]
pub(super) struct Checker {
    last_asked: watch::Sender<Option<Instant>>,
    result: watch::Sender<Option<Checked>>,
}

impl Default for Checker {
    fn default() -> Self {
        Self { last_asked: watch::Sender::new(None), result: watch::Sender::new(None) }
    }
}

impl Checker {
    /// The last result; waits for the first one. `None` when that takes too long.
    pub(super) async fn ask(&self) -> Option<Checked> {
        self.last_asked.send_replace(Some(Instant::now()));
        let mut result = self.result.subscribe();
        let first = timeout(FIRST_RESULT_WITHIN, result.wait_for(Option::is_some)).await;
        first.ok()?.ok()?.clone()
    }

    fn is_asked(&self, now: Instant) -> bool {
        self.last_asked.borrow().is_some_and(|last| now.duration_since(last) < FORGOTTEN_AFTER)
    }
}

impl Checked {
    fn new(snapshot: &Snapshot, upstream: bool, now: Instant) -> Self {
        let waiting: usize = snapshot.depth.iter().sum();
        Self {
            at: now,
            upstream,
            queue: snapshot.queue_limit == 0 || waiting * 10 < snapshot.queue_limit * 9,
            tokens: !is_short_of_tokens(snapshot),
            trace_id: trace_id(),
        }
    }

    /// The first thing that is wrong.
    pub(super) fn unhealthy(&self) -> Option<Unhealthy> {
        let gates = [ReadinessGate::Upstream, ReadinessGate::Queue, ReadinessGate::Tokens];
        gates.into_iter().find(|gate| !self.holds(*gate)).map(Unhealthy::of)
    }

    fn holds(&self, gate: ReadinessGate) -> bool {
        match gate {
            ReadinessGate::Upstream => self.upstream,
            ReadinessGate::Queue => self.queue,
            ReadinessGate::Tokens => self.tokens,
        }
    }
}

impl Unhealthy {
    fn of(gate: ReadinessGate) -> Self {
        let (reason, hint, alarming) = match gate {
            ReadinessGate::Upstream => (
                "upstream_unreachable",
                "GET {upstream}/models gave no answer below 500 within 5 s: check --upstream, the network \
                 policy and the provider's status page",
                true,
            ),
            ReadinessGate::Queue => (
                "queue_nearly_full",
                "90 % of spec.queue.maxDepth is taken: more is asked than spec.rate.requestsPerMinute allows",
                true,
            ),
            ReadinessGate::Tokens => (
                "tokens_low",
                "no more than 5 % of spec.rate.capacity is left and more is asked: the whole quota is in use",
                false,
            ),
        };
        Self { reason, hint, alarming }
    }
}

/// An empty bucket alone is no shortage: a start is paced, with one token and nobody who wants it.
fn is_short_of_tokens(snapshot: &Snapshot) -> bool {
    let few = snapshot.tokens * 20.0 <= f64::from(snapshot.capacity);
    let somebody_waits = snapshot.depth.iter().any(|waiting| *waiting > 0);
    few && (somebody_waits || snapshot.window_used >= u64::from(snapshot.window_limit))
}

/// How often in a row the same dependency was not healthy.
#[derive(Clone, Copy, Debug)]
struct Streak {
    reason: &'static str,
    failures: u32,
}

/// Checks for as long as the sidecar runs.
pub(super) async fn run(state: Arc<State>) {
    let mut settings = state.parts.settings.clone();
    let mut asked = state.checker.last_asked.subscribe();
    let mut streak = None;
    loop {
        let gates = settings.borrow_and_update().readiness_gates.clone();
        asked.mark_unchanged();
        if gates.is_empty() && !state.checker.is_asked(Instant::now()) {
            state.checker.result.send_replace(None);
            state.parts.readiness.set_gated(false);
            tokio::select! {
                _ = asked.changed() => {}
                changed = settings.changed() => if changed.is_err() { return },
            }
            continue;
        }
        let checked = state.check().await;
        streak = report(&checked, streak);
        state.parts.readiness.set_gated(!gates.iter().all(|gate| checked.holds(*gate)));
        state.checker.result.send_replace(Some(checked));
        tokio::select! {
            () = sleep(EVERY) => {}
            changed = settings.changed() => if changed.is_err() { return },
        }
    }
}

impl State {
    async fn check(&self) -> Checked {
        let upstream = (self.parts.upstream)().await;
        Checked::new(&self.parts.scheduler.snapshot(), upstream, Instant::now())
    }
}

/// Logs what changed; returns how many checks in a row have failed for the same reason.
fn report(checked: &Checked, before: Option<Streak>) -> Option<Streak> {
    let trace_id = &checked.trace_id;
    let Some(Unhealthy { reason, hint, alarming }) = checked.unhealthy() else {
        if let Some(Streak { reason, failures }) = before {
            tracing::info!(trace_id, reason, failures, "dependencies are healthy again");
        }
        return None;
    };
    let failures = before.filter(|before| before.reason == reason).map_or(0, |before| before.failures);
    let failures = failures.saturating_add(1);
    if failures == 1 {
        tracing::warn!(trace_id, reason, hint, "a dependency is not healthy");
    } else if failures == ALARMING && alarming {
        tracing::error!(trace_id, reason, hint, failures, "a dependency is still not healthy");
    }
    Some(Streak { reason, failures })
}

/// 32 hexadecimal digits that nobody else will have.
fn trace_id() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests;
