//! Chance that comes from a seed: the same seed, the same throws.
//!
//! Not for anything secret. Source: SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.

use std::time::Duration;

/// A sequence of numbers that follows from its seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence, which follows from this one and a number.
    #[must_use]
    pub fn branch(&self, number: u64) -> Self {
        let mut other = Self(self.0 ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        other.throw();
        other
    }

    /// The next number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A span of at most `longest`, in microseconds.
    pub fn at_most(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.throw() % micros.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_follow_from_the_seed() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            [dice.throw(), dice.throw(), dice.throw()]
        };
        // The generator's own first values for the seed 0.
        assert_eq!(throws(0), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
        assert_ne!(Dice::new(7).branch(1).throw(), Dice::new(7).branch(2).throw());
    }

    #[test]
    fn spans_are_bounded() {
        let mut dice = Dice::new(1);
        let longest = Duration::from_micros(3);
        assert!((0..100).all(|_| dice.at_most(longest) <= longest));
        assert_eq!(dice.at_most(Duration::ZERO), Duration::ZERO);
    }
}
