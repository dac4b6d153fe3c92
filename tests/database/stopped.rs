//! Orchestrators that stand still in the middle of a transaction, and go on when others have taken
//! over.

use anyhow::{Context, Result};
use lab::{Who, wait};
use reqwest::{Method, StatusCode};
use saga_tests::{World, check, order};

use crate::support::{SOON, until_ended};

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

/// Postgres clears nothing away that a transaction which is still open may see.
#[tokio::test]
async fn a_transaction_that_stands_still_is_ended_and_holds_no_vacuum_back() -> Result<()> {
    let orchestrator = Who::Orchestrator(0);
    let world = World::builder().fail(orchestrator, "reply.deciding:stop:1").start().await?;
    let id = world.begin("/orders", &order("o-1")).await?;
    world.system.orchestrator.stopped(SOON).await?;
    let holding = "select count(*) from pg_stat_activity where datname = current_database()
        and application_name = 'saga' and (backend_xid is not null or backend_xmin is not null)";
    assert_ne!(world.count(holding).await?, 0, "it stands in the middle of a transaction");
    let ended = async || (world.count(holding).await.ok()? == 0).then_some(());
    wait::until("its transaction to be ended", SOON, ended).await?;
    assert!(world.system.orchestrator.process().is_stopped(), "not by itself");

    world.system.orchestrator.cont()?;
    world.system.ready().await?;
    world.until_status(&id, "completed").await?;
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}
