//! Random numbers from a name and a seed, the same on every run.

use std::f64::consts::TAU;

/// `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for one purpose (`tag`) of one run: purposes do not disturb each other.
    pub fn named(name: &str, tag: &str, seed: u64) -> Self {
        // FNV-1a: all that is asked is that different words give different states.
        let words = [name.as_bytes(), b"/", tag.as_bytes(), b"/", &seed.to_le_bytes()];
        let hash = words.into_iter().flatten().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(hash)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Another generator, seeded by this one.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self(self.bits())
    }

    /// From 0, included, to 1, excluded.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that has probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Evenly distributed from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from `low` to `high`, both included.
    pub fn whole(&mut self, low: u32, high: u32) -> u32 {
        let span = u64::from(high.saturating_sub(low)) + 1;
        low + u32::try_from(self.bits() % span).unwrap_or(0)
    }

    /// The time to the next of events that come independently, `mean` apart.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Log-normally distributed around `median`.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        median * (sigma * radius * (TAU * self.unit()).cos()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_tag_and_seed_all_matter_and_nothing_else_does() {
        let first = |name, tag, seed| Rng::named(name, tag, seed).bits();
        let drawn = [("A", "up", 1), ("B", "up", 1), ("A", "wire", 1), ("A", "up", 2)];
        let mut bits: Vec<_> = drawn.iter().map(|(name, tag, seed)| first(name, tag, *seed)).collect();
        assert_eq!(bits[0], first("A", "up", 1));
        bits.sort_unstable();
        bits.dedup();
        assert_eq!(bits.len(), drawn.len());
    }

    #[test]
    fn the_distributions_have_the_mean_and_the_median_they_promise() {
        let mut rng = Rng::named("distributions", "", 1);
        let mean = (0..100_000).map(|_| rng.exponential(3.0)).sum::<f64>() / 100_000.0;
        assert!((mean - 3.0).abs() < 0.05, "{mean}");
        let below = (0..100_000).filter(|_| rng.lognormal(8.0, 0.6) < 8.0).count();
        assert!((49_000..51_000).contains(&below), "{below}");
        assert!((0..10_000).all(|_| (3..=5).contains(&rng.whole(3, 5))));
    }
}
