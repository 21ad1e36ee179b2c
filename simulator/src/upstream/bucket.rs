//! A token bucket, which a cell rate algorithm is in other words.

use std::time::Duration;

use super::{Hit, Limit};
use crate::scenario::Up;
use crate::time::seconds;

/// A token is there if the missing part is no more than what sums of fractions lose.
const NEARLY: f64 = 1.0 - 1e-9;
/// What a refusal costs where refusals count.
const REFUSAL_COSTS: f64 = 0.5;

/// Refills by the quota, holds a burst.
#[derive(Debug)]
pub(super) struct Bucket {
    burst: Option<u32>,
    window: f64,
    counts_refused: bool,
    /// `None` before the first request: it finds the bucket full.
    tokens: Option<f64>,
    refilled: Duration,
}

impl Bucket {
    pub(super) fn new(up: &Up) -> Self {
        Self {
            burst: up.burst,
            window: up.window.as_secs_f64(),
            counts_refused: up.count429,
            tokens: None,
            refilled: Duration::ZERO,
        }
    }
}

impl Limit for Bucket {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0, at most the quota"
    )]
    fn hit(&mut self, quota: u32, now: Duration) -> Hit {
        let capacity = f64::from(self.burst.unwrap_or(quota).min(quota).max(1));
        let rate = f64::from(quota) / self.window;
        let earned = now.saturating_sub(self.refilled).as_secs_f64() * rate;
        let mut tokens = (self.tokens.unwrap_or(capacity) + earned).min(capacity);
        self.refilled = now;
        let accepted = tokens >= NEARLY;
        if accepted {
            tokens -= 1.0;
        } else if self.counts_refused {
            tokens = (tokens - REFUSAL_COSTS).max(-capacity);
        }
        self.tokens = Some(tokens);
        let full_in = seconds((capacity - tokens) / rate);
        if accepted {
            return Hit::accepted(tokens as u32, full_in);
        }
        Hit::refused(seconds((1.0 - tokens) / rate), full_in)
    }
}
