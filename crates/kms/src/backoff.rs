//! How long to wait before a request is repeated: exponential with equal jitter, half of it fixed and half random.
//!
//! Source: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.

use std::time::Duration;

/// The wait before retry number `retry` (from 0): `initial * 2^retry`, at most `max`, half of it random.
pub(crate) fn delay(initial: Duration, max: Duration, retry: u32) -> Duration {
    jittered(initial, max, retry, getrandom::u32().unwrap_or(u32::MAX / 2))
}

/// The same with the random number given: 0 is the shortest wait, `u32::MAX` the longest.
fn jittered(initial: Duration, max: Duration, retry: u32, random: u32) -> Duration {
    let factor = 2u32.saturating_pow(retry.min(31));
    let whole = initial.saturating_mul(factor).min(max);
    let half = whole / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: Duration = Duration::from_millis(500);
    const MAX: Duration = Duration::from_secs(10);

    #[test]
    fn doubles_up_to_the_longest_wait() {
        let longest = |retry| jittered(INITIAL, MAX, retry, u32::MAX);
        assert_eq!(longest(0), Duration::from_millis(500));
        assert_eq!(longest(1), Duration::from_secs(1));
        assert_eq!(longest(4), Duration::from_secs(8));
        assert_eq!(longest(5), MAX);
        assert_eq!(longest(u32::MAX), MAX);
    }

    #[test]
    fn half_of_the_wait_is_fixed() {
        assert_eq!(jittered(INITIAL, MAX, 0, 0), Duration::from_millis(250));
        assert_eq!(jittered(INITIAL, MAX, 9, 0), Duration::from_secs(5));
        for _ in 0..100 {
            let wait = delay(INITIAL, MAX, 1);
            assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&wait), "{wait:?}");
        }
    }
}
