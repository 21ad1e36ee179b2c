//! The wire: how long requests, refusals and answers take.

use std::time::Duration;

use crate::rng::Rng;
use crate::scenario::{Delays, Spread};
use crate::time::seconds;
use crate::upstream::Status;

/// What a refusal costs the upstream.
const REFUSING: Duration = Duration::from_millis(10);
/// The share of answers that stream: their head comes with the first byte.
const STREAMED: f64 = 0.7;
/// The share of requests that find no warm connection.
const COLD: f64 = 0.02;

/// Delays, drawn at random: those of the internet and of a large model, or those that a scenario knows.
#[derive(Debug)]
pub(crate) struct Wire {
    rng: Rng,
    known: Option<Delays>,
}

impl Wire {
    pub(crate) fn new(rng: Rng, known: Option<Delays>) -> Self {
        Self { rng, known }
    }

    /// From here to there.
    pub(crate) fn there(&mut self) -> Duration {
        match self.known {
            Some(known) => self.within(known.there),
            None => self.one_way(),
        }
    }

    /// From a request's arrival to the head of its answer here: prompt for a refusal, the first byte
    /// of a streamed answer, a whole generation for any other.
    pub(crate) fn answer(&mut self, status: Status) -> Duration {
        match (self.known, status) {
            (Some(_), Status::RateLimited | Status::Unavailable) => Duration::ZERO,
            (Some(known), Status::Accepted) => self.within(known.head),
            (None, status) => self.head_of(status) + self.one_way(),
        }
    }

    /// 25 ms at the median, now and then 100 to 300 ms more.
    fn one_way(&mut self) -> Duration {
        let usual = self.rng.lognormal(0.025, 0.6);
        let cold = if self.rng.chance(COLD) { self.rng.between(0.1, 0.3) } else { 0.0 };
        seconds(usual + cold)
    }

    fn head_of(&mut self, status: Status) -> Duration {
        match status {
            Status::RateLimited | Status::Unavailable => REFUSING,
            Status::Accepted if self.rng.chance(STREAMED) => seconds(self.rng.lognormal(1.2, 0.8)),
            Status::Accepted => seconds(self.rng.lognormal(8.0, 0.6)),
        }
    }

    fn within(&mut self, spread: Spread) -> Duration {
        seconds(self.rng.between(spread.least.as_secs_f64(), spread.most.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_delays_are_all_that_takes_time() {
        let spread =
            |least, most| Spread { least: Duration::from_millis(least), most: Duration::from_millis(most) };
        let known = Delays { there: spread(10, 50), head: spread(300, 1200) };
        let mut wire = Wire::new(Rng::named("", "wire", 1), Some(known));
        for _ in 0..100 {
            assert!((Duration::from_millis(10)..=Duration::from_millis(50)).contains(&wire.there()));
            let head = wire.answer(Status::Accepted);
            assert!((Duration::from_millis(300)..=Duration::from_millis(1200)).contains(&head), "{head:?}");
            assert_eq!(wire.answer(Status::RateLimited), Duration::ZERO);
        }
    }
}
