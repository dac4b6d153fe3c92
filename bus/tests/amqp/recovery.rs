//! The bus lives through what happens to brokers: connections cut, queues gone, alarms, kills,
//! absence.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use lab::Broker;
use lapin::options::QueueDeleteOptions;
use saga_bus::{Amqp, Bus, Consumer, Health, Role, Settlement, Unpublished};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::{
    Ground, PREFETCH, bodies, body, commands, healthy, in_time, numbered, payment, publish_one,
    publish_surely, receive, settle_all, start, to, up,
};

#[tokio::test]
async fn cut_connections_come_back_with_what_was_not_settled() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_surely(&bus, &numbered(0..3)).await;
    let mut before = receive(&mut consumer, 3).await;
    let settled = before.pop().unwrap();
    let settled_body = body(&settled).to_owned();
    (settled.settle)(Settlement::Acknowledge);
    let cut = ["close_all_connections", "-p", &ground.vhost.name, "the test says so"];
    ground.lab.rabbitmqctl(&cut).await.unwrap();
    up(&bus, 2).await;
    publish_surely(&bus, &[to("payment", "after")]).await;
    let after = receive(&mut consumer, 3).await;
    let mut expected: BTreeSet<_> = before.iter().map(body).collect();
    assert!(!expected.contains(settled_body.as_str()));
    expected.insert("after");
    assert_eq!(bodies(&after), expected);
    // Nobody hears this: those tags belong to other deliveries now.
    settle_all(before, Settlement::Reject);
    settle_all(after, Settlement::Acknowledge);
    in_time("close", bus.close()).await;
    nothing_is_left(&ground).await;
}

#[tokio::test]
async fn a_deleted_queue_is_made_anew_and_named() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    assert_eq!(bus.take_created(), [payment()]);
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_surely(&bus, &numbered(0..1)).await;
    settle_all(receive(&mut consumer, 1).await, Settlement::Acknowledge);
    let channel = ground.connection().await.create_channel().await.unwrap();
    let queue = commands();
    let deleting = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
    in_time("the queue to be deleted", deleting).await.unwrap();
    up(&bus, 2).await;
    assert_eq!(bus.take_created(), [payment()]);
    publish_surely(&bus, &[to("payment", "after")]).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["after"]));
    in_time("close", bus.close()).await;
}

#[tokio::test]
async fn a_participant_alone_makes_its_queue() {
    let ground = Ground::new().await;
    let participant = start(&ground.vhost.url, Role::Participant(payment()));
    up(&participant, 1).await;
    assert_eq!(publish_one(&participant, &to("payment", "to itself")).await, Ok(()));
    let mut consumer = participant.consume(&commands(), PREFETCH).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["to itself"]));
    // The orchestrator finds the same queue with the same arguments.
    let bus = ground.bus().await;
    assert_eq!(bus.take_created(), []);
    in_time("close", participant.close()).await;
    in_time("close", bus.close()).await;
}

/// The way to the broker, which can be absent.
struct Road {
    port: u16,
    broker_port: u16,
    carrier: Option<JoinHandle<()>>,
}

