//! How often, lately, a limit that was believed proved to be none.

use super::super::clock::Nanos;
use super::rules::{DOUBT_AGE, DOUBT_MAX};

/// How many limits proved to be none, and since when there are that many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubt {
    limits: u32,
    since: Nanos,
}

impl Doubt {
    /// Lets what is old enough be forgotten.
    pub(super) fn age(&mut self, now: Nanos) {
        let passed = now.saturating_sub(self.since) / DOUBT_AGE;
        if self.limits > 0 && passed > 0 {
            self.limits = self.limits.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
            self.since += passed * DOUBT_AGE;
        }
    }

    /// Another one.
    pub(super) fn raise(&mut self, now: Nanos) {
        self.limits = (self.limits + 1).min(DOUBT_MAX);
        self.since = now;
    }

    /// How many there are.
    pub(super) fn limits(self) -> u32 {
        self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::SECOND;
    use super::*;

    #[test]
    fn doubts_are_bounded_and_forgotten_one_by_one() {
        let mut doubt = Doubt::default();
        for _ in 0..9 {
            doubt.raise(5);
        }
        assert_eq!(doubt.limits(), 6);
        for _ in 0..2 {
            doubt.age(4 + 2_400 * SECOND);
            assert_eq!(doubt.limits(), 5, "each is forgotten once");
        }
        doubt.age(5 + 2_400 * SECOND);
        assert_eq!(doubt.limits(), 4, "counted from the last one raised");
        doubt.age(5 + 6 * 1_200 * SECOND);
        assert_eq!(doubt.limits(), 0);
    }
}
