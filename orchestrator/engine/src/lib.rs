//! The engine: loops over the ports that carry events to the core and its decisions to store and
//! bus. This file is its handle, which HTTP uses, and the composition of the loops.
//!
//! It knows no adapter. Time and chance come from outside too, so that a simulation of many
//! engines, with everything that can go wrong between them, is one seed.

mod commit;
mod dead;
pub mod definitions;
mod due;
mod fold;
mod gate;
mod letter;
mod letters;
mod metrics;
mod pressure;
mod publisher;
mod read;
mod replies;
mod restore;
mod snapshot;
mod source;
mod start;
mod upkeep;
mod verbs;
mod versions;
mod waiters;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use saga_bus::Bus;
use saga_runtime::failpoint::{self, Point};
use saga_store::Store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    definitions::{Definitions, Reloaded},
    letters::{LetterError, is_whole},
    pressure::{BACKLOG_MAX, Overloaded},
    read::Health,
    snapshot::{Snapshot, Understood},
    source::{Chance, Random},
    start::{StartError, StartRequest, Started},
    verbs::VerbError,
    versions::{Known, KnownVersion},
};
use self::{
    fold::{Committed, Folded},
    gate::Backlog,
    metrics::{Counted, Metrics},
    pressure::Pressure,
    publisher::{Outgoing, Publisher},
    start::Starter,
    waiters::Waiters,
};
use crate::source::Source;

/// How long the loops may take to finish what they hold when asked to stop: a batch is far below a
/// second, and whatever is not finished is delivered again elsewhere.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Before a loop that panicked begins anew: a bug that comes back at once must not keep a processor
/// busy.
const AGAIN_AFTER_PANIC: Duration = Duration::from_secs(1);

/// The engine. Cheap to clone; all methods may be called from any task at once.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    definitions: Arc<Definitions>,
    source: Arc<Source>,
    metrics: Arc<Metrics>,
    backlog: Backlog,
    pressure: Pressure,
    publisher: Publisher,
    starter: Starter,
    waiters: Waiters,
}

/// The store cannot be asked now; nothing was changed, or it is not known to have been.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot be asked now: {0}")]
pub struct Unavailable(pub String);

impl From<saga_store::Error> for Unavailable {
    fn from(error: saga_store::Error) -> Self {
        Self(error.to_string())
    }
}

impl Engine {
    /// An engine over these ports; nothing runs before [`Engine::run`].
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        definitions: Arc<Definitions>,
        chance: Arc<dyn Chance>,
    ) -> Self {
        let source = Arc::new(Source::new(chance));
        let metrics = Arc::new(Metrics::new(&definitions));
        let store = Arc::new(Counted::new(store, Arc::clone(&metrics)));
        let publisher = Publisher::new(Arc::clone(&bus), Arc::clone(&source), Arc::clone(&metrics));
        Self(Arc::new(Inner {
            store,
            bus,
            definitions,
            source,
            metrics,
            backlog: Backlog::default(),
            pressure: Pressure::default(),
            publisher,
            starter: Starter::default(),
            waiters: Waiters::default(),
        }))
    }

    /// Runs the loops until `stop` is cancelled, then lets them finish what they hold, at most
    /// ten seconds.
    pub async fn run(&self, stop: CancellationToken) {
        self.prepare(&stop).await;
        failpoint::pass(Point::BootDeclared);
        let loops = TaskTracker::new();
        let keep = |name, work: fn(Self, CancellationToken) -> BoxFuture<'static, ()>| {
            loops.spawn(kept(name, self.clone(), work, stop.clone()));
        };
        keep("starts", |engine, stop| engine.run_starts(stop).boxed());
        keep("replies", |engine, stop| engine.run_replies(stop).boxed());
        keep("timers", |engine, stop| engine.run_due(stop).boxed());
        keep("looks", |engine, stop| engine.run_postponing(stop).boxed());
        keep("lost queues", |engine, stop| engine.run_restoring(stop).boxed());
        keep("dead letters", |engine, stop| engine.run_dead_letters(stop).boxed());
        keep("waiters", |engine, stop| engine.run_waiters(stop).boxed());
        keep("pressure", |engine, stop| engine.run_pressure(stop).boxed());
        keep("upkeep", |engine, stop| engine.run_upkeep(stop).boxed());
        loops.close();
        stop.cancelled().await;
        if tokio::time::timeout(DRAIN_MAX, loops.wait()).await.is_err() {
            tracing::warn!("not everything was finished in time; it will be delivered again");
        }
        self.0.bus.close().await;
    }

    /// The definitions that sagas follow.
    pub fn definitions(&self) -> &Definitions {
        &self.0.definitions
    }

    /// Does what committed transitions ask for: tells people, wakes who waits, sends commands.
    async fn committed(&self, folded: Vec<Folded>) {
        for rejection in folded.iter().flat_map(Folded::rejections) {
            self.0.metrics.rejected(rejection.reason());
        }
        let mut outgoing = Vec::new();
        for committed in folded.into_iter().filter_map(Folded::into_committed) {
            let Committed { saga, commands, moves, notes, ended } = committed;
            fold::tell(&saga, &notes);
            self.0.metrics.moved(&saga, moves, &notes);
            if let Some(snapshot) = ended {
                self.0.waiters.wake(&snapshot);
            }
            outgoing.push(Outgoing::of(&saga, commands));
        }
        self.0.publisher.publish(outgoing).await;
    }
}

/// Runs a loop to its end, and anew where it panics: a bug in one turn must not end all others.
async fn kept(
    name: &'static str,
    engine: Engine,
    work: fn(Engine, CancellationToken) -> BoxFuture<'static, ()>,
    stop: CancellationToken,
) {
    while AssertUnwindSafe(work(engine.clone(), stop.clone())).catch_unwind().await.is_err() {
        tracing::error!(loop.name = name, "a loop of the engine panicked; it begins anew");
        engine.0.metrics.panicked(name);
        tokio::time::sleep(AGAIN_AFTER_PANIC).await;
    }
}
