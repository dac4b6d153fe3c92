//! Chance: everything that is drawn in a run comes from its seed, in the order in which it happens.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use saga_engine::Chance;
use uuid::{Builder, Uuid};

use crate::held;

/// The one source of chance of a run.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Whether something happens that does at this rate.
    pub fn happens(&self, rate: f64) -> bool {
        rate > 0.0 && held(&self.0).random_bool(rate.min(1.0))
    }

    /// A number below this one, which is not 0.
    pub fn below(&self, end: usize) -> usize {
        held(&self.0).random_range(0..end.max(1))
    }

    /// Some time, in whole microseconds.
    pub fn time(&self, range: Range<Duration>) -> Duration {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (from, to) = (micros(range.start), micros(range.end));
        Duration::from_micros(held(&self.0).random_range(from..to.max(from + 1)))
    }

    /// Some milliseconds.
    pub(crate) fn millis(&self, range: Range<u64>) -> Duration {
        self.time(Duration::from_millis(range.start)..Duration::from_millis(range.end))
    }

    /// A factor between these.
    pub(crate) fn factor(&self, range: Range<f64>) -> f64 {
        held(&self.0).random_range(range)
    }

    /// One of these.
    pub fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[self.below(from.len())])
    }

    pub(crate) fn id(&self) -> Uuid {
        Builder::from_random_bytes(self.draw().to_be_bytes()).into_uuid()
    }
}

impl Chance for Dice {
    fn draw(&self) -> u128 {
        held(&self.0).random()
    }
}
