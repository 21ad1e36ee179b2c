//! The part of `/status` that tells what the pace does, and what was learned of the upstream's limit.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::time::Instant;

use crate::limiter::{Cause, Snapshot};
use crate::scheduler::LastTransition;

/// What the pace does, and what was learned of the upstream's limit.
#[derive(Debug, Serialize)]
pub(super) struct Retreat {
    /// `normal`, `retreat` or `recover`.
    state: &'static str,
    effective_rpm: u32,
    base_rpm: u32,
    upstream_429_rate: f64,
    /// Requests a minute; null while no limit below the policy's is known.
    learned_limit_rpm: Option<u32>,
    /// What the upstream grants in shorter times, shortest first.
    short_windows: Vec<ShortWindow>,
    /// The most that may leave at once; null while that is no less than the policy allows.
    burst: Option<u32>,
    /// Seconds until the pace is raised by a step; null while no step is due.
    next_step_seconds: Option<f64>,
    last_transition: Option<Moved>,
    /// How often refusals were found to mean what.
    episodes: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct ShortWindow {
    seconds: f64,
    requests: u32,
}

/// The newest change of the state.
#[derive(Debug, Serialize)]
struct Moved {
    from: &'static str,
    to: &'static str,
    cause: &'static str,
    seconds_ago: f64,
}

impl Retreat {
    pub(super) fn new(snapshot: &Snapshot, last: Option<LastTransition>) -> Self {
        let learned = &snapshot.learned;
        let short = learned.short.iter().flatten();
        Self {
            state: learned.state.name(),
            effective_rpm: snapshot.effective_rpm,
            base_rpm: snapshot.base_rpm,
            upstream_429_rate: snapshot.refusal_ratio,
            learned_limit_rpm: learned.limit_rpm,
            short_windows: short
                .map(|&(window, requests)| ShortWindow { seconds: window.as_secs_f64(), requests })
                .collect(),
            burst: learned.burst,
            next_step_seconds: learned.next_step.map(|after| after.as_secs_f64()),
            last_transition: last.map(Moved::from),
            episodes: Cause::ALL.map(Cause::name).into_iter().zip(learned.episodes).collect(),
        }
    }
}

impl From<LastTransition> for Moved {
    fn from(LastTransition { transition, at }: LastTransition) -> Self {
        Self {
            from: transition.from.name(),
            to: transition.to.name(),
            cause: transition.cause.name(),
            seconds_ago: Instant::now().saturating_duration_since(at).as_secs_f64(),
        }
    }
}
