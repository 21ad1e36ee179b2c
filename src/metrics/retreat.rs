//! The pace that is in force, and what the upstream says to it.

use std::sync::{Mutex, PoisonError};

use prometheus::{Gauge, IntCounter, IntGauge};

use super::family::Families;
use crate::limiter::{Cause, PaceState, Transition};

const CAUSES: usize = Cause::ALL.len();

/// Every way from one state to another.
const EDGES: [(PaceState, PaceState); 6] = [
    (PaceState::Normal, PaceState::Retreat),
    (PaceState::Normal, PaceState::Recover),
    (PaceState::Retreat, PaceState::Normal),
    (PaceState::Retreat, PaceState::Recover),
    (PaceState::Recover, PaceState::Normal),
    (PaceState::Recover, PaceState::Retreat),
];

/// The pace, its states, and what refusals were found to mean.
#[derive(Debug)]
pub struct RetreatMetrics {
    /// 0 normal, 1 retreat, 2 recover.
    pub state: IntGauge,
    /// Requests a minute the sidecar allows itself now.
    pub effective_rate_rpm: Gauge,
    /// Share of sends that the upstream refused for quota, 0 to 1, over the retreat's window.
    pub upstream_429_rate: Gauge,
    /// The limit that was learned, in requests a minute; 0 while none is known.
    pub learned_limit_rpm: Gauge,
    /// By edge and cause.
    transitions: [[IntCounter; CAUSES]; EDGES.len()],
    episodes: Episodes,
}

/// Counters that follow counts kept elsewhere.
#[derive(Debug)]
struct Episodes {
    counters: [IntCounter; CAUSES],
    /// What was shown last; scrapes that overlap must not both add the difference.
    shown: Mutex<[u64; CAUSES]>,
}

impl RetreatMetrics {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let transitions = families.int_counter_vec(
            "sidecar_retreat_transitions_total",
            "Changes of the pace's state, by what caused them.",
            &["from", "to", "cause"],
        );
        let episodes = families.int_counter_vec(
            "sidecar_retreat_episodes_total",
            "Runs of refusals that were judged, by what they were found to mean.",
            &["cause"],
        );
        let edge = |(from, to): (PaceState, PaceState)| {
            Cause::ALL.map(|cause| transitions.with_label_values(&[from.name(), to.name(), cause.name()]))
        };
        Self {
            state: families.int_gauge("sidecar_retreat_state", "0 normal, 1 retreat, 2 recover."),
            effective_rate_rpm: families
                .gauge("sidecar_effective_rate_rpm", "Requests a minute the sidecar allows itself now."),
            upstream_429_rate: families.gauge(
                "sidecar_upstream_429_rate",
                "Share of sends that the upstream refused for quota, 0 to 1, over the retreat's window.",
            ),
            learned_limit_rpm: families.gauge(
                "sidecar_learned_limit_rpm",
                "Requests a minute the upstream was found to allow; 0 while no limit below the policy's is known.",
            ),
            transitions: EDGES.map(edge),
            episodes: Episodes {
                counters: Cause::ALL.map(|cause| episodes.with_label_values(&[cause.name()])),
                shown: Mutex::new([0; CAUSES]),
            },
        }
    }

    /// Counts one change of the pace's state.
    pub fn count(&self, transition: &Transition) {
        let Transition { from, to, cause, .. } = *transition;
        let edge = EDGES.iter().zip(&self.transitions).find(|(edge, _)| **edge == (from, to));
        let counter = edge.and_then(|(_, causes)| causes.get(cause as usize));
        counter.into_iter().for_each(IntCounter::inc);
    }

    /// Shows how often refusals were found to mean each cause since the start, in the order of [`Cause::ALL`].
    pub fn set_episodes(&self, counts: [u64; CAUSES]) {
        let mut shown = self.episodes.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for ((counter, shown), count) in self.episodes.counters.iter().zip(shown.iter_mut()).zip(counts) {
            counter.inc_by(count.saturating_sub(*shown));
            *shown = count.max(*shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn every_transition_is_counted_where_its_labels_say() {
        let metrics = Metrics::new("test");
        for (from, to) in EDGES {
            for cause in Cause::ALL {
                metrics.retreat.count(&Transition { from, to, cause, from_rpm: 40, to_rpm: 24 });
                let [from, to, cause] = [from.name(), to.name(), cause.name()];
                let labels = format!("cause=\"{cause}\",from=\"{from}\",to=\"{to}\"");
                let series = format!("sidecar_retreat_transitions_total{{{labels}}} 1\n");
                assert!(metrics.render().contains(&series), "{series}");
            }
        }
    }

    #[test]
    fn episodes_are_counted_once_however_often_they_are_shown() {
        let metrics = Metrics::new("test");
        let mut counts = [0; CAUSES];
        counts[Cause::Limit as usize] = 2;
        metrics.retreat.set_episodes(counts);
        metrics.retreat.set_episodes([0; CAUSES]);
        metrics.retreat.set_episodes(counts);
        let text = metrics.render();
        assert!(text.contains("sidecar_retreat_episodes_total{cause=\"limit\"} 2\n"), "{text}");
        assert!(text.contains("sidecar_retreat_episodes_total{cause=\"burst\"} 0\n"), "{text}");
    }
}
