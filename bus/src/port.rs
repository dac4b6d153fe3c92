//! What a bus is to the rest of the product.

use async_trait::async_trait;
use saga_protocol::{Message, ParticipantName};
use tokio::sync::watch;

/// Carries messages. Cheap to share; all methods may be called from any task at once.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Publishes a batch, persistent and mandatory, and waits until each is settled or its deadline
    /// has passed.
    ///
    /// The answers stand in the order of the batch. `Ok` means the broker confirmed it and did not
    /// return it. Any error means "as good as not sent": the message may still arrive. Never blocks
    /// longer than its own deadline, also while the bus is down: then every answer is
    /// [`Unpublished::Down`] at once.
    async fn publish(&self, batch: Vec<Publication>) -> Vec<Result<(), Unpublished>>;

    /// Subscribes to a queue. The consumer lives through reconnects by itself: after one,
    /// everything that was delivered and not settled is delivered again.
    async fn consume(&self, queue: &str, prefetch: u16) -> Box<dyn Consumer>;

    /// How the bus is, now and whenever it changes.
    fn health(&self) -> watch::Receiver<Health>;

    /// How many messages wait ready in a queue, asked of the broker; `None` where it cannot be told
    /// now.
    async fn depth(&self, queue: &str) -> Option<u64>;

    /// Declares the command queues of these participants, now and after every reconnect.
    /// Idempotent.
    async fn declare(&self, participants: &[ParticipantName]);

    /// The participants whose command queue had to be created since the last call: the broker had
    /// lost it, or it is new. Whoever calls owes them their outstanding commands.
    fn take_created(&self) -> Vec<ParticipantName>;

    /// Stops consumers, lets publishes in flight settle within the adapter's deadline, and
    /// disconnects.
    async fn close(&self);
}

/// A subscription to one queue.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for at least one delivery, then takes what has already arrived, up to `max`. `None`
    /// once the bus is closed. Safe to cancel: nothing is lost.
    async fn receive(&mut self, max: usize) -> Option<Vec<Delivery>>;
}

/// One delivery of a message. Dropping it unsettled leaves it unacknowledged until the connection
/// ends.
pub struct Delivery {
    /// What was delivered.
    pub message: Message,
    /// How often the broker has delivered it before, where the broker counts.
    pub delivery_count: u64,
    /// How to answer the broker.
    pub settle: Settle,
}

/// Answers the broker, once.
pub type Settle = Box<dyn FnOnce(Settlement) + Send + Sync>;

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is taken care of.
    Acknowledge,
    /// Deliver it again, to whoever. For "I am shutting down" only: it counts toward the delivery
    /// limit.
    Requeue,
    /// Nobody can use it: the broker dead-letters it.
    Reject,
}

/// A message and where it goes.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The exchange; empty for the default exchange.
    pub exchange: &'static str,
    /// The routing key.
    pub routing_key: String,
    /// What is sent.
    pub message: Message,
}

/// Why a message counts as not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpublished {
    /// No queue is bound for its routing key.
    #[error("the broker returned it: no queue is bound for `{0}`")]
    Returned(String),
    /// The broker refused it: the queue is full.
    #[error("the broker refused it: the queue is full")]
    Refused,
    /// No confirm within the deadline: it may have been sent.
    #[error("no confirm within the deadline")]
    Unconfirmed,
    /// The bus is down or blocked: it was not sent.
    #[error("the bus is down: {0}")]
    Down(String),
}

/// How the bus is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Connected; publishing and consuming. Counts connections, so that a reconnect between two
    /// looks is seen.
    Up {
        /// How often a connection was made, from 1.
        connections: u64,
    },
    /// Connected, but the broker takes no messages: a memory or disk alarm.
    Blocked {
        /// What the broker said.
        reason: String,
    },
    /// Not connected; being retried.
    Down {
        /// What went wrong last.
        reason: String,
    },
}

impl Health {
    /// Why nothing can be published now.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Self::Up { .. } => None,
            Self::Blocked { reason } => Some(format!("blocked by the broker: {reason}")),
            Self::Down { reason } => Some(reason.clone()),
        }
    }
}
