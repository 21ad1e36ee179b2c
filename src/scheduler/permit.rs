//! The right to send one request once.

use std::time::Duration;

use super::Refused;
use crate::limiter::Outcome;

/// The right to send one request once.
///
/// Every permit ends in exactly one outcome. Dropped before [`Departure::mark`], its token
/// and its place in the window go back; dropped after, it counts as [`Outcome::Unknown`].
#[derive(Debug, Default)]
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit {}

impl Permit {
    /// A handle to stamp the departure with, for the code that writes the request.
    pub fn departure(&self) -> Departure {
        Departure {}
    }

    /// Whether this request bypasses the pace because the queue was full.
    pub fn is_passthrough(&self) -> bool {
        false
    }

    /// Time from the request's arrival to this permit, all its turns in the queue included.
    pub fn waited(&self) -> Duration {
        Duration::ZERO
    }

    /// In `Observe` mode, how long the request would have waited; zero otherwise.
    pub fn would_have_waited(&self) -> Duration {
        Duration::ZERO
    }

    /// Ends the attempt.
    pub fn settle(self, outcome: Outcome) {
        let _ = outcome;
    }

    /// Ends the attempt and waits for another one at the head of the lane, with the same deadline.
    pub async fn requeue(self, outcome: Outcome) -> Result<Self, Refused> {
        let _ = outcome;
        Ok(Self {})
    }
}

/// Stamps when a request's head was written to a ready connection.
#[derive(Clone, Debug)]
pub struct Departure {}

impl Departure {
    /// The request leaves now. Only the first call counts; none does after the permit has ended.
    pub fn mark(&self) {}
}
