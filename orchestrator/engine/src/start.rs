//! Starts: checked here, coalesced with what else has arrived into one transaction, published after
//! its commit.

use std::{sync::Arc, time::Duration};

use saga_core::{
    Birth, Definition, Saga,
    definition::Violation,
    saga::{Effect, Transition},
};
use saga_protocol::{Json, Timestamp, limits};
use saga_runtime::failpoint::{self, Point};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Mutex, Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Engine, Overloaded, Snapshot, Unavailable, Understood, commit::commit, fold, metrics::Refusal,
    publisher::Outgoing,
};

/// Starts that wait for a transaction; past it a start is refused as unavailable, which bounds
/// memory.
const WAITING_MAX: usize = 1024;
/// Transactions of starts in flight: the next batch gathers while these commit.
const IN_FLIGHT_MAX: usize = 2;
/// Batches of starts that are being published: far more than commit while a broker that is well
/// confirms one, even under load. One that does not confirm keeps each for some seconds; past this
/// the due loop publishes them, and whoever starts does not wait for the broker.
const PUBLISHING_MAX: usize = 32;
/// How long a start may wait for its commit before its client is told to try again: longer than a
/// database takes that restarts or holds a lock, shorter than people wait.
const COMMIT_MAX: Duration = Duration::from_secs(5);
/// Tries of one batch of starts; a start with the same id may be repeated without harm.
const TRIES_MAX: u32 = 5;
/// How long a batch is tried again for. A database that does not answer for longer is away, and its
/// clients had better hear of it soon than wait in a row.
const TRY_FOR: Duration = Duration::from_millis(1_500);
/// Between two tries of a batch.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// What is to be started.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// The version the saga will follow.
    pub definition: Arc<Definition>,
    /// The `Idempotency-Key`, already checked for its form.
    pub idempotency_key: Option<String>,
    /// The input as received.
    pub input: Json,
}

/// What became of a start.
#[derive(Clone, Debug)]
pub enum Started {
    /// It is durable.
    Created(Snapshot),
    /// The same request was started before: that saga as it is now.
    Existing(Snapshot),
    /// The idempotency key was used with another request, by this saga.
    OtherRequest(Snapshot),
    /// The business key is in use by this saga, with another request.
    KeyInUse(Snapshot),
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The input does not fit the definition.
    #[error("the input does not fit the definition")]
    Input(Vec<Violation>),
    /// The key or the value cannot be read from the input.
    #[error("{0}")]
    Expression(String),
    /// A participant that it needs has too much to do: try again later.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The database cannot take it now. It may have been started: repeat it with the same key.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The way from callers to the loop.
pub(crate) struct Starter {
    submit: mpsc::Sender<Waiting>,
    waiting: Mutex<mpsc::Receiver<Waiting>>,
}

/// A start that is checked and waits for its transaction.
struct Waiting {
    definition: Arc<Definition>,
    start: saga_store::Start,
    transition: Transition,
    done: oneshot::Sender<Result<Started, Unavailable>>,
}

impl Default for Starter {
    fn default() -> Self {
        let (submit, waiting) = mpsc::channel(WAITING_MAX);
        Self { submit, waiting: Mutex::new(waiting) }
    }
}

impl Engine {
    /// Starts a saga. `Ok` means that what it says is durable.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong with the input, or that it cannot be started now.
    pub async fn start(&self, request: StartRequest) -> Result<Started, StartError> {
        let refuse = |why, text: &str| {
            self.0.metrics.refused(why);
            Unavailable(text.to_owned())
        };
        self.check_pressure(&request.definition)?;
        let now = self.0.source.now();
        let now = now.ok_or_else(|| refuse(Refusal::NotReady, "it has not been reached yet"))?;
        let (start, transition) = self.first(&request, now)?;
        let (done, answer) = oneshot::channel();
        let definition = request.definition;
        let waiting = Waiting { definition, start, transition, done };
        let full = || refuse(Refusal::Full, "too many starts wait already");
        self.0.starter.submit.try_send(waiting).map_err(|_| full())?;
        match tokio::time::timeout(COMMIT_MAX, answer).await {
            Ok(Ok(started)) => {
                failpoint::pass(Point::StartBeforeRespond);
                Ok(self.understood(started?).await)
            }
            Ok(Err(_)) => Err(refuse(Refusal::Ending, "this orchestrator is ending").into()),
            Err(_) => Err(refuse(Refusal::Slow, "it did not commit in time").into()),
        }
    }

    /// With what the saga means, where another orchestrator started it and follows a version that
    /// is not known here.
    async fn understood(&self, started: Started) -> Started {
        match started {
            Started::Existing(snapshot) if snapshot.understood.is_err() => {
                let learned = self.snapshots(vec![snapshot.row.clone()]).await;
                Started::Existing(learned.ok().and_then(|mut one| one.pop()).unwrap_or(snapshot))
            }
            started => started,
        }
    }

