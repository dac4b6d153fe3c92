//! The store's clock, which is the machine's: there is no server to ask.

use std::sync::atomic::{AtomicI64, Ordering};

use saga_protocol::Timestamp;

/// A clock that never goes back while the process lives, whatever somebody sets the machine's to.
pub(super) struct Clock(AtomicI64);

impl Clock {
    pub(super) fn new() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    pub(super) fn now(&self) -> Timestamp {
        let now = Timestamp::wall_clock().as_micros();
        Timestamp::from_micros(self.0.fetch_max(now, Ordering::Relaxed).max(now))
    }
}
