//! The bus lives through what happens to brokers: connections cut, queues gone, alarms, kills,
//! absence.

use std::{collections::BTreeSet, time::Duration};

use saga_bus::{Bus, Consumer, Health, Role, Settlement, Unpublished};
use saga_protocol::{ParticipantName, topology};

use crate::{
    ground::Ground,
    support::{
        LOOK_EVERY, PREFETCH, bodies, body, commands, healthy, in_time, numbered, payment,
        publish_all, publish_one, publish_surely, receive, settle_all, to, up,
    },
};

pub(crate) async fn cut_connections_come_back_with_what_was_not_settled<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_surely(&*bus, &numbered(0..3)).await;
    let mut before = receive(&mut consumer, 3).await;
    let settled = before.pop().unwrap();
    let settled_body = body(&settled).to_owned();
    (settled.settle)(Settlement::Acknowledge);
    ground.cut().await;
    up(&*bus, 2).await;
    publish_surely(&*bus, &[to("payment", "after")]).await;
    let after = receive(&mut consumer, 3).await;
    let mut expected: BTreeSet<_> = before.iter().map(body).collect();
    assert!(!expected.contains(settled_body.as_str()));
    expected.insert("after");
    assert_eq!(bodies(&after), expected);
    let counted = after.iter().all(|d| d.delivery_count == u64::from(body(d) != "after"));
    assert!(counted, "what came back was delivered once before");
    // Nobody hears this: those tags belong to other deliveries now.
    settle_all(before, Settlement::Reject);
    settle_all(after, Settlement::Acknowledge);
    in_time("close", bus.close()).await;
    nothing_is_left(&ground).await;
}

pub(crate) async fn dropped_without_a_goodbye_it_gives_back_what_it_held<G: Ground>() {
    let ground = G::new().await;
    let (bus, other) = (ground.bus().await, ground.bus().await);
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_all(&*other, numbered(0..2)).await;
    let held = receive(&mut consumer, 2).await;
    drop(bus);
    assert!(in_time("the end", consumer.receive(1)).await.is_none());
    let mut consumer = other.consume(&commands(), PREFETCH).await;
    let again = receive(&mut consumer, 2).await;
    assert_eq!(bodies(&again), bodies(&held));
    settle_all(held, Settlement::Reject);
    settle_all(again, Settlement::Acknowledge);
    in_time("close", other.close()).await;
    nothing_is_left(&ground).await;
}

pub(crate) async fn a_deleted_queue_is_made_anew_and_named<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    assert_eq!(bus.take_created(), [payment()]);
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_surely(&*bus, &numbered(0..1)).await;
    settle_all(receive(&mut consumer, 1).await, Settlement::Acknowledge);
    ground.delete_queue(&commands()).await;
    up(&*bus, 2).await;
    assert_eq!(bus.take_created(), [payment()]);
    publish_surely(&*bus, &[to("payment", "after")]).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["after"]));
    in_time("close", bus.close()).await;
}

pub(crate) async fn a_participants_lost_queue_is_the_orchestrators_to_make<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let participant = ground.start(Role::Participant(payment()));
    up(&*participant, 1).await;
    let mut consumer = participant.consume(&commands(), PREFETCH).await;
    publish_surely(&*bus, &numbered(0..1)).await;
    settle_all(receive(&mut consumer, 1).await, Settlement::Acknowledge);
    assert_eq!(bus.take_created(), [payment()]);
    ground.delete_queue(&commands()).await;
    // RabbitMQ may forget to tell a consumer whose queue is there again at once.
    healthy("down", &*participant, |h| matches!(h, Health::Down { .. })).await;
    // The orchestrator notices by what is returned.
    let returned = Err(Unpublished::Returned("payment".to_owned()));
    assert_eq!(publish_one(&*bus, &to("payment", "lost")).await, returned);
    bus.declare(&[payment()]).await;
    assert_eq!(bus.take_created(), [payment()]);
    publish_surely(&*bus, &[to("payment", "after")]).await;
    up(&*participant, 2).await;
    assert_eq!(participant.take_created(), []);
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["after"]));
    for bus in [bus, participant] {
        in_time("close", bus.close()).await;
    }
}

pub(crate) async fn a_queue_may_be_consumed_from_before_it_is_there<G: Ground>() {
    let ground = G::new().await;
    let (bus, other) = (ground.bus().await, ground.bus().await);
    let shipping = ParticipantName::new("shipping").unwrap();
    let mut consumer = bus.consume(&topology::command_queue(&shipping), PREFETCH).await;
    other.declare(&[shipping]).await;
    publish_surely(&*other, &[to("shipping", "first")]).await;
    assert_eq!(receive_one(&mut consumer).await, "first");
    for bus in [bus, other] {
        in_time("close", bus.close()).await;
    }
}

pub(crate) async fn a_purged_queue_works_on<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), 1).await;
    publish_all(&*bus, numbered(0..3)).await;
    let held = receive(&mut consumer, 1).await;
    ground.purge(&commands()).await;
    publish_all(&*bus, vec![to("payment", "after")]).await;
    // What was delivered is its receiver's.
    settle_all(held, Settlement::Requeue);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "after") {
        seen.push(receive_one(&mut consumer).await);
    }
    assert_eq!(seen, ["0", "after"]);
    assert_eq!(*bus.health().borrow(), Health::Up { connections: 1 });
    in_time("close", bus.close()).await;
}

