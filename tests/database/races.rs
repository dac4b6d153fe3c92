//! Two orchestrators, or two wills, at the same moment.

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use reqwest::{Method, StatusCode};
use saga_tests::{Answer, World, check, order};
use serde_json::{Value, json};
use tokio::time::Duration;

const JSON: (&str, &str) = ("content-type", "application/json");
/// Posts of one key at once.
const AT_ONCE: usize = 100;
/// How often each must have won before a race is over: the cancel is sent later after each time
/// that it wins, and sooner after each that it loses, so that they meet however fast the machine
/// is.
const WON: usize = 8;
/// More races than that takes, wherever it begins.
const RACES_MAX: usize = 200;

#[tokio::test]
async fn one_key_at_two_orchestrators_starts_one_saga() -> Result<()> {
    let world = World::builder().orchestrators(2).start().await?;
    let urls = world.system.urls();
    for round in 0..3 {
        let key = format!("race-{round}");
        let body = order(&key).to_string();
        let headers = [JSON, ("idempotency-key", key.as_str())];
        let post = |turn: usize| {
            let url = &urls[turn % urls.len()];
            world.send_to(url, Method::POST, "/orders", &headers, body.clone())
        };
        let answers = try_join_all((0..AT_ONCE).map(post)).await?;
        ensure!(answers.iter().all(|answer| answer.status.is_success()), "{answers:?}");
        let mut ids: Vec<_> =
            answers.iter().filter_map(|answer| answer.body["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1, "one key, one saga");
        world.until_status(ids[0], "completed").await?;
    }
    assert_eq!(world.count("select count(*) from saga.saga").await?, 3);
    assert_eq!(world.count("select count(*) from payment.charge").await?, 3);
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_cancel_that_meets_success_has_one_winner() -> Result<()> {
    let world = World::builder().orchestrators(2).start().await?;
    let (mut undone, mut completed) = (0, 0);
    let mut after = Duration::from_millis(20);
    for number in 0..RACES_MAX {
        if undone.min(completed) >= WON {
            break;
        }
        match race(&world, number, after).await?.as_str() {
            "compensated" => (undone, after) = (undone + 1, after.mul_f64(1.3)),
            _ => (completed, after) = (completed + 1, after.mul_f64(0.7)),
        }
    }
    assert!(undone.min(completed) >= WON, "{undone} were cancelled, {completed} were not");
    check(&world.db).await?;
    Ok(())
}

/// Cancels an order that is about to complete, so long after its start, and answers how it ended.
async fn race(world: &World, number: usize, after: Duration) -> Result<String> {
    let id = world.begin("/orders", &order(&format!("race-{number}"))).await?;
    tokio::time::sleep(after).await;
    let cancel = |url: String| {
        let (path, body) = (format!("/v1/sagas/{id}/cancel"), json!({ "reason": "a race" }));
        async move { world.send_to(&url, Method::POST, &path, &[JSON], body.to_string()).await }
    };
    let [first, second] = [world.system.urls()[0].clone(), world.system.urls()[1].clone()];
    let (first, second) = tokio::try_join!(cancel(first), cancel(second))?;
    let ended = |saga: &Value| saga["finished_at"].is_string();
    let saga = world.until(&id, "its end", ended).await?;
    let status = saga["status"].as_str().context("a saga has a status")?;
    for answer in [first, second] {
        ensure!(fits(&answer, status), "{status}, and the cancel was answered {answer:?}");
    }
    Ok(status.to_owned())
}

/// Whether a cancel may have been answered so where the saga has ended so.
fn fits(answer: &Answer, status: &str) -> bool {
    match status {
        "compensated" => answer.status.is_success(),
        "completed" => answer.status == StatusCode::CONFLICT,
        _ => false,
    }
}
