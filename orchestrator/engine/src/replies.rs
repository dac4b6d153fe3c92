//! The reply loop: takes whatever replies have arrived, moves their sagas in one transaction,
//! acknowledges, and lets the commands go. No reply is acknowledged before the transaction that
//! took it in has committed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use saga_bus::{Delivery, Settle, Settlement};
use saga_core::saga::Event;
use saga_protocol::{Malformed, Message, Reply, SagaId, limits, topology};
use saga_runtime::failpoint::{self, Point};
use saga_store::{Claim, DeadLetter, Error};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Engine,
    commit::commit,
    fold::Folder,
    letter::letter,
    metrics::{InFlight, SAGA_UNKNOWN},
};

/// Before replies of sagas that another transaction holds are tried again: a transaction takes a
/// few milliseconds.
const BUSY_AGAIN: Duration = Duration::from_millis(20);
/// A delivery that came this often is handled alone: it may be what kills its batch.
const SUSPICIOUS: u64 = 3;
/// Before a batch that the database cannot take is tried again, doubling from the first to the
/// second.
const TRY_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A delivery, and what it says. Whatever becomes of whoever holds it, the broker is answered: it
/// is delivered again where nobody else has settled it.
struct Received {
    message: Message,
    delivery_count: u64,
    said: Result<(SagaId, Event), Malformed>,
    settle: Option<Settle>,
    /// Held for as long as this is.
    _in_flight: InFlight,
}

/// What became of a batch.
enum Decided<'a> {
    /// It is committed.
    Committed(Folder<'a>),
    /// The store will never take it.
    Refused(String),
    /// We are told to stop; it is delivered again elsewhere.
    Stopped,
}

impl Received {
    fn read(delivery: Delivery, in_flight: InFlight) -> Self {
        let Delivery { message, delivery_count, settle } = delivery;
        let reply = Reply::from_message(&message);
        let said = reply.map(|reply| (reply.saga_id, Event::Reply(reply.into())));
        Self { message, delivery_count, said, settle: Some(settle), _in_flight: in_flight }
    }

    fn saga(&self) -> Option<SagaId> {
        self.said.as_ref().ok().map(|(id, _)| *id)
    }

    fn settle(mut self, settlement: Settlement) {
        if let Some(settle) = self.settle.take() {
            settle(settlement);
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Settlement::Requeue);
        }
    }
}

