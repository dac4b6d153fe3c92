//! Delays between attempts to reach a server that is away.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

/// The first delay, about.
const FIRST: Duration = Duration::from_millis(200);
/// The longest: a server that is back is noticed soon.
const LONGEST: Duration = Duration::from_secs(2);

/// Growing delays with jitter, without end.
pub(crate) struct Delays(ExponentialBackoff);

impl Delays {
    pub(crate) fn new() -> Self {
        Self(
            ExponentialBackoffBuilder::new()
                .with_initial_interval(FIRST)
                .with_max_interval(LONGEST)
                .with_max_elapsed_time(None)
                .build(),
        )
    }

    /// Waits the next delay.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0.next_backoff().unwrap_or(LONGEST)).await;
    }
}
