//! Back-pressure: who has too much to do is given no more, and nobody else is slowed down by it.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use lab::{Who, wait};
use reqwest::StatusCode;
use saga_tests::{World, check, order};

/// Commands that may wait.
const BACKLOG_MAX: usize = 20;
/// The most that one look comes too late for, and then some.
const ORDERS_MAX: usize = 2_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// A saga that needs payment alone.
const PAID: &str = "saga: paid
expose: { path: /paid, key: input.order_id }
input:
  type: object
  required: [order_id, customer_id, total, currency]
steps:
  - name: payment
    participant: payment
    action: charge
    compensation: refund
    input:
      customer_id: ${input.customer_id}
      amount: ${input.total}
      currency: ${input.currency}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_participant_is_given_no_more_and_slows_nobody_else() -> Result<()> {
    let max = BACKLOG_MAX.to_string();
    let world =
        World::builder().env(Who::Orchestrator(0), "SAGA_BACKLOG_MAX", &max).start().await?;
    fs::write(world.system.settings.definitions.join("paid.yaml"), PAID)?;
    let known =
        async || world.get("/v1/definitions/paid").await.ok()?.status.is_success().then_some(());
    wait::until("the definition to be known", PATIENCE, known).await?;
    world.system.inventory.stop()?;
    let mut accepted = Vec::new();
    let refused = loop {
        let answer = world.post("/orders", &[], &order(&format!("o-{}", accepted.len()))).await?;
        if !answer.status.is_success() {
            break answer;
        }
        accepted.push(answer.body["id"].as_str().context("a saga has an id")?.to_owned());
        assert!(accepted.len() < ORDERS_MAX, "it takes more and more");
    };
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert_eq!(refused.body["code"], "overloaded", "{refused:?}");
    assert_eq!(refused.body["participant"], "inventory", "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert!(accepted.len() > BACKLOG_MAX, "{} were accepted", accepted.len());
    let metrics = world.http.get(format!("{}/metrics", world.system.url)).send().await?;
    let metrics = metrics.text().await?;
    let counted = r#"saga_starts_refused_total{reason="backlog"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");

    // A saga that does not need it is started, and ends.
    let paid = world.place("/paid", &order("o-paid")).await?;
    assert_eq!(paid["status"], "completed", "{paid:#}");

    world.system.inventory.cont()?;
    for id in &accepted {
        world.until_status(id, "completed").await?;
    }
    let taken = wait::until("orders to be taken again", PATIENCE, async || {
        let answer = world.post("/orders", &[], &order("o-after")).await.ok()?;
        answer.status.is_success().then_some(answer)
    });
    let id = taken.await?.body["id"].as_str().context("a saga has an id")?.to_owned();
    world.until_status(&id, "completed").await?;
    check(&world.db).await?;
    Ok(())
}
