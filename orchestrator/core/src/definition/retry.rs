//! When to try again: exponential backoff with full jitter, as a pure function of the attempts made
//! and a random draw.

use std::time::Duration;

/// How often a command is tried, and how far apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts altogether, at least one.
    pub attempts: u32,
    /// The longest wait after the first attempt.
    pub initial: Duration,
    /// By how much that grows with each attempt.
    pub factor: f64,
    /// The longest wait after any attempt.
    pub max: Duration,
}

impl Retry {
    /// For actions that can be undone: about ten seconds, and the saga turns back.
    pub(super) const BRIEF: Self = Self {
        attempts: 5,
        initial: Duration::from_millis(200),
        factor: 2.0,
        max: Duration::from_secs(10),
    };
    /// For what must happen: about a quarter of an hour, and then a human is called.
    pub(super) const PERSISTENT: Self = Self {
        attempts: 12,
        initial: Duration::from_millis(500),
        factor: 2.0,
        max: Duration::from_secs(300),
    };

    /// How long to wait once `made` attempts were made: between nothing and a ceiling that grows
    /// with them, as `draw` falls in its range. Full jitter: whatever failed together comes back
    /// spread over the whole wait.
    #[must_use]
    pub fn delay(&self, made: u32, draw: u32) -> Duration {
        let ceiling = self.ceiling(made).as_nanos();
        let nanos = (ceiling * u128::from(draw)) >> u32::BITS;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Multiplied step by step: unlike a power, that gives the same result on every machine.
    fn ceiling(&self, made: u32) -> Duration {
        let max = self.max.as_secs_f64();
        let mut seconds = self.initial.as_secs_f64();
        for _ in 1..made.min(self.attempts) {
            if seconds >= max {
                break;
            }
            seconds *= self.factor;
        }
        if seconds >= max { self.max } else { Duration::from_secs_f64(seconds) }
    }
}