    /// Takes what has arrived, at most a batch, and starts it; until `stop`.
    pub(crate) async fn run_starts(self, stop: CancellationToken) {
        let mut arrived = self.0.starter.waiting.lock().await;
        let tasks = TaskTracker::new();
        let permits = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let publishing = Arc::new(Semaphore::new(PUBLISHING_MAX));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
            let mut batch = Vec::new();
            let received = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                received = arrived.recv_many(&mut batch, limits::BATCH_MAX) => received,
            };
            if received == 0 {
                break;
            }
            // Whoever was told to try again does so; after an outage that is work enough.
            batch.retain(|waiting: &Waiting| !waiting.done.is_closed());
            if batch.is_empty() {
                continue;
            }
            let (engine, stop) = (self.clone(), stop.clone());
            let publishing = Arc::clone(&publishing);
            tasks.spawn(async move {
                let outgoing = engine.start_batch(batch, &stop).await;
                drop(permit);
                if let Ok(_turn) = publishing.try_acquire() {
                    engine.0.publisher.publish(outgoing).await;
                }
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Starts them and tells those who wait; what is to be published for them.
    async fn start_batch(&self, batch: Vec<Waiting>, stop: &CancellationToken) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        let mut batches = vec![batch];
        while let Some(mut batch) = batches.pop() {
            let starts: Vec<_> = batch.iter().map(|waiting| waiting.start.clone()).collect();
            match self.insert(starts, stop).await {
                Ok(started) => self.started(batch, started, &mut outgoing),
                // One start that the store never takes does not hurt those that came with it.
                Err(saga_store::Error::Permanent(_)) if batch.len() > 1 => {
                    let half = batch.split_off(batch.len() / 2);
                    batches.extend([half, batch]);
                }
                Err(error) => {
                    for waiting in batch {
                        self.0.metrics.refused(Refusal::Database);
                        let _ = waiting.done.send(Err(Unavailable(error.to_string())));
                    }
                }
            }
        }
        outgoing
    }

    fn started(
        &self,
        batch: Vec<Waiting>,
        started: Vec<saga_store::Started>,
        outgoing: &mut Vec<Outgoing>,
    ) {
        for (waiting, started) in batch.into_iter().zip(started) {
            let started = self.settle(&waiting, started, outgoing);
            // Whoever started it may have gone away; the saga goes on without them.
            let _ = waiting.done.send(Ok(started));
        }
    }

    /// Inserts, and tries again where that can help: ids make it safe to repeat.
    async fn insert(
        &self,
        starts: Vec<saga_store::Start>,
        stop: &CancellationToken,
    ) -> Result<Vec<saga_store::Started>, saga_store::Error> {
        let (mut tries, began) = (1, Instant::now());
        loop {
            let starting = self.0.store.start(starts.clone());
            let result = commit(Point::StartBeforeCommit, Point::StartAfterCommit, starting).await;
            let again = match &result {
                Ok(_) | Err(saga_store::Error::Permanent(_)) => false,
                Err(
                    saga_store::Error::Transient(_)
                    | saga_store::Error::Unknown(_)
                    | saga_store::Error::Conflict(_),
                ) => {
                    let in_time = tries < TRIES_MAX && began.elapsed() < TRY_FOR;
                    in_time && !stop.is_cancelled()
                }
            };
            if !again {
                return result;
            }
            tries += 1;
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    fn settle(
        &self,
        waiting: &Waiting,
        started: saga_store::Started,
        outgoing: &mut Vec<Outgoing>,
    ) -> Started {
        let snapshot = |row| Snapshot::of(row, &self.0.definitions);
        match started {
            saga_store::Started::Created => {
                let saga = waiting.transition.saga.clone();
                let (id, definition) = (saga.id, &saga.definition);
                tracing::info!(saga.id = %id, saga.definition = %definition, "saga started");
                fold::tell(&saga, &waiting.transition.notes);
                self.0.metrics.started(&saga, &waiting.transition.notes);
                let Transition { effects, .. } = waiting.transition.clone();
                let commands = effects.into_iter().map(|Effect::Send(command)| command).collect();
                outgoing.push(Outgoing::of(&saga, commands));
                let definition = Arc::clone(&waiting.definition);
                let row = fold::first_row(&waiting.start);
                Started::Created(Snapshot { row, understood: Ok(Understood { definition, saga }) })
            }
            saga_store::Started::Existing(row) => Started::Existing(snapshot(*row)),
            saga_store::Started::OtherRequest(row) => {
                self.0.metrics.refused(Refusal::OtherRequest);
                Started::OtherRequest(snapshot(*row))
            }
            saga_store::Started::KeyInUse(row) => {
                self.0.metrics.refused(Refusal::KeyInUse);
                Started::KeyInUse(snapshot(*row))
            }
        }
    }

    /// Checks a request and decides its first transition.
    fn first(
        &self,
        request: &StartRequest,
        now: Timestamp,
    ) -> Result<(saga_store::Start, Transition), StartError> {
        let StartRequest { definition, idempotency_key, input } = request;
        definition.check_input(input).map_err(|violations| {
            self.0.metrics.refused(Refusal::Input);
            StartError::Input(violations)
        })?;
        let of_input = |error: saga_core::definition::ExpressionError| {
            self.0.metrics.refused(Refusal::Expression);
            StartError::Expression(error.to_string())
        };
        let key = definition.key(input).map_err(of_input)?;
        let value = definition.worth(input).map_err(of_input)?;
        let id = self.0.source.saga_id(now);
        let birth = Birth { id, key: key.clone(), input: input.clone() };
        let transition = Saga::start(definition, birth, self.0.source.at(now));
        let start = saga_store::Start {
            id,
            definition: definition.name.to_string(),
            definition_hash: definition.hash.clone(),
            key,
            idempotency_key: idempotency_key.clone(),
            request_hash: request_hash(input),
            input: input.clone(),
            value,
            created_at: now,
            first: fold::first_update(&transition, definition, now),
        };
        Ok((start, transition))
    }
}

/// The hash by which two requests are the same: of the input without insignificant space, keys in
/// order.
fn request_hash(input: &Json) -> [u8; 32] {
    let canonical = serde_json::from_str::<serde_json::Value>(input.get())
        .map_or_else(|_| input.get().to_owned(), |value| value.to_string());
    Sha256::digest(canonical.as_bytes()).into()
}
