//! A bus of the test's own, which brings commands to one participant and counts what it hears.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use lab::wait;
use saga_bus::{Bus, Consumer, Delivery, Health, Publication, Settlement, Unpublished};
use saga_participant::{Command, Service, serve};
use saga_protocol::{Message, ParticipantName, Reply, Timestamp};
use saga_runtime::Shutdown;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::PATIENCE;

/// Commands served at once.
pub(crate) const CONCURRENCY: u32 = 4;

/// What it has seen. Shared by all ends.
#[derive(Default)]
pub(crate) struct Seen {
    taken: AtomicUsize,
    /// Publications that are still to be returned.
    returning: AtomicUsize,
    /// Whether the next publish panics.
    panicking: AtomicBool,
    settled: Mutex<Vec<Settlement>>,
    replies: Mutex<Vec<Reply>>,
}

struct Broker {
    seen: Arc<Seen>,
    queue: Mutex<Option<mpsc::UnboundedReceiver<Message>>>,
    sender: mpsc::UnboundedSender<Message>,
}

/// A participant that serves what is sent to it. Its end is told by [`Serving::end`].
pub(crate) struct Serving {
    pub(crate) seen: Arc<Seen>,
    sender: mpsc::UnboundedSender<Message>,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Serving {
    pub(crate) fn start(service: Service) -> Self {
        let seen = Arc::new(Seen::default());
        let (sender, queue) = mpsc::unbounded_channel();
        let (queue, shared) = (Mutex::new(Some(queue)), Arc::clone(&seen));
        let bus: Arc<dyn Bus> = Arc::new(Broker { seen: shared, queue, sender: sender.clone() });
        let shutdown = Shutdown { drain: CancellationToken::new(), now: CancellationToken::new() };
        let told = shutdown.clone();
        let task = tokio::spawn(async move {
            serve(&bus, Arc::new(service), CONCURRENCY, &told).await;
        });
        Self { seen, sender, shutdown, task }
    }

    pub(crate) fn send(&self, command: &Command) {
        self.sender.send(command.to_message(Uuid::now_v7(), Timestamp::wall_clock())).unwrap();
    }

    /// Ends in order.
    pub(crate) async fn end(self) {
        self.shutdown.drain.cancel();
        self.task.await.unwrap();
    }
}

impl Seen {
    /// How many commands were taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Has so many publications returned.
    pub(crate) fn return_next(&self, count: usize) {
        self.returning.store(count, Ordering::SeqCst);
    }

    /// Has the next publish panic, whoever is in it.
    pub(crate) fn panic_next(&self) {
        self.panicking.store(true, Ordering::SeqCst);
    }

    /// How many deliveries were settled so.
    pub(crate) fn settled(&self, wanted: Settlement) -> usize {
        self.settled.lock().unwrap().iter().filter(|settled| **settled == wanted).count()
    }

    /// The replies that were confirmed, in short.
    pub(crate) fn replies(&self) -> Vec<String> {
        let replies = self.replies.lock().unwrap();
        let brief = |reply: &Reply| {
            let code = reply.body.error.as_ref().map_or("", |fault| fault.code.as_str());
            format!("{} {code}", reply.body.outcome).trim().to_owned()
        };
        replies.iter().map(brief).collect()
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let found = wait::until(what, PATIENCE, async || is_so(self).then_some(()));
        found.await.unwrap();
    }
}

#[async_trait]
impl Bus for Broker {
    async fn publish(&self, batch: Vec<Publication>) -> Vec<Result<(), Unpublished>> {
        assert!(!self.seen.panicking.swap(false, Ordering::SeqCst), "panicking as told");
        let one_less = |left: usize| left.checked_sub(1);
        let publish = |publication: Publication| {
            let returning = &self.seen.returning;
            if returning.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                return Err(Unpublished::Returned(publication.routing_key));
            }
            let reply = Reply::from_message(&publication.message).unwrap();
            self.seen.replies.lock().unwrap().push(reply);
            Ok(())
        };
        batch.into_iter().map(publish).collect()
    }

    async fn consume(&self, _: &str, _: u16) -> Box<dyn Consumer> {
        let queue = self.queue.lock().unwrap().take().expect("one participant consumes");
        let (seen, sender) = (Arc::clone(&self.seen), self.sender.clone());
        Box::new(Subscription { seen, queue, sender })
    }

    fn health(&self) -> watch::Receiver<Health> {
        watch::channel(Health::Up { connections: 1 }).1
    }

    async fn depth(&self, _: &str) -> Option<u64> {
        None
    }

    async fn declare(&self, _: &[ParticipantName]) {}

    fn take_created(&self) -> Vec<ParticipantName> {
        Vec::new()
    }

    async fn close(&self) {}
}

struct Subscription {
    seen: Arc<Seen>,
    queue: mpsc::UnboundedReceiver<Message>,
    sender: mpsc::UnboundedSender<Message>,
}

#[async_trait]
impl Consumer for Subscription {
    async fn receive(&mut self, max: usize) -> Option<Vec<Delivery>> {
        let mut messages = Vec::new();
        self.queue.recv_many(&mut messages, max).await;
        self.seen.taken.fetch_add(messages.len(), Ordering::SeqCst);
        let deliver = |message: Message| {
            let (seen, sender) = (Arc::clone(&self.seen), self.sender.clone());
            let again = message.clone();
            let settle = move |settlement| {
                seen.settled.lock().unwrap().push(settlement);
                if settlement == Settlement::Requeue {
                    // Nobody listens once the participant has ended.
                    let _ = sender.send(again);
                }
            };
            Delivery { message, delivery_count: 0, settle: Box::new(settle) }
        };
        Some(messages.into_iter().map(deliver).collect())
    }
}
