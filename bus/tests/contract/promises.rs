//! What is published arrives whole, and settlements mean what they say.

use std::{collections::BTreeSet, time::Duration};

use saga_bus::{Delivery, Publication, Role, Settlement, Unpublished};
use saga_protocol::{HeaderValue, ParticipantName, Timestamp, limits, topology};

use crate::{
    ground::Ground,
    support::{
        PREFETCH, bodies, body, commands, depth_is, in_time, numbered, payment, publish_all,
        publish_one, receive, settle_all, to, up,
    },
};

pub(crate) async fn everything_of_a_message_arrives<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let mut publication = to("payment", "{\"amount\":\"1.20 €\"}");
    let message = &mut publication.message;
    message.correlation_id = Some("0190b5d8-6f0a-7000-8000-000000000001".to_owned());
    message.kind = Some("payment.authorize".to_owned());
    message.reply_to = Some(topology::REPLIES.to_owned());
    message.user_id = Some(G::USER.to_owned());
    message.timestamp = Some(Timestamp::from_micros(1_800_000_000_123_456));
    message.set("saga-step", "payment — ü");
    message.set_number("saga-attempt", i64::MAX);
    message.set_number("saga-negative", i64::MIN);
    message.set("saga-empty", "");
    assert_eq!(publish_one(&*bus, &publication).await, Ok(()));
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    let deliveries = receive(&mut consumer, 1).await;
    // All but the parts of a second.
    publication.message.timestamp = Some(Timestamp::from_micros(1_800_000_000_000_000));
    assert_eq!(deliveries[0].message, publication.message);
    assert_eq!(deliveries[0].delivery_count, 0);
    in_time("close", bus.close()).await;
}

pub(crate) async fn a_queue_is_reached_by_its_name_too<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let named = |name: String| Publication { exchange: "", ..to(&name, "by name") };
    assert_eq!(publish_one(&*bus, &named(commands())).await, Ok(()));
    let nobody = "saga.commands.nobody".to_owned();
    let returned = Err(Unpublished::Returned(nobody.clone()));
    assert_eq!(publish_one(&*bus, &named(nobody)).await, returned);
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["by name"]));
    in_time("close", bus.close()).await;
}

pub(crate) async fn replies_of_all_participants_come_together<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let keys = ["reply.payment", "reply.shipping", "", "a.b.c"];
    let reply = |key: &&str| Publication { exchange: topology::REPLIES, ..to(key, key) };
    publish_all(&*bus, keys.iter().map(reply).collect()).await;
    let mut consumer = bus.consume(topology::REPLIES, PREFETCH).await;
    assert_eq!(bodies(&receive(&mut consumer, keys.len()).await), BTreeSet::from(keys));
    in_time("close", bus.close()).await;
}

/// AMQP's client attributes a return to another publish now and then, so there are many.
pub(crate) async fn what_nobody_takes_is_told_and_its_neighbours_are_not_disturbed<G: Ground>() {
    const BATCHES: usize = 10;
    const BATCH: usize = 300;
    let ground = G::new().await;
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

pub(crate) async fn only_what_was_not_settled_comes_back<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    publish_all(&*bus, numbered(0..40)).await;
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
    assert_eq!(publish_one(&*bus, &to("payment", "40")).await, Ok(()));
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
pub(crate) async fn one_that_takes_long_does_not_hold_up_the_others<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), 2).await;
    publish_all(&*bus, numbered(0..20)).await;
    let slow = in_time("the first", consumer.receive(1)).await.unwrap().pop().unwrap();
    for _ in 0..19 {
        settle_all(receive(&mut consumer, 1).await, Settlement::Acknowledge);
    }
    (slow.settle)(Settlement::Acknowledge);
    in_time("close", bus.close()).await;
}

pub(crate) async fn consumers_share_a_queue_and_hold_no_more_than_they_may<G: Ground>() {
    let ground = G::new().await;
    let (one, other) = (ground.bus().await, ground.bus().await);
    let mut first = one.consume(&commands(), 2).await;
    let mut second = other.consume(&commands(), 3).await;
    publish_all(&*one, numbered(0..10)).await;
    let held = receive(&mut first, 2).await;
    let mut taken = receive(&mut second, 3).await;
    depth_is(&*one, &commands(), 5).await;
    // Whoever goes leaves what it holds to the others.
    drop(first);
    let left: BTreeSet<String> = held.iter().map(|delivery| body(delivery).to_owned()).collect();
    let mut again = BTreeSet::new();
    let mut count = 0;
    while count < 7 {
        settle_all(taken, Settlement::Acknowledge);
        taken = in_time("the rest", second.receive(3)).await.unwrap();
        count += taken.len();
        let returned = taken.iter().filter(|delivery| delivery.delivery_count > 0);
        again.extend(returned.map(|delivery| body(delivery).to_owned()));
    }
    assert_eq!((count, again), (7, left));
    settle_all(taken, Settlement::Acknowledge);
    for bus in [one, other] {
        in_time("close", bus.close()).await;
    }
}

pub(crate) async fn rejected_goes_to_the_dead<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let publication = to("payment", "poison");
    assert_eq!(publish_one(&*bus, &publication).await, Ok(()));
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    for count in 0..3 {
        let delivered = receive(&mut consumer, 1).await;
        assert_eq!(delivered[0].delivery_count, count);
        settle_all(delivered, Settlement::Requeue);
    }
    settle_all(receive(&mut consumer, 1).await, Settlement::Reject);
    let mut dead = bus.consume(topology::DEAD, PREFETCH).await;
    let found = receive(&mut dead, 1).await;
    died(&found[0], &publication, "rejected");
    settle_all(found, Settlement::Acknowledge);
    in_time("close", bus.close()).await;
}

