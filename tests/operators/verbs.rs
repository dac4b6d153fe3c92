//! The verbs, each where it fits and where it does not.

use anyhow::{Context, Result};
use saga_tests::{World, check, order, order_with, step_of};
use serde_json::{Value, json};

use crate::support::{done, ended, refused, stuck_pivot, unchanged};

/// A saga whose compensation of `payment` is stuck: the participant has forgotten the charge.
async fn stuck_compensation(world: &World, key: &str) -> Result<String> {
    world.system.shipping.stop()?;
    let id = world.begin("/orders", &order(key)).await?;
    world.until_step(&id, "shipping", "running").await?;
    sqlx::raw_sql("create table if not exists payment.kept (like payment.barrier)")
        .execute(&world.db)
        .await?;
    let forget = "with gone as (delete from payment.barrier where saga_id = $1::uuid returning *)
        insert into payment.kept select * from gone";
    let forgotten = sqlx::query(forget).bind(&id).execute(&world.db).await?;
    assert_eq!(forgotten.rows_affected(), 1);
    done(world, &id, "cancel", json!({})).await?;
    world.system.shipping.cont()?;
    let saga = world.until_status(&id, "stuck").await?;
    let payment = step_of(&saga, "payment");
    assert_eq!(payment["status"], "compensation_failed");
    assert_eq!(payment["error"]["code"], "effect_missing");
    Ok(id)
}

#[tokio::test]
async fn a_stuck_compensation_is_resolved_skipped_or_tried_again() -> Result<()> {
    let world = World::start().await?;
    let payment = json!({ "step": "payment" });

    let id = stuck_compensation(&world, "o-by-hand").await?;
    let rejected = json!({ "step": "payment", "outcome": "rejected" });
    refused(&world, &id, "resolve", rejected, "cannot_resolve").await?;
    refused(&world, &id, "resolve", json!({ "step": "shipping" }), "cannot_resolve").await?;
    refused(&world, &id, "skip", json!({ "step": "shipping" }), "cannot_skip").await?;
    refused(&world, &id, "skip", json!({ "step": "unheard_of" }), "unknown_step").await?;
    refused(&world, &id, "retry", json!({ "step": "inventory" }), "nothing_to_retry").await?;
    unchanged(&world, &id, "cancel").await?;
    let saga = done(&world, &id, "resolve", payment.clone()).await?;
    assert_eq!(
        (&saga["status"], &saga["cause"]["code"]),
        (&json!("compensated"), &json!("cancelled"))
    );
    assert_eq!(step_of(&saga, "payment")["resolved"], true);
    ended(&world, &id).await?;
    unchanged(&world, &id, "cancel").await?;

    let id = stuck_compensation(&world, "o-let-stand").await?;
    let saga = done(&world, &id, "skip", payment.clone()).await?;
    assert_eq!(saga["status"], "partly_compensated");
    assert_eq!(step_of(&saga, "payment")["resolved"], true);
    assert_eq!(step_of(&saga, "inventory")["resolved"], false);
    ended(&world, &id).await?;

    let id = stuck_compensation(&world, "o-mended").await?;
    let remember =
        "insert into payment.barrier select * from payment.kept where saga_id = $1::uuid";
    sqlx::query(remember).bind(&id).execute(&world.db).await?;
    let saga = done(&world, &id, "retry", payment).await?;
    assert_ne!(saga["status"], "stuck");
    let saga = world.until_status(&id, "compensated").await?;
    assert_eq!(step_of(&saga, "payment")["resolved"], false);
    let sql = "select status from payment.charge where saga_id = $1::uuid";
    let status: String = sqlx::query_scalar(sql).bind(&id).fetch_one(&world.db).await?;
    assert_eq!(status, "refunded");
    Ok(())
}

#[tokio::test]
async fn a_stuck_pivot_is_resolved_or_tried_again_and_never_skipped_or_undone() -> Result<()> {
    let world = World::start().await?;
    world.system.shipping.stop()?;
    let shipping = json!({ "step": "shipping" });

    let id = stuck_pivot(&world, "o-shipped").await?;
    refused(&world, &id, "cancel", json!({}), "pivot_sent").await?;
    refused(&world, &id, "skip", shipping.clone(), "cannot_skip").await?;
    refused(&world, &id, "resolve", json!({ "step": "payment" }), "cannot_resolve").await?;
    let found = json!({ "step": "shipping", "outcome": "completed", "output": { "n": 1 } });
    done(&world, &id, "resolve", found).await?;
    let saga = world.until_status(&id, "completed").await?;
    let step = step_of(&saga, "shipping");
    assert_eq!((&step["resolved"], &step["output"]), (&json!(true), &json!({ "n": 1 })));
    refused(&world, &id, "cancel", json!({}), "ended").await?;

    let id = stuck_pivot(&world, "o-lost").await?;
    let lost = json!({ "step": "shipping", "outcome": "rejected" });
    done(&world, &id, "resolve", lost).await?;
    let saga = world.until_status(&id, "compensated").await?;
    assert_eq!(step_of(&saga, "shipping")["status"], "rejected");
    assert_eq!(step_of(&saga, "shipping")["resolved"], true);
    assert_eq!(saga["cause"]["code"], "resolved");

    let id = stuck_pivot(&world, "o-again").await?;
    done(&world, &id, "retry", json!({})).await?;
    world.system.shipping.cont()?;
    let saga = world.until_status(&id, "completed").await?;
    assert_eq!(step_of(&saga, "shipping")["attempts"], 2);
    assert_eq!(step_of(&saga, "shipping")["resolved"], false);
    Ok(())
}

