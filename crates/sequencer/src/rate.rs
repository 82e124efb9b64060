//! How many submissions a second may come: a bucket that fills steadily and is emptied by what comes; one for each
//! participant, and one for all that have no token yet.

use std::collections::HashMap;
use std::time::Duration;

use cantle_protocol::SubmissionRequest;
use cantle_types::ParticipantId;
use jiff::Timestamp;

use crate::checks::Entrance;
use crate::options::SequencerOptions;

/// The buckets of a sequencer.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    participants: HashMap<ParticipantId, Bucket>,
    unauthenticated: Option<Bucket>,
}

/// More came than may: so many a second.
#[derive(Debug)]
pub(crate) struct TooMany(pub(crate) f64);

impl Rates {
    /// Counts a submission. Confirmation requests of participants are limited to `max_rate` a second, and whatever comes from
    /// members without a token; nothing else is.
    pub(crate) fn take(
        &mut self,
        request: &SubmissionRequest,
        entrance: Entrance,
        max_rate: u32,
        options: &SequencerOptions,
        now: Timestamp,
    ) -> Result<(), TooMany> {
        let (bucket, rate, capacity) = match ParticipantId::try_from(request.sender().clone()) {
            Ok(participant) if request.is_request() => {
                let rate = f64::from(max_rate);
                let capacity = (rate * options.burst_seconds).max(rate.min(1.0));
                let bucket = self.participants.entry(participant);
                (bucket.or_insert_with(|| Bucket::new(rate, capacity, now)), rate, capacity)
            }
            _ if entrance == Entrance::Unauthenticated => {
                let (rate, capacity) = (options.unauthenticated_rate, options.unauthenticated_burst);
                let bucket = self.unauthenticated.get_or_insert_with(|| Bucket::new(rate, capacity, now));
                (bucket, rate, capacity)
            }
            _ => return Ok(()),
        };
        if !bucket.has(rate, capacity) {
            *bucket = Bucket::new(rate, capacity, now);
        }
        if bucket.take(now) { Ok(()) } else { Err(TooMany(rate)) }
    }
}

/// A bucket of tokens. It begins full.
#[derive(Debug, Clone)]
struct Bucket {
    rate: f64,
    capacity: f64,
    level: f64,
    at: Timestamp,
}

impl Bucket {
    /// So many a second, and at most so many at once.
    fn new(rate: f64, capacity: f64, now: Timestamp) -> Self {
        Self { rate, capacity, level: capacity, at: now }
    }

    /// Whether this is the bucket of that rate and capacity.
    fn has(&self, rate: f64, capacity: f64) -> bool {
        self.rate.to_bits() == rate.to_bits() && self.capacity.to_bits() == capacity.to_bits()
    }

    /// Takes one, if there is one. A clock that goes back gives nothing.
    fn take(&mut self, now: Timestamp) -> bool {
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