pub(crate) async fn what_comes_back_too_often_goes_to_the_dead<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let publication = to("payment", "poison");
    assert_eq!(publish_one(&*bus, &publication).await, Ok(()));
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    for count in 0..=limits::DELIVERIES_MAX {
        let delivered = receive(&mut consumer, 1).await;
        assert_eq!(delivered[0].delivery_count, u64::try_from(count).unwrap());
        settle_all(delivered, Settlement::Requeue);
    }
    let mut dead = bus.consume(topology::DEAD, PREFETCH).await;
    let found = receive(&mut dead, 1).await;
    died(&found[0], &publication, "delivery_limit");
    settle_all(found, Settlement::Acknowledge);
    in_time("close", bus.close()).await;
}

/// What the dead letter of a command says.
fn died(letter: &Delivery, publication: &Publication, reason: &str) {
    assert_eq!(letter.message.message_id, publication.message.message_id);
    assert_eq!(letter.message.body, publication.message.body);
    let noted = |header: &str| letter.message.headers.get(header).cloned();
    assert_eq!(noted("x-first-death-queue"), Some(HeaderValue::Text(commands())));
    assert_eq!(noted("x-first-death-reason"), Some(HeaderValue::Text(reason.to_owned())));
    let exchange = HeaderValue::Text(publication.exchange.to_owned());
    assert_eq!(noted("x-first-death-exchange"), Some(exchange));
    assert_eq!(letter.delivery_count, 0);
}

pub(crate) async fn receives_what_is_there_and_no_more_than_asked<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    publish_all(&*bus, numbered(0..5)).await;
    let mut taken = 0;
    while taken < 5 {
        let some = in_time("some", consumer.receive(2)).await.unwrap();
        assert!((1..=2).contains(&some.len()));
        taken += some.len();
    }
    assert!(tokio::time::timeout(Duration::ZERO, consumer.receive(1)).await.is_err());
    // A receive that was given up takes nothing with it.
    assert_eq!(publish_one(&*bus, &to("payment", "late")).await, Ok(()));
    assert_eq!(bodies(&receive(&mut consumer, 1).await), BTreeSet::from(["late"]));
    in_time("close", bus.close()).await;
}

/// A limit that has not applied by then never will.
const TAKEN_MAX: u64 = 10_000;

pub(crate) async fn a_full_queue_refuses_and_depth_tells<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    ground.limit(&commands(), 3).await;
    // The limit takes a moment to apply.
    let mut taken = 0;
    let unpublished = loop {
        match publish_one(&*bus, &to("payment", "more")).await {
            Ok(()) => taken += 1,
            Err(unpublished) => break unpublished,
        }
        assert!(taken < TAKEN_MAX, "it is never full");
    };
    assert_eq!(unpublished, Unpublished::Refused);
    assert!(taken >= 3, "it was full with {taken}");
    depth_is(&*bus, &commands(), taken).await;
    assert_eq!(bus.depth("saga.commands.nobody").await, None);
    assert_eq!(bus.depth(topology::REPLIES).await, Some(0));
    in_time("close", bus.close()).await;
}

pub(crate) async fn a_closed_bus_answers_at_once<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let mut consumer = bus.consume(&commands(), PREFETCH).await;
    // Also whoever waits is told.
    let receiving = in_time("the end", consumer.receive(1));
    let (received, ()) = tokio::join!(receiving, in_time("close", bus.close()));
    assert!(received.is_none());
    in_time("a second close", bus.close()).await;
    assert!(in_time("the end", consumer.receive(1)).await.is_none());
    let mut late = bus.consume(&commands(), PREFETCH).await;
    assert!(in_time("the end", late.receive(1)).await.is_none());
    let answer = publish_one(&*bus, &to("payment", "late")).await;
    assert!(matches!(answer, Err(Unpublished::Down(_))), "{answer:?}");
    assert_eq!(bus.depth(&commands()).await, None);
}

pub(crate) async fn what_cannot_be_sent_fails_alone<G: Ground>() {
    let ground = G::new().await;
    let bus = ground.bus().await;
    let mut batch = numbered(0..5);
    batch[1].message.user_id = Some("somebody-else".to_owned());
    batch[3].message.kind = Some("x".repeat(256));
    let answers = in_time("answers", bus.publish(batch)).await;
    for (n, answer) in answers.iter().enumerate() {
        let is_told = matches!(answer, Err(Unpublished::Down(_)));
        assert_eq!(is_told, n == 1 || n == 3, "number {n}: {answer:?}");
    }
    assert!(in_time("no answers", bus.publish(Vec::new())).await.is_empty());
    in_time("close", bus.close()).await;
}

pub(crate) async fn whoever_finds_a_queue_missing_is_told_once<G: Ground>() {
    let ground = G::new().await;
    let first = ground.bus().await;
    assert_eq!(first.take_created(), [payment()]);
    assert_eq!(first.take_created(), []);
    let second = ground.bus().await;
    assert_eq!(second.take_created(), [], "it was there");
    // Declared while the bus is up.
    let shipping = ParticipantName::new("shipping").unwrap();
    second.declare(&[shipping.clone(), payment()]).await;
    assert_eq!(second.take_created(), [shipping]);
    assert_eq!(publish_one(&*first, &to("shipping", "x")).await, Ok(()));
    // A participant finds its queue and creates nothing.
    let participant = ground.start(Role::Participant(payment()));
    up(&*participant, 1).await;
    assert_eq!(participant.take_created(), []);
    for bus in [first, second, participant] {
        in_time("close", bus.close()).await;
    }
}
