//! Giving orders, and what must hold of each.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use saga_tests::{Answer, World, order, step_of};
use serde_json::{Value, json};

/// Who gives the orders.
pub(crate) const ACTOR: (&str, &str) = ("saga-actor", "ada");

/// Gives an order, as somebody.
pub(crate) async fn give(world: &World, id: &str, verb: &str, body: &Value) -> Result<Answer> {
    world.post(&format!("/v1/sagas/{id}/{verb}"), &[ACTOR], body).await
}

/// Gives an order that fits; the saga after it. Who gave it and why stands in the journal.
pub(crate) async fn done(world: &World, id: &str, verb: &str, more: Value) -> Result<Value> {
    let reason = format!("a test wants to {verb}");
    let answer = give(world, id, verb, &with(more, "reason", json!(reason))).await?;
    ensure!(answer.status == StatusCode::OK, "{verb}: {answer:#?}");
    let journal = world.journal(id).await?;
    let mut events = journal.iter().map(|row| &row["entry"]["event"]);
    let event = events.rfind(|event| event["verb"] == verb).context("it is journaled")?;
    assert_eq!((&event["actor"], &event["reason"]), (&json!(ACTOR.1), &json!(reason)));
    Ok(answer.body)
}

/// Gives an order that changes nothing, since the saga is already so.
pub(crate) async fn unchanged(world: &World, id: &str, verb: &str) -> Result<()> {
    let before = state(world, id).await?;
    let answer = give(world, id, verb, &json!({ "reason": "again" })).await?;
    assert_eq!(answer.status, StatusCode::OK, "{verb}: {answer:#?}");
    assert_eq!(state(world, id).await?, before, "`{verb}` changes nothing");
    Ok(())
}

/// Gives an order that does not fit: 409 with a code and the state, which stays as it is.
pub(crate) async fn refused(
    world: &World,
    id: &str,
    verb: &str,
    more: Value,
    code: &str,
) -> Result<()> {
    let before = state(world, id).await?;
    let answer = give(world, id, verb, &with(more, "reason", json!("why not"))).await?;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{verb}: {answer:#?}");
    assert_eq!(answer.body["code"], code, "{verb}: {answer:#?}");
    assert_eq!(answer.body["saga_status"], before.1, "{verb}: {answer:#?}");
    assert_eq!(state(world, id).await?, before, "`{verb}` changes nothing");
    Ok(())
}

/// An end is an end: no verb leaves it.
pub(crate) async fn ended(world: &World, id: &str) -> Result<()> {
    let step = json!({ "step": "payment" });
    for verb in ["retry", "abandon", "pause", "resume"] {
        refused(world, id, verb, json!({}), "ended").await?;
    }
    for verb in ["skip", "resolve"] {
        refused(world, id, verb, step.clone(), "ended").await?;
    }
    Ok(())
}

/// A saga whose pivot is stuck: `shipping` does not answer.
pub(crate) async fn stuck_pivot(world: &World, key: &str) -> Result<String> {
    let id = world.begin("/stubborn", &order(key)).await?;
    let saga = world.until_status(&id, "stuck").await?;
    assert_eq!(step_of(&saga, "shipping")["status"], "failed", "{saga:#}");
    Ok(id)
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

/// How many orders the saga has taken, and how it is. Its version may move meanwhile, as late
/// answers are journaled too.
async fn state(world: &World, id: &str) -> Result<(usize, Value)> {
    let journal = world.journal(id).await?;
    let orders = journal.iter().filter(|row| row["entry"]["event"]["verb"].is_string()).count();
    Ok((orders, world.saga(id).await?["status"].clone()))
}
