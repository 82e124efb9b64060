//! How many submissions a second may come: a bucket that fills steadily and is emptied by what comes.

use std::time::Duration;

use jiff::Timestamp;

/// A bucket of tokens. It begins full.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    rate: f64,
    capacity: f64,
    level: f64,
    at: Timestamp,
}

impl Bucket {
    /// So many a second, and at most so many at once.
    pub(crate) fn new(rate: f64, capacity: f64, now: Timestamp) -> Self {
        Self { rate, capacity, level: capacity, at: now }
    }

    /// Whether this is the bucket of that rate and capacity.
    pub(crate) fn has(&self, rate: f64, capacity: f64) -> bool {
        self.rate.to_bits() == rate.to_bits() && self.capacity.to_bits() == capacity.to_bits()
    }

    /// Takes one, if there is one. A clock that goes back gives nothing.
    pub(crate) fn take(&mut self, now: Timestamp) -> bool {
        let passed = Duration::try_from(now.duration_since(self.at)).unwrap_or_default();
        self.at = self.at.max(now);
        self.level = (self.level + passed.as_secs_f64() * self.rate).min(self.capacity);
        if self.level < 1.0 {
            return false;
        }
        self.level -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    #[test]
    fn a_full_bucket_gives_its_capacity_and_then_its_rate() {
        let mut bucket = Bucket::new(10.0, 3.0, at(0));
        assert_eq!((0..5).filter(|_| bucket.take(at(0))).count(), 3);
        assert!(!bucket.take(at(99)));
        assert!(bucket.take(at(100)));
        assert!(!bucket.take(at(100)));
        assert_eq!((0..100).filter(|_| bucket.take(at(100_000))).count(), 3, "it never holds more");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(1.0, 1.0, at(10_000));
        assert!(bucket.take(at(10_000)));
        assert!(!bucket.take(at(0)));
        assert!(!bucket.take(at(10_999)));
        assert!(bucket.take(at(11_000)));
    }
}
