//! What the application saw, by priority.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limiter::Priority;

/// How one call ended for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A complete answer.
    Served {
        /// How long the sidecar says it held the call back.
        waited: Option<Duration>,
        /// From sending the call to the first byte of the answer's body.
        first_byte: Duration,
        /// Size of the answer's body.
        bytes: u64,
    },
    /// The sidecar itself said no, and when to come back.
    Refused {
        /// When to come back.
        retry_after: Option<Duration>,
    },
    /// A 429 of the upstream came through, which must not happen.
    RateLimited,
    /// Anything else: another status, a broken stream, no connection.
    Failed,
}

/// Everything the application saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    lanes: [LaneTally; 4],
}

/// What the calls of one priority came to.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneTally {
    pub(super) served: u64,
    pub(super) refused: u64,
    pub(super) rate_limited: u64,
    pub(super) failed: u64,
    pub(super) bytes: u64,
    pub(super) waits: Recent,
    pub(super) first_bytes: Recent,
}

impl Tally {
    #[expect(clippy::indexing_slicing, reason = "the index comes from an enum with one entry a variant")]
    pub(super) fn lane(&self, priority: Priority) -> &LaneTally {
        &self.lanes[priority.index()]
    }

    #[expect(clippy::indexing_slicing, reason = "the index comes from an enum with one entry a variant")]
    fn lane_mut(&mut self, priority: Priority) -> &mut LaneTally {
        &mut self.lanes[priority.index()]
    }

    pub(super) fn ended(&mut self, priority: Priority, answer: Answer) {
        let lane = self.lane_mut(priority);
        match answer {
            Answer::Served { waited, first_byte, bytes } => {
                lane.served += 1;
                lane.bytes += bytes;
                lane.first_bytes.push(first_byte);
                if let Some(waited) = waited {
                    lane.waits.push(waited);
                }
            }
            Answer::Refused { .. } => lane.refused += 1,
            Answer::RateLimited => lane.rate_limited += 1,
            Answer::Failed => lane.failed += 1,
        }
    }

    pub(super) fn sum(&self, count: impl Fn(&LaneTally) -> u64) -> u64 {
        self.lanes.iter().map(count).sum()
    }
}

/// The last few thousand durations: enough for a p99, bounded however long the demo runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    durations: VecDeque<Duration>,
}

impl Recent {
    const KEPT: usize = 10_000;

    pub(super) fn push(&mut self, duration: Duration) {
        if self.durations.len() == Self::KEPT {
            self.durations.pop_front();
        }
        self.durations.push_back(duration);
    }

    /// The smallest one that at least `percent` of them do not exceed; `None` when there are none.
    pub(super) fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.durations.len() * percent).div_ceil(100).max(1);
        let mut sorted: Vec<_> = self.durations.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(rank - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_recent(milliseconds: impl IntoIterator<Item = u64>) -> Recent {
        let mut recent = Recent::default();
        milliseconds.into_iter().for_each(|ms| recent.push(Duration::from_millis(ms)));
        recent
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let recent = mk_recent((1..=100).rev());
        assert_eq!(recent.percentile(50), Some(Duration::from_millis(50)));
        assert_eq!(recent.percentile(99), Some(Duration::from_millis(99)));
        assert_eq!(recent.percentile(100), Some(Duration::from_millis(100)));
        assert_eq!(mk_recent([7]).percentile(50), Some(Duration::from_millis(7)));
        assert_eq!(mk_recent([1, 9]).percentile(50), Some(Duration::from_millis(1)));
        assert_eq!(mk_recent([]).percentile(50), None);
    }

    #[test]
    fn old_durations_give_way_to_new_ones() {
        let kept = u64::try_from(Recent::KEPT).unwrap();
        let recent = mk_recent((0..kept).map(|_| 1).chain((0..kept).map(|_| 2)));
        assert_eq!(recent.percentile(1), Some(Duration::from_millis(2)));
        assert_eq!(recent.durations.len(), Recent::KEPT);
    }

    #[test]
    fn every_end_is_counted_once_in_its_own_lane() {
        let mut tally = Tally::default();
        let served = Answer::Served {
            waited: Some(Duration::from_secs(2)),
            first_byte: Duration::from_secs(3),
            bytes: 10,
        };
        for answer in [served, Answer::Refused { retry_after: None }, Answer::RateLimited, Answer::Failed] {
            tally.ended(Priority::Low, answer);
        }
        let low = tally.lane(Priority::Low);
        assert_eq!((low.served, low.refused, low.rate_limited, low.failed), (1, 1, 1, 1));
        assert_eq!(low.waits.percentile(50), Some(Duration::from_secs(2)));
        assert_eq!(tally.lane(Priority::Urgent).served, 0);
        assert_eq!(tally.sum(|lane| lane.bytes), 10);
    }
}