impl Road {
    fn open(&mut self) {
        let (port, broker_port) = (self.port, self.broker_port);
        self.carrier = Some(tokio::spawn(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            let mut carried = tokio::task::JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                carried.spawn(async move {
                    let to = (Ipv4Addr::LOCALHOST, broker_port);
                    let mut far = TcpStream::connect(to).await.unwrap();
                    // Whichever side ends it, it is over.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }));
    }

    /// Cuts everything on it.
    async fn close(&mut self) {
        let carrier = self.carrier.take().expect("it is open");
        carrier.abort();
        let _ = carrier.await;
    }
}

fn port_of(url: &str) -> u16 {
    let authority = url.split('/').nth(2).unwrap();
    authority.rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn waits_for_a_broker_that_is_not_there() {
    let ground = Ground::new().await;
    let broker_port = port_of(&ground.vhost.url);
    let mut road = Road { port: lab::free_port().unwrap(), broker_port, carrier: None };
    let url = ground.vhost.url.replace(&format!(":{broker_port}/"), &format!(":{}/", road.port));
    let bus = start(&url, Role::Server);
    bus.declare(&[payment()]).await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    refused_or_absent(&bus).await;
    road.open();
    up(&bus, 1).await;
    assert_eq!(bus.take_created(), [payment()]);
    publish_surely(&bus, &numbered(0..1)).await;
    settle_all(receive(&mut consumer, 1).await, Settlement::Acknowledge);
    road.close().await;
    refused_or_absent(&bus).await;
    road.open();
    up(&bus, 2).await;
    publish_surely(&bus, &[to("payment", "after")]).await;
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

#[tokio::test]
async fn closes_without_ever_having_been_connected() {
    let port = lab::free_port().unwrap();
    let bus = start(&format!("amqp://guest:guest@127.0.0.1:{port}/x"), Role::Server);
    refused_or_absent(&bus).await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    in_time("close", bus.close()).await;
    assert!(in_time("the end", consumer.receive(1)).await.is_none());
}

/// Waits until the bus knows that it is down; then it answers at once.
async fn refused_or_absent(bus: &Amqp) {
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

#[tokio::test]
async fn an_alarm_blocks_publishing_and_not_acknowledging() {
    let broker = Broker::start().await.unwrap();
    let bus = start(&broker.url("%2f"), Role::Server);
    bus.declare(&[payment()]).await;
    up(&bus, 1).await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_surely(&bus, &numbered(0..2)).await;
    let deliveries = receive(&mut consumer, 2).await;
    broker.ctl(&["set_vm_memory_high_watermark", "0.0000001"]).await.unwrap();
    let blocked = |h: &Health| matches!(h, Health::Blocked { reason } if reason.contains("memory"));
    // The broker blocks a connection when it publishes next: that publish, and any until we hear of
    // it.
    let during = to("payment", "during");
    let publishing = async {
        let mut health = bus.health();
        while !blocked(&health.borrow_and_update()) {
            publish_one(&bus, &during).await.err();
        }
    };
    tokio::join!(publishing, healthy("blocked", &bus, blocked));
    let answer = publish_one(&bus, &to("payment", "x")).await;
    assert!(matches!(&answer, Err(Unpublished::Down(why)) if why.contains("memory")), "{answer:?}");
    // One that is only cut off while the alarm lasts would be delivered again.
    settle_all(deliveries, Settlement::Acknowledge);
    assert!(bus.depth(&commands()).await.is_some(), "the other connection works");
    broker.ctl(&["set_vm_memory_high_watermark", "0.6"]).await.unwrap();
    up(&bus, 1).await;
    publish_surely(&bus, &[to("payment", "after")]).await;
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

#[tokio::test]
async fn a_killed_broker_keeps_what_it_confirmed() {
    let mut broker = Broker::start().await.unwrap();
    let bus = start(&broker.url("%2f"), Role::Server);
    bus.declare(&[payment()]).await;
    up(&bus, 1).await;
    let answers = in_time("answers", bus.publish(numbered(0..200))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(bus.take_created(), [payment()]);
    let mut consumer = bus.consume(&commands(), 50).await;
    let taken = in_time("some", consumer.receive(10)).await.unwrap();
    broker.sync().await.unwrap();
    broker.kill9();
    healthy("down", &bus, |h| matches!(h, Health::Down { .. })).await;
    settle_all(taken, Settlement::Acknowledge);
    broker.restart().await.unwrap();
    up(&bus, 2).await;
    assert_eq!(bus.take_created(), [], "the queue survived");
    let mut seen = BTreeSet::new();
    while seen.len() < 200 {
        for delivery in in_time("all of them", consumer.receive(50)).await.unwrap() {
            seen.insert(body(&delivery).to_owned());
            (delivery.settle)(Settlement::Acknowledge);
        }
    }
    publish_surely(&bus, &[to("payment", "after")]).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["after"]));
    in_time("close", bus.close()).await;
}

/// Whatever was delivered is settled: what comes next is what we publish.
async fn nothing_is_left(ground: &Ground) {
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_surely(&bus, &[to("payment", "last")]).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["last"]));
    in_time("close", bus.close()).await;
}
