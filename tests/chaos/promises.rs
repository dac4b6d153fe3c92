//! The checker sees what it is there for.

use anyhow::Result;
use saga_tests::{World, check, check_within, order, order_with};
use serde_json::json;

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
