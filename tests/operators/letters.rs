//! Dead letters: listed, shown, requeued where that heals, dropped where it does not.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::wait;
use saga_bus::{Bus, Health, Publication, Settlement};
use saga_protocol::{Message, limits, topology};
use saga_tests::{Answer, World, order, step_of};
use serde_json::{Value, json};

use crate::support::ACTOR;

/// What is waited for here takes milliseconds.
const SOON: Duration = Duration::from_secs(30);
const COMMANDS: &str = "saga.commands.shipping";

/// The letters of a list, once there are so many.
async fn letters(world: &World, query: &str, count: usize) -> Result<Vec<Value>> {
    let look = async || {
        let answer = world.get(&format!("/v1/dead-letters{query}")).await.ok()?;
        let items = answer.body["items"].as_array()?.clone();
        (items.len() == count).then_some(items)
    };
    wait::until(&format!("{count} dead letters"), SOON, look).await
}

async fn close(world: &World, id: &Value, what: &str) -> Result<Answer> {
    let path = format!("/v1/dead-letters/{}/{what}", id.as_str().context("an id")?);
    world.post(&path, &[ACTOR], &json!({ "reason": "mended" })).await
}

/// Plays a participant that cannot read what it is sent.
async fn reject_one(world: &World) -> Result<()> {
    let bus = world.bus()?;
    bus.health().wait_for(|health| matches!(health, Health::Up { .. })).await?;
    let mut consumer = bus.consume(COMMANDS, 1).await;
    let rejected = tokio::time::timeout(SOON, consumer.receive(1)).await?;
    for delivery in rejected.context("the bus is open")? {
        (delivery.settle)(Settlement::Reject);
    }
    bus.close().await;
    Ok(())
}

#[tokio::test]
async fn a_command_that_a_broken_participant_gave_up_is_requeued_once_it_is_mended() -> Result<()> {
    let mut world = World::start().await?;
    world.system.shipping.kill9();
    let id = world.begin("/stubborn", &order("o-1")).await?;
    reject_one(&world).await?;
    let letter = letters(&world, "", 1).await?.remove(0);
    assert_eq!((&letter["source"], &letter["reason"]), (&json!(COMMANDS), &json!("rejected")));
    assert_eq!(letter["type"], "shipping.schedule");
    assert_eq!((&letter["correlation_id"], &letter["closed"]), (&json!(id), &Value::Null));
    let saga = world.until_status(&id, "stuck").await?;
    assert_eq!(step_of(&saga, "shipping")["status"], "failed");

    let letter_id = letter["id"].as_str().context("an id")?.to_owned();
    let shown = world.cli(&["dead", "show", &letter_id])?;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for word in [COMMANDS, "saga-step: shipping", "x-first-death-reason", "\"address\""] {
        assert!(shown.stdout.contains(word), "no `{word}` in {}", shown.stdout);
    }

    world.system.shipping.restart()?;
    let requeue = ["dead", "requeue", &letter_id, "--reason", "mended", "--actor", "ada"];
    let said = world.cli(&requeue)?;
    assert_eq!(said.code, Some(0), "{said:?}");
    let saga = world.until_status(&id, "completed").await?;
    assert_eq!(step_of(&saga, "shipping")["attempts"], 1, "the first is what was answered");
    assert_eq!(step_of(&saga, "shipping")["resolved"], false);

    letters(&world, "", 0).await?;
    let closed = letters(&world, "?closed=true", 1).await?.remove(0);
    assert_eq!(closed["closed"]["as"], "requeued");
    assert_eq!(
        (&closed["closed"]["actor"], &closed["closed"]["reason"]),
        (&json!("ada"), &json!("mended"))
    );
    assert_eq!(world.cli(&requeue)?.code, Some(0), "it is so already");
    let dropped = close(&world, &letter["id"], "drop").await?;
    assert_eq!((dropped.status.as_u16(), &dropped.body["code"]), (409, &json!("letter_closed")));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_sent_again_is_dropped() -> Result<()> {
    let world = World::start().await?;
    let bus = world.bus()?;
    bus.health().wait_for(|health| matches!(health, Health::Up { .. })).await?;
    let huge = Message::new(vec![b' '; limits::BODY_BYTES_MAX + 1].into());
    let odd = Message::new(vec![0xff].into());
    let publish = async |exchange, key: &str, message: &Message| {
        let (routing_key, message) = (key.to_owned(), message.clone());
        let published = bus.publish(vec![Publication { exchange, routing_key, message }]).await;
        published.into_iter().collect::<Result<Vec<_>, _>>()
    };
    publish(topology::REPLIES, "payment", &huge).await?;
    publish("", topology::DEAD, &odd).await?;
    let open = letters(&world, "", 2).await?;
    let from = |source: &str| {
        let letter = open.iter().find(|letter| letter["source"] == source);
        letter.context("it is there").map(|letter| letter["id"].clone())
    };
    let (cut, unknown) = (from(topology::REPLIES)?, from(topology::DEAD)?);
    for (id, code) in [(&cut, "letter_cut"), (&unknown, "source_unknown")] {
        let refused = close(&world, id, "requeue").await?;
        assert_eq!((refused.status.as_u16(), &refused.body["code"]), (409, &json!(code)));
        assert!(refused.body["hint"].is_string(), "{refused:#?}");
    }
    letters(&world, "", 2).await?;
    let shown =
        world.get(&format!("/v1/dead-letters/{}", unknown.as_str().context("an id")?)).await?;
    assert_eq!(
        (&shown.body["body"], &shown.body["body_encoding"]),
        (&json!("/w=="), &json!("base64"))
    );

    let dropped = close(&world, &cut, "drop").await?;
    assert_eq!((dropped.status.as_u16(), &dropped.body["closed"]["as"]), (200, &json!("dropped")));
    assert_eq!(close(&world, &cut, "drop").await?.status, 200, "it is so already");
    let requeued = close(&world, &cut, "requeue").await?;
    assert_eq!((requeued.status.as_u16(), &requeued.body["code"]), (409, &json!("letter_closed")));
    letters(&world, "", 1).await?;
    letters(&world, "?closed=true", 2).await?;
    let nobody = json!("5f3a9f5e-1111-8222-9333-123456789abc");
    let nobody = close(&world, &nobody, "drop").await?;
    assert_eq!((nobody.status.as_u16(), &nobody.body["code"]), (404, &json!("letter_not_found")));
    bus.close().await;
    Ok(())
}
