//! What the port promises, on a real RabbitMQ: what is published arrives whole, and settlements
//! mean what they say.

use std::collections::BTreeSet;

use crate::support::{
    Ground, PREFETCH, bodies, body, commands, in_time, numbered, payment, publish_one, receive,
    settle_all, start, to, up,
};
use bytes::Bytes;
use lapin::{BasicProperties, options::BasicPublishOptions};
use saga_bus::{Bus, Role, Settlement, Unpublished};
use saga_protocol::{HeaderValue, Message, Timestamp, topology};

#[tokio::test]
async fn everything_of_a_message_arrives() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let mut publication = to("payment", "{\"amount\":\"1.20 €\"}");
    let message = &mut publication.message;
    message.correlation_id = Some("0190b5d8-6f0a-7000-8000-000000000001".to_owned());
    message.kind = Some("payment.authorize".to_owned());
    message.reply_to = Some(topology::REPLIES.to_owned());
    message.user_id = Some("guest".to_owned());
    message.timestamp = Some(Timestamp::from_micros(1_800_000_000_000_000));
    message.set("saga-step", "payment — ü");
    message.set_number("saga-attempt", i64::MAX);
    message.set_number("saga-negative", i64::MIN);
    message.set("saga-empty", "");
    assert_eq!(publish_one(&bus, &publication).await, Ok(()));
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    let deliveries = receive(&mut consumer, 1).await;
    assert_eq!(deliveries[0].message, publication.message);
    assert_eq!(deliveries[0].delivery_count, 0);
    in_time("close", bus.close()).await;
}

#[tokio::test]
async fn strangers_messages_arrive_too() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let stranger = ground.connection().await;
    let channel = stranger.create_channel().await.unwrap();
    let properties = BasicProperties::default().with_message_id("order 7".into());
    let body = vec![0xff, 0x00];
    let options = BasicPublishOptions::default();
    let queue = commands();
    channel
        .basic_publish("".into(), queue.as_str().into(), options, &body, properties)
        .await
        .unwrap();
    let mut consumer = bus.consume(&queue, PREFETCH).await;
    let arrived = receive(&mut consumer, 1).await;
    let message =
        Message { message_id: arrived[0].message.message_id, ..Message::new(Bytes::from(body)) };
    assert_eq!(arrived[0].message, message);
    in_time("close", bus.close()).await;
}

/// The client attributes a return to another publish now and then, so there are many.
#[tokio::test]
async fn what_nobody_takes_is_told_and_its_neighbours_are_not_disturbed() {
    const BATCHES: usize = 10;
    const BATCH: usize = 300;
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let batch = |nth: usize| {
        let publication = move |n: usize| {
            let key = if n.is_multiple_of(7) { "nobody" } else { "payment" };
            to(key, &n.to_string())
        };
        (nth * BATCH..(nth + 1) * BATCH).map(publication).collect::<Vec<_>>()
    };
    let publishing = (0..BATCHES).map(|nth| bus.publish(batch(nth)));
    let answers = in_time("answers", futures_util::future::join_all(publishing)).await;
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    assert_eq!(answers.len(), BATCHES * BATCH);
    for (n, answer) in answers.iter().enumerate() {
        let returned = Err(Unpublished::Returned("nobody".to_owned()));
        assert_eq!(*answer, if n.is_multiple_of(7) { returned } else { Ok(()) }, "number {n}");
    }
    let routed = answers.iter().filter(|answer| answer.is_ok()).count();
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    let mut seen = BTreeSet::new();
    while seen.len() < routed {
        for delivery in in_time("deliveries", consumer.receive(100)).await.unwrap() {
            assert!(seen.insert(body(&delivery).to_owned()), "something came twice");
            (delivery.settle)(Settlement::Acknowledge);
        }
    }
    in_time("close", bus.close()).await;
}

#[tokio::test]
async fn only_what_was_not_settled_comes_back() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let answers = in_time("answers", bus.publish(numbered(0..40))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    let mut deliveries = receive(&mut consumer, 40).await;
    // Out of order, with gaps; the last are settled just before the end.
    deliveries.sort_by_key(|delivery| body(delivery).chars().rev().collect::<String>());
    let is_left = |n: usize| n % 3 == 1;
    for delivery in deliveries {
        let n: usize = body(&delivery).parse().unwrap();
        if !is_left(n) {
            (delivery.settle)(Settlement::Acknowledge);
        }
    }
    in_time("close", bus.close()).await;
    assert!(in_time("the end", consumer.receive(1)).await.is_none());

    let bus = ground.bus().await;
    let left: BTreeSet<String> =
        (0..41).filter(|n| is_left(*n) || *n == 40).map(|n| n.to_string()).collect();
    // Comes behind everything that came back.
    assert_eq!(publish_one(&bus, &to("payment", "40")).await, Ok(()));
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    let again = receive(&mut consumer, left.len()).await;
    assert_eq!(bodies(&again), left.iter().map(String::as_str).collect());
    let counted = again.iter().all(|d| d.delivery_count == u64::from(body(d) != "40"));
    assert!(counted, "each but the new one was delivered once before");
    settle_all(again, Settlement::Acknowledge);
    in_time("close", bus.close()).await;
}

