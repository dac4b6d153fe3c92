//! Orchestrators that stand still, in the middle of a transaction or with replies waiting, and go
//! on when others have taken over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::{Who, wait};
use reqwest::{Method, StatusCode};
use saga_tests::{World, check, order, step_of};

use crate::support::{SOON, lines, until_ended};

/// Longer than an attempt of the definition `sleepy` lasts, and than five seconds, after which an
/// orchestrator sees that it was stopped; shorter than the broker misses it.
const ASLEEP: Duration = Duration::from_secs(8);
/// Orders that wait meanwhile.
const WAITING: usize = 80;

#[tokio::test]
async fn a_zombie_does_no_harm() -> Result<()> {
    let (replying, looking) = (Who::Orchestrator(0), Who::Orchestrator(1));
    let world = World::builder()
        .orchestrators(3)
        .fail(replying, "reply.deciding:stop:1")
        .fail(looking, "due.deciding:stop:1")
        .start()
        .await?;
    let third = world.system.urls()[2].clone();
    let headers = [("content-type", "application/json")];
    // Timers fire only while somebody does not answer.
    world.system.inventory.stop()?;
    let mut keys = Vec::new();
    for number in 0..20 {
        for path in ["hasty", "orders"] {
            let key = format!("{path}-{number}");
            let (path, body) = (format!("/{path}"), order(&key).to_string());
            let answer = world.send_to(&third, Method::POST, &path, &headers, body).await?;
            assert!(answer.status.is_success(), "{answer:?}");
            keys.push(key);
        }
    }
    for who in [replying, looking] {
        world.system.member(who).context("it was started")?.stopped(SOON).await?;
    }
    world.system.inventory.cont()?;
    // All of it, with two of three standing in the middle of their transactions.
    until_ended(&world).await?;
    check(&world.db).await?;

    for who in [replying, looking] {
        let member = world.system.member(who).context("it was started")?;
        member.cont()?;
        member.ready().await?;
        let key = format!("after-{who}").replace(' ', "-");
        let (url, body) = (member.url(), order(&key).to_string());
        let headers = [headers[0], ("prefer", "wait=60")];
        let answer = world.send_to(&url, Method::POST, "/orders", &headers, body).await?;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.body["status"], "completed");
    }
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn whoever_was_stopped_takes_replies_in_before_timers() -> Result<()> {
    let world = World::start().await?;
    let orchestrator = &world.system.orchestrator;
    world.system.payment.stop()?;
    let mut ids = Vec::new();
    for number in 0..WAITING {
        ids.push(world.begin("/sleepy", &order(&format!("sleepy-{number}"))).await?);
    }
    orchestrator.stop()?;
    let stopped = Instant::now();
    world.system.payment.cont()?;
    let charged = async || {
        let count = world.count("select count(*) from payment.charge").await.ok()?;
        (usize::try_from(count) == Ok(WAITING)).then_some(())
    };
    wait::until("all to be charged", SOON, charged).await?;
    let slept = async || (stopped.elapsed() >= ASLEEP).then_some(());
    wait::until("all attempts to be over", SOON, slept).await?;
    orchestrator.cont()?;

    for id in &ids {
        let saga = world.until(id, "its end", |saga| saga["finished_at"].is_string()).await?;
        assert_eq!(saga["status"], "completed", "it was answered: {saga:#}");
        let payment = step_of(&saga, "payment");
        assert_eq!(payment["attempts"], 1, "no attempt is lost that was answered: {saga:#}");
    }
    let noticed = lines(orchestrator, "this process was stopped")?;
    assert!(noticed > 0, "it did not notice that it was stopped");
    check(&world.db).await?;
    Ok(())
}