impl Engine {
    /// Takes replies until `stop`, then finishes the batches in flight.
    pub(crate) async fn run_replies(self, stop: CancellationToken) {
        let mut consumer = self.0.bus.consume(topology::REPLIES, limits::PREFETCH).await;
        // The broker delivers no more than the prefetch, so neither do we hold more.
        let (hand_back, mut handed_back) = mpsc::channel(usize::from(limits::PREFETCH));
        let tasks = TaskTracker::new();
        let permits = Arc::new(Semaphore::new(limits::BATCHES_IN_FLIGHT));
        loop {
            let mut batch = Vec::new();
            let taking = async {
                let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
                tokio::select! {
                    biased;
                    _ = handed_back.recv_many(&mut batch, limits::BATCH_MAX) => {}
                    arrived = consumer.receive(limits::BATCH_MAX) => {
                        let arrived = arrived?;
                        self.0.backlog.note_arrived(arrived.len());
                        let metrics = &self.0.metrics;
                        let read = |delivery| Received::read(delivery, metrics.in_flight());
                        batch.extend(arrived.into_iter().map(read));
                    }
                }
                Some(permit)
            };
            let permit = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                permit = taking => permit,
            };
            let Some(permit) = permit else { break };
            let (engine, stop, hand_back) = (self.clone(), stop.clone(), hand_back.clone());
            tasks.spawn(async move {
                let busy = engine.take(batch, &stop).await;
                drop(permit);
                if !busy.is_empty() {
                    tokio::time::sleep(BUSY_AGAIN).await;
                }
                for received in busy {
                    if hand_back.send(received).await.is_err() {
                        break;
                    }
                }
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Takes a batch in, and answers with what belongs to sagas that another transaction holds.
    async fn take(&self, batch: Vec<Received>, stop: &CancellationToken) -> Vec<Received> {
        let is_suspicious = |received: &Received| received.delivery_count >= SUSPICIOUS;
        let (suspicious, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_suspicious);
        let mut batches: Vec<_> = suspicious.into_iter().map(|received| vec![received]).collect();
        batches.push(batch);
        let mut busy = Vec::new();
        while let Some(mut batch) = batches.pop() {
            if batch.is_empty() {
                continue;
            }
            match self.decide(&batch, stop).await {
                Decided::Committed(folder) => busy.extend(self.settle_batch(batch, folder).await),
                Decided::Refused(why) if batch.len() == 1 => {
                    self.park(batch, &format!("refused: {why}")).await;
                }
                Decided::Refused(_) => {
                    let half = batch.split_off(batch.len() / 2);
                    batches.extend([batch, half]);
                }
                Decided::Stopped => break,
            }
        }
        busy
    }

    /// Decides a batch in one transaction, again and again while only the database is in the way.
    async fn decide(&self, batch: &[Received], stop: &CancellationToken) -> Decided<'_> {
        let mut events: BTreeMap<SagaId, Vec<&Event>> = BTreeMap::new();
        for (id, event) in batch.iter().filter_map(|received| received.said.as_ref().ok()) {
            events.entry(*id).or_default().push(event);
        }
        let ids: Vec<_> = events.keys().copied().collect();
        let mut delay = TRY_AGAIN.0;
        loop {
            let (mut folder, mut parked) = (Folder::new(&self.0), Vec::new());
            let mut decide = |claimed: saga_store::Claimed| {
                self.0.source.set(claimed.now);
                let events = |row: &saga_store::Row| events.get(&row.id).cloned();
                let mut verdict = folder.fold(claimed, |row| events(row).unwrap_or_default());
                verdict.letters = letters(batch, &folder);
                parked.clone_from(&verdict.letters);
                failpoint::pass(Point::ReplyDeciding);
                verdict
            };
            let taking = self.0.store.transact(Claim::Sagas(ids.clone()), &mut decide);
            let error =
                match commit(Point::ReplyBeforeCommit, Point::ReplyAfterCommit, taking).await {
                    Ok(()) => {
                        self.0.metrics.parked(&parked);
                        return Decided::Committed(folder);
                    }
                    Err(Error::Permanent(why)) => return Decided::Refused(why),
                    // Deciding again is right in each case: what had been committed is then a
                    // duplicate.
                    Err(error @ (Error::Transient(_) | Error::Unknown(_) | Error::Conflict(_))) => {
                        error
                    }
                };
            tracing::warn!(replies = batch.len(), error = %error, "replies wait for the database");
            let _retrying = self.0.backlog.retrying();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Decided::Stopped,
                () = tokio::time::sleep(delay) => {}
            }
            delay = (delay * 2).min(TRY_AGAIN.1);
        }
    }

    /// Acknowledges what is committed and does what it asks for; answers with what must be tried
    /// again.
    async fn settle_batch(&self, batch: Vec<Received>, folder: Folder<'_>) -> Vec<Received> {
        let Folder { sagas, busy, absent, unknown, .. } = folder;
        if let Err(error) = self.learn(unknown.values().cloned().collect()).await {
            tracing::warn!(error = %error, "definitions could not be learned");
        }
        failpoint::pass(Point::ReplyBeforeAck);
        let (busy, absent): (HashSet<_>, HashSet<_>) =
            (busy.into_iter().collect(), absent.into_iter().collect());
        let (mut again, mut foreign) = (Vec::new(), Vec::new());
        for received in batch {
            let Some(id) = received.saga() else {
                received.settle(Settlement::Acknowledge);
                continue;
            };
            match unknown.get(&id) {
                Some(hash) if self.0.definitions.version(hash).is_none() => foreign.push(received),
                Some(_) => again.push(received),
                None if busy.contains(&id) => again.push(received),
                None => {
                    if absent.contains(&id) {
                        tracing::debug!(saga.id = %id, "a reply belongs to no saga");
                        self.0.metrics.rejected(SAGA_UNKNOWN);
                    }
                    received.settle(Settlement::Acknowledge);
                }
            }
        }
        if !foreign.is_empty() {
            let reason = "definition_unknown: no definition of this version is known here";
            self.park(foreign, reason).await;
        }
        self.committed(sagas).await;
        again
    }

    /// Keeps what cannot be processed. Where even that fails, the broker keeps it.
    async fn park(&self, batch: Vec<Received>, reason: &str) {
        let of = |received: &Received| letter(&received.message, topology::REPLIES, reason);
        let letters: Vec<DeadLetter> = batch.iter().map(of).collect();
        tracing::error!(letters = letters.len(), reason, "replies became dead letters");
        let settlement = match self.0.store.park(&letters).await {
            Ok(()) => {
                self.0.metrics.parked(&letters);
                Settlement::Acknowledge
            }
            Err(error) => {
                tracing::error!(error = %error, "dead letters are left to the broker");
                Settlement::Reject
            }
        };
        for received in batch {
            received.settle(settlement);
        }
    }
}

/// What of a batch cannot be processed, with the reason, once its sagas are folded.
fn letters(batch: &[Received], folder: &Folder<'_>) -> Vec<DeadLetter> {
    let sagas: HashMap<_, _> = folder.sagas.iter().map(|folded| (folded.id(), folded)).collect();
    let mut seen: HashMap<SagaId, usize> = HashMap::new();
    let mut letters = Vec::new();
    for received in batch {
        let reason = match &received.said {
            Err(malformed) => Some(format!("malformed: {malformed}")),
            Ok((id, _)) => {
                let place = seen.entry(*id).or_default();
                let folded = sagas.get(id);
                let refusal = folded.and_then(|folded| folded.rejection(*place));
                *place += 1;
                let not_understood = folded.and_then(|folded| folded.not_understood());
                match (not_understood, refusal) {
                    (Some(why), _) => Some(format!("not_understood: {why}")),
                    (None, Some(why)) if why.parks() => Some(format!("{}: {why}", why.reason())),
                    (None, Some(why)) => {
                        let reason = why.reason();
                        tracing::debug!(saga.id = %id, reason, "a reply changes nothing");
                        None
                    }
                    (None, None) => None,
                }
            }
        };
        if let Some(reason) = reason {
            let message = &received.message;
            tracing::error!(message.id = %message.message_id, reason, "a reply is a dead letter");
            letters.push(letter(&received.message, topology::REPLIES, &reason));
        }
    }
    letters
}
