//! Consumes: a task per subscription that subscribes on each new connection, hands out deliveries
//! and tells the broker what became of them.

use std::sync::{Arc, atomic::Ordering};

use async_trait::async_trait;
use futures_util::{StreamExt, future::try_join_all};
use lapin::{
    Channel,
    message::Delivery as Arrival,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use saga_protocol::Message;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at},
};
use uuid::Uuid;

use super::{
    Phase, Shared, codec, declare,
    ledger::{Ledger, Order},
    limits::{ACK_HELD_MAX, GOODBYE_MAX, WATCHDOG_INTERVAL},
    link::{self, Live, Lives},
    status::SubscriptionId,
    trouble::{self, CONSUME, Trouble, step, within},
    until,
};
use crate::{Consumer, Delivery, Settlement};

/// A settled delivery: its tag, and what became of it.
type Settled = (u64, Settlement);

/// One delivery on its way to the user.
struct Item {
    message: Message,
    delivery_count: u64,
    tag: u64,
    /// Belongs to the connection it came on; nobody listens once that is gone.
    settlements: mpsc::Sender<Settled>,
}

/// The user's end of a subscription. Dropping it ends the subscription: what is not settled then is
/// delivered again.
pub(super) struct Subscriber {
    items: mpsc::Receiver<Item>,
    phase: watch::Receiver<Phase>,
}

#[async_trait]
impl Consumer for Subscriber {
    async fn receive(&mut self, max: usize) -> Option<Vec<Delivery>> {
        let mut items = Vec::new();
        loop {
            // Both can be cancelled without loss, and nothing is awaited between taking and
            // returning.
            let count = tokio::select! {
                biased;
                () = until(&mut self.phase, Phase::Closing) => return None,
                count = self.items.recv_many(&mut items, max.max(1)) => count,
            };
            if count == 0 {
                return None;
            }
            // What came on a connection that has ended will come again.
            let live = items.drain(..).filter(|item| !item.settlements.is_closed());
            let deliveries: Vec<_> = live.map(Item::hand_out).collect();
            if !deliveries.is_empty() {
                return Some(deliveries);
            }
        }
    }
}

impl Item {
    fn hand_out(self) -> Delivery {
        let Self { message, delivery_count, tag, settlements } = self;
        let settle = move |settlement| match settlements.try_send((tag, settlement)) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                // Cannot be: there is room for the whole prefetch. It would be delivered again.
                tracing::warn!(bus.delivery_tag = tag, "no room for a settlement");
            }
        };
        Delivery { message, delivery_count, settle: Box::new(settle) }
    }
}

/// The task's end of a subscription.
pub(super) struct Subscription {
    id: SubscriptionId,
    shared: Arc<Shared>,
    /// How often in a row the queue did not answer.
    mute: u32,
    queue: String,
    prefetch: u16,
    items: mpsc::Sender<Item>,
    phase: watch::Receiver<Phase>,
}

/// Both ends. The broker sends no more than `prefetch` that are not settled, which bounds all that
/// is held here.
pub(super) fn subscribe(
    queue: &str,
    prefetch: u16,
    shared: &Arc<Shared>,
    phase: watch::Receiver<Phase>,
) -> (Subscription, Subscriber) {
    // To the broker, 0 means: as many as there are.
    let prefetch = prefetch.max(1);
    let (sender, items) = mpsc::channel(prefetch.into());
    let subscriber = Subscriber { items, phase: phase.clone() };
    let id = shared.subscriptions.fetch_add(1, Ordering::Relaxed);
    let (shared, queue) = (Arc::clone(shared), queue.to_owned());
    (Subscription { id, shared, mute: 0, queue, prefetch, items: sender, phase }, subscriber)
}

impl Subscription {
    /// Runs until the subscriber is dropped or the bus closes.
    pub(super) async fn run(mut self, mut lives: Lives) {
        self.subscribed(&mut lives).await;
        self.shared.status.consumes(self.id);
    }

    async fn subscribed(&mut self, lives: &mut Lives) {
        let mut last = None;
        loop {
            let live = tokio::select! {
                live = link::next(lives, last.as_ref()) => live,
                () = self.items.closed() => return,
                () = until(&mut self.phase, Phase::Closing) => return,
            };
            let Some(live) = live else { return };
            match self.session(&live, lives).await {
                Ok(Ended::Finished) => return,
                Ok(Ended::Disconnected) => {}
                Err(trouble) => {
                    self.mute += u32::from(trouble.is_mute_queue());
                    let reason = self.explain(&trouble);
                    self.shared.status.misses(self.id, reason.clone());
                    live.give_up(reason);
                }
            }
            last = Some(live);
        }
    }

    /// Why nothing is consumed. Once a queue may be slow to answer, as when it elects a leader;
    /// twice in a row it is something else.
    fn explain(&self, trouble: &Trouble) -> String {
        let (queue, reason) = (&self.queue, self.shared.explain(trouble));
        let reason = format!("cannot consume from `{queue}`: {reason}");
        if self.mute < 2 || !trouble.is_mute_queue() {
            return reason;
        }
        format!("{reason}; {}", trouble::mute_queue(&self.shared.address, queue))
    }

