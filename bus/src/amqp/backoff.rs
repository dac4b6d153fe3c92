//! Delays between attempts to connect: exponential, with jitter. The only use of the crate
//! `backoff`, which is unmaintained; were it gone, this file would hold ten lines more.

use std::time::{Duration, Instant};

use backoff::{ExponentialBackoff, backoff::Backoff};

use super::limits::{GOOD_AFTER, RECONNECT_FIRST, RECONNECT_LONGEST};

/// Half of the delay, up or down, is chance, so that clients cut off together do not come back
/// together.
const JITTER: f64 = 0.5;
/// Each delay is this many times the one before.
const FACTOR: f64 = 2.0;

/// The delays of one connection.
pub(super) struct Delays(ExponentialBackoff);

impl Delays {
    pub(super) fn new() -> Self {
        Self(ExponentialBackoff {
            current_interval: RECONNECT_FIRST,
            initial_interval: RECONNECT_FIRST,
            randomization_factor: JITTER,
            multiplier: FACTOR,
            max_interval: RECONNECT_LONGEST,
            // For ever: whoever runs us decides when to give up.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// The delay after an attempt that began then.
    pub(super) fn after(&mut self, began: Instant) -> Duration {
        if began.elapsed() >= GOOD_AFTER {
            self.0.reset();
        }
        self.0.next_backoff().unwrap_or(RECONNECT_LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_longest_and_begin_anew_after_a_good_connection() {
        let mut delays = Delays::new();
        let now = Instant::now();
        let first = delays.after(now);
        assert!(first <= RECONNECT_FIRST.mul_f64(1.0 + JITTER) + Duration::from_micros(1));
        let last = (0..20).map(|_| delays.after(now)).last().unwrap();
        assert!(last >= RECONNECT_LONGEST.mul_f64(1.0 - JITTER));
        assert!(last <= RECONNECT_LONGEST.mul_f64(1.0 + JITTER) + Duration::from_micros(1));
        let Some(long_ago) = now.checked_sub(GOOD_AFTER) else { return };
        assert!(delays.after(long_ago) < Duration::from_secs(1));
    }
}
