//! The token bucket: how many requests may leave at once after a quiet time.
//!
//! One token comes every `period / quota`, which is rarely a whole number of
//! nanoseconds. The level is therefore kept in units of `1 / period` token: a
//! nanosecond adds exactly `quota` units and nothing ever drifts. With the largest
//! settings (10^6 tokens of 1.83 x 10^13 units) the level still fits 64 bits.

use super::clock::Nanos;
use super::retreat::Flow;

/// What was taken from a bucket: a token, or what there was of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    units: u64,
    period: Nanos,
}

/// A token bucket in exact integers.
#[derive(Debug)]
pub(super) struct TokenBucket {
    /// Units of one token, and the nanoseconds in which `quota` tokens come.
    period: Nanos,
    /// Tokens that come in one period; units that come in one nanosecond.
    quota: u32,
    /// The most tokens the bucket holds.
    capacity: u32,
    /// Units in the bucket.
    level: u64,
    refilled: Nanos,
    /// Until then nothing can leave anyway, and what accrues is bounded by one token.
    blocked_until: Nanos,
}

impl TokenBucket {
    /// A bucket with one token: what happened before the process started is unknown, and the
    /// upstream may remember it.
    pub(super) fn cold(flow: Flow, now: Nanos) -> Self {
        let Flow { tokens: quota, period, capacity } = flow;
        Self { period, quota, capacity, level: period, refilled: now, blocked_until: 0 }
    }

    /// Changes rate and size; tokens already earned or owed stay, up to the new size.
    pub(super) fn reconfigure(&mut self, flow: Flow, now: Nanos) {
        let Flow { tokens: quota, period, capacity } = flow;
        if (quota, period, capacity) == (self.quota, self.period, self.capacity) {
            return;
        }
        self.refill(now);
        let scaled = u128::from(self.level) * u128::from(period) / u128::from(self.period);
        self.period = period;
        self.quota = quota;
        self.capacity = capacity;
        self.level = u64::try_from(scaled).unwrap_or(u64::MAX).min(self.full());
    }

    /// Adds what has accrued.
    ///
    /// While requests wait behind the window or the gate at most one token accrues: the burst
    /// of a minute ago must not be repeated every minute, or the urgent request that comes
    /// between two bursts waits for half a minute.
    pub(super) fn refill(&mut self, now: Nanos) {
        let blocked = self.blocked_until.clamp(self.refilled, now.max(self.refilled));
        self.accrue(blocked - self.refilled, self.level.max(self.period));
        self.accrue(now.saturating_sub(blocked), self.full());
        self.refilled = self.refilled.max(now);
    }

    fn accrue(&mut self, elapsed: Nanos, limit: u64) {
        let earned = u128::from(elapsed) * u128::from(self.quota);
        let level = (u128::from(self.level) + earned).min(u128::from(limit.min(self.full())));
        self.level = u64::try_from(level).unwrap_or(u64::MAX);
    }

    /// Says until when what waits is held back by something other than tokens.
    pub(super) fn block_until(&mut self, until: Nanos) {
        self.blocked_until = until;
    }

    /// Takes one token, as far as there is one; returns what to give back if it is not used.
    pub(super) fn take(&mut self) -> Taken {
        let units = self.level.min(self.period);
        self.level -= units;
        Taken { units, period: self.period }
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&mut self, taken: Taken) {
        // A token taken before an edit is worth a token after it.
        let units = u128::from(taken.units) * u128::from(self.period) / u128::from(taken.period);
        self.level = self.level.saturating_add(u64::try_from(units).unwrap_or(u64::MAX)).min(self.full());
    }

    /// Keeps at most one token.
    pub(super) fn keep_one(&mut self) {
        self.level = self.level.min(self.period);
    }

    /// When `count` tokens are there, if nothing is taken and nothing leaves before `blocked_until`.
    /// The bucket must have been refilled at `now`.
    pub(super) fn ready_at(&self, count: u64, blocked_until: Nanos, now: Nanos) -> Nanos {
        let start = blocked_until.max(now);
        let waiting = u128::from(start - now) * u128::from(self.quota);
        let at_start = (u128::from(self.level) + waiting).min(u128::from(self.level.max(self.period)));
        self.after(start, count, at_start)
    }

