//! What was declared is deleted, purged, limited or given up by the broker.

use anyhow::{Context, Result, ensure};
use lab::{End, Who, wait};
use saga_tests::{FAIL, Load, check, check_promised, check_sagas, order, step_of};
use serde_json::{Value, json};

use crate::support::{SOON, Site, accepted, ended, said};

/// Orders in flight while every queue is deleted.
const ORDERS: usize = 100;
const PAYMENTS: &str = "saga.commands.payment";
const SHIPPINGS: &str = "saga.commands.shipping";
const REPLIES: &str = "saga.replies";

#[tokio::test]
async fn every_queue_is_deleted_under_load_and_all_orders_end() -> Result<()> {
    let site = Site::new().await?;
    let load = Load::new(&site.world.system.url, ORDERS);
    let faults = async {
        for part in 1..=2 {
            let ended = async || (load.ended() >= ORDERS * part / 4).then_some(());
            wait::until("some orders to end", SOON, ended).await?;
            site.world.queues.delete_all().await?;
        }
        Ok(())
    };
    let (placed, ()) = tokio::try_join!(load.run(), faults)?;
    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    // The last orders may have ended before the second deletion.
    let all = [PAYMENTS, SHIPPINGS, REPLIES, "saga.commands.inventory", "saga.dead"];
    wait::until("all queues to be there again", SOON, async || {
        let names = site.world.queues.names().await.ok()?;
        all.iter().all(|name| names.iter().any(|made| made == name)).then_some(())
    })
    .await?;
    check_promised(&site.world.db, &load.promised()).await?;
    check(&site.world.db).await.map(|_| ())
}

#[tokio::test]
async fn a_command_and_a_reply_that_are_purged_are_asked_for_again() -> Result<()> {
    let mut site = Site::new().await?;
    let world = &mut site.world;
    // A command that was confirmed and then lost.
    world.system.payment.kill9();
    let id = world.begin("/orders", &order("o-1")).await?;
    waiting(&site, PAYMENTS).await?;
    site.world.queues.purge(PAYMENTS).await?;
    // A reply too, of an order that was served before.
    let world = &mut site.world;
    world.system.payment.restart()?;
    let saga = world.until_status(&id, "completed").await?;
    assert!(step_of(&saga, "payment")["attempts"].as_u64() > Some(1), "{saga:#}");

    world.system.payment.stop()?;
    let id = world.begin("/orders", &order("o-2")).await?;
    world.until_step(&id, "payment", "running").await?;
    world.system.orchestrator.kill9();
    world.system.payment.cont()?;
    waiting(&site, REPLIES).await?;
    site.world.queues.purge(REPLIES).await?;
    let world = &mut site.world;
    world.system.orchestrator.restart()?;
    world.system.ready().await?;
    world.until_status(&id, "completed").await?;
    check(&world.db).await.map(|_| ())
}

/// Waits until a message waits in a queue that nobody takes from.
async fn waiting(site: &Site, queue: &str) -> Result<()> {
    let waits = async || {
        let all = site.ctl("list_queues", &["--no-table-headers", "name", "messages_ready"]);
        let all = all.await.ok()?;
        let counts =
            |line: &str| line.split_once('\t').is_some_and(|(q, n)| q == queue && n != "0");
        all.lines().any(counts).then_some(())
    };
    wait::until(&format!("a message in `{queue}`"), SOON, waits).await
}

#[tokio::test]
async fn bindings_and_exchanges_that_are_deleted_are_made_anew() -> Result<()> {
    let site = Site::new().await?;
    let world = &site.world;
    // Nobody but the participant sees that its reply goes nowhere.
    site.unbind(REPLIES).await?;
    let id = accepted(world, "/orders", &order("o-1")).await?;
    said(&world.system.payment, "no queue is bound").await?;
    world.until_status(&id, "completed").await?;

    site.unbind("saga.commands").await?;
    let id = accepted(world, "/orders", &order("o-2")).await?;
    said(&world.system.orchestrator, "no queue is bound").await?;
    let saga = world.until_status(&id, "completed").await?;
    assert_eq!(step_of(&saga, "payment")["attempts"], 1, "{saga:#}");

    for exchange in ["saga.commands", REPLIES, "saga.dlx"] {
        site.delete_exchange(exchange).await?;
    }
    let id = accepted(world, "/orders", &order("o-3")).await?;
    world.until_status(&id, "completed").await?;
    check(&world.db).await.map(|_| ())
}

#[tokio::test]
async fn a_full_queue_refuses_and_drains_later() -> Result<()> {
    let mut site = Site::new().await?;
    site.world.system.shipping.kill9();
    site.world.queues.limit(&format!("^{SHIPPINGS}$"), 1).await?;
    let mut ids = Vec::new();
    for number in 0..8 {
        let order = order(&format!("o-{number}"));
        ids.push(accepted(&site.world, "/orders", &order).await?);
    }
    for id in &ids {
        site.world.until_step(id, "shipping", "running").await?;
    }
    said(&site.world.system.orchestrator, "the queue is full").await?;
    site.world.queues.unlimit().await?;
    site.world.system.shipping.restart()?;
    for id in &ids {
        site.world.until_status(id, "completed").await?;
    }
    check(&site.world.db).await.map(|_| ())
}

#[tokio::test]
async fn what_the_broker_gives_up_is_kept_with_the_reason_and_its_saga_ends() -> Result<()> {
    let payment = Who::Participant("payment", 0);
    let mut site = Site::new().await?;
    // Twenty deliveries take too long; the lower of policy and argument counts.
    let limit = json!({ "delivery-limit": 2 }).to_string();
    site.ctl("set_policy", &["--apply-to", "queues", "few", &format!("^{PAYMENTS}$"), &limit])
        .await?;
    // Where dead letters go is gone when the first one dies: the broker keeps it until there is.
    site.delete_exchange("saga.dlx").await?;
    let id = site.world.begin("/orders", &order("o-1")).await?;
    let member = site.world.system.member_mut(payment).context("there is one")?;
    member.set_env(FAIL, Some("participant.before_commit:kill:1"));
    member.restart()?;
    let id = if site.world.saga(&id).await?["status"] == "completed" {
        site.world.begin("/orders", &order("o-2")).await?
    } else {
        id
    };
    let letters = loop {
        let member = site.world.system.member_mut(payment).context("there is one")?;
        let end = member.end(SOON).await?;
        ensure!(end == End::KILL9, "it ended otherwise: {end:?}");
        member.restart()?;
        let answer = site.world.get("/v1/dead-letters").await?;
        let letters = answer.body["items"].as_array().cloned().unwrap_or_default();
        if !letters.is_empty() {
            break letters;
        }
    };
    let of = |field: &str| letters[0][field].clone();
    assert_eq!([of("source"), of("reason")], [json!(PAYMENTS), json!("delivery_limit")]);
    assert_eq!([of("type"), of("correlation_id")], [json!("payment.charge"), json!(id)]);

    let member = site.world.system.member_mut(payment).context("there is one")?;
    member.set_env(FAIL, None);
    member.restart()?;
    let saga: Value = ended(&site.world, &id).await?;
    assert_ne!(saga["status"], Value::Null);
    // The broker may hand a dead letter over twice; it is kept once.
    let twice = "select count(*) - count(distinct headers::text) from saga.dead_letter";
    assert_eq!(site.world.count(twice).await?, 0);
    check_sagas(&site.world.db).await.map(|_| ())
}
