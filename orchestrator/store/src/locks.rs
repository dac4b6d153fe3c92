//! Locks of sagas within one process, for stores that no other process uses: held from the claim to
//! the end of the transaction. They go with whoever holds them: a caller that goes away in the
//! middle leaves nothing locked.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use saga_protocol::SagaId;
use tokio::{sync::Notify, time::timeout};

use crate::Error;

/// A saga that is held longer than this is not coming, as on Postgres.
const LOCK_MAX: Duration = Duration::from_secs(2);

/// Which sagas are held. Its clones are the same locks.
#[derive(Clone, Default)]
pub(crate) struct Locks(Arc<Shared>);

#[derive(Default)]
struct Shared {
    held: Mutex<BTreeSet<SagaId>>,
    /// Told when some are let go.
    released: Notify,
}

/// The sagas that one transaction holds.
pub(crate) struct Held {
    locks: Locks,
    ids: BTreeSet<SagaId>,
}

impl Locks {
    /// Holds those of these that nobody holds, in their order, up to so many.
    pub(crate) fn take(&self, ids: impl IntoIterator<Item = SagaId>, max: usize) -> Held {
        let mut held = self.held();
        let free = ids.into_iter().filter(|id| held.insert(*id)).take(max);
        let ids = free.collect();
        drop(held);
        Held { locks: self.clone(), ids }
    }

    /// Holds this one as soon as nobody else does.
    ///
    /// # Errors
    /// [`Error::Transient`]: somebody holds it for too long.
    pub(crate) async fn wait_for(&self, id: SagaId) -> Result<Held, Error> {
        let free = async {
            loop {
                // Told of what is released from here on, so that nothing is missed.
                let released = self.0.released.notified();
                let held = self.take([id], 1);
                if held.has(id) {
                    return held;
                }
                released.await;
            }
        };
        let late = |_| Error::Transient(format!("saga `{id}` is held by another"));
        timeout(LOCK_MAX, free).await.map_err(late)
    }

    /// How many are held.
    pub(crate) fn count(&self) -> usize {
        self.held().len()
    }

    /// Whoever panicked with it did so between two changes.
    fn held(&self) -> MutexGuard<'_, BTreeSet<SagaId>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    pub(crate) fn has(&self, id: SagaId) -> bool {
        self.ids.contains(&id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = SagaId> {
        self.ids.iter().copied()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let mut held = self.locks.held();
        for id in &self.ids {
            held.remove(id);
        }
        drop(held);
        self.locks.0.released.notify_waiters();
    }
}
