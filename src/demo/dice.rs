//! A small seeded source of randomness: the same seed plays the same demo again.

use std::ops::Range;
use std::time::Duration;

/// `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): even
/// enough for jitter and think times, and not for secrets.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The sequence that belongs to `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Another sequence, which this one decides.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self::new(self.next())
    }

    /// A number from 0 up to but not including `bound`; 0 when there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The modulo's bias is below one in 10^9 for the bounds of this program.
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// True `percent` times out of a hundred.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// A time until the next of events that come independently, one every `mean` on average.
    pub fn until_next(&mut self, mean: Duration) -> Duration {
        let share = f64::from(u32::try_from(self.below(1 << 24)).unwrap_or(0) + 1) / f64::from(1 << 24);
        mean.mul_f64(-share.ln())
    }

    /// A time within `range`, to the microsecond; its start when the range is empty.
    pub fn duration(&mut self, range: &Range<Duration>) -> Duration {
        let span = range.end.saturating_sub(range.start);
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        range.start + Duration::from_micros(self.below(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_sequence_and_another_one_does_not() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            [(); 4].map(|()| dice.below(1_000_000))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn durations_stay_within_their_range_and_fill_it() {
        let mut dice = Dice::new(1);
        let range = Duration::from_millis(10)..Duration::from_millis(20);
        let drawn: Vec<_> = (0..1000).map(|_| dice.duration(&range)).collect();
        assert!(drawn.iter().all(|time| range.contains(time)));
        let mean = drawn.iter().sum::<Duration>() / 1000;
        assert!((Duration::from_micros(14_500)..Duration::from_micros(15_500)).contains(&mean), "{mean:?}");
    }

    #[test]
    fn independent_events_come_as_often_as_asked() {
        let mut dice = Dice::new(1);
        let drawn: Vec<_> = (0..1000).map(|_| dice.until_next(Duration::from_secs(4))).collect();
        let mean = drawn.iter().sum::<Duration>() / 1000;
        assert!((Duration::from_millis(3_700)..Duration::from_millis(4_300)).contains(&mean), "{mean:?}");
        assert!(drawn.iter().any(|time| *time > Duration::from_secs(12)), "now and then none comes for long");
    }

    #[test]
    fn an_empty_range_is_its_start() {
        let second = Duration::from_secs(1);
        assert_eq!(Dice::new(1).duration(&(second..second)), second);
        assert_eq!(Dice::new(1).below(0), 0);
    }
}
