//! How long it takes to settle after a step of the quota.

use std::time::Duration;

use super::Settle;
use crate::history::History;
use crate::scenario::{Scenario, Step};
use crate::time::count;

/// The stretch that must be good.
const STRETCH: Duration = Duration::from_secs(120);
/// How it is searched.
const EVERY: Duration = Duration::from_secs(5);
/// How long it is searched; what has not settled by then counts as so long.
const LONGEST: Duration = Duration::from_secs(900);
/// The share of the new quota that must be used, but for half a request.
const USED: f64 = 0.95;
/// The share of attempts that may be refused, and one more.
const REFUSED: f64 = 0.05;

/// The first time after the step from which 120 s use 95 % of the new quota, with at most 5 % and
/// one of the attempts refused.
pub(super) fn settle(scenario: &Scenario, history: &History, step: Step) -> Settle {
    let needed = USED * f64::from(step.quota) * STRETCH.as_secs_f64() / 60.0 - 0.5;
    let mut after = Duration::ZERO;
    let seconds = loop {
        if after > LONGEST {
            break Some(LONGEST);
        }
        let (from, to) = (step.at + after, step.at + after + STRETCH);
        if to > scenario.end {
            break None;
        }
        let refused = between(&history.refused, from, to);
        let attempts = between(&history.sent, from, to);
        if between(&history.accepted, from, to) >= needed && refused <= REFUSED * attempts + 1.0 {
            break Some(after);
        }
        after += EVERY;
    };
    Settle { step: step.at.as_secs(), seconds: seconds.map(|settled| settled.as_secs_f64()) }
}

/// How many of `times`, which are in order, are not before `from` and before `to`.
fn between(times: &[Duration], from: Duration, to: Duration) -> f64 {
    let before = |limit: Duration| times.partition_point(|at| *at < limit);
    count(before(to) - before(from))
}