    /// Consumes on one connection.
    async fn session(&mut self, live: &Arc<Live>, lives: &mut Lives) -> Result<Ended, Trouble> {
        let channel = declare::open(&live.connection).await?;
        let mut arrivals = self.start(&channel).await?;
        self.shared.status.consumes(self.id);
        self.mute = 0;
        let (sender, mut settlements) = mpsc::channel(self.prefetch.into());
        let mut ledger = Ledger::default();
        let mut settled = Vec::with_capacity(self.prefetch.into());
        let mut pending: Option<Arrival> = None;
        let mut hold = tokio::time::interval(ACK_HELD_MAX);
        hold.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watchdog = interval_at(Instant::now() + WATCHDOG_INTERVAL, WATCHDOG_INTERVAL);
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unseen = 0;
        let ended = loop {
            tokio::select! {
                count = settlements.recv_many(&mut settled, self.prefetch.into()) => {
                    debug_assert!(count > 0, "we hold a sender ourselves");
                    self.tell(&channel, &mut ledger, &mut settled).await?;
                }
                arrival = arrivals.next(), if pending.is_none() => {
                    pending = Some(arrived(arrival)?);
                }
                permit = self.items.reserve(), if pending.is_some() => {
                    let Ok(permit) = permit else { break Ended::Finished };
                    if let Some(arrival) = pending.take() {
                        ledger.deliver(arrival.delivery_tag);
                        permit.send(item(arrival, &sender));
                    }
                }
                _ = hold.tick(), if ledger.held() > 0 => send(&channel, ledger.rest()).await?,
                _ = watchdog.tick() => unseen = self.look(&channel, unseen).await?,
                () = self.items.closed() => break Ended::Finished,
                () = until(&mut self.phase, Phase::Closing) => break Ended::Finished,
                _ = lives.changed() => return Ok(Ended::Disconnected),
            }
        };
        self.finish(&channel, &mut ledger, &mut settlements).await?;
        Ok(ended)
    }

    async fn start(&self, channel: &Channel) -> Result<lapin::Consumer, Trouble> {
        // Before consuming: the client buffers without bound what the broker sends.
        let qos = channel.basic_qos(self.prefetch, BasicQosOptions { global: false });
        step("set the prefetch", qos).await?;
        let options = BasicConsumeOptions {
            no_local: false,
            // We settle what we get.
            no_ack: false,
            // Instances of one service share the queue.
            exclusive: false,
            nowait: false,
        };
        let queue = super::short("the queue's name", &self.queue)?;
        // One after the other, so that an error that ends the connection is blamed on the queue
        // that it is about.
        let _turn = self.shared.starting.lock().await;
        let tag = Uuid::now_v7().to_string();
        let request = channel.basic_consume(queue, tag.into(), options, FieldTable::default());
        step(CONSUME, request).await
    }

    /// Looks whether the broker still knows of us; how many times in a row it does not. Twice is
    /// too often: once may be a queue that elects a leader.
    async fn look(&self, channel: &Channel, unseen: u32) -> Result<u32, Trouble> {
        match declare::consumers(channel, &self.queue).await? {
            0 if unseen > 0 => {
                Err(Trouble::Seen("the broker has lost the subscription".to_owned()))
            }
            0 => Ok(unseen + 1),
            _ => Ok(0),
        }
    }

    /// Passes settlements on to the broker.
    async fn tell(
        &self,
        channel: &Channel,
        ledger: &mut Ledger,
        settled: &mut Vec<Settled>,
    ) -> Result<(), Trouble> {
        let mut orders: Vec<Order> =
            settled.drain(..).filter_map(|(tag, how)| ledger.settle(tag, how)).collect();
        orders.extend(ledger.contiguous());
        // One that takes long must not use up the window of all others.
        if ledger.held() > usize::from(self.prefetch) / 2 {
            orders.extend(ledger.rest());
        }
        send(channel, orders).await
    }

    /// Tells the broker everything that is settled by now, and ends the channel: the rest is
    /// delivered again.
    async fn finish(
        &self,
        channel: &Channel,
        ledger: &mut Ledger,
        settlements: &mut mpsc::Receiver<Settled>,
    ) -> Result<(), Trouble> {
        settlements.close();
        let mut settled = Vec::new();
        while let Ok(one) = settlements.try_recv() {
            settled.push(one);
        }
        self.tell(channel, ledger, &mut settled).await?;
        send(channel, ledger.rest()).await?;
        let goodbye = channel.close(lapin::protocol::constants::REPLY_SUCCESS, "OK".into());
        within(GOODBYE_MAX, "close the channel", goodbye).await
    }
}

enum Ended {
    /// Nobody wants more.
    Finished,
    /// There is another connection, or none.
    Disconnected,
}

fn arrived(arrival: Option<lapin::Result<Arrival>>) -> Result<Arrival, Trouble> {
    match arrival {
        Some(Ok(arrival)) => Ok(arrival),
        Some(Err(error)) => Err(Trouble::Broker { what: "the subscription ended", error }),
        // So ends a subscription whose queue was deleted or moved; connection and channel look
        // well.
        None => Err(Trouble::Seen("the broker cancelled the subscription".to_owned())),
    }
}

fn item(arrival: Arrival, settlements: &mpsc::Sender<Settled>) -> Item {
    let tag = arrival.delivery_tag;
    let (message, delivery_count) = codec::decode(arrival);
    Item { message, delivery_count, tag, settlements: settlements.clone() }
}

/// Sends orders all at once; the client keeps their order.
async fn send(channel: &Channel, orders: Vec<Order>) -> Result<(), Trouble> {
    let requests = orders.into_iter().map(async |order| match order {
        Order::Acknowledge { tag, multiple } => {
            channel.basic_ack(tag, BasicAckOptions { multiple }).await
        }
        Order::Requeue { tag } => {
            let options = BasicNackOptions { multiple: false, requeue: true };
            channel.basic_nack(tag, options).await
        }
        Order::Reject { tag } => {
            channel.basic_reject(tag, BasicRejectOptions { requeue: false }).await
        }
    });
    step("settle deliveries", try_join_all(requests)).await.map(|_| ())
}
