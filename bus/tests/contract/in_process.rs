//! The suite on the in-process bus, and what only that one promises: exact order, exact times, and
//! bounds of its own.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use saga_bus::{Broker, Bus, Health, InProcess, Role, Settlement, Unpublished};
use saga_protocol::{HeaderValue, limits, topology};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    ground::Ground,
    support::{
        PREFETCH, body, commands, depth_is, in_time, numbered, payment, publish_all, publish_one,
        publish_surely, receive, settle_all, to, up,
    },
};

contract! { #[tokio::test(start_paused = true)] InMemory }

struct InMemory(Broker);

impl Ground for InMemory {
    const USER: &str = "in-process";

    async fn new() -> Self {
        Self(Broker::new())
    }

    async fn apart() -> Self {
        Self::new().await
    }

    fn start(&self, role: Role) -> Box<dyn Bus> {
        Box::new(self.0.connect(role))
    }

    async fn cut(&self) {
        self.0.restart();
    }

    async fn delete_queue(&self, name: &str) {
        self.0.delete_queue(name);
    }

    async fn purge(&self, name: &str) {
        self.0.purge(name);
    }

    async fn limit(&self, name: &str, messages_max: usize) {
        self.0.limit(name, messages_max);
    }

    async fn block(&self) {
        self.0.block("low on memory");
    }

    async fn unblock(&self) {
        self.0.unblock();
    }

    async fn down(&mut self) {
        self.0.down();
    }

    async fn up(&mut self) {
        self.0.up();
    }

    async fn restart(&mut self) {
        self.0.restart();
    }
}

/// An orchestrator's endpoint that has declared the queue of `payment`.
async fn server(broker: &Broker) -> InProcess {
    let bus = broker.connect(Role::Server);
    bus.declare(&[payment()]).await;
    bus
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_goes_where_it_was() {
    let bus = server(&Broker::new()).await;
    let mut consumer = bus.consume(&commands(), 3).await;
    publish_all(&bus, numbered(0..6)).await;
    let first = receive(&mut consumer, 3).await;
    let order: Vec<_> = first.iter().map(body).collect();
    assert_eq!(order, ["0", "1", "2"]);
    drop(consumer);
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    let again = receive(&mut consumer, 6).await;
    let order: Vec<_> = again.iter().map(|d| (body(d), d.delivery_count)).collect();
    assert_eq!(order, [("0", 1), ("1", 1), ("2", 1), ("3", 0), ("4", 0), ("5", 0)]);
    // Nobody hears this: those belong to a subscription that has ended.
    settle_all(first, Settlement::Reject);
    settle_all(again, Settlement::Acknowledge);
    assert_eq!((bus.depth(&commands()).await, bus.depth(topology::DEAD).await), (Some(0), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn consumers_take_turns() {
    let broker = Broker::new();
    let bus = server(&broker).await;
    let others = [broker.connect(Role::Server), broker.connect(Role::Server)];
    let mut consumers = Vec::new();
    for other in &others {
        consumers.push(other.consume(&commands(), 2).await);
    }
    publish_all(&bus, numbered(0..6)).await;
    let mut taken = Vec::new();
    for consumer in &mut consumers {
        taken.push(receive(consumer, 2).await);
    }
    let order: Vec<Vec<_>> = taken.iter().map(|some| some.iter().map(body).collect()).collect();
    assert_eq!(order, [["0", "2"], ["1", "3"]]);
    // Cut off, it gives back what it holds, and the other gets it before what is new.
    others[0].unplug();
    settle_all(taken.remove(0), Settlement::Acknowledge);
    settle_all(taken.remove(0), Settlement::Acknowledge);
    let next = receive(&mut consumers[1], 2).await;
    assert_eq!(next.iter().map(body).collect::<Vec<_>>(), ["0", "2"]);
    assert!(matches!(&*others[0].health().borrow(), Health::Down { .. }));
    assert_eq!(*others[1].health().borrow(), Health::Up { connections: 1 });
    others[0].plug();
    up(&others[0], 2).await;
    assert_eq!(body(&receive(&mut consumers[0], 2).await[0]), "4");
}

/// All connections break before anything comes back: nothing goes round among those that are left.
#[tokio::test(start_paused = true)]
async fn a_restart_counts_once() {
    let broker = Broker::new();
    let (one, other) = (server(&broker).await, server(&broker).await);
    let mut first = one.consume(&commands(), PREFETCH).await;
    let mut second = other.consume(&commands(), PREFETCH).await;
    publish_all(&one, numbered(0..4)).await;
    let held = [receive(&mut first, 2).await, receive(&mut second, 2).await];
    broker.restart();
    let again = receive(&mut first, 4).await;
    assert!(again.iter().all(|delivery| delivery.delivery_count == 1));
    settle_all(held.into_iter().flatten().collect(), Settlement::Reject);
    assert_eq!(one.depth(topology::DEAD).await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn reconnects_and_a_participants_patience_take_their_time() {
    let broker = Broker::new();
    let began = Instant::now();
    let participant = broker.connect(Role::Participant(payment()));
    up(&participant, 1).await;
    assert_eq!(began.elapsed().as_secs(), 8, "so long it leaves it to an orchestrator");
    broker.delete_queue(&commands());
    let waiting = broker.connect(Role::Participant(payment()));
    let bus = server(&broker).await;
    assert_eq!(*waiting.health().borrow(), Health::Up { connections: 1 }, "at once");
    assert_eq!(bus.take_created(), [payment()]);
    let began = Instant::now();
    participant.cut();
    assert!(matches!(&*participant.health().borrow(), Health::Down { .. }));
    up(&participant, 2).await;
    assert_eq!(began.elapsed().as_millis() / 10, 10);
    // Never while it is closed, and nothing is left behind that would wake up later.
    participant.cut();
    in_time("close", participant.close()).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(*participant.health().borrow(), Health::Down { reason: "closed".to_owned() });
}

/// As with `x-dead-letter-strategy` at-least-once, without the minutes that RabbitMQ may take.
#[tokio::test(start_paused = true)]
async fn the_dead_wait_for_a_queue_that_takes_them_in() {
    let broker = Broker::new();
    let bus = server(&broker).await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    broker.delete_queue(topology::DEAD);
    publish_all(&bus, numbered(0..2)).await;
    settle_all(receive(&mut consumer, 2).await, Settlement::Reject);
    assert_eq!(bus.depth(topology::DEAD).await, None);
    let other = broker.connect(Role::Server);
    assert_eq!(other.depth(topology::DEAD).await, Some(2), "it is there again");
    broker.limit(topology::DEAD, 2);
    assert_eq!(publish_one(&bus, &to("payment", "more")).await, Ok(()));
    settle_all(receive(&mut consumer, 1).await, Settlement::Reject);
    assert_eq!(other.depth(topology::DEAD).await, Some(2), "it is full");
    let mut dead = other.consume(topology::DEAD, PREFETCH).await;
    let found = receive(&mut dead, 3).await;
    let queue = Some(&HeaderValue::Text(commands()));
    let named = |d: &saga_bus::Delivery| d.message.headers.get("x-first-death-queue") == queue;
    assert!(found.iter().all(named));
    // Behind the dead, there is nothing.
    settle_all(found, Settlement::Reject);
    assert_eq!(other.depth(topology::DEAD).await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_without_anybody_asking() {
    let broker = Broker::new();
    let bus = server(&broker).await;
    let large = Bytes::from(vec![b'x'; limits::BODY_BYTES_MAX]);
    let fill = async |body: &Bytes| {
        let mut taken = 0;
        for _ in 0..1000 {
            let mut batch = numbered(0..1000);
            batch.iter_mut().for_each(|publication| publication.message.body = body.clone());
            let answers = bus.publish(batch).await;
            taken += answers.iter().filter(|answer| answer.is_ok()).count();
            if answers.contains(&Err(Unpublished::Refused)) {
                return taken;
            }
        }
        panic!("{taken} messages were taken");
    };
    assert_eq!(fill(&large).await, 64);
    broker.purge(&commands());
    assert_eq!(fill(&Bytes::new()).await, 100_000);
}

/// What was received: when, by whom, what, and how often before.
type Trace = Vec<(u128, usize, String, u64)>;

#[tokio::test(start_paused = true)]
async fn the_same_happens_every_time() {
    let first = trouble().await;
    let seen: BTreeSet<_> = first.iter().map(|(_, _, body, _)| body.clone()).collect();
    assert_eq!(seen.len(), PUBLISHED, "what was taken arrived");
    // Connections broke twice, and nothing comes back more often than that.
    assert!((1..=2).contains(&first.iter().map(|(_, _, _, count)| *count).max().unwrap()));
    for _ in 0..10 {
        assert_eq!(trouble().await, first);
    }
}

/// Messages of one run.
const PUBLISHED: usize = 60;

/// Three replicas of a participant at work, each at its own pace, on a broker in trouble.
async fn trouble() -> Trace {
    let broker = Broker::new();
    let bus = server(&broker).await;
    let trace = Arc::new(Mutex::new(Trace::new()));
    let began = Instant::now();
    let mut replicas = JoinSet::new();
    let endpoints: Vec<_> = (0..3).map(|_| broker.connect(Role::Participant(payment()))).collect();
    for (replica, own) in endpoints.iter().enumerate() {
        let mut consumer = own.consume(&commands(), 4).await;
        let trace = Arc::clone(&trace);
        replicas.spawn(async move {
            loop {
                for delivery in consumer.receive(3).await.unwrap() {
                    let at = began.elapsed().as_millis();
                    let seen = (at, replica, body(&delivery).to_owned(), delivery.delivery_count);
                    trace.lock().unwrap().push(seen);
                    tokio::time::sleep(Duration::from_millis(7 + replica as u64)).await;
                    (delivery.settle)(Settlement::Acknowledge);
                }
            }
        });
    }
    for n in 0..PUBLISHED {
        publish_surely(&bus, &numbered([n])).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        match n {
            20 => broker.restart(),
            40 => endpoints[0].cut(),
            _ => {}
        }
    }
    depth_is(&bus, &commands(), 0).await;
    // Longer than anything is held.
    tokio::time::sleep(Duration::from_secs(1)).await;
    replicas.shutdown().await;
    std::mem::take(&mut *trace.lock().unwrap())
}
