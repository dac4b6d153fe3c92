//! Publishing what committed transitions ask for, and remembering for whom it was confirmed: a saga
//! that waits with all its commands confirmed need not be looked at before something is due.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use saga_bus::{Bus, Publication, Unpublished};
use saga_core::Saga;
use saga_protocol::{Command, Phase, SagaId, Timestamp, limits, topology};
use saga_runtime::failpoint::{self, Point};
use saga_store::Postpone;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{Engine, metrics::Metrics, source::Source};

/// How long a confirmed saga must have waited before its look is moved: on the fast path the reply
/// comes first, and this costs nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two sweeps over what was confirmed: well within the grace, and few enough to be bulk.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// Sagas that are remembered. Those past it keep their early look, which costs one more copy of a
/// command each.
const WATCHED_MAX: usize = 100_000;

/// Publishes commands.
pub(crate) struct Publisher {
    bus: Arc<dyn Bus>,
    source: Arc<Source>,
    metrics: Arc<Metrics>,
    watched: Mutex<Watched>,
    /// Told whenever something is confirmed.
    confirmed: Notify,
}

/// Commands of one saga to publish.
pub(crate) struct Outgoing {
    saga_id: SagaId,
    version: i64,
    /// When something is decided next, unless an answer comes first.
    due: Option<Timestamp>,
    /// All unanswered commands of the saga, also those sent by earlier transitions.
    outstanding: usize,
    commands: Vec<Command>,
}

impl Outgoing {
    pub(crate) fn of(saga: &Saga, commands: Vec<Command>) -> Self {
        Self {
            saga_id: saga.id,
            version: saga.version,
            due: saga.next_due(),
            outstanding: saga.outstanding(),
            commands,
        }
    }
}

/// Sagas by what is known of their commands.
#[derive(Default)]
struct Watched {
    sagas: HashMap<SagaId, Watch>,
    /// Confirmed ones in the order of their confirms.
    confirmed: VecDeque<(Instant, SagaId, i64)>,
}

/// A saga all of whose unanswered commands are confirmed, or about to be.
#[derive(Clone, Copy)]
struct Watch {
    version: i64,
    due: Timestamp,
    is_confirmed: bool,
}

impl Publisher {
    pub(crate) fn new(bus: Arc<dyn Bus>, source: Arc<Source>, metrics: Arc<Metrics>) -> Self {
        Self { bus, source, metrics, watched: Mutex::default(), confirmed: Notify::new() }
    }

    /// Publishes the commands of committed transitions. What is not confirmed is left to the due
    /// loop.
    pub(crate) async fn publish(&self, outgoing: Vec<Outgoing>) {
        self.watch(&outgoing);
        let counts: Vec<_> =
            outgoing.iter().map(|out| (out.saga_id, out.version, out.commands.len())).collect();
        let commands: Vec<_> = outgoing.into_iter().flat_map(|out| out.commands).collect();
        if commands.is_empty() {
            return;
        }
        let answers = self.send(commands).await;
        let mut answers = answers.iter();
        let mut confirmed = Vec::new();
        for (id, version, count) in counts {
            // Every answer is taken, so that those of the next saga are its own.
            let failures = answers.by_ref().take(count).filter(|answer| answer.is_err()).count();
            if failures == 0 {
                confirmed.push((id, version));
            }
        }
        self.confirm(&confirmed);
    }

    /// Publishes commands, whatever is remembered, and says in one line what went wrong.
    pub(crate) async fn send(&self, commands: Vec<Command>) -> Vec<Result<(), Unpublished>> {
        failpoint::pass(Point::PublishBefore);
        let now = self.source.now().unwrap_or_else(Timestamp::wall_clock);
        let publication = |command: Command| Publication {
            exchange: topology::COMMANDS,
            routing_key: command.participant.to_string(),
            message: command.to_message(self.source.id(now), now),
        };
        let answers = self.bus.publish(commands.into_iter().map(publication).collect()).await;
        failpoint::pass(Point::PublishAfterConfirm);
        let mut errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        errors.clone().for_each(|why| self.metrics.unconfirmed(why));
        if let Some(error) = errors.next() {
            let (unsent, why) = (errors.count() + 1, error.to_string());
            tracing::warn!(unsent, why, "commands were not confirmed; they are sent again");
        }
        answers
    }

    /// A saga has moved: only if all its unanswered commands are known to be confirmed may its look
    /// be moved.
    fn watch(&self, outgoing: &[Outgoing]) {
        let mut watched = self.watched();
        let Watched { sagas, confirmed } = &mut *watched;
        for out in outgoing {
            let before = sagas.remove(&out.saga_id);
            let is_outstanding = |command: &&Command| command.phase != Phase::Query;
            let sent = out.commands.iter().filter(is_outstanding).count();
            let is_known = sent == out.outstanding || before.is_some_and(|b| b.is_confirmed);
            let (version, is_confirmed) = (out.version, out.commands.is_empty());
            let Some(due) = out.due.filter(|_| out.outstanding > 0 && is_known) else { continue };
            if sagas.len() < WATCHED_MAX {
                sagas.insert(out.saga_id, Watch { version, due, is_confirmed });
                if is_confirmed {
                    confirmed.push_back((Instant::now(), out.saga_id, version));
                    self.confirmed.notify_one();
                }
            }
        }
    }

    fn confirm(&self, sagas: &[(SagaId, i64)]) {
        let now = Instant::now();
        let mut watched = self.watched();
        for (id, version) in sagas {
            let Some(watch) = watched.sagas.get_mut(id) else { continue };
            if watch.version == *version {
                watch.is_confirmed = true;
                watched.confirmed.push_back((now, *id, *version));
            }
        }
        self.confirmed.notify_one();
    }

    /// Resolves once something was confirmed and not swept up yet.
    async fn something_confirmed(&self) {
        while self.watched().confirmed.is_empty() {
            self.confirmed.notified().await;
        }
    }

    /// Sagas that still wait although all was confirmed some time ago, at most a batch.
    fn take_patient(&self) -> Vec<Postpone> {
        let mut watched = self.watched();
        let mut patient = Vec::new();
        while patient.len() < limits::BATCH_MAX
            && let Some((since, id, version)) = watched.confirmed.front().copied()
            && since.elapsed() >= PATIENCE
        {
            watched.confirmed.pop_front();
            // It stays remembered, as a later transition wants to know that its commands were
            // confirmed.
            if let Some(watch) = watched.sagas.get(&id).filter(|watch| watch.version == version) {
                patient.push(Postpone { id, version, wake_at: watch.due });
            }
        }
        patient
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        // Nothing panics with the lock held; if it did, what is remembered is only a saving.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Moves the looks at sagas that wait for a confirmed command, until `stop`.
    pub(crate) async fn run_postponing(self, stop: CancellationToken) {
        let turn = async || {
            self.0.publisher.something_confirmed().await;
            tokio::time::sleep(SWEEP_EVERY).await;
        };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = turn() => {}
            }
            loop {
                let patient = self.0.publisher.take_patient();
                if patient.is_empty() {
                    break;
                }
                failpoint::pass(Point::PostponeBefore);
                if let Err(error) = self.0.store.postpone(&patient).await {
                    // They are looked at early, and their commands are sent once more.
                    tracing::debug!(error = %error, "looks were not moved");
                    break;
                }
            }
        }
    }
}
