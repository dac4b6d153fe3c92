//! Under load participants are killed at random moments, and the orchestrator too; then every saga
//! has ended, nothing is lost, and nothing was done twice. Alone, and longer:
//!
//! `SAGA_CHAOS_ORDERS=20000 SAGA_CHAOS_KILLS=240 cargo run -p lab -- exec -- \
//!     cargo test -p saga-tests --test chaos`

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use lab::wait;
use saga_bus::Bus;
use saga_protocol::topology;
use saga_tests::{Chaos, ChaosSettings, Load, World, check, check_within, order, order_with, say};
use serde_json::json;

/// Copies that were sent again are still handled after the last saga has ended.
const DRAIN_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn nothing_is_lost_and_nothing_done_twice_whoever_is_killed() -> Result<()> {
    let settings = ChaosSettings::from_env()?;
    say(&format!("{settings:?}"));
    let mut world = World::start().await?;
    let load = Load::new(&world.system.url, settings.orders);
    let chaos = Chaos::plan(settings);
    let (placed, kills) = tokio::try_join!(load.run(), chaos.run(&mut world.system, &load))?;

    // A copy that comes after the end is the one that could do something twice.
    drained(&world).await?;
    world.system.stop();
    let ends = check(&world.db).await?;
    say(&format!("{kills:?} were killed; {ends:?}"));

    let unexpected: Vec<_> =
        placed.iter().filter(|order| order.saga["status"] != order.expected).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let expected = placed.iter().fold(BTreeMap::<_, i64>::new(), |mut ends, order| {
        *ends.entry(order.expected.to_owned()).or_default() += 1;
        ends
    });
    assert_eq!(ends, expected, "as many sagas as orders, none lost");
    assert_eq!(placed.len(), settings.orders);
    Ok(())
}

/// Waits until no message is left that anybody could still act on.
async fn drained(world: &World) -> Result<()> {
    let bus = world.bus()?;
    let commands = ["payment", "inventory", "shipping"].map(|name| format!("saga.commands.{name}"));
    for queue in commands.iter().map(String::as_str).chain([topology::REPLIES]) {
        wait::until(&format!("`{queue}` to be empty"), DRAIN_MAX, async || {
            (bus.depth(queue).await == Some(0)).then_some(())
        })
        .await?;
    }
    bus.close().await;
    Ok(())
}

/// What each promise is broken by, in a world where one order completed and one was undone.
const BROKEN: [(&str, &str); 14] = [
    (
        "every saga ends",
        "update saga.saga set status = 'stuck', finished_at = null where status = 'compensated'",
    ),
    (
        "a completed saga has the effect of each of its steps",
        "update payment.charge set status = 'refunded' where status = 'charged'",
    ),
    (
        "a compensated saga leaves no effect",
        "update inventory.reservation set status = 'reserved' where status = 'released'",
    ),
    (
        "every effect is that of a step of a saga",
        "insert into shipping.shipment (saga_id, step, shipment_id, country, status)
         values (gen_random_uuid(), 'shipping', 'x', 'DE', 'scheduled')",
    ),
    (
        "every effect is there once",
        "insert into inventory.reservation (saga_id, step, sku, quantity, status)
         select saga_id, step, 'sku-9', 1, 'released' from inventory.reservation
         where status = 'reserved' limit 1",
    ),
    (
        "the barrier has an action completed",
        "delete from payment.barrier where phase = 'compensation'",
    ),
    ("money is conserved", "update payment.account set balance = balance - 4200"),
    ("stock is conserved", "update inventory.stock set available = 7 where sku = 'sku-50'"),
    ("a journal has no gap", "delete from saga.journal where version = 2"),
    (
        "a journal can be replayed",
        "update saga.journal set entry = replace(entry::text, '\"start\"', '\"due\"')::json",
    ),
    (
        "a step is undone only when",
        "update saga.journal set entry = replace(entry::text, 'rejected', 'failed')::json",
    ),
    (
        "a journal leads to the state",
        "update saga.saga set state = replace(state::text, 'charge_id', 'charge_no')::json",
    ),
    (
        "no journal entry falls into the default partition",
        "insert into saga.journal select 'infinity', saga_id, version, entry
         from saga.journal where version = 1",
    ),
    (
        "no message is dead",
        "insert into saga.dead_letter (id, source, reason, headers, body, sha256)
         values (gen_random_uuid(), 'test', 'test', '{}', '', sha256(''))",
    ),
];

#[tokio::test]
async fn the_checker_sees_each_broken_promise() -> Result<()> {
    let world = World::start().await?;
    world.place("/orders", &order("o-1")).await?;
    world.place("/orders", &order_with("o-2", "/address/country", json!("AQ"))).await?;
    check(&world.db).await?;
    for (promise, breaking) in BROKEN {
        let mut tx = world.db.begin().await?;
        let broken = sqlx::raw_sql(breaking).execute(&mut *tx).await?;
        assert!(broken.rows_affected() > 0, "{promise}");
        let seen = check_within(&mut tx).await.expect_err(promise).to_string();
        assert!(seen.contains(promise), "{promise}: {seen}");
        tx.rollback().await?;
    }
    check(&world.db).await?;
    Ok(())
}
