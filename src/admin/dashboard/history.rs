//! The last 15 minutes, kept whether anybody looks or not: a ring of samples of one size each.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::super::State;
use crate::limiter::Priority;
use crate::metrics::{Distribution, Metrics, RequestStatus};

/// Time between two samples: a pixel or two of the line.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// 15 minutes of them, 200 KiB at most.
pub(super) const SAMPLES: usize = 180;

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    /// Paced requests that were answered well.
    pub(super) served: u64,
    /// 429s of the upstream.
    pub(super) refused: u64,
    /// How long requests waited, in the order of `Priority::ALL`.
    pub(super) waits: [Distribution; 4],
    /// Seconds to the head of an answer.
    pub(super) first_byte: Distribution,
    /// Events a second of streamed answers.
    pub(super) generation: Distribution,
}

impl Totals {
    pub(super) fn of(metrics: &Metrics) -> Self {
        let served = |priority| metrics.requests.finished(priority, RequestStatus::Success).get();
        Self {
            served: Priority::ALL.map(served).iter().sum(),
            refused: metrics.upstream.error("429").get(),
            waits: Priority::ALL.map(|priority| Distribution::of(metrics.queue.latency(priority))),
            first_byte: Distribution::of(&metrics.upstream.latency),
            generation: Distribution::of(&metrics.upstream.generation),
        }
    }
}

/// One sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Requests a minute that were allowed.
    pub(super) pace_rpm: u32,
    pub(super) totals: Totals,
}

/// The samples, oldest first.
#[derive(Debug)]
pub(in super::super) struct History(Mutex<VecDeque<Sample>>);

/// One point of the line: what happened between two samples.
pub(super) type Point = (u32, u64, u64);

impl Default for History {
    /// With all the memory it will ever have.
    fn default() -> Self {
        Self(Mutex::new(VecDeque::with_capacity(SAMPLES + 1)))
    }
}

impl History {
    pub(super) fn push(&self, sample: &Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The oldest is only what the next one is compared with.
        while samples.len() > SAMPLES {
            samples.pop_front();
        }
        samples.push_back(*sample);
    }

    /// Pace, answers and 429s of each interval, oldest first.
    pub(super) fn points(&self) -> Vec<Point> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = samples.iter().zip(samples.iter().skip(1));
        pairs
            .map(|(before, after)| {
                let (served, refused) = (after.totals.served, after.totals.refused);
                let Totals { served: served_before, refused: refused_before, .. } = before.totals;
                (after.pace_rpm, served.saturating_sub(served_before), refused.saturating_sub(refused_before))
            })
            .collect()
    }

    /// What had been counted before the oldest interval.
    pub(super) fn oldest(&self) -> Totals {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.front().map(|sample| sample.totals).unwrap_or_default()
    }
}

/// Takes samples for as long as the sidecar runs.
pub(in super::super) async fn sample(state: Arc<State>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let pace_rpm = state.parts.scheduler.snapshot().effective_rpm;
        state.history.push(&Sample { pace_rpm, totals: Totals::of(&state.parts.metrics) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_sample(pace_rpm: u32, served: u64, refused: u64) -> Sample {
        Sample { pace_rpm, totals: Totals { served, refused, ..Totals::default() } }
    }

    #[test]
    fn a_point_is_what_happened_between_two_samples() {
        let history = History::default();
        assert_eq!(history.points(), []);
        for sample in [mk_sample(40, 3, 0), mk_sample(40, 7, 1), mk_sample(24, 7, 4)] {
            history.push(&sample);
        }
        assert_eq!(history.points(), [(40, 4, 1), (24, 0, 3)]);
        assert_eq!(history.oldest().served, 3);
    }

    #[test]
    fn after_15_minutes_the_oldest_goes_and_memory_stays_as_it_is() {
        let history = History::default();
        let room = || history.0.lock().unwrap().capacity() * size_of::<Sample>();
        let at_first = room();
        for served in 0..10_000 {
            history.push(&mk_sample(40, served, 0));
        }
        assert_eq!(history.points().len(), SAMPLES);
        assert_eq!(history.oldest().served, 10_000 - 1 - SAMPLES as u64);
        assert!(room() == at_first && at_first <= 200 * 1024, "{at_first} then {}", room());
    }
}
