//! Everything the demo shows, at one instant.

use std::time::Duration;

use super::tally::{LaneTally, Tally};
use super::upstream::UpstreamStats;
use crate::limiter::{Priority, Snapshot};
use crate::metrics::{Metrics, RequestStatus};

/// Everything the demo shows, at one instant.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Since the demo started.
    pub(super) elapsed: Duration,
    /// How long it runs; `None` is until it is interrupted.
    pub(super) duration: Option<Duration>,
    /// What the upstream counted.
    pub(super) upstream: UpstreamStats,
    /// What the limiter looks like.
    pub(super) limiter: Snapshot,
    /// Answers the sidecar is streaming.
    pub(super) streams_open: i64,
    /// One entry a priority, in the order of `Priority::ALL`.
    pub(super) lanes: [Lane; 4],
    /// What else the application saw; `None` when the demo makes no calls itself.
    pub(super) app: Option<AppView>,
}

/// What the calls of one priority came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    pub(super) waiting: usize,
    pub(super) served: u64,
    pub(super) refused: u64,
    pub(super) wait_p50: Option<Duration>,
    pub(super) wait_p99: Option<Duration>,
    pub(super) first_byte_p50: Option<Duration>,
}

/// What must not happen to the application.
#[derive(Clone, Copy, Debug)]
pub(super) struct AppView {
    /// 429s of the upstream that came through.
    pub(super) rate_limited: u64,
    pub(super) failed: u64,
    pub(super) bytes: u64,
}

impl View {
    /// How many wait, all priorities together.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting).sum()
    }

    pub(super) fn served(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.served).sum()
    }

    pub(super) fn refused(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.refused).sum()
    }
}

impl AppView {
    pub(super) fn of(tally: &Tally) -> Self {
        Self {
            rate_limited: tally.sum(|lane| lane.rate_limited),
            failed: tally.sum(|lane| lane.failed),
            bytes: tally.sum(|lane| lane.bytes),
        }
    }
}

/// The lanes as the application saw them.
pub(super) fn lanes_of_app(tally: &Tally, limiter: &Snapshot) -> [Lane; 4] {
    lanes(limiter, |priority| {
        let LaneTally { served, refused, waits, first_bytes, .. } = tally.lane(priority);
        Lane {
            served: *served,
            refused: *refused,
            wait_p50: waits.percentile(50),
            wait_p99: waits.percentile(99),
            first_byte_p50: first_bytes.percentile(50),
            ..Lane::default()
        }
    })
}

/// The lanes as the sidecar counts them: somebody else makes the calls.
pub(super) fn lanes_of_sidecar(metrics: &Metrics, limiter: &Snapshot) -> [Lane; 4] {
    lanes(limiter, |priority| Lane {
        served: metrics.requests.finished(priority, RequestStatus::Success).get(),
        refused: metrics.requests.finished(priority, RequestStatus::RateLimited).get(),
        ..Lane::default()
    })
}

fn lanes(limiter: &Snapshot, ended: impl Fn(Priority) -> Lane) -> [Lane; 4] {
    let [urgent, high, normal, low] = limiter.depth;
    let waiting = |priority, waiting| Lane { waiting, ..ended(priority) };
    [
        waiting(Priority::Urgent, urgent),
        waiting(Priority::High, high),
        waiting(Priority::Normal, normal),
        waiting(Priority::Low, low),
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tally::Answer;
    use super::super::upstream::Tenant;
    use super::*;

    /// A view in the middle of a demo.
    pub(in crate::demo) fn mk_view() -> View {
        let lane = |waiting, served, seconds| Lane {
            waiting,
            served,
            refused: 0,
            wait_p50: Some(Duration::from_secs_f64(seconds)),
            wait_p99: Some(Duration::from_secs_f64(seconds * 2.0)),
            first_byte_p50: Some(Duration::from_secs_f64(seconds + 1.0)),
        };
        View {
            elapsed: Duration::from_secs(83),
            duration: Some(Duration::from_secs(300)),
            upstream: UpstreamStats {
                accepted: 55,
                refused: 0,
                unauthorized: 0,
                tenant: Tenant::default(),
                quota: 40,
                used: 40,
                max_in_window: 40,
                since_first: Duration::from_secs(83),
                attainable: 56,
            },
            limiter: mk_snapshot(),
            streams_open: 2,
            lanes: [
                lane(0, 9, 0.8),
                lane(1, 12, 1.6),
                lane(13, 33, 21.4),
                Lane { refused: 7, ..Lane::default() },
            ],
            app: Some(AppView { rate_limited: 0, failed: 0, bytes: 12_345 }),
        }
    }

    pub(in crate::demo) fn mk_snapshot() -> Snapshot {
        Snapshot {
            tokens: 0.25,
            capacity: 40,
            window_used: 40,
            window_limit: 40,
            gate: Duration::ZERO,
            wall: Duration::ZERO,
            depth: [0, 1, 13, 0],
            queue_limit: 500,
            base_rpm: 40,
            effective_rpm: 40,
            unsettled: 3,
            refusal_ratio: 0.0,
            learned: crate::limiter::Learned::default(),
        }
    }

    #[test]
    fn lanes_join_the_queue_with_what_the_application_saw() {
        let mut tally = Tally::default();
        let waited = Some(Duration::from_secs(4));
        let first_byte = Duration::from_secs(5);
        tally.ended(Priority::Normal, Answer::Served { waited, first_byte, bytes: 1 });
        let [urgent, _, normal, _] = lanes_of_app(&tally, &mk_snapshot());
        assert_eq!((normal.waiting, normal.served, normal.wait_p50), (13, 1, waited));
        assert_eq!((urgent.served, urgent.wait_p50), (0, None));
    }

    #[test]
    fn without_a_workload_the_sidecars_counters_are_shown() {
        let metrics = Metrics::new("demo");
        metrics.requests.finished(Priority::High, RequestStatus::Success).inc();
        metrics.requests.finished(Priority::Low, RequestStatus::RateLimited).inc();
        let [_, high, _, low] = lanes_of_sidecar(&metrics, &mk_snapshot());
        assert_eq!((high.waiting, high.served, low.refused), (1, 1, 1));
    }
}
