//! What must be there before the loops run, and what must be kept while they do: the store's clock,
//! the journal's partitions, the queues of participants, the versions that sagas follow.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Engine;

/// Between two readings of the store's clock; in between it runs by ours, which strays far less
/// than timeouts allow.
const CLOCK_EVERY: Duration = Duration::from_secs(10);
/// Between two looks at the journal's partitions, which are made days ahead.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60 * 60);
/// Before the database is asked again whether it is ready.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    /// Waits until the database can be written to, or until `stop`.
    pub(crate) async fn prepare(&self, stop: &CancellationToken) {
        self.0.bus.declare(&self.0.definitions.participants()).await;
        while let Err(error) = self.keep_up().await {
            tracing::warn!(error = %error, "waiting for the database");
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TRY_AGAIN) => {}
            }
        }
    }

    async fn keep_up(&self) -> Result<(), saga_store::Error> {
        self.0.source.set(self.0.store.now().await?);
        self.0.store.maintain().await
    }

    /// Keeps clock and partitions, until `stop`.
    pub(crate) async fn run_upkeep(self, stop: CancellationToken) {
        let mut maintained = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CLOCK_EVERY) => {}
            }
            let kept = if maintained.elapsed() >= MAINTAIN_EVERY {
                self.keep_up().await.map(|()| maintained = Instant::now())
            } else {
                self.0.store.now().await.map(|now| self.0.source.set(now))
            };
            if let Err(error) = kept {
                tracing::warn!(error = %error, "upkeep waits for the database");
            }
        }
    }

    /// Fetches versions that are not known here, and declares the queues of those they ask.
    pub(crate) async fn learn(&self, hashes: BTreeSet<String>) -> Result<(), saga_store::Error> {
        if hashes.iter().any(|hash| self.0.definitions.version(hash).is_none()) {
            self.0.definitions.learn(&hashes, &*self.0.store).await?;
            self.0.bus.declare(&self.0.definitions.participants()).await;
        }
        Ok(())
    }
}
