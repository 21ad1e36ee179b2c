//! A quota that changes while the upstream runs.

use std::time::Duration;

/// From a moment on the upstream accepts another number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Since the start of the upstream.
    pub at: Duration,
    /// How many requests it accepts in any window from then on.
    pub quota: u32,
}

/// The quota at any time.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    first: u32,
    /// Sorted by time.
    steps: Vec<Step>,
}

impl Schedule {
    pub(super) fn new(first: u32, steps: &[Step]) -> Self {
        let mut steps = steps.to_vec();
        steps.sort_by_key(|step| step.at);
        Self { first, steps }
    }

    /// What it accepts in any window, at a time since the start.
    pub(super) fn quota_at(&self, elapsed: Duration) -> u32 {
        let begun = self.steps.iter().take_while(|step| step.at <= elapsed);
        begun.last().map_or(self.first, |step| step.quota)
    }

    /// How many evenly spaced requests the quota has room for between two times since the start.
    pub(super) fn room(&self, from: Duration, to: Duration, window: Duration) -> u64 {
        let mut nanos = 0;
        let mut since = from;
        let ends = self.steps.iter().map(|step| step.at.clamp(from, to)).chain([to.max(from)]);
        for end in ends {
            nanos += end.saturating_sub(since).as_nanos() * u128::from(self.quota_at(since));
            since = end;
        }
        u64::try_from(nanos / window.as_nanos().max(1)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn mk_schedule() -> Schedule {
        Schedule::new(40, &[Step { at: 5 * MINUTE, quota: 40 }, Step { at: 2 * MINUTE, quota: 24 }])
    }

    #[test]
    fn a_step_holds_from_its_moment_to_the_next() {
        let schedule = mk_schedule();
        let quotas =
            [0, 119, 120, 299, 300, 9_999].map(|second| schedule.quota_at(Duration::from_secs(second)));
        assert_eq!(quotas, [40, 40, 24, 24, 40, 40]);
    }

    #[test]
    fn room_is_what_every_step_grants_for_as_long_as_it_holds() {
        let schedule = mk_schedule();
        let room = |from, to| schedule.room(from * MINUTE, to * MINUTE, MINUTE);
        assert_eq!([room(0, 2), room(2, 5), room(0, 10), room(1, 3), room(3, 3)], [80, 72, 352, 64, 0]);
        assert_eq!(Schedule::new(40, &[]).room(MINUTE / 2, MINUTE, MINUTE), 20);
    }
}
