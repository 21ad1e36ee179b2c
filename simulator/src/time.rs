//! Virtual time: a [`Duration`] since the run began.

use std::time::Duration;

/// `seconds` as a duration; what is negative is zero, what is too long is the longest.
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// How many, as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "no run counts to 2^53")]
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}
