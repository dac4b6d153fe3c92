//! The broker alone: how many of the product's commands it takes and carries on the product's
//! queues. Straight over the AMQP client, without our bus: this is the limit that the product is
//! held against.

mod connection;
mod message;

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lab::Lab;
use lapin::{
    Channel, Confirmation, Consumer, PublisherConfirm,
    options::{BasicAckOptions, BasicPublishOptions},
};
use tokio::task::JoinSet;

use self::{
    connection::{Side, connect, consumers, publishers},
    message::Sample,
};
use crate::{cli::output, report::Raw};

/// Messages sent before their confirms have come: the product's window, and far more than that.
const WINDOWS: [u32; 2] = [256, 1_000];
/// How long each is measured: long enough for the broker's log files to be rolled over.
const MEASURED: Duration = Duration::from_secs(4);
/// Deliveries acknowledged at once, as the product does under load.
const ACKNOWLEDGED_AT_ONCE: u64 = 64;

/// Measures each window, with and without consumers.
///
/// # Errors
/// When the broker does not do as it is asked.
pub(crate) async fn measure(lab: &Lab) -> Result<Vec<Raw>> {
    let mut all = Vec::new();
    for window in WINDOWS {
        output::progress(&format!("the broker alone, a window of {window}"));
        let confirmed_per_s = rate(lab, window, Side::Publishing).await?;
        let carried_per_s = rate(lab, window, Side::Both).await?;
        all.push(Raw { window, confirmed_per_s, carried_per_s });
    }
    Ok(all)
}

/// Messages a second: confirmed, or, where somebody consumes, acknowledged.
async fn rate(lab: &Lab, window: u32, side: Side) -> Result<f64> {
    let vhost = lab.vhost().await?;
    let publishing = connect(&vhost.url).await?;
    let consuming = connect(&vhost.url).await?;
    let channels = publishers(&publishing).await?;
    let consumers = match side {
        Side::Publishing => Vec::new(),
        Side::Both => consumers(&consuming).await?,
    };
    let share = window as usize / channels.len();
    let began = Instant::now();
    let mut publishing_tasks = JoinSet::new();
    for channel in channels {
        publishing_tasks.spawn(publish(channel, share, began + MEASURED));
    }
    let carried = std::sync::Arc::new(AtomicU64::new(0));
    let mut consuming_tasks = JoinSet::new();
    for consumer in consumers {
        consuming_tasks.spawn(acknowledge(consumer, std::sync::Arc::clone(&carried)));
    }
    let mut confirmed = 0;
    while let Some(count) = publishing_tasks.join_next().await {
        confirmed += count??;
    }
    let elapsed = began.elapsed();
    let count = match side {
        Side::Publishing => confirmed,
        Side::Both => carried.load(Ordering::Relaxed),
    };
    consuming_tasks.shutdown().await;
    lab.rabbitmqctl(&["delete_vhost", &vhost.name]).await?;
    Ok(f64::from(u32::try_from(count)?) / elapsed.as_secs_f64())
}

/// Publishes with a sliding window until the time is over; how many were confirmed.
async fn publish(channel: Channel, window: usize, until: Instant) -> Result<u64> {
    let sample = Sample::new()?;
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let mut unconfirmed = VecDeque::<PublisherConfirm>::with_capacity(window);
    let mut confirmed = 0;
    while Instant::now() < until || !unconfirmed.is_empty() {
        if Instant::now() < until && unconfirmed.len() < window {
            let (key, properties) = sample.next()?;
            let exchange = saga_protocol::topology::COMMANDS.into();
            let publish = channel.basic_publish(exchange, key, options, &sample.body, properties);
            unconfirmed.push_back(publish.await?);
        } else if let Some(first) = unconfirmed.pop_front() {
            let confirmation = first.await?;
            ensure!(matches!(confirmation, Confirmation::Ack(None)), "the broker refused one");
            confirmed += 1;
        }
    }
    Ok(confirmed)
}

/// Acknowledges what comes, many at once.
async fn acknowledge(mut consumer: Consumer, carried: std::sync::Arc<AtomicU64>) -> Result<()> {
    let mut held = 0;
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery.context("the broker stopped delivering")?;
        held += 1;
        if held == ACKNOWLEDGED_AT_ONCE {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
            carried.fetch_add(held, Ordering::Relaxed);
            held = 0;
        }
    }
    Ok(())
}
