//! The upstream's own count of a rolling window.
//!
//! Written without a look at the limiter, on purpose: it is what the limiter is measured
//! against, and a mistake they shared would not show. It remembers every arrival of the last
//! window, one by one, and never approximates.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Accepts at most `quota` requests in any window, wherever the window starts.
#[derive(Debug)]
pub(super) struct RollingCount {
    quota: u32,
    window: Duration,
    refusals_count: bool,
    /// Arrivals of the last window, oldest first, and whether each one uses up quota.
    recent: VecDeque<(Instant, bool)>,
    /// How many of `recent` use up quota.
    counting: usize,
    first: Option<Instant>,
    accepted: u64,
    refused: u64,
    tenant: Tenant,
    max_in_window: usize,
}

/// The quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::demo) struct QuotaExceeded {
    /// Until one more is accepted, if nothing else arrives.
    pub(super) retry_after: Duration,
}

/// What a second client on the same key was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenant {
    /// Its requests within the quota.
    pub accepted: u64,
    /// Its requests answered 429.
    pub refused: u64,
}

/// What a [`RollingCount`] has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) tenant: Tenant,
    pub(super) used: usize,
    pub(super) max_in_window: usize,
    pub(super) since_first: Duration,
}

impl RollingCount {
    pub(super) fn new(quota: u32, window: Duration, refusals_count: bool) -> Self {
        Self {
            quota,
            window,
            refusals_count,
            recent: VecDeque::new(),
            counting: 0,
            first: None,
            accepted: 0,
            refused: 0,
            tenant: Tenant::default(),
            max_in_window: 0,
        }
    }

    /// From now on so many are accepted in any window; who was accepted before stays so.
    pub(super) fn set_quota(&mut self, quota: u32) {
        self.quota = quota;
    }

    /// Judges a request that arrives `now`, which must not lie before the last one.
    pub(super) fn arrive(&mut self, now: Instant) -> Result<(), QuotaExceeded> {
        self.first.get_or_insert(now);
        let verdict = self.judge(now);
        self.accepted += u64::from(verdict.is_ok());
        self.refused += u64::from(verdict.is_err());
        verdict
    }

    /// Judges a request of the second client in the same way.
    pub(super) fn arrive_from_tenant(&mut self, now: Instant) {
        let accepted = self.judge(now).is_ok();
        self.tenant.accepted += u64::from(accepted);
        self.tenant.refused += u64::from(!accepted);
    }

    fn judge(&mut self, now: Instant) -> Result<(), QuotaExceeded> {
        self.forget(now);
        let accepted = self.counting < usize::try_from(self.quota).unwrap_or(usize::MAX);
        let verdict =
            if accepted { Ok(()) } else { Err(QuotaExceeded { retry_after: self.retry_after(now) }) };
        let counts = accepted || self.refusals_count;
        self.recent.push_back((now, counts));
        self.counting += usize::from(counts);
        self.max_in_window = self.max_in_window.max(self.recent.len());
        verdict
    }

    pub(super) fn seen(&mut self, now: Instant) -> Seen {
        self.forget(now);
        Seen {
            accepted: self.accepted,
            refused: self.refused,
            tenant: self.tenant,
            used: self.counting,
            max_in_window: self.max_in_window,
            since_first: self.first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first)),
        }
    }

    /// An arrival leaves the window exactly one window after it came.
    fn forget(&mut self, now: Instant) {
        while let Some(&(at, counts)) = self.recent.front() {
            if now.saturating_duration_since(at) < self.window {
                return;
            }
            self.recent.pop_front();
            self.counting -= usize::from(counts);
        }
    }

    /// Until so many have left that less than the quota remain: refusals that count can exceed it.
    fn retry_after(&self, now: Instant) -> Duration {
        let excess = self.counting.saturating_sub(usize::try_from(self.quota).unwrap_or(usize::MAX));
        let mut counting = self.recent.iter().filter(|(_, counts)| *counts);
        let leaves_last = counting.nth(excess);
        leaves_last.map_or(self.window, |(at, _)| (*at + self.window).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn mk_count(quota: u32) -> (RollingCount, Instant) {
        (RollingCount::new(quota, WINDOW, false), Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn accepts_the_quota_at_once_and_refuses_the_next() {
        let (mut count, start) = mk_count(3);
        for _ in 0..3 {
            assert_eq!(count.arrive(start), Ok(()));
        }
        let (after, left) = (Duration::from_secs(20), Duration::from_secs(40));
        assert_eq!(count.arrive(start + after), Err(QuotaExceeded { retry_after: left }));
    }

    #[tokio::test(start_paused = true)]
    async fn place_comes_back_exactly_one_window_later() {
        let (mut count, start) = mk_count(1);
        assert!(count.arrive(start).is_ok());
        assert!(count.arrive(start + Duration::from_nanos(59_999_999_999)).is_err());
        assert!(count.arrive(start + WINDOW).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_rolls_and_is_not_reset_at_its_edge() {
        let (mut count, start) = mk_count(2);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(count.arrive(at(0)).is_ok());
        assert!(count.arrive(at(59)).is_ok());
        assert!(count.arrive(at(61)).is_ok(), "the first has left");
        assert!(count.arrive(at(62)).is_err(), "59 and 61 are one window, whatever minute they fall in");
        assert!(count.arrive(at(119)).is_ok(), "59 has left");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_use_up_no_quota_unless_asked_to() {
        let (mut lenient, start) = mk_count(1);
        let mut strict = RollingCount::new(1, WINDOW, true);
        for count in [&mut lenient, &mut strict] {
            assert!(count.arrive(start).is_ok());
            assert!(count.arrive(start + WINDOW / 2).is_err());
        }
        assert!(lenient.arrive(start + WINDOW).is_ok());
        assert!(strict.arrive(start + WINDOW).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_client_uses_the_same_quota_up_and_is_counted_apart() {
        let (mut count, start) = mk_count(2);
        for _ in 0..2 {
            count.arrive_from_tenant(start);
            let _ = count.arrive(start);
        }
        count.arrive_from_tenant(start);
        let seen = count.seen(start);
        assert_eq!((seen.accepted, seen.refused), (1, 1));
        assert_eq!((seen.tenant, seen.used), (Tenant { accepted: 1, refused: 2 }, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_quota_accepts_nothing_until_the_window_has_room() {
        let (mut count, start) = mk_count(2);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(count.arrive(at(0)).is_ok() && count.arrive(at(10)).is_ok());
        count.set_quota(1);
        assert!(count.arrive(at(60)).is_err(), "10 is still in the window");
        assert!(count.arrive(at(70)).is_ok());
        count.set_quota(2);
        assert!(count.arrive(at(70)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn counts_what_it_saw() {
        let (mut count, start) = mk_count(2);
        for _ in 0..5 {
            let _ = count.arrive(start);
        }
        let seen = count.seen(start + WINDOW);
        assert_eq!((seen.accepted, seen.refused, seen.used), (2, 3, 0));
        assert_eq!(seen.max_in_window, 5, "refused ones arrived, too");
        assert_eq!(seen.since_first, WINDOW);
    }
}
