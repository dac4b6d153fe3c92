//! What broker and participants gave up: moved from the queue of dead letters into the table, where
//! operators see it.

use std::time::Duration;

use saga_bus::{Delivery, Settlement};
use saga_protocol::topology;
use saga_runtime::failpoint::{self, Point};
use tokio_util::sync::CancellationToken;

use crate::{Engine, letter::letter};

/// Dead letters taken at once. They are rare, and each may be as large as a message can be.
const BATCH: u16 = 32;
/// Before letters that the database cannot take are tried again.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// The queue a message died in, as RabbitMQ notes it.
const FIRST_QUEUE: &str = "x-first-death-queue";
/// Why it died, as RabbitMQ notes it: `rejected`, `delivery_limit`, `expired` or `maxlen`.
const FIRST_REASON: &str = "x-first-death-reason";

impl Engine {
    /// Moves dead letters until `stop`.
    pub(crate) async fn run_dead_letters(self, stop: CancellationToken) {
        let mut consumer = self.0.bus.consume(topology::DEAD, BATCH).await;
        loop {
            let deliveries = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                deliveries = consumer.receive(BATCH.into()) => deliveries,
            };
            let Some(deliveries) = deliveries else { return };
            let letters: Vec<_> = deliveries
                .iter()
                .map(|delivery| {
                    let noted = |header| delivery.message.header(header);
                    let source = noted(FIRST_QUEUE).unwrap_or_else(|| topology::DEAD.to_owned());
                    let reason = noted(FIRST_REASON).unwrap_or_else(|| "dead_lettered".to_owned());
                    letter(&delivery.message, &source, &reason)
                })
                .collect();
            tracing::error!(letters = letters.len(), "messages became dead letters");
            failpoint::pass(Point::LetterBeforePark);
            while let Err(error) = self.0.store.park(&letters).await {
                tracing::warn!(error = %error, "dead letters wait for the database");
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(TRY_AGAIN) => {}
                }
            }
            self.0.metrics.parked(&letters);
            failpoint::pass(Point::LetterBeforeAck);
            deliveries.into_iter().for_each(acknowledge);
        }
    }
}

fn acknowledge(delivery: Delivery) {
    (delivery.settle)(Settlement::Acknowledge);
}
