//! Timers, and the pause that holds them.

use anyhow::{Context, Result};
use saga_tests::{World, order, step_of};
use serde_json::{Value, json};

use crate::support::{done, refused, unchanged};

/// Has every charge fail.
const FAIL: &str = "create function payment.fail() returns trigger language plpgsql as $$
    begin raise exception 'out of order'; end $$;
    create trigger fail before insert on payment.charge
        for each row execute function payment.fail();";

/// The only timer of the only saga that has one.
async fn timer(world: &World, query: &str) -> Result<Option<Value>> {
    let answer = world.get(&format!("/v1/timers{query}")).await?;
    assert_eq!(answer.status, 200, "{answer:#?}");
    let items = answer.body["items"].as_array().context("a list has items")?;
    let decided: Vec<_> = items.iter().filter(|item| item["what"] != "look").collect();
    assert!(decided.len() <= 1, "{items:#?}");
    Ok(decided.first().map(|timer| (*timer).clone()))
}

#[tokio::test]
async fn a_retry_that_waits_is_listed_held_by_a_pause_and_made_now() -> Result<()> {
    let world = World::start().await?;
    sqlx::raw_sql(FAIL).execute(&world.db).await?;
    let id = world.begin("/stubborn", &order("o-1")).await?;
    world.until_step(&id, "payment", "waiting").await?;

    let waits = timer(&world, "").await?.context("it is listed")?;
    assert_eq!((&waits["saga"], &waits["key"]), (&json!(id), &json!("o-1")));
    assert_eq!((&waits["what"], &waits["step"]), (&json!("retry"), &json!("payment")));
    assert_eq!((&waits["attempt"], &waits["paused"]), (&json!(2), &json!(false)));
    let said = world.cli(&["timers"])?;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains(&id) && said.stdout.contains("payment #2"), "{said:?}");

    unchanged(&world, &id, "resume").await?;
    let paused = done(&world, &id, "pause", json!({})).await?;
    assert_eq!((&paused["status"], &paused["paused"]), (&json!("running"), &json!(true)));
    unchanged(&world, &id, "pause").await?;
    refused(&world, &id, "retry", json!({}), "paused").await?;
    assert_eq!(timer(&world, "").await?, None, "nothing of it will fire");
    let of_saga = format!("?saga={id}");
    let held = timer(&world, &of_saga).await?.context("it is kept")?;
    assert_eq!((&held["paused"], &held["at"]), (&json!(true), &waits["at"]));

    done(&world, &id, "resume", json!({})).await?;
    let shifted = timer(&world, "").await?.context("it is listed again")?;
    let at = |timer: &Value| timer["at"].as_str().map(str::to_owned);
    assert!(at(&shifted) > at(&waits), "later by the length of the pause: {shifted} {waits}");
    assert_eq!(timer(&world, &of_saga).await?, Some(shifted));

    sqlx::raw_sql("drop trigger fail on payment.charge").execute(&world.db).await?;
    done(&world, &id, "retry", json!({ "step": "payment" })).await?;
    let saga = world.until_status(&id, "completed").await?;
    assert_eq!(step_of(&saga, "payment")["attempts"], 2);
    assert_eq!(timer(&world, "").await?, None);
    Ok(())
}
