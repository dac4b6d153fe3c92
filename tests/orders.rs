//! Orders from their start to their end, on real processes: what completes, what is refused, what
//! is undone and in which order.

use anyhow::Result;
use reqwest::StatusCode;
use saga_tests::{World, check, order, order_with, step_of, undone};
use serde_json::{Value, json};

fn statuses(saga: &Value) -> Vec<&str> {
    let steps = saga["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().filter_map(|step| step["status"].as_str()).collect()
}

#[tokio::test]
async fn an_order_completes() -> Result<()> {
    let world = World::start().await?;
    let saga = world.place("/orders", &order("o-1")).await?;
    assert_eq!(saga["status"], "completed");
    assert_eq!(saga["key"], "o-1");
    assert_eq!(saga["value"], json!({ "amount": 4200, "currency": "EUR" }));
    assert_eq!(statuses(&saga), ["completed"; 3]);
    assert!(step_of(&saga, "payment")["output"]["charge_id"].is_string());

    let by_key = world.get("/orders/o-1").await?;
    assert_eq!((by_key.status, &by_key.body["id"]), (StatusCode::OK, &saga["id"]));
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_refusal_undoes_what_was_done_in_reverse_order() -> Result<()> {
    let world = World::start().await?;
    let poor = order_with("o-poor", "/total", json!(1_000_001));
    let rare = order_with("o-rare", "/items/0", json!({ "sku": "sku-rare", "quantity": 2 }));
    let unheard = order_with("o-unheard", "/items/0", json!({ "sku": "sku-0", "quantity": 1 }));
    let remote = order_with("o-remote", "/address/country", json!("AQ"));
    let cases = [
        (poor, ["rejected", "pending", "pending"], "insufficient_funds", vec![]),
        (rare, ["compensated", "rejected", "pending"], "out_of_stock", vec!["payment"]),
        (unheard, ["compensated", "rejected", "pending"], "unknown_sku", vec!["payment"]),
        (
            remote,
            ["compensated", "compensated", "rejected"],
            "address_not_served",
            vec!["inventory", "payment"],
        ),
    ];
    for (order, steps, code, order_undone) in cases {
        let saga = world.place("/orders", &order).await?;
        assert_eq!(saga["status"], "compensated", "{saga:#}");
        assert_eq!(statuses(&saga), steps, "{saga:#}");
        let refused = steps.iter().position(|status| *status == "rejected");
        assert_eq!(saga["steps"][refused.expect("one is")]["error"]["code"], code);
        assert_eq!(saga["cause"]["code"], code);
        let journal = world.journal(saga["id"].as_str().expect("an id")).await?;
        assert_eq!(undone(&journal), order_undone);
    }
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_step_that_does_not_answer_in_time_is_undone_too() -> Result<()> {
    let world = World::start().await?;
    world.system.inventory.process().stop()?;
    let id = world.begin("/hasty", &order("o-slow")).await?;
    world.until_step(&id, "inventory", "compensating").await?;
    world.system.inventory.process().cont()?;
    let saga = world.until_status(&id, "compensated").await?;
    assert_eq!(step_of(&saga, "inventory")["attempts"], 2);
    assert_eq!(undone(&world.journal(&id).await?), ["inventory", "payment"]);
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again() -> Result<()> {
    let world = World::start().await?;
    // A sequence is not rolled back, so exactly the first attempt fails.
    sqlx::raw_sql(
        "create sequence payment.attempts;
         create function payment.fail_once() returns trigger language plpgsql as $$
         begin
           if nextval('payment.attempts') = 1 then
             raise exception 'the first attempt fails';
           end if;
           return new;
         end $$;
         create trigger fail_once before insert on payment.charge
           for each row execute function payment.fail_once();",
    )
    .execute(&world.db)
    .await?;
    let saga = world.place("/orders", &order("o-again")).await?;
    assert_eq!(saga["status"], "completed");
    assert_eq!(step_of(&saga, "payment")["attempts"], 2);
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_cancelled_order_is_undone() -> Result<()> {
    let world = World::start().await?;
    world.system.shipping.process().stop()?;
    let id = world.begin("/orders", &order("o-cancel")).await?;
    world.until_step(&id, "shipping", "running").await?;

    let cancelled = world.cancel(&id, &json!({ "reason": "changed their mind" })).await?;
    assert_eq!(cancelled.status, StatusCode::OK);
    assert_eq!(cancelled.body["status"], "compensating");
    let version = world.count("select version from saga.saga").await?;
    let again = world.cancel(&id, &json!({ "reason": "impatient" })).await?;
    assert_eq!((again.status, &again.body["status"]), (StatusCode::OK, &json!("compensating")));
    assert_eq!(world.count("select version from saga.saga").await?, version, "nothing changes");

    world.system.shipping.process().cont()?;
    world.until_status(&id, "compensated").await?;
    assert_eq!(undone(&world.journal(&id).await?), ["shipping", "inventory", "payment"]);
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_sent_pivot_can_no_longer_be_cancelled() -> Result<()> {
    let world = World::start().await?;
    world.system.inventory.process().stop()?;
    let id = world.begin("/pivot", &order("o-pivot")).await?;
    world.until_step(&id, "inventory", "running").await?;
    let refused = world.cancel(&id, &json!({ "reason": "late" })).await?;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.body["code"], "pivot_sent");
    world.system.inventory.process().cont()?;
    world.until_status(&id, "completed").await?;

    let ended = world.cancel(&id, &json!({ "reason": "later" })).await?;
    assert_eq!(ended.status, StatusCode::CONFLICT, "it is completed");
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_participant_that_lost_its_memory_is_not_believed() -> Result<()> {
    let world = World::start().await?;
    world.system.shipping.process().stop()?;
    let id = world.begin("/orders", &order("o-amnesia")).await?;
    world.until_step(&id, "shipping", "running").await?;
    let forgotten = sqlx::query("delete from payment.barrier").execute(&world.db).await?;
    assert_eq!(forgotten.rows_affected(), 1);
    world.cancel(&id, &json!({ "reason": "test" })).await?;
    world.system.shipping.process().cont()?;
    let saga = world.until_status(&id, "stuck").await?;
    assert_eq!(step_of(&saga, "payment")["status"], "compensation_failed");
    assert_eq!(step_of(&saga, "payment")["error"]["code"], "effect_missing");
    assert_eq!(saga["cause"]["code"], "effect_missing");
    Ok(())
}