pub(crate) async fn a_participant_alone_makes_its_queue<G: Ground>() {
    let ground = G::new().await;
    let participant = ground.start(Role::Participant(payment()));
    up(&*participant, 1).await;
    assert_eq!(publish_one(&*participant, &to("payment", "to itself")).await, Ok(()));
    let mut consumer = participant.consume(&commands(), PREFETCH).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["to itself"]));
    // The orchestrator finds the same queue with the same arguments.
    let bus = ground.bus().await;
    assert_eq!(bus.take_created(), []);
    in_time("close", participant.close()).await;
    in_time("close", bus.close()).await;
}

pub(crate) async fn waits_for_a_broker_that_is_not_there<G: Ground>() {
    let mut ground = G::new().await;
    ground.down().await;
    let bus = ground.start(Role::Server);
    bus.declare(&[payment()]).await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    refused_or_absent(&*bus).await;
    ground.up().await;
    up(&*bus, 1).await;
    assert_eq!(bus.take_created(), [payment()]);
    publish_surely(&*bus, &numbered(0..1)).await;
    settle_all(receive(&mut consumer, 1).await, Settlement::Acknowledge);
    ground.down().await;
    refused_or_absent(&*bus).await;
    ground.up().await;
    up(&*bus, 2).await;
    publish_surely(&*bus, &[to("payment", "after")]).await;
    // The acknowledgement may have been on the road when it was cut: then the first comes again.
    while receive_one(&mut consumer).await != "after" {}
    in_time("close", bus.close()).await;
}

/// Takes one delivery, acknowledges it, and says what was in it.
async fn receive_one(consumer: &mut Box<dyn Consumer>) -> String {
    let delivery = receive(consumer, 1).await.pop().expect("it was received");
    let text = body(&delivery).to_owned();
    (delivery.settle)(Settlement::Acknowledge);
    text
}

pub(crate) async fn closes_without_ever_having_been_connected<G: Ground>() {
    let mut ground = G::new().await;
    ground.down().await;
    let bus = ground.start(Role::Server);
    refused_or_absent(&*bus).await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    in_time("close", bus.close()).await;
    assert!(in_time("the end", consumer.receive(1)).await.is_none());
}

/// Waits until the bus knows that it is down; then it answers at once.
async fn refused_or_absent(bus: &dyn Bus) {
    let connect =
        |h: &Health| matches!(h, Health::Down { reason } if reason != "not connected yet");
    healthy("down", bus, connect).await;
    let publishing = bus.publish(numbered(0..300));
    let answers = tokio::time::timeout(Duration::from_secs(1), publishing).await;
    let answers = answers.expect("a bus that is down answers at once");
    assert_eq!(answers.len(), 300);
    assert!(answers.iter().all(|answer| matches!(answer, Err(Unpublished::Down(_)))));
    assert_eq!(bus.depth(&commands()).await, None);
}

pub(crate) async fn an_alarm_blocks_publishing_and_not_acknowledging<G: Ground>() {
    let ground = G::apart().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_surely(&*bus, &numbered(0..2)).await;
    let deliveries = receive(&mut consumer, 2).await;
    ground.block().await;
    let blocked = |h: &Health| matches!(h, Health::Blocked { reason } if reason.contains("memory"));
    // The broker blocks a connection when it publishes next: that publish, and any until we hear of
    // it.
    let during = to("payment", "during");
    let publishing = async {
        let mut health = bus.health();
        while !blocked(&health.borrow_and_update()) {
            publish_one(&*bus, &during).await.err();
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::join!(publishing, healthy("blocked", &*bus, blocked));
    let answer = publish_one(&*bus, &to("payment", "x")).await;
    assert!(matches!(&answer, Err(Unpublished::Down(why)) if why.contains("memory")), "{answer:?}");
    // One that is only cut off while the alarm lasts would be delivered again.
    settle_all(deliveries, Settlement::Acknowledge);
    assert!(bus.depth(&commands()).await.is_some(), "consuming goes on");
    ground.unblock().await;
    up(&*bus, 1).await;
    publish_surely(&*bus, &[to("payment", "after")]).await;
    loop {
        let delivery = receive(&mut consumer, 1).await.pop().unwrap();
        assert_eq!(delivery.delivery_count, 0);
        let is_last = body(&delivery) == "after";
        assert!(is_last || body(&delivery) == "during");
        (delivery.settle)(Settlement::Acknowledge);
        if is_last {
            break;
        }
    }
    in_time("close", bus.close()).await;
}

pub(crate) async fn a_restarted_broker_keeps_what_it_confirmed<G: Ground>() {
    let mut ground = G::apart().await;
    let bus = ground.bus().await;
    publish_all(&*bus, numbered(0..200)).await;
    assert_eq!(bus.take_created(), [payment()]);
    let mut consumer = bus.consume(&commands(), 50).await;
    let taken = in_time("some", consumer.receive(10)).await.unwrap();
    let down = healthy("down", &*bus, |h| matches!(h, Health::Down { .. }));
    tokio::join!(ground.restart(), down);
    settle_all(taken, Settlement::Acknowledge);
    up(&*bus, 2).await;
    assert_eq!(bus.take_created(), [], "the queue survived");
    let mut seen = BTreeSet::new();
    while seen.len() < 200 {
        for delivery in in_time("all of them", consumer.receive(50)).await.unwrap() {
            seen.insert(body(&delivery).to_owned());
            (delivery.settle)(Settlement::Acknowledge);
        }
    }
    publish_surely(&*bus, &[to("payment", "after")]).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["after"]));
    in_time("close", bus.close()).await;
}

/// Whatever was delivered is settled: what comes next is what we publish.
async fn nothing_is_left<G: Ground>(ground: &G) {
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_surely(&*bus, &[to("payment", "last")]).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["last"]));
    in_time("close", bus.close()).await;
}
