//! Delays between attempts to reach a server that is away. The only use of the crate `backoff`,
//! which is unmaintained; were it gone, this file would hold ten lines more.

use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff};

/// Half of the delay, up or down, is chance, so that clients cut off together do not come back
/// together.
const JITTER: f64 = 0.5;
/// Each delay is this many times the one before.
const FACTOR: f64 = 2.0;
/// The first delay, about.
const FIRST: Duration = Duration::from_millis(200);
/// The longest, about: a server that is back is noticed soon.
const LONGEST: Duration = Duration::from_secs(2);

/// Growing delays with jitter, without end: whoever runs us decides when to give up.
pub struct Delays(ExponentialBackoff);

impl Delays {
    /// From the first delay on.
    #[must_use]
    pub fn new() -> Self {
        Self(ExponentialBackoff {
            current_interval: FIRST,
            initial_interval: FIRST,
            randomization_factor: JITTER,
            multiplier: FACTOR,
            max_interval: LONGEST,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(LONGEST)
    }

    /// Waits the next delay.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl Default for Delays {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_longest_and_begin_anew() {
        let mut delays = Delays::new();
        let within = |delay: Duration, about: Duration| {
            delay >= about.mul_f64(1.0 - JITTER)
                && delay <= about.mul_f64(1.0 + JITTER) + Duration::from_micros(1)
        };
        assert!(within(delays.next_delay(), FIRST));
        let last = (0..20).map(|_| delays.next_delay()).last().expect("there are twenty");
        assert!(within(last, LONGEST));
        delays.reset();
        assert!(within(delays.next_delay(), FIRST));
    }
}