#[tokio::test]
async fn a_stuck_retriable_step_is_skipped_resolved_or_tried_again() -> Result<()> {
    let world = World::start().await?;
    let inventory = json!({ "step": "inventory" });
    let stuck = async |key: &str| {
        let unheard = json!({ "sku": "sku-0", "quantity": 1 });
        let id = world.begin("/pivot", &order_with(key, "/items/0", unheard)).await?;
        let saga = world.until_status(&id, "stuck").await?;
        assert_eq!(step_of(&saga, "inventory")["error"]["code"], "unknown_sku");
        anyhow::Ok(id)
    };

    let id = stuck("o-without").await?;
    refused(&world, &id, "cancel", json!({}), "pivot_sent").await?;
    let rejected = json!({ "step": "inventory", "outcome": "rejected" });
    refused(&world, &id, "resolve", rejected, "cannot_resolve").await?;
    let saga = done(&world, &id, "skip", inventory.clone()).await?;
    assert_eq!(saga["status"], "completed");
    let step = step_of(&saga, "inventory");
    assert_eq!((&step["status"], &step["resolved"]), (&json!("skipped"), &json!(true)));

    let id = stuck("o-elsewhere").await?;
    let found = json!({ "step": "inventory", "output": { "from": "another shop" } });
    let saga = done(&world, &id, "resolve", found).await?;
    assert_eq!(saga["status"], "completed");
    assert_eq!(step_of(&saga, "inventory")["output"]["from"], "another shop");

    let id = stuck("o-delivered").await?;
    let deliver = "insert into inventory.stock (sku, available) values ('sku-0', 10)";
    sqlx::query(deliver).execute(&world.db).await?;
    done(&world, &id, "retry", inventory).await?;
    let saga = world.until_status(&id, "completed").await?;
    assert_eq!(step_of(&saga, "inventory")["resolved"], false);
    Ok(())
}

#[tokio::test]
async fn abandon_ends_a_saga_and_undoes_nothing() -> Result<()> {
    let world = World::start().await?;
    world.system.inventory.stop()?;
    let id = world.begin("/orders", &order("o-1")).await?;
    world.until_step(&id, "inventory", "running").await?;
    let said = world.cli(&["abandon", &id, "--reason", "test", "--actor", "ada", "--json"])?;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("undoes nothing"), "it is loud: {said:?}");
    assert_eq!(said.json()?["items"][0]["status"], "abandoned");
    ended(&world, &id).await?;
    refused(&world, &id, "cancel", json!({}), "ended").await?;
    world.system.inventory.cont()?;
    let saga = world.saga(&id).await?;
    assert_eq!(step_of(&saga, "payment")["status"], "completed", "nothing is undone");
    assert_eq!(saga["cause"]["code"], "abandoned");
    let journal = world.journal(&id).await?;
    let event = &journal.last().context("it is journaled")?["entry"]["event"];
    assert_eq!((&event["actor"], &event["reason"]), (&json!("ada"), &json!("test")));
    Ok(())
}

#[tokio::test]
async fn sagas_are_cancelled_in_bulk_after_a_dry_run() -> Result<()> {
    let world = World::start().await?;
    world.system.inventory.stop()?;
    let mut ids = Vec::new();
    for key in ["o-1", "o-2", "o-3"] {
        ids.push(world.begin("/orders", &order(key)).await?);
    }
    for id in &ids {
        world.until_step(id, "inventory", "running").await?;
    }
    let other = world.begin("/pivot", &order("o-4")).await?;
    world.until_step(&other, "inventory", "running").await?;

    let cancel = ["cancel", "--definition", "order", "--step-at", "inventory", "--reason", "test"];
    let dry = world.cli(&[&cancel[..], &["--dry-run"]].concat())?;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(ids.iter().all(|id| dry.stdout.contains(id)), "{dry:?}");
    assert!(!dry.stdout.contains(&other), "{dry:?}");
    for id in &ids {
        assert_eq!(world.saga(id).await?["status"], "running", "nothing is done");
    }
    let said = world.cli(&[&cancel[..], &["--json"]].concat())?;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.json()?["items"].as_array().map(Vec::len), Some(3));
    assert!(said.stderr.contains("cancel: 3 sagas done"), "{said:?}");

    let pivots = ["cancel", "--definition", "pivot", "--reason", "test"];
    let refused = world.cli(&pivots)?;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("pivot_sent") && refused.stderr.contains("1 refused"));
    world.system.inventory.cont()?;
    for id in &ids {
        world.until_status(id, "compensated").await?;
    }
    world.until_status(&other, "completed").await?;
    let none: Value = world.cli(&[&cancel[..], &["--json"]].concat())?.json()?;
    assert_eq!(none["items"], json!([]));
    check(&world.db).await?;
    Ok(())
}
