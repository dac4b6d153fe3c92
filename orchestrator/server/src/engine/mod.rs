//! The engine: loops over the ports that carry events to the core and its decisions to store and
//! bus. This file is its handle, which HTTP uses, and the composition of the loops.

mod clock;
mod dead;
mod due;
mod fold;
mod gate;
mod letter;
mod publisher;
mod read;
mod replies;
mod restore;
mod snapshot;
mod start;
mod upkeep;
mod verbs;
mod waiters;

use std::{sync::Arc, time::Duration};

use saga_bus::Bus;
use saga_store::Store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::definitions::Definitions;

use self::{
    clock::Clock,
    fold::{Committed, Folded},
    gate::Backlog,
    publisher::{Outgoing, Publisher},
    start::Starter,
    waiters::Waiters,
};
pub(crate) use self::{
    snapshot::{Snapshot, Understood},
    start::{StartError, StartRequest, Started},
    verbs::VerbError,
};

/// How long the loops may take to finish what they hold when asked to stop: a batch is far below a
/// second, and whatever is not finished is delivered again elsewhere.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// The engine. Cheap to clone; all methods may be called from any task at once.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    definitions: Arc<Definitions>,
    clock: Clock,
    backlog: Backlog,
    publisher: Publisher,
    starter: Starter,
    waiters: Waiters,
}

/// The store cannot be asked now; nothing was changed, or it is not known to have been.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot be asked now: {0}")]
pub(crate) struct Unavailable(pub(crate) String);

impl From<saga_store::Error> for Unavailable {
    fn from(error: saga_store::Error) -> Self {
        Self(error.to_string())
    }
}

impl Engine {
    /// An engine over these ports; nothing runs before [`Engine::run`].
    pub(crate) fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        definitions: Arc<Definitions>,
    ) -> Self {
        let publisher = Publisher::new(Arc::clone(&bus));
        Self(Arc::new(Inner {
            store,
            bus,
            definitions,
            clock: Clock::default(),
            backlog: Backlog::default(),
            publisher,
            starter: Starter::default(),
            waiters: Waiters::default(),
        }))
    }

    /// Runs the loops until `stop` is cancelled, then lets them finish what they hold, at most
    /// [`DRAIN_MAX`].
    pub(crate) async fn run(&self, stop: CancellationToken) {
        self.prepare(&stop).await;
        let loops = TaskTracker::new();
        loops.spawn(self.clone().run_starts(stop.clone()));
        loops.spawn(self.clone().run_replies(stop.clone()));
        loops.spawn(self.clone().run_due(stop.clone()));
        loops.spawn(self.clone().run_postponing(stop.clone()));
        loops.spawn(self.clone().run_restoring(stop.clone()));
        loops.spawn(self.clone().run_dead_letters(stop.clone()));
        loops.spawn(self.clone().run_waiters(stop.clone()));
        loops.spawn(self.clone().run_upkeep(stop.clone()));
        loops.close();
        stop.cancelled().await;
        if tokio::time::timeout(DRAIN_MAX, loops.wait()).await.is_err() {
            tracing::warn!("not everything was finished in time; it will be delivered again");
        }
        self.0.bus.close().await;
    }

    /// The definitions that sagas follow.
    pub(crate) fn definitions(&self) -> &Definitions {
        &self.0.definitions
    }

    /// Does what committed transitions ask for: tells people, wakes who waits, sends commands.
    async fn committed(&self, folded: Vec<Folded>) {
        let mut outgoing = Vec::new();
        for committed in folded.into_iter().filter_map(Folded::into_committed) {
            let Committed { saga, definition, commands, notes, snapshot } = committed;
            fold::tell(&saga, &notes);
            if snapshot.is_ended() {
                self.0.waiters.wake(&snapshot);
            }
            outgoing.push(Outgoing::of(&saga, &definition, commands));
        }
        self.0.publisher.publish(outgoing).await;
    }
}
