//! The database is there, but slow, in use, or has no room for another session.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use lab::{DatabaseServer, Who, wait};
use saga_tests::{Load, World, check, order};
use serde_json::json;
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

use crate::support::{ANSWERED_WITHIN, SOON, answered, ask, megabytes, until_ended, until_taken};

/// Later in each direction: a transaction then takes a second or two.
const LATE: Duration = Duration::from_millis(100);
/// Later in each direction: a transaction then takes longer than a start is kept.
const TOO_LATE: Duration = Duration::from_millis(900);
/// Starts at once, in more batches than may be under way; fewer than there may be connections.
const FLOOD: usize = 880;
/// What a process may hold more after a flood, in megabytes.
const GROWTH_MAX: u64 = 200;
/// Longer than any lock is waited for, and than any look at what is due.
const HELD: Duration = Duration::from_secs(4);
/// More sessions than a server of the lab has room for.
const HOGS: usize = 600;

#[tokio::test]
async fn a_slow_database_sheds_load() -> Result<()> {
    let world = World::builder().through_proxies().start().await?;
    let road = &world.roads_of(Who::Orchestrator(0))?.database;
    let orchestrator = &world.system.orchestrator;
    let before = megabytes(orchestrator)?;
    road.delay(LATE);
    assert!(ask(&world).await?.is_success(), "a slow database is no reason to refuse everybody");
    road.delay(TOO_LATE);
    let flood = stream::iter((0..FLOOD).map(|_| ask(&world))).buffer_unordered(FLOOD);
    let lively = async {
        for _ in 0..5 {
            let asked = Instant::now();
            let alive = world.get("/healthz").await?;
            ensure!(alive.status.is_success() && asked.elapsed() < ANSWERED_WITHIN, "{alive:?}");
        }
        Ok(())
    };
    let (statuses, ()) = tokio::try_join!(flood.try_collect::<Vec<_>>(), lively)?;
    let refused = statuses.iter().filter(|status| !status.is_success()).count();
    assert!(refused > 0, "all were taken: this test does not show what it says");
    let grown = megabytes(orchestrator)?.saturating_sub(before);
    assert!(grown <= GROWTH_MAX, "it holds {grown} megabytes more");

    road.heal()?;
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_saga_that_somebody_holds_delays_no_other() -> Result<()> {
    let world = World::start().await?;
    world.system.shipping.stop()?;
    let id = world.begin("/orders", &order("held")).await?;
    world.until_step(&id, "shipping", "running").await?;
    let mut holder = world.db.begin().await?;
    let hold = "select id from saga.saga where key = 'held' for update";
    sqlx::query(hold).execute(&mut *holder).await?;
    let held = Instant::now();
    world.system.shipping.cont()?;
    let load = Load::new(&world.system.url, 60);
    let placed = load.run().await?;
    assert!(placed.iter().all(|order| order.saga["status"] == order.expected), "{placed:?}");
    let asked = Instant::now();
    let cancel = world.cancel(&id, &json!({ "reason": "it is tried" })).await?;
    ensure!(!cancel.status.is_success(), "{cancel:?}");
    answered(&cancel, asked)?;
    wait::until("the lock to be old", SOON, async || (held.elapsed() >= HELD).then_some(()))
        .await?;
    assert_eq!(world.saga(&id).await?["status"], "running", "it is held, and can be read");

    holder.rollback().await?;
    world.until_status(&id, "completed").await?;
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_database_without_room_for_sessions_is_waited_for() -> Result<()> {
    let server = DatabaseServer::shared().await?;
    let world = World::builder().on_database(&server)?.start().await?;
    let options: PgConnectOptions = server.url("postgres").parse()?;
    let mut hogs: Vec<PgConnection> = Vec::new();
    let refused = loop {
        ensure!(hogs.len() < HOGS, "there was room for everybody");
        match options.connect().await {
            Ok(hog) => hogs.push(hog),
            Err(error) if hogs.is_empty() => return Err(error.into()),
            Err(_) => break ask(&world),
        }
    };
    // Those that there are go on: nobody needs another.
    refused.await?;
    let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where application_name in ('saga', 'payment', 'inventory', 'shipping')";
    let status = wait::until("a start to be refused", SOON, async || {
        let ended = sqlx::query(ended).execute(hogs.last_mut()?).await;
        if let Err(error) = ended {
            return Some(Err(error.into()));
        }
        while let Ok(hog) = options.connect().await {
            hogs.push(hog);
        }
        match ask(&world).await {
            Ok(status) => (!status.is_success()).then_some(Ok(status)),
            Err(error) => Some(Err(error)),
        }
    });
    assert_eq!(status.await??.as_u16(), 503);

    drop(hogs);
    until_taken(&world).await?;
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}
