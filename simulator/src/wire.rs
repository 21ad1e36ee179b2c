//! The wire: how long requests, refusals and answers take.

use std::time::Duration;

use crate::rng::Rng;
use crate::time::seconds;
use crate::upstream::Status;

/// What a refusal costs the upstream.
const REFUSING: Duration = Duration::from_millis(10);
/// The share of answers that stream: their head comes with the first byte.
const STREAMED: f64 = 0.7;
/// The share of requests that find no warm connection.
const COLD: f64 = 0.02;

/// Delays, drawn at random.
#[derive(Debug)]
pub(crate) struct Wire(Rng);

impl Wire {
    pub(crate) fn new(rng: Rng) -> Self {
        Self(rng)
    }

    /// From here to there, or back: 25 ms at the median, now and then 100 to 300 ms more.
    pub(crate) fn one_way(&mut self) -> Duration {
        let usual = self.0.lognormal(0.025, 0.6);
        let cold = if self.0.chance(COLD) { self.0.between(0.1, 0.3) } else { 0.0 };
        seconds(usual + cold)
    }

    /// From a request's arrival to the head of its answer: prompt for a refusal, the first byte
    /// of a streamed answer, a whole generation for any other.
    pub(crate) fn head_of(&mut self, status: Status) -> Duration {
        match status {
            Status::RateLimited | Status::Unavailable => REFUSING,
            Status::Accepted if self.0.chance(STREAMED) => seconds(self.0.lognormal(1.2, 0.8)),
            Status::Accepted => seconds(self.0.lognormal(8.0, 0.6)),
        }
    }
}
