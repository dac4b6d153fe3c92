//! What all tests of the bus need: a bus on a virtual host of its own, and waiting with a deadline.

use std::{collections::BTreeSet, future::Future, time::Duration};

use bytes::Bytes;
use lab::{Lab, Vhost};
use lapin::{Connection, ConnectionProperties};
use saga_bus::{
    Amqp, Bus, Consumer, Delivery, Health, Options, Publication, Role, Settlement, Unpublished,
};
use saga_protocol::{Message, ParticipantName, topology};

/// Far longer than anything here takes on a machine that is busy compiling.
const DEADLINE: Duration = Duration::from_secs(60);
/// More than any test leaves unsettled.
pub(crate) const PREFETCH: u16 = 400;

/// The lab and a virtual host in it.
pub(crate) struct Ground {
    pub(crate) lab: Lab,
    pub(crate) vhost: Vhost,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let lab = Lab::from_env().unwrap();
        let vhost = lab.vhost().await.unwrap();
        Self { lab, vhost }
    }

    /// An orchestrator's bus that is up and has declared the queue of `payment`.
    pub(crate) async fn bus(&self) -> Amqp {
        let bus = start(&self.vhost.url, Role::Server);
        bus.declare(&[payment()]).await;
        up(&bus, 1).await;
        bus
    }

    /// A connection of the test's own.
    pub(crate) async fn connection(&self) -> Connection {
        connect(&self.vhost.url).await
    }
}

pub(crate) async fn connect(url: &str) -> Connection {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    in_time("the test's own connection", connecting).await.unwrap()
}

pub(crate) fn start(url: &str, role: Role) -> Amqp {
    let _ = tracing_subscriber::fmt()
        .with_env_filter("info,saga_bus=debug,lapin=info")
        .with_test_writer()
        .try_init();
    Amqp::start(Options { url: url.to_owned(), role, name: "test".to_owned() }).unwrap()
}

pub(crate) fn payment() -> ParticipantName {
    ParticipantName::new("payment").unwrap()
}

pub(crate) fn commands() -> String {
    topology::command_queue(&payment())
}

pub(crate) async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let Ok(done) = tokio::time::timeout(DEADLINE, work).await else {
        panic!("waited {DEADLINE:?} in vain for: {what}");
    };
    done
}

/// Waits until the bus is up for at least the n-th time.
pub(crate) async fn up(bus: &Amqp, nth: u64) {
    healthy("up", bus, |h| matches!(h, Health::Up { connections } if *connections >= nth)).await;
}

pub(crate) async fn healthy(what: &str, bus: &Amqp, wanted: impl Fn(&Health) -> bool) -> Health {
    let mut health = bus.health();
    in_time(what, health.wait_for(wanted)).await.expect("the bus lives").clone()
}

/// A command to somebody, with this body.
pub(crate) fn to(routing_key: &str, body: &str) -> Publication {
    let message = Message::new(Bytes::copy_from_slice(body.as_bytes()));
    Publication { exchange: topology::COMMANDS, routing_key: routing_key.to_owned(), message }
}

pub(crate) fn numbered(numbers: impl IntoIterator<Item = usize>) -> Vec<Publication> {
    numbers.into_iter().map(|n| to("payment", &n.to_string())).collect()
}

/// Publishes, and again what was not published: while a bus reconnects that is its users' part.
pub(crate) async fn publish_surely(bus: &Amqp, publications: &[Publication]) {
    let trying = async {
        for publication in publications {
            while publish_one(bus, publication).await.is_err() {
                let mut health = bus.health();
                let up = health.wait_for(|h| matches!(h, Health::Up { .. })).await;
                drop(up.expect("the bus lives"));
                tokio::task::yield_now().await;
            }
        }
    };
    in_time("everything to be published", trying).await;
}

pub(crate) async fn publish_one(bus: &Amqp, publication: &Publication) -> Result<(), Unpublished> {
    let answers = in_time("an answer", bus.publish(vec![publication.clone()])).await;
    assert_eq!(answers.len(), 1);
    answers.into_iter().next().unwrap()
}

/// Receives so many; more is a failure.
pub(crate) async fn receive(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let what = format!("delivery {} of {count}", all.len() + 1);
        all.extend(in_time(&what, consumer.receive(count)).await.expect("the bus is open"));
    }
    assert_eq!(all.len(), count, "more came than was awaited");
    all
}

pub(crate) fn body(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.message.body).unwrap()
}

pub(crate) fn bodies(deliveries: &[Delivery]) -> BTreeSet<&str> {
    let bodies: BTreeSet<_> = deliveries.iter().map(body).collect();
    assert_eq!(bodies.len(), deliveries.len(), "something came twice");
    bodies
}

pub(crate) fn settle_all(deliveries: Vec<Delivery>, settlement: Settlement) {
    deliveries.into_iter().for_each(|delivery| (delivery.settle)(settlement));
}
