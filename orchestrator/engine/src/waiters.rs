//! Whoever waits for the end of a saga: woken in process where it ended here; one query serves all
//! whose saga ended elsewhere.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use saga_protocol::{SagaId, limits};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{Engine, Snapshot};

/// Between two queries for sagas that ended elsewhere.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Who may wait at once; past it one is answered with the saga as it is. Above what HTTP lets in.
const WAITING_MAX: usize = 16_384;

/// Those who wait.
#[derive(Default)]
pub(crate) struct Waiters {
    by_saga: Mutex<HashMap<SagaId, Vec<Waiter>>>,
    /// Told of each who begins to wait.
    came: Notify,
}

struct Waiter {
    since: Instant,
    wake: oneshot::Sender<Snapshot>,
}

impl Waiters {
    fn add(&self, id: SagaId) -> Option<oneshot::Receiver<Snapshot>> {
        let mut waiting = self.lock();
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        let (wake, woken) = oneshot::channel();
        waiting.entry(id).or_default().push(Waiter { since: Instant::now(), wake });
        self.came.notify_one();
        Some(woken)
    }

    /// Resolves once somebody waits.
    async fn somebody(&self) {
        while self.lock().is_empty() {
            self.came.notified().await;
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    /// Wakes who waits for this saga.
    pub(crate) fn wake(&self, snapshot: &Snapshot) {
        let waiters = self.lock().remove(&snapshot.row.id).unwrap_or_default();
        for waiter in waiters {
            // Whoever gave up in the meantime is not missed.
            let _ = waiter.wake.send(snapshot.clone());
        }
    }

    /// The sagas that somebody has been waiting for since before the last query; forgets those
    /// nobody waits for.
    fn patient(&self) -> Vec<SagaId> {
        let mut waiting = self.lock();
        waiting.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.wake.is_closed());
            !waiters.is_empty()
        });
        let is_patient = |waiter: &Waiter| waiter.since.elapsed() >= ASK_EVERY;
        let patient = waiting.iter().filter(|(_, waiters)| waiters.iter().any(is_patient));
        let mut ids: Vec<_> = patient.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SagaId, Vec<Waiter>>> {
        // Nothing panics with the lock held; if it did, those who wait are answered at their
        // deadline.
        self.by_saga.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// The saga once it has ended, or as it is when `max` is over, at most [`limits::WAIT_MAX`].
    pub async fn wait(&self, snapshot: Snapshot, max: Duration) -> Snapshot {
        if snapshot.is_ended() || max.is_zero() {
            return snapshot;
        }
        let id = snapshot.row.id;
        let Some(woken) = self.0.waiters.add(id) else {
            return snapshot;
        };
        match tokio::time::timeout(max.min(limits::WAIT_MAX), woken).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) | Err(_) => match self.get(id).await {
                Ok(Some(newest)) => newest,
                Ok(None) | Err(_) => snapshot,
            },
        }
    }

    /// Asks for sagas that may have ended elsewhere, until `stop`.
    pub(crate) async fn run_waiters(self, stop: CancellationToken) {
        let turn = async || {
            self.0.waiters.somebody().await;
            tokio::time::sleep(ASK_EVERY).await;
        };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = turn() => {}
            }
            for ids in self.0.waiters.patient().chunks(limits::BATCH_MAX) {
                let Ok(rows) = self.0.store.get(ids).await else { break };
                let ended = rows.into_iter().filter(|row| row.finished_at.is_some()).collect();
                let Ok(ended) = self.snapshots(ended).await else { break };
                for snapshot in &ended {
                    self.0.waiters.wake(snapshot);
                }
            }
        }
    }
}
