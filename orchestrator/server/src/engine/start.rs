//! Starts: checked here, coalesced with what else has arrived into one transaction, published after
//! its commit.

use std::{sync::Arc, time::Duration};

use saga_core::{
    Birth, Definition, Saga,
    definition::Violation,
    saga::{At, Effect, Transition},
};
use saga_protocol::{Json, SagaId, Timestamp, limits};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Engine, Snapshot, Unavailable, Understood, fold, publisher::Outgoing};

/// Starts that wait for a transaction; past it a start is refused as unavailable, which bounds
/// memory.
const WAITING_MAX: usize = 1024;
/// Transactions of starts in flight: the next batch gathers while these commit.
const IN_FLIGHT_MAX: usize = 2;
/// How long a start may wait for its commit before its client is told to try again.
const COMMIT_MAX: Duration = Duration::from_secs(15);
/// Tries of one batch of starts; a start with the same id may be repeated without harm.
const TRIES_MAX: u32 = 5;
/// Between two tries of a batch.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// What is to be started.
#[derive(Clone, Debug)]
pub(crate) struct StartRequest {
    /// The version the saga will follow.
    pub(crate) definition: Arc<Definition>,
    /// The `Idempotency-Key`, already checked for its form.
    pub(crate) idempotency_key: Option<String>,
    /// The input as received.
    pub(crate) input: Json,
}

/// What became of a start.
#[derive(Clone, Debug)]
pub(crate) enum Started {
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
pub(crate) enum StartError {
    /// The input does not fit the definition.
    #[error("the input does not fit the definition")]
    Input(Vec<Violation>),
    /// The key or the value cannot be read from the input.
    #[error("{0}")]
    Expression(String),
    /// The database cannot take it now. It may have been started: repeat it with the same key.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The way from callers to the loop.
pub(super) struct Starter {
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
    /// [`StartError`]: what is wrong with the input, or that the database cannot be reached.
    pub(crate) async fn start(&self, request: StartRequest) -> Result<Started, StartError> {
        let now = self.0.clock.now();
        let now = now.ok_or_else(|| Unavailable("it has not been reached yet".to_owned()))?;
        let (start, transition) = prepare(&request, now)?;
        let (done, answer) = oneshot::channel();
        let definition = request.definition;
        let waiting = Waiting { definition, start, transition, done };
        let full = || Unavailable("too many starts wait already".to_owned());
        self.0.starter.submit.try_send(waiting).map_err(|_| full())?;
        match tokio::time::timeout(COMMIT_MAX, answer).await {
            Ok(Ok(started)) => Ok(started?),
            Ok(Err(_)) => Err(Unavailable("this orchestrator is shutting down".to_owned()).into()),
            Err(_) => Err(Unavailable("it did not commit in time".to_owned()).into()),
        }
    }

    /// Takes what has arrived, at most a batch, and starts it; until `stop`.
    pub(super) async fn run_starts(self, stop: CancellationToken) {
        let mut arrived = self.0.starter.waiting.lock().await;
        let tasks = TaskTracker::new();
        let permits = Arc::new(tokio::sync::Semaphore::new(IN_FLIGHT_MAX));
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
            let (engine, stop) = (self.clone(), stop.clone());
            tasks.spawn(async move {
                engine.start_batch(batch, &stop).await;
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn start_batch(&self, batch: Vec<Waiting>, stop: &CancellationToken) {
        let mut batches = vec![batch];
        while let Some(mut batch) = batches.pop() {
            let starts: Vec<_> = batch.iter().map(|waiting| waiting.start.clone()).collect();
            match self.insert(starts, stop).await {
                Ok(started) => self.started(batch, started).await,
                // One start that the store never takes does not hurt those that came with it.
                Err(saga_store::Error::Permanent(_)) if batch.len() > 1 => {
                    let half = batch.split_off(batch.len() / 2);
                    batches.extend([half, batch]);
                }
                Err(error) => {
                    for waiting in batch {
                        let _ = waiting.done.send(Err(Unavailable(error.to_string())));
                    }
                }
            }
        }
    }

    async fn started(&self, batch: Vec<Waiting>, started: Vec<saga_store::Started>) {
        let mut outgoing = Vec::new();
        for (waiting, started) in batch.into_iter().zip(started) {
            let started = self.settle(&waiting, started, &mut outgoing);
            // Whoever started it may have gone away; the saga goes on without them.
            let _ = waiting.done.send(Ok(started));
        }
        self.0.publisher.publish(outgoing).await;
    }

    /// Inserts, and tries again where that can help: ids make it safe to repeat.
    async fn insert(
        &self,
        starts: Vec<saga_store::Start>,
        stop: &CancellationToken,
    ) -> Result<Vec<saga_store::Started>, saga_store::Error> {
        let mut tries = 1;
        loop {
            let result = self.0.store.start(starts.clone()).await;
            let again = match &result {
                Ok(_) | Err(saga_store::Error::Permanent(_)) => false,
                Err(
                    saga_store::Error::Transient(_)
                    | saga_store::Error::Unknown(_)
                    | saga_store::Error::Conflict(_),
                ) => tries < TRIES_MAX && !stop.is_cancelled(),
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
                let Transition { effects, .. } = waiting.transition.clone();
                let commands = effects.into_iter().map(|Effect::Send(command)| command).collect();
                outgoing.push(Outgoing::of(&saga, &waiting.definition, commands));
                let definition = Arc::clone(&waiting.definition);
                let row = fold::first_row(&waiting.start);
                Started::Created(Snapshot { row, understood: Ok(Understood { definition, saga }) })
            }
            saga_store::Started::Existing(row) => Started::Existing(snapshot(*row)),
            saga_store::Started::OtherRequest(row) => Started::OtherRequest(snapshot(*row)),
            saga_store::Started::KeyInUse(row) => Started::KeyInUse(snapshot(*row)),
        }
    }
}

/// Checks a request and decides its first transition.
fn prepare(
    request: &StartRequest,
    now: Timestamp,
) -> Result<(saga_store::Start, Transition), StartError> {
    let StartRequest { definition, idempotency_key, input } = request;
    definition.check_input(input).map_err(StartError::Input)?;
    let of_input =
        |error: saga_core::definition::ExpressionError| StartError::Expression(error.to_string());
    let key = definition.key(input).map_err(of_input)?;
    let value = definition.worth(input).map_err(of_input)?;
    let id = SagaId(uuid::Uuid::now_v7());
    let at = At { now, draw: rand::random() };
    let birth = Birth { id, key: key.clone(), input: input.clone() };
    let transition = Saga::start(definition, birth, at);
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

/// The hash by which two requests are the same: of the input without insignificant space, keys in
/// order.
fn request_hash(input: &Json) -> [u8; 32] {
    let canonical = serde_json::from_str::<serde_json::Value>(input.get())
        .map_or_else(|_| input.get().to_owned(), |value| value.to_string());
    Sha256::digest(canonical.as_bytes()).into()
}
