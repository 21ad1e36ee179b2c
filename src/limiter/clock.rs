//! Instants as whole nanoseconds, so that every sum in the limiter is exact.

use std::time::{Duration, Instant};

/// Nanoseconds since the limiter was made; enough for 584 years.
pub(super) type Nanos = u64;

/// `duration` in nanoseconds, or the largest number of them.
pub(super) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Turns instants into nanoseconds that never run backwards.
#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    latest: Nanos,
}

impl Clock {
    pub(super) fn new(origin: Instant) -> Self {
        Self { origin, latest: 0 }
    }

    /// Takes the caller's `now`; an earlier one than the latest counts as the latest.
    pub(super) fn advance(&mut self, now: Instant) -> Nanos {
        self.latest = self.latest.max(self.at(now));
        self.latest
    }

    /// Nanoseconds from the origin to `at`, which may lie in the future.
    pub(super) fn at(&self, at: Instant) -> Nanos {
        nanos(at.saturating_duration_since(self.origin))
    }

    /// The instant `at` stands for; `None` where the platform cannot express it.
    pub(super) fn instant(&self, at: Nanos) -> Option<Instant> {
        self.origin.checked_add(Duration::from_nanos(at))
    }
}
