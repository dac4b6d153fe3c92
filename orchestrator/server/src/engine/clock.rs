//! The store's clock, as last heard: one clock decides, whatever the clocks of the machines say.

use std::{sync::Mutex, time::Instant};

use saga_protocol::Timestamp;

/// The store's clock between two times it was read.
#[derive(Default)]
pub(super) struct Clock(Mutex<Option<(Instant, Timestamp)>>);

impl Clock {
    /// Sets it by what the store said just now.
    pub(super) fn set(&self, now: Timestamp) {
        if let Ok(mut heard) = self.0.lock() {
            *heard = Some((Instant::now(), now));
        }
    }

    /// The store's time now; `None` until it was heard for the first time.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let heard = self.0.lock().ok()?;
        heard.map(|(heard_at, then)| then.after(heard_at.elapsed()))
    }
}
