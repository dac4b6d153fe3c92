//! The broker alone: how many of the product's messages it takes, confirms and hands over on the
//! product's queues. Straight over the AMQP client, without our bus: this is the limit that the
//! product is held against, so nothing here waits for anything but the broker.

mod connection;
mod message;

use std::{
    collections::VecDeque,
    iter,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lab::{Lab, Vhost};
use lapin::{
    Channel, Confirmation, Connection, Consumer, PublisherConfirm,
    options::{BasicAckOptions, BasicPublishOptions},
};
use saga_protocol::{
    ParticipantName,
    topology::{self, Queue},
};
use tokio::task::JoinSet;

use self::connection::consumer;
pub(crate) use self::{
    connection::{connect, declare, publisher},
    message::Sample,
};
use crate::{cli::output, figures, report::Raw};

/// Messages sent before their confirms have come, on all queues together: the product's own window
/// on one channel, and far more than that.
const WINDOWS: [u32; 3] = [256, 1_000, 2_000];
/// How long each is measured: long enough for the broker's log files to be rolled over.
const MEASURED: Duration = Duration::from_secs(10);
/// Deliveries acknowledged at once, as the product does under load.
const ACKNOWLEDGED_AT_ONCE: u64 = 64;
/// Whose queues carry commands.
const PARTICIPANTS: [&str; 3] = ["payment", "inventory", "shipping"];

/// One queue, what goes through it, and which part of all messages that is.
#[derive(Clone)]
struct Road {
    queue: Queue,
    key: &'static str,
    sample: Sample,
    /// One in so many.
    share: u32,
}

/// Measures each window.
///
/// # Errors
/// When the broker does not do as it is asked.
pub(crate) async fn measure(lab: &Lab, when: &'static str) -> Result<Vec<Raw>> {
    let mut all = Vec::new();
    for window in WINDOWS {
        output::progress(&format!("the broker alone, {when}, a window of {window}"));
        let vhost = lab.vhost().await?;
        let [confirmed_per_s, acknowledged_per_s] = rates(&vhost, window).await?;
        lab.rabbitmqctl(&["delete_vhost", &vhost.name]).await?;
        all.push(Raw { when, window, confirmed_per_s, acknowledged_per_s });
    }
    Ok(all)
}

/// The queue of one participant's commands.
pub(crate) fn command_queue(participant: &str) -> Result<Queue> {
    Ok(topology::participant_queue(&ParticipantName::new(participant)?))
}

/// As in the product: as many replies as commands, and as many commands of each participant.
fn roads() -> Result<Vec<Road>> {
    let [_, replies] = topology::common_queues();
    let mut roads =
        vec![Road { queue: replies, key: PARTICIPANTS[0], sample: Sample::reply()?, share: 2 }];
    for key in PARTICIPANTS {
        roads.push(Road { queue: command_queue(key)?, key, sample: Sample::command()?, share: 6 });
    }
    Ok(roads)
}

/// Messages a second: confirmed, and acknowledged meanwhile.
async fn rates(vhost: &Vhost, window: u32) -> Result<[f64; 2]> {
    let roads = roads()?;
    let mut connections = Vec::new();
    for _ in 0..2 * roads.len() {
        connections.push(connect(&vhost.url).await?);
    }
    let [dead, _] = topology::common_queues();
    let queues: Vec<_> =
        iter::once(dead).chain(roads.iter().map(|road| road.queue.clone())).collect();
    declare(&connections[0], &queues).await?;
    let (publishing, consuming) = connections.split_at(roads.len());
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut consumers = JoinSet::new();
    for (road, connection) in roads.iter().zip(consuming) {
        let consumer = consumer(connection, &road.queue).await?;
        consumers.spawn(acknowledge(consumer, Arc::clone(&acknowledged)));
    }
    let channels = publishers(publishing).await?;
    let began = Instant::now();
    let mut publishers = JoinSet::new();
    for (road, channel) in roads.into_iter().zip(channels) {
        publishers.spawn(publish(channel, road, window, began + MEASURED));
    }
    let mut confirmed = 0;
    while let Some(count) = publishers.join_next().await {
        confirmed += count??;
    }
    let elapsed = began.elapsed();
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    consumers.shutdown().await;
    Ok([confirmed, acknowledged].map(|count| figures::rate(count, elapsed)))
}

async fn publishers(connections: &[Connection]) -> Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for connection in connections {
        channels.push(publisher(connection).await?);
    }
    Ok(channels)
}

/// Publishes with a sliding window until the time is over; how many were confirmed.
async fn publish(channel: Channel, road: Road, window: u32, until: Instant) -> Result<u64> {
    let window = (window / road.share) as usize;
    let mut unconfirmed = VecDeque::<PublisherConfirm>::with_capacity(window);
    let mut confirmed = 0;
    while Instant::now() < until || !unconfirmed.is_empty() {
        if Instant::now() < until && unconfirmed.len() < window {
            unconfirmed.push_back(send(&channel, &road.queue, road.key, &road.sample).await?);
        } else if let Some(first) = unconfirmed.pop_front() {
            is_confirmed(first).await?;
            confirmed += 1;
        }
    }
    Ok(confirmed)
}

/// Publishes one message, mandatory, to the exchange that its queue is bound to.
pub(crate) async fn send(
    channel: &Channel,
    queue: &Queue,
    key: &str,
    sample: &Sample,
) -> Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let exchange = queue.binding.0.into();
    let properties = sample.properties()?;
    Ok(channel.basic_publish(exchange, key.into(), options, &sample.body, properties).await?)
}

/// Waits until the broker has taken a message.
pub(crate) async fn is_confirmed(confirm: PublisherConfirm) -> Result<()> {
    let confirmation = confirm.await?;
    ensure!(matches!(confirmation, Confirmation::Ack(None)), "the broker refused a message");
    Ok(())
}

/// Acknowledges what comes, many at once.
async fn acknowledge(mut consumer: Consumer, acknowledged: Arc<AtomicU64>) -> Result<()> {
    let mut held = 0;
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery.context("the broker stopped delivering")?;
        held += 1;
        if held == ACKNOWLEDGED_AT_ONCE {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
            acknowledged.fetch_add(held, Ordering::Relaxed);
            held = 0;
        }
    }
    Ok(())
}