/// The smallest window: if acknowledgements waited for the delivery that stays out, nothing would
/// come any more.
#[tokio::test]
async fn one_that_takes_long_does_not_hold_up_the_others() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), 2).await;
    let answers = in_time("answers", bus.publish(numbered(0..20))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let slow = in_time("the first", consumer.receive(1)).await.unwrap().pop().unwrap();
    for _ in 0..19 {
        settle_all(receive(&mut consumer, 1).await, Settlement::Acknowledge);
    }
    (slow.settle)(Settlement::Acknowledge);
    in_time("close", bus.close()).await;
}

#[tokio::test]
async fn requeued_comes_again_and_rejected_goes_to_the_dead() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let publication = to("payment", "poison");
    assert_eq!(publish_one(&bus, &publication).await, Ok(()));
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    for count in 0..3 {
        let delivered = receive(&mut consumer, 1).await;
        assert_eq!(delivered[0].delivery_count, count);
        settle_all(delivered, Settlement::Requeue);
    }
    settle_all(receive(&mut consumer, 1).await, Settlement::Reject);
    let mut dead = bus.consume(topology::DEAD, PREFETCH).await;
    let found = receive(&mut dead, 1).await;
    assert_eq!(found[0].message.message_id, publication.message.message_id);
    assert_eq!(found[0].message.body, publication.message.body);
    let queue = found[0].message.headers.get("x-first-death-queue");
    assert_eq!(queue, Some(&HeaderValue::Text(commands())));
    settle_all(found, Settlement::Acknowledge);
    in_time("close", bus.close()).await;
}

#[tokio::test]
async fn receives_what_is_there_and_no_more_than_asked() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    assert!(in_time("answers", bus.publish(numbered(0..5))).await.iter().all(Result::is_ok));
    let mut taken = 0;
    while taken < 5 {
        let some = in_time("some", consumer.receive(2)).await.unwrap();
        assert!((1..=2).contains(&some.len()));
        taken += some.len();
    }
    assert!(tokio::time::timeout(std::time::Duration::ZERO, consumer.receive(1)).await.is_err());
    // A receive that was given up takes nothing with it.
    assert_eq!(publish_one(&bus, &to("payment", "late")).await, Ok(()));
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["late"]));
    in_time("close", bus.close()).await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_depth_tells() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let policy = ["set_policy", "-p", &ground.vhost.name, "small", "payment$"];
    let definition = ["{\"max-length\":3}", "--apply-to", "queues"];
    ground.lab.rabbitmqctl(&[policy.as_slice(), &definition].concat()).await.unwrap();
    let refusing = async {
        let mut taken = 0;
        loop {
            match publish_one(&bus, &to("payment", "more")).await {
                Ok(()) => taken += 1,
                Err(unpublished) => return (taken, unpublished),
            }
        }
    };
    // The limit takes a moment to apply.
    let (taken, unpublished) = in_time("the queue to be full", refusing).await;
    assert_eq!(unpublished, Unpublished::Refused);
    // A quorum queue confirms a moment before it counts.
    let counted = in_time("the depth", async {
        while bus.depth(&commands()).await != Some(taken) {
            tokio::task::yield_now().await;
        }
    });
    counted.await;
    assert_eq!(bus.depth("saga.commands.nobody").await, None);
    assert_eq!(bus.depth(topology::REPLIES).await, Some(0));
    in_time("close", bus.close()).await;
}

#[tokio::test]
async fn a_closed_bus_answers_at_once() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    in_time("close", bus.close()).await;
    in_time("a second close", bus.close()).await;
    assert!(in_time("the end", consumer.receive(1)).await.is_none());
    let mut late = bus.consume(&commands(), PREFETCH).await;
    assert!(in_time("the end", late.receive(1)).await.is_none());
    let answer = publish_one(&bus, &to("payment", "late")).await;
    assert!(matches!(answer, Err(Unpublished::Down(_))), "{answer:?}");
    assert_eq!(bus.depth(&commands()).await, None);
}

#[tokio::test]
async fn what_cannot_be_sent_fails_alone() {
    let ground = Ground::new().await;
    let bus = ground.bus().await;
    let mut batch = numbered(0..3);
    batch[1].message.user_id = Some("somebody-else".to_owned());
    let answers = in_time("answers", bus.publish(batch)).await;
    assert!(matches!(answers[..], [Ok(()), Err(Unpublished::Down(_)), Ok(())]), "{answers:?}");
    assert!(in_time("no answers", bus.publish(Vec::new())).await.is_empty());
    in_time("close", bus.close()).await;
}

#[tokio::test]
async fn whoever_finds_a_queue_missing_is_told_once() {
    let ground = Ground::new().await;
    let first = ground.bus().await;
    assert_eq!(first.take_created(), [payment()]);
    assert_eq!(first.take_created(), []);
    let second = ground.bus().await;
    assert_eq!(second.take_created(), [], "it was there");
    // Declared while the bus is up.
    let shipping = saga_protocol::ParticipantName::new("shipping").unwrap();
    second.declare(&[shipping.clone(), payment()]).await;
    assert_eq!(second.take_created(), [shipping]);
    assert_eq!(publish_one(&first, &to("shipping", "x")).await, Ok(()));
    // A participant finds its queue and creates nothing.
    let participant = start(&ground.vhost.url, Role::Participant(payment()));
    up(&participant, 1).await;
    assert_eq!(participant.take_created(), []);
    for bus in [first, second, participant] {
        in_time("close", bus.close()).await;
    }
}
