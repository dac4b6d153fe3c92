//! Time and chance, as the engine knows them: the store's clock as last heard, so that one clock
//! decides whatever the clocks of the machines say; and draws from a port, so that a simulation is
//! one seed.

use std::sync::{Arc, Mutex, PoisonError};

use saga_core::saga::At;
use saga_protocol::{SagaId, Timestamp};
use tokio::time::Instant;
use uuid::{Builder, Uuid};

/// Where chance comes from.
pub trait Chance: Send + Sync + 'static {
    /// Bits that nobody can foresee.
    fn draw(&self) -> u128;
}

/// Chance from the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Chance for Random {
    fn draw(&self) -> u128 {
        rand::random()
    }
}

/// Time and chance.
pub(crate) struct Source {
    chance: Arc<dyn Chance>,
    /// The store's clock when it was last read.
    heard: Mutex<Option<(Instant, Timestamp)>>,
}

impl Source {
    pub(crate) fn new(chance: Arc<dyn Chance>) -> Self {
        Self { chance, heard: Mutex::default() }
    }

    /// Sets the clock by what the store said just now.
    pub(crate) fn set(&self, now: Timestamp) {
        // Nothing panics with the lock held.
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), now));
    }

    /// The store's time now; `None` until it was heard for the first time.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map(|(heard_at, then)| then.after(heard_at.elapsed()))
    }

    /// What a decision at this time is given.
    pub(crate) fn at(&self, now: Timestamp) -> At {
        #[expect(clippy::cast_possible_truncation, reason = "any 32 of the bits serve")]
        let draw = self.chance.draw() as u32;
        At { now, draw }
    }

    /// The id of a saga that begins at this time.
    pub(crate) fn saga_id(&self, now: Timestamp) -> SagaId {
        SagaId(self.id(now))
    }

    /// An id, in the order of time, that nobody else makes.
    pub(crate) fn id(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_micros() / 1000).unwrap_or_default();
        let mut random = [0; 10];
        random.copy_from_slice(&self.chance.draw().to_be_bytes()[..10]);
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
