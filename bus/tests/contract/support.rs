//! What all tests of the bus need: messages, and waiting with a deadline.

use std::{collections::BTreeSet, future::Future, time::Duration};

use bytes::Bytes;
use saga_bus::{Bus, Consumer, Delivery, Health, Publication, Settlement, Unpublished};
use saga_protocol::{Message, ParticipantName, topology};
use tokio::time::Instant;

/// Far longer than anything here takes on a machine that is busy compiling.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at what nobody tells of. A clock that is paused goes on with it.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(5);
/// More than any test leaves unsettled.
pub(crate) const PREFETCH: u16 = 400;

pub(crate) fn payment() -> ParticipantName {
    ParticipantName::new("payment").unwrap()
}

pub(crate) fn commands() -> String {
    topology::command_queue(&payment())
}

pub(crate) async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    match tokio::time::timeout(DEADLINE, work).await {
        // Work that nobody wakes is found done by the deadline's own look at it.
        Ok(done) if began.elapsed() < DEADLINE => done,
        Ok(_) | Err(_) => panic!("waited {DEADLINE:?} in vain for: {what}"),
    }
}

/// Waits until the bus is up for at least the n-th time.
pub(crate) async fn up(bus: &dyn Bus, nth: u64) {
    healthy("up", bus, |h| matches!(h, Health::Up { connections } if *connections >= nth)).await;
}

pub(crate) async fn healthy(what: &str, bus: &dyn Bus, wanted: impl Fn(&Health) -> bool) -> Health {
    let mut health = bus.health();
    in_time(what, health.wait_for(wanted)).await.expect("the bus lives").clone()
}

/// Waits until so many messages wait ready: a quorum queue confirms a moment before it counts.
pub(crate) async fn depth_is(bus: &dyn Bus, queue: &str, wanted: u64) {
    let counted = async {
        while bus.depth(queue).await != Some(wanted) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    in_time(&format!("{wanted} messages in `{queue}`"), counted).await;
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
pub(crate) async fn publish_surely(bus: &dyn Bus, publications: &[Publication]) {
    let trying = async {
        for publication in publications {
            while publish_one(bus, publication).await.is_err() {
                let mut health = bus.health();
                let up = health.wait_for(|h| matches!(h, Health::Up { .. })).await;
                drop(up.expect("the bus lives"));
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    };
    in_time("everything to be published", trying).await;
}

pub(crate) async fn publish_one(
    bus: &dyn Bus,
    publication: &Publication,
) -> Result<(), Unpublished> {
    let answers = in_time("an answer", bus.publish(vec![publication.clone()])).await;
    assert_eq!(answers.len(), 1);
    answers.into_iter().next().unwrap()
}

/// Publishes all of these at once; all must be taken.
pub(crate) async fn publish_all(bus: &dyn Bus, batch: Vec<Publication>) {
    let answers = in_time("answers", bus.publish(batch)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
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