    /// When `count` tokens are there if `spent` of today's are taken first and those who wait for
    /// the others are held back until `blocked_until`.
    pub(super) fn ready_after(&self, spent: u64, blocked_until: Nanos, count: u64) -> Nanos {
        let left = u128::from(self.level).saturating_sub(u128::from(spent) * u128::from(self.period));
        self.after(blocked_until, count, left.max(u128::from(self.period)))
    }

    fn after(&self, start: Nanos, count: u64, level: u128) -> Nanos {
        let missing = (u128::from(count) * u128::from(self.period)).saturating_sub(level);
        let wait = missing.div_ceil(u128::from(self.quota));
        start.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    /// Whole and partial tokens.
    #[expect(clippy::cast_precision_loss, reason = "for display only; decisions use the integers")]
    pub(super) fn tokens(&self) -> f64 {
        self.level as f64 / self.period as f64
    }

    pub(super) fn capacity(&self) -> u32 {
        self.capacity
    }

    fn full(&self) -> u64 {
        u64::from(self.capacity) * self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn mk_flow(seconds: u64, tokens: u32, capacity: u32) -> Flow {
        Flow { tokens, period: seconds * SECOND, capacity }
    }

    fn mk_bucket() -> TokenBucket {
        TokenBucket::cold(mk_flow(60, 40, 40), 0)
    }

    #[test]
    fn it_starts_with_one_token_and_fills_to_its_capacity() {
        let mut bucket = mk_bucket();
        assert_eq!(bucket.ready_at(1, 0, 0), 0);
        assert_eq!(bucket.ready_at(2, 0, 0), 1_500_000_000);
        bucket.refill(3600 * SECOND);
        assert!((bucket.tokens() - 40.0).abs() < f64::EPSILON);
    }

    #[test]
    fn no_refill_pattern_gains_or_loses_a_unit() {
        let (mut once, mut often) = (mk_bucket(), mk_bucket());
        for step in 0..10_000 {
            often.refill(step * 1_234_567);
        }
        once.refill(9_999 * 1_234_567);
        assert_eq!(once.level, often.level);
    }

    #[test]
    fn while_blocked_at_most_one_token_accrues() {
        let mut bucket = mk_bucket();
        let taken = bucket.take();
        bucket.give_back(taken);
        assert!((bucket.tokens() - 1.0).abs() < f64::EPSILON);
        bucket.take();
        let nothing = bucket.take();
        bucket.give_back(nothing);
        assert!(bucket.tokens().abs() < f64::EPSILON, "what was not there is not given back");
        bucket.block_until(30 * SECOND);
        assert_eq!(bucket.ready_at(2, 30 * SECOND, 0), 31_500_000_000);
        bucket.refill(30 * SECOND);
        assert!((bucket.tokens() - 1.0).abs() < f64::EPSILON);
        bucket.refill(33 * SECOND);
        assert!((bucket.tokens() - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_new_rate_keeps_what_was_earned() {
        let mut bucket = mk_bucket();
        bucket.refill(12 * SECOND);
        bucket.reconfigure(mk_flow(30, 4, 4), 12 * SECOND);
        assert!((bucket.tokens() - 4.0).abs() < f64::EPSILON, "capacity is bounded by the quota");
        bucket.take();
        assert_eq!(bucket.ready_at(4, 0, 12 * SECOND), 19_500_000_000);
    }

    #[test]
    fn the_quota_bounds_what_a_quiet_time_earns() {
        let mut bucket = TokenBucket::cold(mk_flow(60, 4, 4), 0);
        bucket.refill(3600 * SECOND);
        assert!((bucket.tokens() - 4.0).abs() < f64::EPSILON, "a burst of ten would break the window");
    }

    #[test]
    fn a_token_taken_before_an_edit_goes_back_as_one_token() {
        let mut bucket = mk_bucket();
        let taken = bucket.take();
        bucket.reconfigure(mk_flow(30, 40, 40), 0);
        bucket.give_back(taken);
        assert!((bucket.tokens() - 1.0).abs() < f64::EPSILON, "{} tokens", bucket.tokens());
    }
}
