//! Sends replies. A command is settled only after the broker has confirmed its reply.

use std::sync::Arc;

use bytes::Bytes;
use saga_bus::{Bus, Publication, Settlement, Unpublished};
use saga_protocol::{Command, ParticipantName, Reply, Timestamp, limits, topology};
use saga_runtime::{
    Delays,
    failpoint::{Point, reach},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

/// Replies waiting to be sent. When it is full, commands wait in their turn.
const WAITING_MAX: usize = limits::BATCH_MAX;
/// Batches in flight: one being confirmed while the next is filled, and some for a broker that is
/// far.
const BATCHES_MAX: usize = limits::BATCHES_IN_FLIGHT;
/// How often a reply is published before its command is given back to the broker: a full queue
/// empties within these few seconds, or not soon.
const TRIES_MAX: usize = 5;

/// An answer on its way.
pub(crate) struct Outbound {
    /// What it answers.
    pub(crate) command: Command,
    /// The body of the reply.
    pub(crate) body: Bytes,
    /// How to answer the broker.
    pub(crate) settle: Settle,
    /// What to answer, once the reply is confirmed.
    pub(crate) settlement: Settlement,
}

/// A delivery that must be answered for: where whoever has it panics, the broker delivers it again,
/// until it has had enough of it.
pub(crate) struct Settle(Option<Box<dyn FnOnce(Settlement) + Send + Sync>>);

impl Settle {
    /// Of a delivery.
    pub(crate) fn new(settle: Box<dyn FnOnce(Settlement) + Send + Sync>) -> Self {
        Self(Some(settle))
    }

    /// Of a command whose delivery was settled before.
    pub(crate) fn settled() -> Self {
        Self(None)
    }

    /// Answers the broker.
    pub(crate) fn tell(mut self, settlement: Settlement) {
        if let Some(settle) = self.0.take() {
            settle(settlement);
        }
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            settle(Settlement::Requeue);
        }
    }
}

/// The way to the sender, which ends when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Replies(mpsc::Sender<Outbound>);

impl Replies {
    /// Starts the sender.
    pub(crate) fn start(bus: Arc<dyn Bus>) -> (Self, JoinHandle<()>) {
        let (sender, outbound) = mpsc::channel(WAITING_MAX);
        (Self(sender), tokio::spawn(run(bus, outbound)))
    }

    /// Hands an answer over. Where the sender is gone, so is the process: the command is delivered
    /// again.
    pub(crate) async fn send(&self, outbound: Outbound) {
        let _ = self.0.send(outbound).await;
    }
}

/// Sends what has already arrived as one batch, never waiting for more.
async fn run(bus: Arc<dyn Bus>, mut outbound: mpsc::Receiver<Outbound>) {
    let slots = Arc::new(Semaphore::new(BATCHES_MAX));
    let tasks = TaskTracker::new();
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let mut batch = Vec::new();
        if outbound.recv_many(&mut batch, limits::BATCH_MAX).await == 0 {
            break;
        }
        let bus = Arc::clone(&bus);
        tasks.spawn(async move {
            send(bus.as_ref(), batch).await;
            drop(slot);
        });
    }
    tasks.close();
    tasks.wait().await;
}

async fn send(bus: &dyn Bus, mut batch: Vec<Outbound>) {
    let mut delays = Delays::new();
    for _ in 0..TRIES_MAX {
        if reach(Point::ParticipantBeforeReply).is_ok() {
            let results = bus.publish(batch.iter().map(publication).collect()).await;
            batch = settle(batch, results);
        }
        if batch.is_empty() {
            return;
        }
        delays.wait().await;
    }
    batch.into_iter().for_each(|outbound| outbound.settle.tell(Settlement::Requeue));
}

/// Settles what was confirmed; returns what is to be tried again.
fn settle(batch: Vec<Outbound>, results: Vec<Result<(), Unpublished>>) -> Vec<Outbound> {
    let mut again = Vec::new();
    for (outbound, result) in batch.into_iter().zip(results) {
        match result {
            Ok(()) if reach(Point::ParticipantBeforeAck).is_err() => again.push(outbound),
            Ok(()) => outbound.settle.tell(outbound.settlement),
            Err(error) => {
                let Command { saga_id, step, .. } = &outbound.command;
                tracing::warn!(
                    saga.id = %saga_id,
                    step.name = %step,
                    error = %error,
                    "no reply sent"
                );
                again.push(outbound);
            }
        }
    }
    again
}

fn publication(outbound: &Outbound) -> Publication {
    let participant: &ParticipantName = &outbound.command.participant;
    Publication {
        exchange: topology::REPLIES,
        routing_key: participant.to_string(),
        message: Reply::message(&outbound.command, outbound.body.clone(), Timestamp::wall_clock()),
    }
}
