//! What a histogram has seen, for those who want a quantile and have no Prometheus at hand.

use prometheus::Histogram;
use prometheus::core::Metric;

/// How many finite buckets a histogram of ours has at most.
const BUCKETS: usize = 11;

/// How often a histogram saw values up to each of its bounds. Of one size, whatever was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Upper bound, and how many values were no larger.
    cumulative: [(f64, u64); BUCKETS],
    count: u64,
}

impl Distribution {
    /// Everything that `histogram` has seen.
    pub fn of(histogram: &Histogram) -> Self {
        let metric = histogram.metric();
        let seen = metric.get_histogram();
        let mut cumulative = [(f64::INFINITY, seen.get_sample_count()); BUCKETS];
        for (place, bucket) in cumulative.iter_mut().zip(seen.get_bucket()) {
            *place = (bucket.upper_bound(), bucket.cumulative_count());
        }
        Self { cumulative, count: seen.get_sample_count() }
    }

    /// What was seen after `before`, an older one of the same histogram.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut rest = *self;
        rest.count = rest.count.saturating_sub(before.count);
        for ((_, count), (_, earlier)) in rest.cumulative.iter_mut().zip(before.cumulative) {
            *count = count.saturating_sub(earlier);
        }
        rest
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest finite bound: a quantile that equals it may be anything above.
    pub fn top(&self) -> f64 {
        self.cumulative.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).fold(0.0, f64::max)
    }

    /// The value that the share `q` of all values does not exceed, straight between two bounds, as Prometheus's
    /// `histogram_quantile` has it. `None` without values.
    #[expect(clippy::cast_precision_loss, reason = "an estimate between two bounds")]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = q * self.count as f64;
        let (mut lower, mut below) = (0.0, 0);
        for (bound, cumulative) in self.cumulative {
            if cumulative as f64 >= rank && cumulative > below {
                let share = (rank - below as f64) / (cumulative - below) as f64;
                return Some(if bound.is_finite() { lower + (bound - lower) * share } else { lower });
            }
            (lower, below) = (if bound.is_finite() { bound } else { lower }, cumulative);
        }
        Some(self.top())
    }
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    fn mk_histogram() -> Histogram {
        Histogram::with_opts(HistogramOpts::new("test", "A test.").buckets(vec![1.0, 2.0, 4.0])).unwrap()
    }

    fn see(histogram: &Histogram, values: &[f64]) -> Distribution {
        for value in values {
            histogram.observe(*value);
        }
        Distribution::of(histogram)
    }

    #[test]
    fn a_quantile_lies_straight_between_the_bounds_around_it() {
        let seen = see(&mk_histogram(), &[0.5, 0.5, 3.0, 3.0]);
        assert_eq!((seen.count(), seen.top()), (4, 4.0));
        assert_eq!((seen.quantile(0.25), seen.quantile(0.5)), (Some(0.5), Some(1.0)));
        assert_eq!((seen.quantile(0.75), seen.quantile(1.0)), (Some(3.0), Some(4.0)));
    }

    #[test]
    fn above_the_largest_bound_nothing_is_known_but_the_bound() {
        assert_eq!(see(&mk_histogram(), &[9.0]).quantile(0.5), Some(4.0));
    }

    #[test]
    fn without_values_there_is_no_quantile() {
        assert_eq!(see(&mk_histogram(), &[]).quantile(0.5), None);
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    #[test]
    fn what_was_seen_before_counts_no_longer() {
        let histogram = mk_histogram();
        let before = see(&histogram, &[3.0, 3.0, 3.0]);
        let fresh = see(&histogram, &[0.5]).since(&before);
        assert_eq!((fresh.count(), fresh.quantile(1.0)), (1, Some(1.0)));
        assert_eq!(see(&histogram, &[]).since(&Distribution::default()).count(), 4);
    }
}
